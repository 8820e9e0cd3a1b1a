import FleetModel
import MySQLClient
import Synchronization

/// Replicas whose appliers wait for a read lock of ours, until they are let go or their time is over. A stopped applier would
/// be started again by whoever looks after the instance.
final class HeldAppliers: Sendable {
    private let sessions = Mutex<[InstanceID: AdminSession]>([:])

    /// `session`: another one is let go.
    func hold(_ id: InstanceID, _ session: AdminSession, for bound: Duration, _ statementBound: Duration) async throws {
        await letGo(id)
        try await session.run("FLUSH TABLES WITH READ LOCK", within: statementBound)
        sessions.withLock { $0[id] = session }
        Task {
            try await Task.sleep(for: bound)
            await letGo(id)
        }
    }

    func letGo(_ id: InstanceID) async {
        await sessions.withLock { $0.removeValue(forKey: id) }?.close()
    }
}
