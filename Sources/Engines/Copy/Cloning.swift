import CLinux
import FleetModel
import Glibc
import Synchronization

// The receiver's side: making an instance as a copy of another.

extension InstanceWorker {
    /// The donor is told of us through the server; it has to connect within this time.
    static let donorBound: Duration = .seconds(60)
    static let donorErrorGrace: Duration = .seconds(1)
    static let prepareBound: Duration = .seconds(3600)

    private nonisolated var extractLog: String { layout.log + "/extract.log" }

    /// Makes the instance as a copy. Until it is done the directory carries its mark and holds nothing of value.
    func clone(
        _ blueprint: InstanceBlueprint, _ work: EngineWork, over transport: any CopyTransport,
        _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        if let done = try alreadyMade(blueprint) { return done }
        let binaries = try await finder.matching(blueprint.engineVersion)
        let user = try await beginDirectory(blueprint, binaries)
        try await receive(blueprint, work, binaries, over: transport, report)
        report(EngineProgress(phase: "preparing"))
        try await prepare(binaries, ConfigurationFile(blueprint.configuration))
        try recordPosition()
        if let user { try Files.giveTree(layout.data, to: user) }
        try Files.syncDisk(of: layout.data)
        try finishDirectory()
        return TaskResult(engineVersion: binaries.version)
    }

