import BlockingWork
import FleetModel
import MySQLClient

/// Isolates one instance: what a failover asks of it. It waits for none of the instance's other work, which may hang with
/// the server or the disk that the failover is about, and has a queue of its own.
///
/// `Fencing.swift` and `Revoking.swift` are its two actions.
actor InstanceStopper {
    let layout: InstanceLayout
    let host: MariaDBHost
    let process: ServerProcess
    let calls: CallsInFlight
    private let reader: PositionReader

    private let executor = QueueExecutor(label: "evenkeel.stopper")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ layout: InstanceLayout, host: MariaDBHost, process: ServerProcess, calls: CallsInFlight) {
        self.layout = layout
        self.host = host
        self.process = process
        self.calls = calls
        reader = PositionReader(BinlogPositions(layout: layout))
    }

    /// How long the end of a killed process is waited for: its binary log is read only then.
    static let endBound: Duration = .seconds(1)

    /// Reads positions from the data directory, bounded also where its disk hangs.
    func read(
        within bound: Duration, _ question: @escaping @Sendable (BinlogPositions, ContinuousClock.Instant) throws -> GTIDSet
    ) async throws -> GTIDSet {
        let deadline = ContinuousClock.now + bound
        guard let position = try await waiting(atMost: bound, for: { [reader] in try await reader.read(until: deadline, question) }) else {
            throw EngineError(.transient, "the logs in \(layout.data) could not be read within \(bound.components.seconds) s: its disk does not answer, or they are very long")
        }
        return position
    }
}

/// Reads an instance's logs, on a queue of its own, which may hang with their disk: then the next one who asks is told so
/// instead of hanging too.
actor PositionReader {
    private let positions: BinlogPositions
    private let isBusy = Flag()
    private let executor = QueueExecutor(label: "evenkeel.positions")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ positions: BinlogPositions) { self.positions = positions }

    nonisolated func read(
        until deadline: ContinuousClock.Instant,
        _ question: @Sendable (BinlogPositions, ContinuousClock.Instant) throws -> GTIDSet
    ) async throws -> GTIDSet {
        guard isBusy.raise() else { throw EngineError(.transient, "an earlier look at the logs in \(positions.layout.data) has not ended yet") }
        defer { isBusy.lower() }
        return try await carryOut(question, deadline)
    }

    private func carryOut(
        _ question: @Sendable (BinlogPositions, ContinuousClock.Instant) throws -> GTIDSet, _ deadline: ContinuousClock.Instant
    ) throws -> GTIDSet {
        try question(positions, deadline)
    }
}
