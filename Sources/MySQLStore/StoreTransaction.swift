import FleetModel
import JSONStream
import MetadataStore
import MySQLClient

/// Makes the changes of one transaction. Whoever runs it rolls back when it throws.
struct StoreTransaction {
    let session: Session
    let retention: StoreRetention
    private let clusters: ClusterChanges
    private var events: [SQL] = []
    private var grown: Set<History> = []

    /// Tables that are kept within a bound.
    private enum History { case event, plan, attempt, revision }

    static func apply(_ changes: [StoreChange], _ session: Session, _ retention: StoreRetention) async throws {
        var clusters = try await ClusterChanges(session, changes)
        for change in changes {
            switch change {
            case .putCluster(let cluster): try clusters.put(cluster)
            case .removeCluster(let name): clusters.remove(name)
            default: break
            }
        }
        var transaction = StoreTransaction(session: session, retention: retention, clusters: clusters)
        for change in changes { try await transaction.apply(change) }
        try await transaction.finish()
    }

    private init(session: Session, retention: StoreRetention, clusters: ClusterChanges) {
        self.session = session
        self.retention = retention
        self.clusters = clusters
    }

    private func finish() async throws {
        try await clusters.write()
        try await session.insert("INSERT INTO events (unit, body)", events)
        try await trim()
    }

    private mutating func apply(_ change: StoreChange) async throws {
        switch change {
        case .putCluster, .removeCluster: break
        case .counters(let server, let domain, let made): try await count(server, domain, made)
        case .putRevision(let record): try await put(record)
        case .putPlan(let record):
            grown.insert(.plan)
            try await session.query("DELETE FROM plans WHERE id = \(record.id)")
            try await session.query(
                "INSERT INTO plans (id, unit, body) VALUES (\(record.id), \(record.unit.description), \(record.jsonText))")
        case .openAttempt(let record): try await open(record)
        case .endAttempt(let id, let outcome, let at):
            grown.insert(.attempt)
            try await session.query(
                """
                UPDATE attempts SET ended = \(at.milliseconds), outcome = \(outcome.jsonText), open_key = NULL \
                WHERE id = \(id) AND ended IS NULL
                """)
        case .appendEvent(let event):
            grown.insert(.event)
            events.append("(\(event.unit.description), \(event.jsonText))")
        default: try await applyEntry(change)
        }
    }

    /// What is one row by its key.
    private func applyEntry(_ change: StoreChange) async throws {
        switch change {
        case .putConditions(let unit, let list): try await put("conditions", unit.description, list.isEmpty ? nil : list.jsonText)
        case .putHeld(let held): try await put("held_units", held.unit.description, held.jsonText)
        case .removeHeld(let unit): try await put("held_units", unit.description, nil)
        case .putChannel(let name, let digest): try await put("channels", name, digest)
        case .putAlert(let alert): try await put("alerts", alert.key, alert.jsonText)
        case .removeAlert(let key): try await put("alerts", key, nil)
        case .putOutbox(let entry):
            try await session.query(
                "REPLACE INTO outbox (entry, created, body) VALUES (\(entry.id), \(entry.created.milliseconds), \(entry.jsonText))")
        case .removeOutbox(let id): try await put("outbox", id, nil)
        case .putCredential(let credential): try await put("credentials", credential.tokenDigest, credential.jsonText)
        case .removeCredential(let digest): try await put("credentials", digest, nil)
        case .putCatalog(let catalog): try await put("catalogs", "\(catalog.version) \(catalog.type.rawValue)", catalog.jsonText)
        case .finishRebuild(let stores, let hosts, let term):
            try await RebuildRow.finish(session, adopts: stores, without: hosts, aboveTerm: term)
        case .removeLeftOut(let host): try await put("left_out_hosts", host, nil)
        case .putCluster, .removeCluster, .counters, .putRevision, .putPlan, .openAttempt, .endAttempt, .appendEvent:
            break
        }
    }

