import FleetModel
import MySQLClient

// What a galera member says of itself.

extension AdminSession {
    private static let galeraStatus = [
        "wsrep_ready", "wsrep_cluster_status", "wsrep_local_state", "wsrep_cluster_state_uuid", "wsrep_cluster_size", "wsrep_cluster_conf_id",
        "wsrep_last_committed", "wsrep_local_cached_downto", "wsrep_flow_control_paused", "wsrep_local_recv_queue",
    ]

    /// By one statement, which is answered in every state. Without the others' names, which are not.
    func galera(within bound: Duration) async throws -> GaleraReport {
        let names = SQL.joined(Self.galeraStatus.map { "\($0)" as SQL }, separator: ", ")
        let answer = try await run("SHOW GLOBAL STATUS WHERE Variable_name IN (\(names))", within: bound)
        var status: [String: String] = [:]
        for row in answer.rows { if let name = row[0] { status[name.lowercased()] = row[1] ?? "" } }
        func number(_ name: String, or absent: Int64) -> Int64 { status[name].flatMap { Int64($0) } ?? absent }
        let uuid = status["wsrep_cluster_state_uuid"] ?? ""
        return GaleraReport(
            isReady: status["wsrep_ready"] == "ON", isPrimaryComponent: status["wsrep_cluster_status"] == "Primary",
            state: Self.state(number("wsrep_local_state", or: 0)), stateUUID: uuid == GaleraFiles.noHistory ? "" : uuid,
            size: Int(number("wsrep_cluster_size", or: 0)),
            // Outside of a component it is the largest number of 64 bits, which is none.
            viewNumber: number("wsrep_cluster_conf_id", or: -1), lastCommitted: number("wsrep_last_committed", or: -1),
            cachedDownTo: number("wsrep_local_cached_downto", or: 0),
            flowControlPaused: status["wsrep_flow_control_paused"].flatMap { Double($0) }.map { Int64($0 * 1000) } ?? 0,
            receiveQueue: number("wsrep_local_recv_queue", or: 0))
    }

    private static func state(_ number: Int64) -> GaleraState {
        switch number {
        case 1: .joining
        case 2: .donor
        case 3: .joined
        case 4: .synced
        case 5: .inconsistent
        default: .outside
        }
    }

    /// Ordinals of those in its component. Refused (1047) where it is in none.
    func galeraMembers(within bound: Duration) async throws -> [Int] {
        try await run("SELECT node_name FROM mysql.wsrep_cluster_members", within: bound).rows
            .compactMap { $0[0].flatMap { InstanceID($0) }?.ordinal }.sorted()
    }
}

extension LookQuestions {
    /// What a member outside of a component refuses to answer.
    private static let notReady = 1047

    /// Whole where it is in a component, else what it says all the same: who is outside answers no query on tables.
    mutating func member(variables names: Set<String>) async throws -> DatabaseReport {
        let galera = try await session.galera(within: deadline.left)
        if galera.isReady {
            do {
                var report = try await database(variables: names)
                report.galera = galera
                report.galera?.members = try await session.galeraMembers(within: deadline.left)
                return report
            } catch let error as MySQLError where error.kind == .server && error.code == Self.notReady {
                // It left while it was asked.
            }
        }
        var report = try await outside(variables: names)
        report.galera = try await session.galera(within: deadline.left)
        return report
    }
}
