/// The kinds of manifest, in the order in which they are listed to people: what others refer to comes first.
package enum Kind: String, CaseIterable, Sendable, Hashable, Comparable {
    case region = "Region"
    case availabilityZone = "AvailabilityZone"
    case host = "Host"
    case cluster = "Cluster"
    case alertChannel = "AlertChannel"
    /// A fleet repository, which the server's configuration names: no manifest declares it, but it has events,
    /// conditions and findings like any unit.
    case source = "Source"

    /// The kinds that manifests declare.
    package static let allCases: [Kind] = [.region, .availabilityZone, .host, .cluster, .alertChannel]

    /// Its place in that order, from 0.
    package var rank: Int {
        switch self {
        case .region: 0
        case .availabilityZone: 1
        case .host: 2
        case .cluster: 3
        case .alertChannel: 4
        case .source: 5
        }
    }

    // By rank and not by name: units are keys of large dictionaries.
    package static func == (left: Kind, right: Kind) -> Bool { left.rank == right.rank }
    package func hash(into hasher: inout Hasher) { hasher.combine(UInt8(truncatingIfNeeded: rank)) }

    package static func < (left: Kind, right: Kind) -> Bool { left.rank < right.rank }
}

/// The name of a unit, the smallest thing reconciled on its own: `Cluster/orders`.
package struct UnitID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var kind: Kind
    package var name: String

    package init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }

    /// Reads `Kind/name`; the kind is matched without regard to case. Nil where it is neither.
    package init?(_ text: some StringProtocol) {
        guard let slash = text.firstIndex(of: "/") else { return nil }
        let kindText = text[..<slash].lowercased()
        let name = text[text.index(after: slash)...]
        guard !name.isEmpty,
            let kind = (Kind.allCases + [.source]).first(where: { $0.rawValue.lowercased() == kindText })
        else {
            return nil
        }
        self.init(kind, String(name))
    }

    package var description: String { kind.rawValue + "/" + name }

    package static func < (left: UnitID, right: UnitID) -> Bool {
        left.kind == right.kind ? left.name < right.name : left.kind < right.kind
    }
}

/// One instance (database process) for all time: the uid of its cluster and an ordinal that is never used again.
///
/// People see it as `orders-3`; the uid keeps a cluster that was deleted and made anew apart from the first.
package struct InstanceID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var clusterUID: String
    package var ordinal: Int

    package init(clusterUID: String, ordinal: Int) {
        self.clusterUID = clusterUID
        self.ordinal = ordinal
    }

    /// `<uid>-<ordinal>`: the name of the instance's directory and socket.
    package var description: String { "\(clusterUID)-\(ordinal)" }

    package init?(_ text: some StringProtocol) {
        guard let dash = text.lastIndex(of: "-"), let ordinal = Int(text[text.index(after: dash)...]), ordinal > 0
        else { return nil }
        self.init(clusterUID: String(text[..<dash]), ordinal: ordinal)
    }

    package static func < (left: InstanceID, right: InstanceID) -> Bool {
        left.clusterUID == right.clusterUID ? left.ordinal < right.ordinal : left.clusterUID < right.clusterUID
    }
}

/// A moment, in milliseconds since 1970 on the clock of whoever passes it in.
///
/// Within one process it comes from a monotonic clock anchored to the wall clock at start, so that differences are
/// ages and the value can still be shown to people. Between processes only what is meant for people may be compared.
package struct Instant: Sendable, Hashable, Comparable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Instant, right: Instant) -> Bool { left.milliseconds < right.milliseconds }
    package static func + (left: Instant, right: Duration) -> Instant {
        Instant(milliseconds: left.milliseconds + right.milliseconds)
    }
    package static func - (left: Instant, right: Duration) -> Instant {
        Instant(milliseconds: left.milliseconds - right.milliseconds)
    }
    package static func - (left: Instant, right: Instant) -> Duration {
        .milliseconds(left.milliseconds - right.milliseconds)
    }
}

extension Duration {
    /// Whole milliseconds, the fraction cut off.
    package var milliseconds: Int64 {
        Int64(attoseconds / 1_000_000_000_000_000)
    }
}

/// A commit of the fleet repository, as far as people and records need it.
package struct Revision: Sendable, Hashable {
    /// The full object id, 40 lower-case hex digits; `worktree` for what is not committed (`plan --path`).
    package var commit: String
    package var subject: String
    package var author: String
    package var time: Instant

    package init(commit: String, subject: String = "", author: String = "", time: Instant = Instant(milliseconds: 0)) {
        self.commit = commit
        self.subject = subject
        self.author = author
        self.time = time
    }

    /// The first seven digits, as git prints it.
    package var short: String { commit.count > 12 ? String(commit.prefix(7)) : commit }
}

/// A place in a manifest file. Lines and columns count from 1; a column counts Unicode scalars.
package struct SourcePosition: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The path within the fleet repository, with `/`.
    package var file: String
    package var line: Int
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package var description: String { "\(file):\(line):\(column)" }

    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.file, left.line, left.column) < (right.file, right.line, right.column)
    }
}
