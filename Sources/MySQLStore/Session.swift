import MySQLClient

/// One connection for the time of one call, which has an end.
struct Session: Sendable {
    let connection: MySQLConnection
    let deadline: ContinuousClock.Instant

    @discardableResult
    func query(_ statement: SQL) async throws -> MySQLRows {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw MySQLError(.timedOut, message: "the database did not answer in time") }
        return try await connection.query(statement, within: min(left, StoreLimits.statementMax))
    }

    /// A statement that reads much has all of the time that is left.
    func read(_ statement: SQL) async throws -> MySQLRows {
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { throw MySQLError(.timedOut, message: "the database did not answer in time") }
        return try await connection.query(statement, within: left)
    }

    /// `INSERT … VALUES` of many rows in as few statements as their size allows.
    func insert(_ head: SQL, _ rows: [SQL]) async throws {
        for batch in Batches(rows) { try await query(head + " VALUES " + SQL.joined(batch, separator: ", ")) }
    }
}

/// Rows for one statement each, bounded in number and bytes.
struct Batches: Sequence, IteratorProtocol {
    private var rest: ArraySlice<SQL>

    init(_ rows: [SQL]) { rest = rows[...] }

    mutating func next() -> [SQL]? {
        guard !rest.isEmpty else { return nil }
        var (count, bytes) = (0, 0)
        for row in rest.prefix(StoreLimits.rowsPerStatement) {
            bytes += row.size
            if count > 0, bytes > StoreLimits.statementBytesMax { break }
            count += 1
        }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }
}
