import FleetModel
import Glibc

// Keeping the end of a binary log before a start that may cut it.

/// What was kept: the groups that the new writer does not hold.
struct TailAside: Sendable {
    var end: LogEnd
    var directory: String
    /// What of them is not in the text, for people; nil where all are.
    var textTrouble: String?

    /// `kept in …/tail-aside/1`.
    var place: String { "kept in \(directory) as tail.sql" + (textTrouble.map { " (\($0))" } ?? "") }
}

extension InstanceWorker {
    /// How many sets of tails are kept.
    static let tailAsideMax = 2
    /// A disk reads some hundred megabytes a second; a writer that went on alone may have left many of them.
    static let tailReadBound: Duration = .seconds(600)
    /// Writing a tail out as text may take long; what is not done by then is only in the files.
    static let tailTextBound: Duration = .seconds(300)

    var tailsAside: KeptDirectories {
        KeptDirectories(what: "ends of the binary log of \(layout.id)", parent: layout.tailAside, max: Self.tailAsideMax)
    }

    /// What the log ends with, against what the new writer holds: from the first group on that it lacks, in as many files
    /// as that is.
    func logEnd(against theirs: GTIDHistory) throws -> LogEnd {
        try LogEnd(
            of: BinlogPositions(layout: layout).logs(BinlogPositions.binlogName, in: layout.data), against: theirs,
            until: .now + Self.tailReadBound)
    }

    /// Copies the files that hold what the new writer lacks, with a list of it and its rows as text. Nil where it lacks nothing.
    /// Copies, not links: the start cuts the files themselves. Older ones are removed once all is over (`tailsAside`).
    func keepTailAside(
        _ end: LogEnd, lackedBy source: Peer, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> TailAside? {
        guard let first = end.lacking.first else { return nil }
        let more = end.lackingMore > 0 ? "and \(end.lackingMore) more, in the files beside this one\n" : ""
        let list = end.lacking.map { "\($0.text) not held by \(source.address):\(source.port)\n" }.joined() + more
        if let same = try asideAlready(list) { return TailAside(end: end, directory: same, textTrouble: nil) }
        report(EngineProgress(phase: "keeping the end of the binary log"))
        let bytes = end.files.reduce(0) { $0 + Files.size($1) }
        guard Files.freeBytes(layout.directory) > bytes else { throw EngineError.diskFull(at: layout.directory) }
        let directory = tailsAside.next
        try Files.makeDirectory(directory, mode: 0o700)
        let copies = end.files.map { directory + "/" + Files.name($0) }
        for (file, copy) in zip(end.files, copies) { try Files.copy(file, to: copy) }
        try Files.write(directory + "/gtids", list, mode: 0o600)
        let trouble = try await writeText(of: copies, from: first.offset, to: directory + "/tail.sql")
        return TailAside(end: end, directory: directory, textTrouble: trouble)
    }

    /// Where a try before this one kept the same, to the end.
    private func asideAlready(_ list: String) throws -> String? {
        guard let newest = tailsAside.newest, Files.exists(newest + "/tail.sql"), try Files.text(newest + "/gtids")?.hasPrefix(list) == true
        else { return nil }
        return newest
    }

    /// For people, and no reason to fail: the files are there in every case.
    /// Returns what is not in it.
    private func writeText(of files: [String], from offset: Int64, to path: String) async throws -> String? {
        var text = ""
        var trouble: String?
        do {
            let binaries = try await finder.forInstance(madeWith: try identity().engineVersion)
            let arguments = ["--no-defaults", "-v", "--base64-output=decode-rows", "--start-position=\(offset)"] + files
            let outcome = try await Tool.run(try binaries.tool("mariadb-binlog"), arguments, within: Self.tailTextBound)
            text = String(decoding: outcome.output, as: UTF8.self)
            if outcome.output.count >= Tool.outputMax { trouble = "the text ends after \(Tool.outputMax >> 20) MiB, the rest is in the files beside it" }
            if outcome.status != 0 { trouble = "the text may not be whole, all is in the files beside it" }
            if !outcome.errors.isEmpty { text += "\n-- mariadb-binlog said: \(outcome.errors)\n" }
        } catch let error as EngineError {
            trouble = "the files beside it could not be written out as text: \(error)"
        }
        if let trouble { text += "\n-- \(trouble)\n" }
        try Files.write(path, text, mode: 0o600)
        return trouble
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
