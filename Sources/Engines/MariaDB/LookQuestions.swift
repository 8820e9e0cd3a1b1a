import FleetModel
import MySQLClient

/// What a look asks a running server. All questions share one deadline.
struct LookQuestions {
    let id: InstanceID
    var session: AdminSession
    var deadline: ContinuousClock.Instant
    var administrator: String
    var fingerprintKey: String?
    /// The numbers of senders that hang though they were told to end.
    private(set) var hungSenders: [Int64] = []

    mutating func database(variables names: Set<String>) async throws -> DatabaseReport {
        var report = try await facts(variables: names)
        report.semiSyncClients = try await session.semiSyncClients(within: deadline.left)
        // Also a writer without semi-sync tells who is connected; a replica that acknowledges is asked for nothing more.
        if report.semiSyncPrimary || !report.semiSyncReplica {
            // Not information_schema's: that needs room on the disk which may be full.
            let threads = try await session.run("SHOW PROCESSLIST", within: deadline.left).records
            let waits = threads.compactMap(Self.acknowledgementWait)
            hungSenders = threads.compactMap(HungSender.number)
            report.areCommitsWaiting = waits.contains { $0 >= Self.commitWaitMax }
            report.awaitsAcknowledgement = waits.contains { $0 >= 1 }
            report.connectedReplicas = Set(
                threads.filter { $0["Command"] == "Binlog Dump" }.compactMap { ReplicationAccount.instance($0["User"] ?? "") }
                    .filter { $0.clusterUID == id.clusterUID }.map(\.ordinal)
            ).sorted()
        }
        report.databases = try await databases()
        let replicas: Set<InstanceID>
        (report.accounts, replicas) = try await accounts()
        report.replicationAccounts = replicas.filter { $0.clusterUID == id.clusterUID }.map(\.ordinal).sorted()
        report.standbyAccounts = replicas.filter { $0.clusterUID != id.clusterUID }.sorted()
        // After what it stands for: whoever has received this position has what was seen.
        let positions = try await session.positions(within: deadline.left)
        (report.binlogPosition, report.appliedPosition) = (positions.binlog, positions.applied)
        report.isInitialized = try await session.value(OwnDatabase.isInitializedQuery, within: deadline.left) == "1"
        return report
    }

    /// What a server answers that answers no query on tables.
    func outside(variables names: Set<String>) async throws -> DatabaseReport {
        var report = try await facts(variables: names)
        let positions = try await session.positions(within: deadline.left)
        (report.binlogPosition, report.appliedPosition) = (positions.binlog, positions.applied)
        return report
    }

    private func facts(variables names: Set<String>) async throws -> DatabaseReport {
        let version = try await session.value("SELECT @@version", within: deadline.left)
        let values = try await session.globals(names.union(Self.always), within: deadline.left)
        func isOn(_ name: String) -> Bool { values[name] == "ON" }
        var report = DatabaseReport(
            version: BinaryFinder.number(version) ?? version, serverID: values["server_id"].flatMap { Int64($0) } ?? 0,
            readOnly: isOn("read_only"), semiSyncPrimary: isOn("rpl_semi_sync_master_enabled"), semiSyncReplica: isOn("rpl_semi_sync_slave_enabled"))
        report.runsEvents = values["event_scheduler"].flatMap { ["ON": true, "OFF": false][$0] }
        report.variables = values.filter { names.contains($0.key) }
        return report
    }

    /// A commit that waits this long for an acknowledgement waits for one that may never come, in seconds.
    static let commitWaitMax = 5

    /// For how many seconds a session's commit has waited for an acknowledgement; nil: it does not.
    static func acknowledgementWait(_ thread: [String: String]) -> Int? {
        thread["State"]?.hasPrefix("Waiting for semi-sync ACK") == true ? Int(thread["Time"] ?? "") ?? 0 : nil
    }

    /// Asked last: it hangs where the relay log's disk is full.
    func replication() async throws -> ReplicationReport? {
        try await session.replicaStatus(within: deadline.left)?.report
    }

