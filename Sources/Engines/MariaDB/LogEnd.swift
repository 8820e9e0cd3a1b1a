import FleetModel

// What a start in the replica's role may cut off a binary log, and what it did cut, told for people: each transaction as
// held or not held by the new writer.

/// The end of a binary log, in comparison with the new writer's.
struct LogEnd: Sendable {
    /// Groups that the writer does not hold, oldest first; where there are more than `BinlogScan.groupsMax`, the first ones.
    var lacking: [LoggedGroup] = []
    /// How many more it does not hold, after those.
    var lackingMore = 0
    /// The files that hold what it lacks, oldest first.
    var files: [String] = []
    /// Groups that the writer holds, the last ones before the end.
    var held: [LoggedGroup] = []
    /// Before `held` there are others.
    var holdsEarlier = false

    /// A start cuts what was committed last, no more than what was under way at once: so many held groups are enough, and
    /// so many files more are read for them. Where a start cut all that are known, it says that there may be others.
    static let heldMin = 1_000
    static let earlierFilesMax = 2
}

extension LogEnd {
    /// Reads the log from its end back to where the writer holds all.
    init(of logs: [String], against theirs: GTIDHistory, until deadline: ContinuousClock.Instant) throws {
        var earlier = 0
        for (index, file) in logs.enumerated().reversed() {
            var scan = BinlogScan(keeping: { !theirs.holds($0) })
            try scan.read(file, until: deadline)
            if !scan.groups.isEmpty { take(scan, file) }
            held = scan.lastOthers + held
            holdsEarlier = index > 0 || scan.others > scan.lastOthers.count
            // Before the first that it holds there is none that it lacks.
            guard !held.isEmpty else { continue }
            if held.count >= Self.heldMin || earlier == Self.earlierFilesMax { break }
            earlier += 1
        }
    }

    private mutating func take(_ scan: BinlogScan, _ file: String) {
        files.insert(file, at: 0)
        if scan.groupsLeftOut > 0 {
            (lacking, lackingMore) = (scan.groups, lackingMore + scan.groupsLeftOut + lacking.count)
            return
        }
        lacking = scan.groups + lacking
        let surplus = max(0, lacking.count - BinlogScan.groupsMax)
        lacking.removeLast(surplus)
        lackingMore += surplus
    }

    /// What of it a log that now ends with `left` has no more.
    func cut(downTo left: GTIDSet) -> LogEnd {
        func isCut(_ group: LoggedGroup) -> Bool { group.sequence > left.domains[group.domain]?.sequence ?? 0 }
        var found = self
        found.lacking = lacking.filter(isCut)
        found.held = held.filter(isCut)
        if found.lacking.isEmpty { found.lackingMore = 0 }
        // The first that is known was cut: what was cut before it is not known.
        found.holdsEarlier = holdsEarlier && found.held.count == held.count
        return found
    }

    var isEmpty: Bool { lacking.isEmpty && held.isEmpty }

    /// `3 transactions: 7-1-12 to 7-1-13 (2), held by 10.0.0.2:3306 and fetched from there; 7-1-14, not held by it, …`.
    func text(_ source: Peer, kept: TailAside?) -> String {
        let name = "\(source.address):\(source.port)"
        var parts: [String] = []
        if !held.isEmpty { parts.append("\(held.ranges), held by \(name) and fetched from there") }
        if !held.isEmpty, holdsEarlier { parts.append("whatever is before \(held[0].text) and held by it, too, is not listed") }
        if !lacking.isEmpty { parts.append("\(lackingText), not held by \(name)\(kept.map { ", \($0.place)" } ?? "")") }
        let count = lacking.count + lackingMore + held.count
        return "\(holdsEarlier ? "at least " : "")\(count) \(count == 1 ? "transaction" : "transactions"): " + parts.joined(separator: "; ")
    }

    var lackingText: String { lacking.ranges + (lackingMore > 0 ? " and \(lackingMore) more after it" : "") }
}

extension GTIDHistory {
    func holds(_ group: LoggedGroup) -> Bool { holds(domain: group.domain, serverID: group.serverID, sequence: group.sequence) }
}

extension [LoggedGroup] {
    /// How many ranges a sentence lists.
    static var rangesMax: Int { 20 }

    /// `7-1-14, 7-2-16 to 7-2-20 (5)`: each of them, those of one server in a row as one; where there are more than
    /// `rangesMax`, how many follow.
    var ranges: String {
        var found: [(first: LoggedGroup, last: LoggedGroup, count: Int)] = []
        for group in self {
            if let last = found.last?.last, last.domain == group.domain, last.serverID == group.serverID, last.sequence + 1 == group.sequence {
                found[found.count - 1].last = group
                found[found.count - 1].count += 1
            } else {
                found.append((group, group, 1))
            }
        }
        let listed = found.prefix(Self.rangesMax)
        let texts = listed.map { $0.count == 1 ? $0.first.text : "\($0.first.text) to \($0.last.text) (\($0.count))" }
        let more = count - listed.reduce(0) { $0 + $1.count }
        return texts.joined(separator: ", ") + (more > 0 ? " and \(more) more, up to \(self[count - 1].text)" : "")
    }
}
