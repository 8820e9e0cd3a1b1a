import FleetModel
import MySQLClient

/// What `SHOW SLAVE STATUS` says of the one, unnamed source.
struct ReplicaStatus: Sendable, Hashable {
    enum Thread: Sendable, Hashable { case running, connecting, stopped }

    var host: String
    var port: Int
    var user: String
    var io: Thread
    var isApplying: Bool
    /// What it received since the IO thread started; empty after a restart of the server.
    var received: GTIDSet
    /// The same in its source's binary log: exact where the thread is stopped or idle, never too far.
    var receivedLog: BinlogPlace
    var lagSeconds: Int64?
    /// `MASTER_DELAY`, which is nobody\'s but who set it by hand.
    var delaySeconds: Int64
    var ioErrorCode: Int
    var ioError: String
    var sqlErrorCode: Int
    var sqlError: String

    /// Nil where no source is configured.
    init?(_ record: [String: String]) {
        guard let host = record["Master_Host"], !host.isEmpty else { return nil }
        self.host = host
        port = record["Master_Port"].flatMap { Int($0) } ?? 0
        user = record["Master_User"] ?? ""
        io =
            switch record["Slave_IO_Running"] ?? "" {
            case "Yes": .running
            case "No", "": .stopped
            default: .connecting
            }
        isApplying = record["Slave_SQL_Running"] == "Yes"
        received = GTIDSet(record["Gtid_IO_Pos"] ?? "") ?? GTIDSet()
        receivedLog = BinlogPlace(
            file: record["Master_Log_File"] ?? "", position: record["Read_Master_Log_Pos"].flatMap { UInt32($0) } ?? 0)
        lagSeconds = record["Seconds_Behind_Master"].flatMap { Int64($0) }
        delaySeconds = record["SQL_Delay"].flatMap { Int64($0) } ?? 0
        ioErrorCode = record["Last_IO_Errno"].flatMap { Int($0) } ?? 0
        ioError = record["Last_IO_Error"] ?? ""
        sqlErrorCode = record["Last_SQL_Errno"].flatMap { Int($0) } ?? 0
        sqlError = record["Last_SQL_Error"] ?? ""
    }

    var isStopped: Bool { io == .stopped && !isApplying }

    var report: ReplicationReport {
        var report = ReplicationReport(
            sourceHost: host, sourcePort: port, ioRunning: io == .running, sqlRunning: isApplying,
            receivedPosition: received, lagSeconds: lagSeconds, ioError: ioError, sqlError: sqlError)
        report.ioConnecting = io == .connecting
        report.ioErrorCode = ioErrorCode
        report.delaySeconds = delaySeconds
        return report
    }
}

extension AdminSession {
    /// Hangs where the relay log's disk is full: the bound is what ends it.
    func replicaStatus(within bound: Duration = quick) async throws -> ReplicaStatus? {
        try await run("SHOW SLAVE STATUS", within: bound).records.first.flatMap { ReplicaStatus($0) }
    }

    /// Starts the threads, or sets where they replicate from. A server that is killed while it throws relay logs away leaves
    /// a list of them with one that is gone, and refuses both (1201) until they are made anew. Nothing is lost by that: the
    /// start kept them aside, and where replication goes on is in the tables.
    func replicating(_ statement: SQL, within bound: Duration = quick) async throws {
        do {
            try await run(statement, within: bound)
        } catch let error as MySQLError where error.code == Self.noRelayLogs {
            try await run("RESET SLAVE", within: bound)
            try await run(statement, within: bound)
        }
    }

    /// `ER_MASTER_INFO`.
    private static let noRelayLogs = 1201
}
