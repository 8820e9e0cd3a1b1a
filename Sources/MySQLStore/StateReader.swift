import FleetModel
import JSONStream
import MetadataStore
import MySQLClient

/// Reads what a leader needs and what happened, from one snapshot.
struct StateReader {
    let session: Session

    func state() async throws -> StoredState {
        let rebuilding = try await RebuildRow.since(session)
        return StoredState(
            records: try await records(), openAttempts: try await attempts("WHERE ended IS NULL ORDER BY seq"),
            conditions: try await conditions(),
            held: try await values("held_units").sorted { (left: HeldUnit, right: HeldUnit) in left.unit < right.unit },
            alerts: try await values("alerts"), outbox: try await values("outbox", order: "created, entry"),
            credentials: try await credentials(), catalogs: try await values("catalogs"),
            revisions: try await list(
                "revisions",
                "WHERE seq IN (SELECT MAX(seq) FROM revisions WHERE state = 'accepted' GROUP BY source_name) ORDER BY source_name"),
            rebuilding: rebuilding, adopts: rebuilding == nil ? try await RebuildRow.adopted(session) : [],
            leftOut: try await RebuildRow.leftOut(session))
    }

    func credentials() async throws -> [CredentialRecord] { try await values("credentials") }

    private func records() async throws -> FleetRecords {
        let found = try await session.query("SELECT store_id, next_server, next_domain, clusters_made FROM store")
        guard let row = found.rows.first, let identity = row[0] else { throw StoreFailure.noRow }
        let numbers = row.dropFirst().compactMap { $0.flatMap { Int64($0) } }
        guard numbers.count == 3 else { throw StoreFailure.noRow }
        var records = FleetRecords(storeID: identity)
        (records.nextServerNumber, records.nextDomainNumber, records.clustersMade) = (numbers[0], numbers[1], numbers[2])
        records.clusters = try await clusters()
        for row in try await session.read("SELECT entry, body FROM channels").rows {
            if let name = row[0], let digest = row[1] { records.channels[name] = digest }
        }
        return records
    }

    /// In parts, because one answer is bounded.
    private func clusters() async throws -> [String: ClusterRecords] {
        var clusters: [String: ClusterRecords] = [:]
        var last = ""
        while true {
            let part = try await session.read(
                "SELECT name, body FROM clusters WHERE name > \(last) ORDER BY name LIMIT \(StoreLimits.clustersPerRead)").rows
            for row in part {
                last = row[0] ?? last
                clusters[last] = try Self.value(row[1] ?? "", "clusters", last)
            }
            if part.count < StoreLimits.clustersPerRead { return clusters }
        }
    }

    private func conditions() async throws -> [UnitID: [Condition]] {
        var result: [UnitID: [Condition]] = [:]
        for row in try await session.read("SELECT entry, body FROM conditions").rows {
            // A kind that this release does not know has no conditions for it either.
            guard let key = row[0], let unit = UnitID(key) else { continue }
            result[unit] = try Self.value(row[1] ?? "", "conditions", key)
        }
        return result
    }

    /// The values of a table of entries, by their keys or as ordered.
    private func values<Value: JSONCodable>(_ table: String, order: SQL = "entry") async throws -> [Value] {
        try await session.read("SELECT entry, body FROM \(identifier: table) ORDER BY \(order)").rows.map { row in
            try Self.value(row[1] ?? "", table, row[0] ?? "")
        }
    }

    // MARK: What happened

    /// The newest of a table, of one unit or of all.
    func newest<Value: JSONCodable>(_ table: String, unit: UnitID?, limit: Int) async throws -> [Value] {
        try await list(table, "\(filter(unit)) ORDER BY seq DESC LIMIT \(max(0, limit))")
    }

    func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        try await attempts("\(filter(unit)) ORDER BY seq DESC LIMIT \(max(0, limit))")
    }

    private func filter(_ unit: UnitID?) -> SQL { unit.map { "WHERE unit = \($0.description)" } ?? "" }

    private func list<Value: JSONCodable>(_ table: String, _ rest: SQL) async throws -> [Value] {
        try await session.read("SELECT seq, body FROM \(identifier: table) \(rest)").rows.map { row in
            try Self.value(row[1] ?? "", table, row[0] ?? "")
        }
    }

    /// An attempt's end stands beside the record that it was opened with.
    private func attempts(_ rest: SQL) async throws -> [AttemptRecord] {
        try await session.read("SELECT id, body, ended, outcome FROM attempts \(rest)").rows.map { row in
            let id = row[0] ?? ""
            var record: AttemptRecord = try Self.value(row[1] ?? "", "attempts", id)
            record.ended = row[2].flatMap { Int64($0) }.map { Instant(milliseconds: $0) }
            record.outcome = try row[3].map { try Self.value($0, "attempts", id) }
            return record
        }
    }

    private static func value<Value: JSONCodable>(_ json: String, _ table: String, _ key: String) throws -> Value {
        do { return try Value(jsonText: json) } catch { throw StoreFailure.unreadable(table, key, error) }
    }
}