    /// Listens, is announced, and stores what the donor sends; ends early where the donor's agent says that it failed.
    private func receive(
        _ blueprint: InstanceBlueprint, _ work: EngineWork, _ binaries: MariaDBBinaries,
        over transport: any CopyTransport, _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws {
        let extract = try binaries.tool("mbstream")
        let token = Files.randomHex(bytes: 32)
        let ownFailure = Failure()
        let address = blueprint.address
        let ports = host.copyPorts
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await error in work.copyEnded {
                    guard let error else { continue }
                    // Where the copy ended on this side, this side knows better why.
                    try await Task.sleep(for: Self.donorErrorGrace)
                    throw ownFailure.get() ?? EngineError(.transient, "the donor could not send its copy: \(error)")
                }
                return false
            }
            group.addTask {
                let silent = EngineError(.transient, "the copy did not begin within \(Self.donorBound.components.seconds) s or stood still for \(Self.copyStallMax.components.seconds) s: is the donor's host able to reach \(address), ports \(ports.lowerBound) to \(ports.upperBound)?")
                try await withStallLimit(Self.donorBound, or: silent) { advance in
                    try await transport.receive(at: address, ports: ports) { port, digest in
                        work.copyReady(CopyDestination(address: address, port: port, token: token, certificateDigest: digest))
                    } serve: { connection in
                        do {
                            return try await self.serve(connection, token, extract, advance, report)
                        } catch {
                            // Known at once: saying goodbye to the donor over TLS takes its time.
                            ownFailure.set(error)
                            throw error
                        }
                    }
                }
                return true
            }
            defer { group.cancelAll() }
            while let isStored = try await group.next() {
                if isStored { return }
            }
        }
    }

    /// True once a copy is stored; false for somebody who does not know the token.
    private nonisolated func serve(
        _ connection: CopyConnection, _ token: String, _ extract: String, _ advance: Advance,
        _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> Bool {
        var reader = CopyReader()
        var incoming = CopyIncoming(connection)
        guard let expected = try await greeted(&incoming, token, &reader) else { return false }
        advance.mark(limit: Self.copyStallMax)
        try await connection.send([CopyStream.ready])
        let arguments = ["-x", "-C", layout.data]
        let storing = try PipedTool(Spawn(executable: extract, arguments: arguments), .input, errorsAt: extractLog)
        do {
            try await store(&incoming, &reader, into: storing, expected, advance, report)
            let status = try await storing.finish(within: Self.copyEndBound)
            guard status == 0 else { throw storeFailure(await storing.said) }
            try await connection.send([CopyStream.stored])
            return true
        } catch {
            await storing.end()
            let isFull = await ErrorLog(storing.said).isDiskFull || Files.freeBytes(layout.data) < 1 << 20
            throw isFull ? EngineError.diskFull(at: layout.data) : error
        }
    }

    private nonisolated func storeFailure(_ said: String) -> EngineError {
        ErrorLog(said).isDiskFull ? .diskFull(at: layout.data) : EngineError(.transient, "the copy could not be stored: \(said)")
    }

    /// The bytes that the donor expects to send; nil where the greeting is not that of our donor.
    private nonisolated func greeted(_ incoming: inout CopyIncoming, _ token: String, _ reader: inout CopyReader) async throws -> Int64? {
        while let bytes = try await incoming.next() {
            reader.append(bytes)
            guard let part = try? reader.next() else {
                if bytes.count > CopyStream.greetingMax { return nil }
                continue
            }
            guard case .greeting(let given, let expected) = part,
                CopyStream.isSame(Array(given.utf8), Array(token.utf8))
            else { return nil }
            return expected
        }
        return nil
    }

    private nonisolated func store(
        _ incoming: inout CopyIncoming, _ reader: inout CopyReader, into storing: PipedTool, _ expected: Int64,
        _ advance: Advance, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        var stored: Int64 = 0
        while true {
            while let part = try reader.next() {
                switch part {
                case .bytes(let bytes):
                    try await storing.write(bytes)
                    stored += Int64(bytes.count)
                    advance.mark()
                    report(EngineProgress(phase: "copying", done: stored, total: max(stored, expected)))
                case .end: return
                case .failed(let why): throw EngineError(.transient, why)
                case .greeting: throw EngineError(.transient, "what the donor sends is no copy")
                }
            }
            guard let bytes = try await incoming.next() else {
                throw EngineError(.transient, "the donor ended in the middle of its copy, after \(stored >> 20) MiB of about \(expected >> 20)")
            }
            reader.append(bytes)
        }
    }

    /// Applies what changed at the donor while the copy was made.
    private func prepare(_ binaries: MariaDBBinaries, _ configuration: ConfigurationFile) async throws {
        let pool = configuration.value("innodb_buffer_pool_size").flatMap(VariableKind.quantity) ?? "134217728"
        let arguments = ["--no-defaults", "--prepare", "--target-dir=" + layout.data, "--use-memory=" + pool]
        let outcome = try await Tool.run(try binaries.tool("mariadb-backup"), arguments, within: Self.prepareBound)
        try? Files.write(layout.log + "/prepare.log", outcome.errors)
        guard outcome.status != 0 else { return }
        if ErrorLog(outcome.errors).isDiskFull { throw EngineError.diskFull(at: layout.data) }
        let said = outcome.errors.split(separator: "\n").suffix(ErrorLog.linesMax).joined(separator: "; ")
        throw EngineError(.transient, "the copy could not be prepared: \(said)")
    }

    /// Keeps the copy's GTID position beside the data until replication begins from it, and clears what the backup left.
    private func recordPosition() throws {
        let names = ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"]
        var position = ""
        for name in names {
            guard let text = try Files.text(layout.data + "/" + name) else { continue }
            let fields = text.split(separator: "\n").first?.split(separator: "\t", omittingEmptySubsequences: false) ?? []
            position = fields.count > 2 ? String(fields[2].trimmedSpaces) : ""
            break
        }
        guard GTIDSet(position) != nil else { throw EngineError(.transient, "the copy carries no GTID position: \(position)") }
        try Files.write(layout.copiedPosition, position + "\n")
        for name in Files.names(in: layout.data)
        where name.hasPrefix("xtrabackup_") || name.hasPrefix("mariadb_backup_") || name == "backup-my.cnf" {
            try Files.remove(layout.data + "/" + name)
        }
    }
}

/// Why something failed, from one task for another.
private final class Failure: Sendable {
    private let error = Mutex<(any Error)?>(nil)

    func set(_ failure: any Error) { error.withLock { $0 = failure } }
    func get() -> (any Error)? { error.withLock { $0 } }
}

extension Files {
    /// Makes all that was written to a path's disk durable.
    static func syncDisk(of path: String) throws(EngineError) {
        let file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw .system("open", path) }
        defer { close(file) }
        guard syncfs(file) == 0 else { throw .system("sync", path) }
    }

    static func randomHex(bytes count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return SHA256.hex((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }
}
