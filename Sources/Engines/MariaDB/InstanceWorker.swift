import BlockingWork
import FleetModel
import MySQLClient

/// Carries out work on one instance. What blocks (files, waiting) runs on a queue of its own. The agent never lets two
/// attempts work on one instance at once; a look goes past it, through `InstanceLook`.
actor InstanceWorker {
    let layout: InstanceLayout
    let host: MariaDBHost
    let finder: BinaryFinder
    let process: ServerProcess

    private let executor = QueueExecutor(label: "evenkeel.instance")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ layout: InstanceLayout, host: MariaDBHost, finder: BinaryFinder, process: ServerProcess) {
        self.layout = layout
        self.host = host
        self.finder = finder
        self.process = process
    }

    /// Runs `body` with a session that is closed in every case.
    func withSession<Answer: Sendable>(
        binlogged: Bool = false, _ body: (AdminSession) async throws -> Answer
    ) async throws -> Answer {
        let session = try await AdminSession.open(layout, as: host.administrator, binlogged: binlogged)
        do {
            let answer = try await body(session)
            await session.close()
            return answer
        } catch {
            await session.close()
            throw error
        }
    }

    /// Runs `body` with a binlogged session on the writer. Throws `refused` where it is not open for writing: as
    /// administrator we could write all the same, and the row would be errant.
    func withWriterSession<Answer: Sendable>(_ body: (AdminSession) async throws -> Answer) async throws -> Answer {
        try await withSession(binlogged: true) { session in
            guard try await !session.isOn("read_only") else {
                throw EngineError(.refused, "\(layout.id) is read-only: it is not the writer now")
            }
            return try await body(session)
        }
    }

    func identity() throws(EngineError) -> InstanceIdentity {
        guard let identity = InstanceIdentity(at: layout) else {
            throw EngineError(.refused, "\(layout.directory) is no instance of ours: its identity.json is missing or cannot be read")
        }
        return identity
    }

    /// Throws unless the directory is complete and in service.
    func requireReady() throws(EngineError) {
        switch layout.state {
        case .ready: return
        case .halfMade: throw EngineError(.refused, "\(layout.directory) is half made: install or clone it first")
        case .retired: throw EngineError(.refused, "\(layout.directory) is retired")
        case nil: throw EngineError(.refused, "there is no instance \(layout.id) on this host")
        }
    }

    /// Waits for `condition`, asking every `interval`; false where `bound` passed first.
    func wait(
        within bound: Duration, every interval: Duration = .milliseconds(5), for condition: () async throws -> Bool
    ) async throws -> Bool {
        let deadline = ContinuousClock.now + bound
        while true {
            if try await condition() { return true }
            guard ContinuousClock.now < deadline else { return false }
            try await Task.sleep(for: interval)
        }
    }
}
