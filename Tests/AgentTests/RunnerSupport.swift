import ControlAPI
import Engines
import FleetModel
import Synchronization

@testable import Agent

/// Everything that happened to a fake, in order, each time with a way to wait for it.
final class Record<Element: Sendable>: Sendable {
    private let all = Mutex<[Element]>([])
    private let waiting = Mutex<[UInt64: AsyncStream<Void>.Continuation]>([:])
    private let next = Mutex<UInt64>(0)

    var elements: [Element] { all.withLock { $0 } }

    func add(_ element: Element) {
        all.withLock { $0.append(element) }
        for continuation in waiting.withLock({ Array($0.values) }) { continuation.yield() }
    }

    /// The first that is wanted, now or later; the test's time limit bounds the wait.
    func first<Wanted: Sendable>(after skipped: Int = 0, _ wanted: (Element) -> Wanted?) async throws -> Wanted {
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = next.withLock { next in
            next += 1
            return next
        }
        waiting.withLock { $0[id] = continuation }
        defer { waiting.withLock { $0[id] = nil } }
        continuation.yield()
        for await _ in changes {
            if let found = elements.dropFirst(skipped).lazy.compactMap(wanted).first { return found }
        }
        throw CancellationError()
    }
}

/// What happened to a fake driver or journal.
enum Deed: Sendable, Hashable {
    case journalled([JournalEntry])
    case began(String, secrets: [String: String])
    case cancelled(String)
    case copyEnded(String, error: String?)
    case copying(InstanceID, port: Int)
    case startedClosed(InstanceID)
    case openedByGrant(InstanceID, semiSync: Bool)
    case hooked(RoleChange)
}

final class FakeJournal: Journal {
    private let deeds: Record<Deed>
    private let failures = Mutex(0)
    let state = Mutex(JournalState())

    init(_ deeds: Record<Deed>) { self.deeds = deeds }

    func fail(times: Int) { failures.withLock { $0 = times } }

    private let hanging = Mutex<AsyncStream<Void>?>(nil)

    /// From here on the disk does not answer until the stream ends.
    func hang(until end: AsyncStream<Void>) { hanging.withLock { $0 = end } }

    func append(_ entries: [JournalEntry]) async throws {
        let fails = failures.withLock { left in
            left -= 1
            return left >= 0
        }
        if fails { throw JournalError("the disk is full") }
        if let end = hanging.withLock({ $0 }) { for await _ in end {} }
        state.withLock { state in entries.forEach { state.apply($0) } }
        deeds.add(.journalled(entries))
    }
}

final class FakeHook: RoleHook {
    private let deeds: Record<Deed>

    init(_ deeds: Record<Deed>) { self.deeds = deeds }

    func run(_ change: RoleChange) async throws { deeds.add(.hooked(change)) }
}

/// An engine whose attempts end when the test says so.
final class FakeDriver: EngineDriver {
    let deeds: Record<Deed>
    let exits: AsyncStream<InstanceID>
    private let exit: AsyncStream<InstanceID>.Continuation
    private let reports = Mutex<[InstanceID: InstanceReport]>([:])
    private let ends = Mutex<[String: AsyncStream<Result<TaskResult, any Error>>.Continuation]>([:])
    private let progress = Mutex<[String: @Sendable (EngineProgress) -> Void]>([:])

    init(_ deeds: Record<Deed>) {
        self.deeds = deeds
        (exits, exit) = AsyncStream.makeStream()
    }

    func set(_ report: InstanceReport) { reports.withLock { $0[report.id] = report } }

    func kill(_ instance: InstanceID) {
        set(stopped(instance))
        exit.yield(instance)
    }

    func end(_ attempt: String, _ result: Result<TaskResult, any Error>) {
        _ = ends.withLock { $0[attempt] }?.yield(result)
    }

    func report(_ attempt: String, _ value: EngineProgress) { progress.withLock { $0[attempt] }?(value) }

    func binaries() async -> [EngineBinary] { [] }
    func capacity() async -> (storageFreeBytes: Int64, memoryTotalBytes: Int64) { (1, 2) }
    func instances() async -> [InstanceID] { reports.withLock { $0.keys.sorted() } }
    func catalogs() async -> [VariableCatalog] { [] }

    func observe(_ instance: InstanceID, fingerprintKey: String?) async -> InstanceReport? {
        reports.withLock { $0[instance] }
    }

