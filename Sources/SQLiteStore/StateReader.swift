import FleetModel
import GRDB
import JSONStream
import MetadataStore

/// Reads all that a leader needs, from one snapshot.
struct StateReader {
    let db: Database

    func state() throws -> StoredState {
        let rebuilding = try RebuildRow.since(db)
        return StoredState(
            records: try records(), openAttempts: try HistoryReader(db: db).openAttempts(), conditions: try conditions(),
            held: try values("held", "unit").sorted { (left: HeldUnit, right: HeldUnit) in left.unit < right.unit },
            alerts: try values("alert", "key"), outbox: try values("outbox", "id", order: "created, id"),
            credentials: try values("credential", "tokenDigest"),
            catalogs: try values("catalog", "version", order: "version, type"),
            revisions: try values(
                "revision", "revision", order: "source",
                where: "number IN (SELECT max(number) FROM revision WHERE state = 'accepted' GROUP BY source)"),
            rebuilding: rebuilding, adopts: rebuilding == nil ? try RebuildRow.adopted(db) : [],
            leftOut: try RebuildRow.leftOut(db))
    }

    private func records() throws -> FleetRecords {
        let sql = "SELECT storeID, nextServerNumber, nextDomainNumber, clustersMade FROM store"
        guard let row = try Row.fetchOne(db, sql: sql) else {
            throw StoreError.unavailable("The store has lost its first row. Restore the last daily backup.")
        }
        var records = FleetRecords(storeID: row[0])
        records.nextServerNumber = row[1]
        records.nextDomainNumber = row[2]
        records.clustersMade = row[3]
        let clusters: [ClusterRecords] = try values("cluster", "name")
        records.clusters = Dictionary(clusters.map { ($0.name, $0) }) { $1 }
        for row in try Row.fetchAll(db, sql: "SELECT name, digest FROM channel") { records.channels[row[0]] = row[1] }
        return records
    }

    private func conditions() throws -> [UnitID: [Condition]] {
        var result: [UnitID: [Condition]] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT unit, json FROM condition") {
            let key: String = row[0]
            // A kind that this release does not know has no conditions for it either.
            guard let unit = UnitID(key) else { continue }
            result[unit] = try Self.value(row[1], "condition", key)
        }
        return result
    }

    /// The values of a table, by its key column or as ordered. Names are constants of ours.
    private func values<Value: JSONCodable>(
        _ table: String, _ key: String, order: String? = nil, where condition: String = "1"
    ) throws -> [Value] {
        let sql = "SELECT \(key), json FROM \(table) WHERE \(condition) ORDER BY \(order ?? key)"
        var result: [Value] = []
        let rows = try Row.fetchCursor(db, sql: sql)
        while let row = try rows.next() { result.append(try Self.value(row[1], table, row[0])) }
        return result
    }

    static func value<Value: JSONCodable>(_ json: String, _ table: String, _ key: String) throws -> Value {
        do { return try Value(jsonText: json) } catch { throw StoreFailure.unreadable(table, key, error) }
    }
}
