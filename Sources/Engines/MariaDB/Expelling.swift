import FleetModel
import MySQLClient

// Refusing a replica, on the writer.

extension InstanceWorker {
    /// A dump thread that waits for its replica ends this soon after it was killed.
    static let expelBound: Duration = .seconds(5)

    /// The replica's account is locked here, not on the others, and its dump threads ended: killed alone they would be
    /// back, and acknowledge, at once. The position afterwards is the result's.
    func expel(_ ordinal: Int) async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            // A writer that is closed for want of an acknowledgement has no source; a replica has one.
            if try await session.isOn("read_only"), let status = try await session.replicaStatus() {
                throw EngineError(.refused, "\(layout.id) replicates from \(status.host):\(status.port): it is not the writer now")
            }
            let acted = try await refuse(ordinal, session)
            let (binlog, applied) = try await session.positions()
            return TaskResult(acted: acted, position: binlog.merged(with: applied))
        }
    }

    /// Locks the account here only; true where something had to be done.
    func refuse(_ ordinal: Int, _ session: AdminSession) async throws -> Bool {
        let account = StoredAccount(name: ReplicationAccount.name(InstanceID(clusterUID: layout.id.clusterUID, ordinal: ordinal)), host: "%")
        let found = try await session.authentication(of: account)
        let isOpen = found?.isLocked == false
        if isOpen { try await session.run("ALTER USER \(account.sql) ACCOUNT LOCK") }
        var ended = 0
        let isAlone = try await wait(within: Self.expelBound) {
            let threads = try await session.run("SHOW PROCESSLIST").records.filter { $0["User"] == account.name }.compactMap { $0["Id"] }
            for thread in threads {
                guard Int64(thread) != nil else { continue }
                do {
                    try await session.run("KILL \(verbatim: thread)")
                    ended += 1
                } catch let error as MySQLError where error.code == Self.noSuchThread {
                    // It ended by itself.
                    continue
                }
            }
            return threads.isEmpty
        }
        guard isAlone else { throw EngineError(.transient, "connections of \(account.name) do not end on \(layout.id)") }
        return isOpen || ended > 0
    }

    /// `ER_NO_SUCH_THREAD`.
    private static let noSuchThread = 1094
}
