import FleetModel
import Synchronization

/// Receives one copy into a data directory: listens, is announced, stores what the donor sends.
struct CopyReceiver: Sendable {
    var layout: InstanceLayout
    var address: String
    var ports: ClosedRange<Int>
    /// The path of `mbstream`.
    var extract: String
    var announce: @Sendable (CopyDestination) -> Void
    var report: @Sendable (EngineProgress) -> Void

    /// One use: whoever has it is our donor.
    private let token = Files.randomHex(bytes: 32)
    private let ownFailure = Kept<any Error>()
    private let told = Kept<GTIDSet>()

    init(
        layout: InstanceLayout, address: String, ports: ClosedRange<Int>, extract: String,
        announce: @escaping @Sendable (CopyDestination) -> Void, report: @escaping @Sendable (EngineProgress) -> Void
    ) {
        self.layout = layout
        self.address = address
        self.ports = ports
        self.extract = extract
        self.announce = announce
        self.report = report
    }

    /// The donor is told of us through the server; it has to connect within this time.
    static let donorBound: Duration = .seconds(60)
    /// Where the copy ended on this side, this side knows better why than the donor's agent, which may be quicker.
    static let donorErrorGrace: Duration = .seconds(1)
    /// What a disk has to have left for it not to be the reason of a failure.
    static let freeMin: Int64 = 1 << 20

    /// Returns once the copy is stored, with the position that the donor told, if it did. Ends early where the donor's agent tells that it failed (`donorEnded`).
    func receive(over transport: any CopyTransport, donorEnded: AsyncStream<String?>) async throws -> GTIDSet? {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await case let error? in donorEnded {
                    try await Task.sleep(for: Self.donorErrorGrace)
                    throw ownFailure.get() ?? EngineError(.transient, "the donor could not send its copy: \(error)")
                }
                return false
            }
            group.addTask {
                try await listen(over: transport)
                return true
            }
            defer { group.cancelAll() }
            while let isStored = try await group.next() {
                if isStored { break }
            }
        }
        return told.get()
    }

    private func listen(over transport: any CopyTransport) async throws {
        let silent = EngineError(
            .transient,
            "the copy did not begin within \(Self.donorBound.components.seconds) s, or stood still for \(InstanceWorker.copyStallMax.components.seconds) s: is the donor's host able to reach \(address), ports \(ports.lowerBound) to \(ports.upperBound)?")
        try await withStallLimit(Self.donorBound, or: silent) { advance in
            try await transport.receive(at: address, ports: ports) { port, digest in
                announce(CopyDestination(address: address, port: port, token: token, certificateDigest: digest))
            } serve: { connection in
                try await serve(connection, advance)
            }
        }
    }

    /// True once a copy is stored; false for somebody who does not know the token.
    private func serve(_ connection: CopyConnection, _ advance: Advance) async throws -> Bool {
        var reader = CopyReader()
        var incoming = CopyIncoming(connection)
        guard let expected = try await greeted(&incoming, &reader) else { return false }
        advance.mark(limit: InstanceWorker.copyStallMax)
        try await connection.send([CopyStream.ready])
        let spawn = Spawn(executable: extract, arguments: ["-x", "-C", layout.data])
        let storing = try PipedTool(spawn, .input, errorsAt: layout.log + "/extract.log")
        do {
            try await store(&incoming, &reader, into: storing, expected, advance)
            let status = try await storing.finish(within: InstanceWorker.copyEndBound)
            guard status == 0 else { throw EngineError(.transient, "the copy could not be stored: \(await storing.said)") }
            try await connection.send([CopyStream.stored])
            return true
        } catch {
            await storing.end()
            let isFull = await ErrorLog(storing.said).isDiskFull || Files.freeBytes(layout.data) < Self.freeMin
            let failure = isFull ? EngineError.diskFull(at: layout.data) : error
            // Known at once: saying goodbye to the donor over TLS takes its time.
            ownFailure.set(failure)
            throw failure
        }
    }

    /// The bytes that the donor expects to send; nil where the greeting is not that of our donor.
    private func greeted(_ incoming: inout CopyIncoming, _ reader: inout CopyReader) async throws -> Int64? {
        while let bytes = try await incoming.next() {
            reader.append(bytes)
            guard let part = try reader.next() else { continue }
            guard case .greeting(let given, let expected) = part,
                CopyStream.isSame(Array(given.utf8), Array(token.utf8))
            else { return nil }
            return expected
        }
        return nil
    }

    private func store(
        _ incoming: inout CopyIncoming, _ reader: inout CopyReader, into storing: PipedTool, _ expected: Int64,
        _ advance: Advance
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
                case .position(let text):
                    guard let position = GTIDSet(text) else { throw EngineError(.transient, "what the donor says of its binary log is no position: \(text)") }
                    told.set(position)
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
}

/// What one task learnt, for another.
private final class Kept<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func set(_ learnt: Value) { value.withLock { $0 = learnt } }
    func get() -> Value? { value.withLock { $0 } }
}