    func perform(
        _ work: EngineWork, report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        let (stream, continuation) = AsyncStream.makeStream(of: Result<TaskResult, any Error>.self)
        ends.withLock { $0[work.attempt] = continuation }
        progress.withLock { $0[work.attempt] = report }
        deeds.add(.began(work.attempt, secrets: work.secrets))
        if case .clone = work.action {
            work.copyReady(CopyDestination(address: "127.0.2.1", port: 4444, token: "k", certificateDigest: "ab"))
            for await error in work.copyEnded { deeds.add(.copyEnded(work.attempt, error: error)) }
        }
        for await result in stream { return try result.get() }
        deeds.add(.cancelled(work.attempt))
        throw CancellationError()
    }

    func startClosed(_ instance: InstanceID) async throws {
        set(running(instance))
        deeds.add(.startedClosed(instance))
    }

    func openByGrant(_ instance: InstanceID, semiSync: Bool, within: Duration) async throws -> Bool {
        set(running(instance, readOnly: false))
        deeds.add(.openedByGrant(instance, semiSync: semiSync))
        return true
    }

    func sendCopy(
        _ instance: InstanceID, to endpoint: CopyDestination, report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws {
        deeds.add(.copying(instance, port: endpoint.port))
        if endpoint.port == 1 { throw EngineError(.transient, "nobody listens") }
    }
}

final class FakeConnection: AgentConnection {
    let incoming: AsyncThrowingStream<ServerLine, any Error>
    private let lines: AsyncThrowingStream<ServerLine, any Error>.Continuation
    private let heard: Record<AgentMessage>

    init(_ heard: Record<AgentMessage>) {
        self.heard = heard
        (incoming, lines) = AsyncThrowingStream.makeStream()
    }

    func say(_ message: ServerMessage) { lines.yield(.message(message)) }
    func send(_ message: AgentMessage) async throws { heard.add(message) }
    func close() async { lines.finish() }
    func cut() { lines.finish(throwing: EngineError(.transient, "cut")) }
}

/// A server that can be reached or not.
final class FakeTransport: AgentTransport {
    let heard = Record<AgentMessage>()
    let connections = Record<FakeConnection>()

    func connect(to url: String?) async throws -> any AgentConnection {
        let connection = FakeConnection(heard)
        connections.add(connection)
        return connection
    }
}

/// One agent with all its fakes.
struct Rig: Sendable {
    let deeds = Record<Deed>()
    let driver: FakeDriver
    let journal: FakeJournal
    let transport = FakeTransport()
    let notices = Record<AgentNotice>()

    init() {
        driver = FakeDriver(deeds)
        journal = FakeJournal(deeds)
    }

    /// Runs an agent while the body runs, which finds it welcomed; then stops it.
    func run(state: JournalState = JournalState(), _ body: (FakeConnection) async throws -> Void) async throws {
        journal.state.withLock { $0 = state }
        let parts = AgentParts(
            host: "a1", version: "1", driver: driver, journal: journal, transport: transport,
            roleHook: FakeHook(deeds), log: { [notices] in notices.add($0) }, jitter: { 0 })
        let runner = AgentRunner(parts, state: state, clock: ContinuousClock(), startedAt: Instant(milliseconds: 5_000))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            try await body(try await welcome())
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Waits for the next connection and its hello, and answers it.
    func welcome(after skipped: Int = 0) async throws -> FakeConnection {
        let connection = try await transport.connections.first(after: skipped) { $0 }
        _ = try await transport.heard.first(after: skipped == 0 ? 0 : transport.heard.elements.lastIndex { $0.isHello } ?? 0) {
            $0.isHello ? true : nil
        }
        connection.say(.welcome(storeID: "s1", term: 1, fingerprintKeys: [:]))
        return connection
    }

    func state(of attempt: String, where wanted: @Sendable @escaping (AttemptState) -> Bool) async throws -> AttemptState {
        try await transport.heard.first { message in
            guard case .attempt(let status) = message, status.id == attempt, wanted(status.state) else { return nil }
            return status.state
        }
    }

    func outcome(of attempt: String) async throws -> AttemptOutcome {
        let state = try await state(of: attempt) { if case .ended = $0 { true } else { false } }
        guard case .ended(let outcome) = state else { throw Missing.message }
        return outcome
    }

    func wait(for deed: Deed) async throws { _ = try await deeds.first { $0 == deed ? true : nil } }
}

extension AgentMessage {
    var isHello: Bool {
        if case .hello = self { true } else { false }
    }
}
