import MySQLClient

/// The load's table, and what of it is where.
struct Rows: Sendable {
    var account: LoadAccount
    var run: String

    private static let connectMax: Duration = .seconds(3)
    private static let answerMax: Duration = .seconds(60)

    private var table: SQL { "\(identifier: account.database).\(identifier: LoadAccount.table)" }

    func make(at place: Place) async throws {
        _ = try await ask(place) { connection in
            try await connection.query(
                "CREATE TABLE IF NOT EXISTS \(table) (run VARCHAR(32) NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (run, id)) ENGINE=InnoDB",
                within: Rows.answerMax)
        }
    }

    /// The ids that an instance holds.
    func ids(at place: Place) async throws -> Set<Int64> {
        let answer = try await ask(place) { connection in
            try await connection.query("SELECT id FROM \(table) WHERE run = \(run)", within: Rows.answerMax)
        }
        return Set(answer.rows.compactMap { row in row.first.flatMap { $0 }.flatMap { Int64($0) } })
    }

    private func ask(_ place: Place, _ body: (MySQLConnection) async throws -> MySQLRows) async throws -> MySQLRows {
        let connection = try await MySQLConnection.connect(
            to: .tcp(host: place.address, port: place.port), user: account.user, password: account.password,
            within: Rows.connectMax)
        do {
            let answer = try await body(connection)
            await connection.close()
            return answer
        } catch {
            await connection.close()
            throw error
        }
    }
}
