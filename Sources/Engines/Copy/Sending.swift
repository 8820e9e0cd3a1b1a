import FleetModel
import MySQLClient

// The donor's side of a clone.

extension InstanceWorker {
    /// A copy that has not advanced for so long has failed.
    static let copyStallMax: Duration = .seconds(30)
    static let copyEndBound: Duration = .seconds(20)

    private nonisolated var backupLog: String { layout.log + "/backup.log" }
    private nonisolated var backupTarget: String { layout.temporary + "/backup" }

    /// Streams a backup of this running instance to a receiver. Nothing is written here but a log; nothing is binlogged.
    func sendCopy(
        to destination: CopyDestination, over transport: any CopyTransport,
        _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws {
        try requireReady()
        guard process.living() != nil else { throw EngineError(.refused, "\(layout.id) does not run: it cannot be copied from") }
        let binaries = try await finder.forInstance(madeWith: try identity().engineVersion)
        let tool = try binaries.tool("mariadb-backup")
        try await endBackups()
        let expected = Files.usedBytes(layout.data)
        let stalled = EngineError(.transient, "the copy of \(layout.id) to \(destination.address):\(destination.port) did not advance for \(Self.copyStallMax.components.seconds) s")
        try await withStallLimit(Self.copyStallMax, or: stalled) { advance in
            try await transport.send(to: destination) { connection in
                var answers = CopyIncoming(connection)
                try await connection.send(CopyStream.greeting(token: destination.token, expected: expected))
                guard try await answers.next()?.first == CopyStream.ready else {
                    throw EngineError(.refused, "the receiver at \(destination.address):\(destination.port) closed the connection: it does not know this copy's token, or has given up")
                }
                advance.mark()
                try await self.stream(tool, expected, over: connection, advance, report)
                guard try await answers.next()?.first == CopyStream.stored else {
                    throw EngineError(.transient, "the receiver went away before it had stored the copy")
                }
            }
        }
    }

    private nonisolated func stream(
        _ tool: String, _ expected: Int64, over connection: CopyConnection, _ advance: Advance,
        _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        let arguments = [
            "--defaults-file=" + layout.started, "--backup", "--stream=mbstream", "--target-dir=" + backupTarget,
            "--socket=" + layout.socket, "--user=" + host.administrator, "--datadir=" + layout.data,
        ]
        let backup = try PipedTool(Spawn(executable: tool, arguments: arguments), .output, errorsAt: backupLog)
        do {
            var sent: Int64 = 0
            while let bytes = try await backup.read() {
                try await connection.send(CopyStream.frame(bytes[...]))
                sent += Int64(bytes.count)
                advance.mark()
                report(EngineProgress(phase: "copying", done: sent, total: max(sent, expected)))
            }
            let status = try await backup.finish(within: Self.copyEndBound)
            guard status == 0 else {
                let why = "mariadb-backup on the donor failed with status \(status): \(await backup.said)"
                try await connection.send(CopyStream.failure(why))
                throw EngineError(.transient, why)
            }
            if layout.isGalera { try await connection.send(CopyStream.position(try await copiedPosition())) }
            try await connection.send(CopyStream.end)
        } catch {
            await backup.end()
            throw error
        }
    }

    /// The GTID where the copy ends, by its place in this member's binary log: what the tool calls the last change counts only
    /// what this very server wrote.
    private func copiedPosition() async throws -> String {
        let log = try Files.text(backupLog) ?? ""
        let words = log.split(separator: "\n").last { $0.contains("binlog position: filename '") }?.split(separator: "'") ?? []
        guard words.count >= 4, let place = Int64(words[3]) else {
            throw EngineError(.transient, "the backup of \(layout.id) does not say where the binary log stood (\(backupLog))")
        }
        let file = String(words[1])
        let answer = try await withSession { try await $0.run("SELECT BINLOG_GTID_POS(\(file), \(place))") }
        // NULL is no position; an empty text is that of a log without transactions.
        guard let position = answer.rows.first?.first ?? nil else {
            throw EngineError(.transient, "the binary log of \(layout.id) has no transaction that ends at \(file):\(place)")
        }
        return position
    }

    /// Kills backups of this instance that an agent before us left running.
    private func endBackups() async throws {
        let argument = "--target-dir=" + backupTarget
        _ = try await wait(within: .seconds(5)) {
            let left = ProcessIdentity.all { $0.contains { $0 == argument } }
            for process in left { process.send(9) }
            return left.isEmpty
        }
    }
}
