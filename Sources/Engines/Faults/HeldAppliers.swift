import FleetModel
import MySQLClient
import Synchronization

/// Replicas whose appliers wait for a read lock of ours, until they are let go or their time is over. A stopped applier would
/// be started again by whoever looks after the instance.
final class HeldAppliers: Sendable {
    private struct State {
        var last: UInt64 = 0
        var holds: [InstanceID: (number: UInt64, session: AdminSession)] = [:]
    }

    private let state = Mutex(State())

    /// `session`: another one is let go. Throws `MySQLError`.
    func hold(_ id: InstanceID, _ session: AdminSession, for bound: Duration, _ statementBound: Duration) async throws {
        await letGo(id)
        try await session.run("FLUSH TABLES WITH READ LOCK", within: statementBound)
        let number = state.withLock { state in
            state.last += 1
            state.holds[id] = (state.last, session)
            return state.last
        }
        Task {
            try await Task.sleep(for: bound)
            // A later hold has its own time.
            await taken(id, number)?.close()
        }
    }

    func letGo(_ id: InstanceID) async { await taken(id)?.close() }

    private func taken(_ id: InstanceID, _ number: UInt64? = nil) -> AdminSession? {
        state.withLock { state in
            guard let hold = state.holds[id], number == nil || number == hold.number else { return nil }
            state.holds[id] = nil
            return hold.session
        }
    }
}
