import FleetModel
import Glibc

// Keeping the end of a binary log before a start that may cut it.

/// What was kept: the groups that the new writer does not hold.
struct TailAside: Sendable, CustomStringConvertible {
    var groups: [LoggedGroup]
    var directory: String

    /// `2 transactions, 7-1-14 to 7-1-15`.
    var what: String {
        guard let first = groups.first, let last = groups.last else { return "nothing" }
        return groups.count == 1 ? "1 transaction, \(first.text)" : "\(groups.count) transactions, \(first.text) to \(last.text)"
    }

    var description: String { "\(what), kept in \(directory)" }
}

extension InstanceWorker {
    /// How many sets of tails are kept, and of how many files of the log each is.
    static let tailAsideMax = 2
    static let tailFilesMax = 4
    static let tailReadBound: Duration = .seconds(60)
    /// Writing a tail out as text may take long; what is not done by then is only in the files.
    static let tailTextBound: Duration = .seconds(60)

    /// Copies the files that hold what `theirs` lacks, with a list of it and its rows as text. Nil where it lacks nothing.
    /// Copies, not links: the start cuts the files themselves.
    func keepTailAside(
        lackedBy theirs: GTIDHistory, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> TailAside? {
        let (files, groups) = try tail(lackedBy: theirs)
        guard let first = groups.first else { return nil }
        report(EngineProgress(phase: "keeping the end of the binary log"))
        let bytes = files.reduce(0) { $0 + Files.size($1) }
        guard Files.freeBytes(layout.directory) > bytes else { throw EngineError.diskFull(at: layout.directory) }
        let kept = Files.names(in: layout.tailAside).compactMap { Int($0) }.sorted()
        for old in kept.dropLast(Self.tailAsideMax - 1) { try Files.removeTree(layout.tailAside + "/\(old)") }
        let directory = layout.tailAside + "/\((kept.last ?? 0) + 1)"
        try Files.makeDirectory(directory, mode: 0o700)
        let copies = files.map { directory + "/" + Files.name($0) }
        for (file, copy) in zip(files, copies) { try Files.copy(file, to: copy) }
        try Files.write(directory + "/gtids", groups.map { $0.text + "\n" }.joined(), mode: 0o600)
        try await writeText(of: copies, from: first.offset, to: directory + "/tail.sql")
        return TailAside(groups: groups, directory: directory)
    }

    /// Files from the first group that `theirs` lacks on, oldest first, and the groups.
    private func tail(lackedBy theirs: GTIDHistory) throws -> (files: [String], groups: [LoggedGroup]) {
        let deadline = ContinuousClock.now + Self.tailReadBound
        var found: (files: [String], groups: [LoggedGroup]) = ([], [])
        for file in BinlogPositions(layout: layout).logs(BinlogPositions.binlogName, in: layout.data).reversed() {
            guard found.files.count < Self.tailFilesMax else { break }
            var scan = BinlogScan(keepsGroups: true)
            try scan.read(file, until: deadline)
            let lacking = scan.groups.filter { !theirs.holds(domain: $0.domain, serverID: $0.serverID, sequence: $0.sequence) }
            if !lacking.isEmpty { found = ([file] + found.files, lacking + found.groups) }
            // Before the first that it holds there is none that it lacks.
            if lacking.count < scan.groups.count { break }
        }
        return found
    }

    /// For people, and no reason to fail: the files are there in every case.
    private func writeText(of files: [String], from offset: Int64, to path: String) async throws {
        var text = ""
        do {
            let binaries = try await finder.forInstance(madeWith: try identity().engineVersion)
            let arguments = ["--no-defaults", "-v", "--base64-output=decode-rows", "--start-position=\(offset)"] + files
            let outcome = try await Tool.run(try binaries.tool("mariadb-binlog"), arguments, within: Self.tailTextBound)
            text = String(decoding: outcome.output, as: UTF8.self)
            if !outcome.errors.isEmpty { text += "\n-- mariadb-binlog said: \(outcome.errors)\n" }
        } catch let error as EngineError {
            text = "-- The files beside this one could not be written out as text: \(error)\n"
        }
        try Files.write(path, text, mode: 0o600)
    }
}

extension Files {
    /// Copies a file, durably.
    static func copy(_ from: String, to path: String) throws(EngineError) {
        let source = open(from, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { throw .system("open", from) }
        defer { close(source) }
        let target = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard target >= 0 else { throw .system("write", path) }
        defer { close(target) }
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(source, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("read", from)
            }
            var rest = chunk[..<count]
            while !rest.isEmpty {
                let written = rest.withUnsafeBytes { Glibc.write(target, $0.baseAddress, $0.count) }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw .system("write", path) }
                rest = rest.dropFirst(written)
            }
        }
        guard fsync(target) == 0 else { throw .system("sync", path) }
        try syncDirectory(of: path)
    }
}
