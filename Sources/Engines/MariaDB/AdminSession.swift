import FleetModel
import MySQLClient

/// A connection over the unix socket as the instance's administrator. What it does is not binlogged unless it was asked
/// for: outside the writer our own statements must never take a GTID.
struct AdminSession {
    let connection: MySQLConnection

    /// Bound of a statement that should be quick.
    static let quick: Duration = .seconds(10)
    /// Bound of connecting: the server greets at once unless it hangs.
    static let connectBound: Duration = .seconds(5)

    static func open(
        _ layout: InstanceLayout, as user: String, binlogged: Bool = false, within bound: Duration = connectBound
    ) async throws -> AdminSession {
        let connection = try await MySQLConnection.connect(to: .socket(layout.socket), user: user, within: bound)
        let session = AdminSession(connection: connection)
        try await session.run(
            """
            SET SESSION sql_log_bin = \(binlogged ? 1 : 0), sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION',
            max_statement_time = 0, lock_wait_timeout = 10, innodb_lock_wait_timeout = 10
            """, within: bound)
        return session
    }

    @discardableResult
    func run(_ statement: SQL, within bound: Duration = quick) async throws -> MySQLRows {
        try await connection.query(statement, within: bound)
    }

    /// The first value of the answer; empty for NULL and for no row.
    func value(_ statement: SQL, within bound: Duration = quick) async throws -> String {
        try await run(statement, within: bound).first ?? ""
    }

    func isOn(_ variable: String) async throws -> Bool {
        ["1", "ON"].contains(try await value("SELECT @@GLOBAL.\(verbatim: variable)"))
    }

    func close() async { await connection.close() }

    /// The values of global variables by name; a name that the server does not know is missing.
    func globals(_ names: Set<String>, within bound: Duration = quick) async throws -> [String: String] {
        guard !names.isEmpty else { return [:] }
        let list = SQL.joined(names.sorted().map { "\($0)" as SQL }, separator: ", ")
        let answer = try await run("SHOW GLOBAL VARIABLES WHERE Variable_name IN (\(list))", within: bound)
        return Dictionary(
            answer.rows.compactMap { row in row[0].map { ($0.lowercased(), row[1] ?? "") } }, uniquingKeysWith: { $1 })
    }

    func status(_ name: String, within bound: Duration = quick) async throws -> String {
        let answer = try await run("SHOW GLOBAL STATUS WHERE Variable_name = \(name)", within: bound)
        return answer.rows.first.flatMap { $0[1] } ?? ""
    }

    /// `@@gtid_binlog_pos` and `@@gtid_slave_pos`.
    func positions(within bound: Duration = quick) async throws -> (binlog: GTIDSet, applied: GTIDSet) {
        let row = try await run("SELECT @@GLOBAL.gtid_binlog_pos, @@GLOBAL.gtid_slave_pos", within: bound).rows.first ?? []
        guard row.count == 2, let binlog = GTIDSet(row[0] ?? ""), let applied = GTIDSet(row[1] ?? "") else {
            throw EngineError(.transient, "the server's GTID position cannot be read")
        }
        return (binlog, applied)
    }
}

extension EngineError {
    /// What a server or the way to it said, as an error of a driver.
    init(_ error: MySQLError, doing: String) {
        let kind: Kind =
            switch (error.kind, error.code) {
            case (.server, 1290): .refused
            case (.server, 1021): .permanent
            // Accounts, privileges, databases, variables, values that the server does not take.
            case (.server, 1044...1046), (.server, 1049), (.server, 1064), (.server, 1115), (.server, 1141...1149),
                (.server, 1193), (.server, 1227...1238), (.server, 1253), (.server, 1273), (.server, 1396), (.server, 1698):
                .permanent
            default: .transient
            }
        self.init(kind, "\(doing): \(error.description)")
    }
}