    /// The server's number of this connection.
    func connectionNumber() async throws -> String {
        try await session.value("SELECT CONNECTION_ID()", within: deadline.left)
    }

    /// Whether a connection of ours is still in the server, though we have gone.
    func isThere(connection number: String) async throws -> Bool {
        // Not information_schema's: that needs room on the disk which may be full.
        try await session.run("SHOW PROCESSLIST", within: deadline.left).rows.contains { $0[0] == number }
    }

    private static let always: Set<String> = [
        "server_id", "read_only", "rpl_semi_sync_master_enabled", "rpl_semi_sync_slave_enabled", "event_scheduler",
    ]

    private func databases() async throws -> [DatabaseFacts] {
        let answer = try await session.run(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA",
            within: deadline.left)
        return answer.rows.compactMap { row in
            guard let name = row[0], !OwnDatabase.hidden.contains(name.lowercased()) else { return nil }
            return DatabaseFacts(name: name, characterSet: row[1] ?? "", collation: row[2] ?? "")
        }.sorted { $0.name < $1.name }
    }

    /// Users that applications and people log in as: not the server's own, not ours, no roles. Of ours the
    /// replicas that they are for.
    private func accounts() async throws -> (accounts: [AccountFacts], replicas: Set<InstanceID>) {
        let answer = try await session.run(
            """
            SELECT User, Host, JSON_VALUE(Priv, '$.authentication_string'), JSON_VALUE(Priv, '$.account_locked')
            FROM mysql.global_priv WHERE COALESCE(JSON_VALUE(Priv, '$.is_role'), '0') NOT IN ('1', 'true')
            """, within: deadline.left)
        let key = fingerprintKey.flatMap(Self.bytes)
        var accounts: [AccountFacts] = []
        var replicas: Set<InstanceID> = []
        for row in answer.rows {
            guard let name = row[0], let host = row[1] else { continue }
            let isLocked = ["1", "true"].contains(row[3] ?? "")
            if host == "%", !isLocked, let replica = ReplicationAccount.instance(name) { replicas.insert(replica) }
            if isHidden(name, host) { continue }
            // A locked account cannot log in, whatever its password is: no declared one matches it.
            let text = ["1", "true"].contains(row[3] ?? "") ? "locked " + (row[2] ?? "") : row[2] ?? ""
            var facts = AccountFacts(name: name, host: host, fingerprint: key.map { Fingerprint.account(text, key: $0) })
            let grants = try await session.grants(of: StoredAccount(name: name, host: host), within: deadline.left)
            facts.grants = grants.filter { !$0.privileges.isEmpty || $0.withGrantOption }
                .map { Grant(on: $0.on, privileges: $0.privileges, withGrantOption: $0.withGrantOption) }.sorted()
            accounts.append(facts)
        }
        return (accounts.sorted { $0.key < $1.key }, replicas)
    }

    private func isHidden(_ name: String, _ host: String) -> Bool {
        if name.hasPrefix("evenkeel_") || name == "mariadb.sys" { return true }
        return host == "localhost" && (name == "root" || name == administrator)
    }

    private static func bytes(hex: String) -> [UInt8]? {
        let digits = hex.compactMap(\.hexDigitValue)
        guard digits.count == hex.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    /// Variables that have a global value, by whether `SET GLOBAL` takes them.
    func catalog() async throws -> VariableCatalog {
        let version = try await session.value("SELECT @@version", within: deadline.left)
        let answer = try await session.run(
            """
            SELECT LOWER(VARIABLE_NAME), READ_ONLY FROM information_schema.SYSTEM_VARIABLES
            WHERE VARIABLE_SCOPE IN ('GLOBAL', 'SESSION')
            """, within: deadline.left)
        var catalog = VariableCatalog(type: .mariadb, version: BinaryFinder.number(version) ?? version, dynamic: [], fixed: [])
        for row in answer.rows {
            guard let name = row[0] else { continue }
            if row[1] == "NO" { catalog.dynamic.insert(name) } else { catalog.fixed.insert(name) }
        }
        return catalog
    }
}
