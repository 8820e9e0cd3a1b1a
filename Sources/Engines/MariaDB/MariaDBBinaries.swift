import FleetModel
import Glibc
import Synchronization

/// One MariaDB installation on the host: the server and the tools that belong to it.
struct MariaDBBinaries: Sendable, Hashable {
    /// Exact: `10.11.19`.
    var version: String
    var server: String

    /// The directory that the server's `sbin` or `bin` is in.
    var base: String { Files.parent(Files.parent(server)) }

    /// A tool of the same installation. Throws where it is missing.
    func tool(_ name: String) throws(EngineError) -> String {
        for path in [base + "/bin/" + name, Files.parent(server) + "/" + name] where access(path, X_OK) == 0 { return path }
        throw EngineError(
            .permanent,
            "\(name) of MariaDB \(version) is not in \(base)/bin: install the package that holds it (mariadb-server-core, mariadb-client, mariadb-backup)")
    }

    /// `10.11` matches `10.11.19`, and so does the exact version; `10.1` does not.
    func matches(_ wanted: String) -> Bool {
        version == wanted || version.hasPrefix(wanted + ".")
    }
}

/// Finds the installations on this host. A binary is asked for its version once, until it changes.
final class BinaryFinder: Sendable {
    private let fixed: [String]
    private let engines: String?
    private let known = Mutex<[String: (stamp: String, version: String)]>([:])

    /// `engines`: a directory each of whose own is looked at for an unpacked version, whenever binaries are asked for.
    init(_ directories: [String], enginesIn engines: String? = nil) {
        fixed = directories
        self.engines = engines
    }

    /// More are left out: somebody else's directory may be full of them.
    static let enginesMax = 64

    private var directories: [String] {
        guard let engines else { return fixed }
        let unpacked = Files.names(in: engines).sorted().prefix(Self.enginesMax)
        return unpacked.flatMap { name in ["/usr/sbin", "/sbin", "/bin"].map { engines + "/" + name + $0 } } + fixed
    }

    static let versionBound: Duration = .seconds(10)

    /// All installations, the newest first; of one version those unpacked by themselves before a package's.
    func all() async -> [MariaDBBinaries] {
        var found: [MariaDBBinaries] = []
        for directory in directories {
            for name in ["mariadbd", "mysqld"] {
                let path = directory + "/" + name
                guard let version = await version(of: path) else { continue }
                found.append(MariaDBBinaries(version: version, server: path))
                break
            }
        }
        return found.enumerated().sorted { left, right in
            Self.isNewer(left.element.version, right.element.version)
                || left.element.version == right.element.version && left.offset < right.offset
        }.map(\.element)
    }

    /// The newest installation that matches. Throws where there is none, naming those that are there.
    func matching(_ wanted: String) async throws -> MariaDBBinaries {
        let all = await all()
        if let match = all.first(where: { $0.matches(wanted) }) { return match }
        let there = all.isEmpty ? "none was found in \(directories.joined(separator: ", "))" : "there is \(all.map(\.version).joined(separator: ", "))"
        throw EngineError(.permanent, "MariaDB \(wanted) is not installed on this host; \(there). Install mariadb-server-core of that version")
    }

    /// The installation of just this version. Throws where there is none, with how to get it beside the others.
    func exactly(_ version: String) async throws -> MariaDBBinaries {
        let all = await all()
        if let match = all.first(where: { $0.version == version }) { return match }
        let there = all.map(\.version).joined(separator: ", ")
        throw EngineError(
            .permanent,
            "MariaDB \(version) is not on this host (\(there.isEmpty ? "none is" : there + " is")): unpack its packages with `dpkg -x` in \(engines ?? "")/mariadb-\(version)")
    }

    /// The installation for an instance that was made with `version`: the same, else the newest of its series, since a
    /// package upgrade replaces binaries under a running database.
    func forInstance(madeWith version: String) async throws -> MariaDBBinaries {
        let all = await all()
        if let same = all.first(where: { $0.version == version }) { return same }
        let series = version.split(separator: ".").prefix(2).joined(separator: ".")
        return try await matching(series)
    }

    private func version(of path: String) async -> String? {
        var facts = stat()
        guard stat(path, &facts) == 0, access(path, X_OK) == 0 else { return nil }
        let stamp = "\(facts.st_ino) \(facts.st_mtim.tv_sec) \(facts.st_size)"
        if let entry = known.withLock({ $0[path] }), entry.stamp == stamp { return entry.version }
        guard let outcome = try? await Tool.run(path, ["--no-defaults", "--version"], within: Self.versionBound),
            let version = Self.version(in: String(decoding: outcome.output, as: UTF8.self))
        else { return nil }
        known.withLock { $0[path] = (stamp, version) }
        return version
    }

    /// The number after `Ver`, where it is a MariaDB's: `mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for …`.
    static func version(in text: String) -> String? {
        guard text.contains("MariaDB") else { return nil }
        let words = text.split(separator: " ")
        guard let mark = words.firstIndex(of: "Ver"), mark + 1 < words.count else { return nil }
        return number(words[mark + 1])
    }

    /// The leading digits and dots: `10.11.19-MariaDB-log` is `10.11.19`.
    static func number(_ text: some StringProtocol) -> String? {
        let number = text.prefix { $0.isNumber || $0 == "." }
        return number.isEmpty ? nil : String(number)
    }

    private static func isNewer(_ left: String, _ right: String) -> Bool {
        let (left, right) = (left.split(separator: ".").map { Int($0) ?? 0 }, right.split(separator: ".").map { Int($0) ?? 0 })
        return right.lexicographicallyPrecedes(left)
    }
}