    // MARK: Rows

    /// Puts the value of a key, or removes the key.
    private func put(_ table: String, _ key: String, _ value: String?) async throws {
        if let value {
            try await session.query("REPLACE INTO \(identifier: table) (entry, body) VALUES (\(key), \(value))")
        } else {
            try await session.query("DELETE FROM \(identifier: table) WHERE entry = \(key)")
        }
    }

    private func count(_ server: Int64, _ domain: Int64, _ made: Int64) async throws {
        let row = try await session.query("SELECT next_server, next_domain, clusters_made FROM store").rows.first ?? []
        let old = row.compactMap { $0.flatMap { Int64($0) } }
        guard old.count == 3 else { throw StoreFailure.noRow }
        try StoreRules.checkCounters(old: (old[0], old[1], old[2]), new: (server, domain, made))
        try await session.query("UPDATE store SET next_server = \(server), next_domain = \(domain), clusters_made = \(made)")
    }

    private mutating func put(_ record: RevisionRecord) async throws {
        grown.insert(.revision)
        try await session.query("DELETE FROM revisions WHERE source_name = \(record.source) AND commit_id = \(record.revision.commit)")
        try await session.query(
            """
            INSERT INTO revisions (source_name, commit_id, state, body) \
            VALUES (\(record.source), \(record.revision.commit), \(record.state.rawValue), \(record.jsonText))
            """)
    }

    private mutating func open(_ record: AttemptRecord) async throws {
        grown.insert(.attempt)
        if try await session.query("SELECT 1 FROM attempts WHERE id = \(record.id)").first != nil { throw StoreRules.attemptIsKnown(record.id) }
        let key = record.ended == nil ? record.key : nil
        if let key, let other = try await session.query("SELECT id FROM attempts WHERE open_key = \(key)").first {
            throw StoreRules.keyIsOpen(key, by: other)
        }
        let ended: SQL = record.ended.map { "\($0.milliseconds)" } ?? "NULL"
        try await session.query(
            """
            INSERT INTO attempts (id, open_key, unit, ended, outcome, body) VALUES \
            (\(record.id), \(key), \(record.task.unit.description), \(ended), \(record.outcome?.jsonText), \(record.jsonText))
            """)
    }

    // MARK: Retention

    private func trim() async throws {
        for history in grown {
            switch history {
            case .event: try await trim("events", "1", retention.eventsMax)
            case .plan: try await trim("plans", "1", retention.plansMax)
            case .attempt: try await trim("attempts", "ended IS NOT NULL", retention.attemptsMax)
            case .revision: try await trimRevisions()
            }
        }
    }

    /// Drops the oldest of what matches, but for so many.
    private func trim(_ table: String, _ condition: SQL, _ limit: Int) async throws {
        let surplus = try await count(table, condition) - limit
        guard surplus > 0 else { return }
        try await session.query("DELETE FROM \(identifier: table) WHERE \(condition) ORDER BY seq LIMIT \(surplus)")
    }

    /// Of all revisions so many stay, whatever else is in force beyond that.
    private func trimRevisions() async throws {
        let surplus = try await count("revisions", "1") - retention.revisionsMax
        guard surplus > 0 else { return }
        let inForce = try await session.query("SELECT MAX(seq) FROM revisions WHERE state = 'accepted' GROUP BY source_name")
        let kept: [SQL] = inForce.rows.compactMap { $0[0].flatMap { Int64($0) } }.map { "\($0)" }
        let condition: SQL = kept.isEmpty ? "1" : "seq NOT IN (\(SQL.joined(kept, separator: ", ")))"
        try await session.query("DELETE FROM revisions WHERE \(condition) ORDER BY seq LIMIT \(surplus)")
    }

    private func count(_ table: String, _ condition: SQL) async throws -> Int {
        try await session.query("SELECT COUNT(*) FROM \(identifier: table) WHERE \(condition)").first.flatMap { Int($0) } ?? 0
    }
}
