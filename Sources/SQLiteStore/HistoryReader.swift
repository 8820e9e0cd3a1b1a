import FleetModel
import GRDB
import JSONStream
import MetadataStore

/// Lists what happened.
struct HistoryReader {
    let db: Database

    /// The newest rows of a table with `number`, `unit` and `json`. Table names are constants of ours.
    func newest<Value: JSONCodable>(_ table: String, unit: UnitID?, limit: Int) throws -> [Value] {
        let filter = unit == nil ? "" : "WHERE unit = :unit"
        let statement = try db.cachedStatement(
            sql: "SELECT number, json FROM \(table) \(filter) ORDER BY number DESC LIMIT :limit")
        var arguments: StatementArguments = ["limit": max(0, limit)]
        if let unit { arguments += ["unit": unit.description] }
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            try StateReader.value(row[1], table, "\(row[0] as Int64)")
        }
    }

    func attempts(unit: UnitID?, limit: Int) throws -> [AttemptRecord] {
        let filter = unit == nil ? "" : "WHERE unit = :unit"
        var arguments: StatementArguments = ["limit": max(0, limit)]
        if let unit { arguments += ["unit": unit.description] }
        return try attempts("\(filter) ORDER BY number DESC LIMIT :limit", arguments)
    }

    /// Oldest first.
    func openAttempts() throws -> [AttemptRecord] { try attempts("WHERE ended IS NULL ORDER BY number", []) }

    /// An attempt's end stands beside the record that it was opened with.
    private func attempts(_ rest: String, _ arguments: StatementArguments) throws -> [AttemptRecord] {
        let statement = try db.cachedStatement(sql: "SELECT id, json, ended, outcome FROM attempt \(rest)")
        return try Row.fetchAll(statement, arguments: arguments).map { row in
            let id: String = row[0]
            var record: AttemptRecord = try StateReader.value(row[1], "attempt", id)
            record.ended = (row[2] as Int64?).map { Instant(milliseconds: $0) }
            record.outcome = try (row[3] as String?).map { try StateReader.value($0, "attempt", id) }
            return record
        }
    }
}
