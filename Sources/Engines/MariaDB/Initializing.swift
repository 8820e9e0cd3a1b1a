import FleetModel
import MySQLClient

// What is ours inside a cluster's databases, made once on the founding primary and carried to the others by its binlog.

/// A small database of our own, hidden from reports, that says what has been made.
enum OwnDatabase {
    static let name = "evenkeel"
    static let initializedKey = "initialized"
    /// Databases that are the server's or ours.
    static let hidden: Set<String> = ["information_schema", "mysql", "performance_schema", "sys", name]

    static let isInitializedQuery: SQL =
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'evenkeel' AND TABLE_NAME = 'initialized'"
}

extension InstanceWorker {
    /// On the founding primary, closed still: replication accounts, and last the mark that says so. Each step can be done
    /// twice.
    func initialize(replicas: [Int], secrets: [String: String]) async throws -> TaskResult {
        try requireReady()
        return try await withSession(binlogged: true) { session in
            if let status = try await session.replicaStatus() {
                throw EngineError(.refused, "\(layout.id) replicates from \(status.host):\(status.port): only a founding primary is initialized")
            }
            if try await session.value(OwnDatabase.isInitializedQuery) == "1" { return TaskResult(acted: false) }
            for ordinal in replicas {
                try await ensureReplicationAccount(session, InstanceID(clusterUID: layout.id.clusterUID, ordinal: ordinal), secrets)
            }
            try await session.run("CREATE DATABASE IF NOT EXISTS evenkeel CHARACTER SET utf8mb4")
            try await session.run("CREATE TABLE IF NOT EXISTS evenkeel.initialized (since TIMESTAMP NOT NULL PRIMARY KEY) ENGINE = InnoDB")
            return TaskResult()
        }
    }

    /// Makes sure of one replica's account, on the writer. Where nobody acknowledges a statement of ours (the writer is
    /// closed, or all who could are gone) it waits for nobody: it is the writer's own affair then, and takes no GTID. A
    /// statement on accounts that waits for an acknowledgement lets nobody log in.
    ///
    /// On the head of a standby it only undoes a refusal: accounts come to it with the rows.
    func prepareReplica(_ replica: InstanceID, secrets: [String: String]) async throws -> TaskResult {
        try requireReady()
        let (isAcknowledged, isAdmitted) = try await withSession { session in
            let isClosed = try await session.isOn("read_only")
            if isClosed, let status = try await session.replicaStatus() {
                if try await admit(replica, session) { return (nil as Bool?, true) }
                throw EngineError(.refused, "\(layout.id) replicates from \(status.host):\(status.port): it is not the writer now")
            }
            let isAdmitted = try await admit(replica, session)
            if isClosed { return (false, isAdmitted) }
            guard try await session.isOn("rpl_semi_sync_master_enabled") else { return (true, isAdmitted) }
            return (try await session.semiSyncClients() > 0, isAdmitted)
        }
        guard let isAcknowledged else { return TaskResult() }
        return try await withSession(binlogged: isAcknowledged) { session in
            let isMade = try await ensureReplicationAccount(session, replica, secrets)
            return TaskResult(acted: isAdmitted || isMade)
        }
    }

    /// Undoes a refusal, which was made here alone. True where there was one.
    private func admit(_ replica: InstanceID, _ session: AdminSession) async throws -> Bool {
        let account = StoredAccount(name: ReplicationAccount.name(replica), host: "%")
        guard try await session.authentication(of: account)?.isLocked == true else { return false }
        try await session.run("ALTER USER \(account.sql) ACCOUNT UNLOCK")
        return true
    }

    /// True where something had to be made. Changing the password of the account in use, with nobody else to
    /// acknowledge, would wait for itself: what is right is left alone.
    @discardableResult
    private func ensureReplicationAccount(
        _ session: AdminSession, _ replica: InstanceID, _ secrets: [String: String]
    ) async throws -> Bool {
        guard let password = secrets["replicationPassword.\(replica.ordinal)"], !password.isEmpty else {
            throw EngineError(.refused, "the order carries no replication password for \(replica)")
        }
        let account = StoredAccount(name: ReplicationAccount.name(replica), host: "%")
        // The server keeps one connection for an administrator of connections: whoever acknowledges commits gets in where
        // those that wait have taken all others.
        let wanted = [Grant(on: "*.*", privileges: ["CONNECTION ADMIN", "REPLICATION SLAVE"])]
        let authentication = NativePassword.authenticationString(password)
        if let found = try await session.authentication(of: account), found.text != authentication {
            let uses = try await session.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = \(account.name)")
            guard uses == "0" else { throw EngineError(.refused, "replication account \(account.name) has another password and is in use: its replica has to be stopped first") }
        }
        return try await session.ensure(account, authentication: authentication, grants: wanted)
    }
}
