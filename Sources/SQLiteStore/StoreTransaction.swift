import FleetModel
import GRDB
import JSONStream
import MetadataStore

/// Makes the changes of one transaction. Whoever runs it rolls back when it throws.
struct StoreTransaction {
    let db: Database
    let retention: StoreRetention
    private var clusters: ClusterChanges
    private var grown: Set<History> = []

    /// Tables that are kept within a bound.
    private enum History { case event, plan, attempt, revision }

    init(db: Database, retention: StoreRetention) {
        self.db = db
        self.retention = retention
        clusters = ClusterChanges(db: db)
    }

    mutating func apply(_ changes: [StoreChange]) throws {
        for change in changes { try apply(change) }
        try clusters.write()
        try trim()
    }

    private mutating func apply(_ change: StoreChange) throws {
        switch change {
        case .putCluster(let cluster): try clusters.put(cluster)
        case .removeCluster(let name): clusters.remove(name)
        case .counters(let server, let domain, let made): try count(server, domain, made)
        case .putRevision(let record): try put(record)
        case .putPlan(let record):
            grown.insert(.plan)
            try run("DELETE FROM plan WHERE id = ?", [record.id])
            try run("INSERT INTO plan (id, unit, json) VALUES (?, ?, ?)", [record.id, record.unit.description, record.jsonText])
        case .openAttempt(let record): try open(record)
        case .endAttempt(let id, let outcome, let at):
            grown.insert(.attempt)
            try run(
                "UPDATE attempt SET ended = ?, outcome = ? WHERE id = ? AND ended IS NULL",
                [at.milliseconds, outcome.jsonText, id])
        case .appendEvent(let event):
            grown.insert(.event)
            try run("INSERT INTO event (unit, json) VALUES (?, ?)", [event.unit.description, event.jsonText])
        default: try applyEntry(change)
        }
    }

    /// What is one row by its key.
    private func applyEntry(_ change: StoreChange) throws {
        switch change {
        case .putConditions(let unit, let list):
            try put("condition", "unit", unit.description, list.isEmpty ? nil : list.jsonText)
        case .putHeld(let held): try put("held", "unit", held.unit.description, held.jsonText)
        case .removeHeld(let unit): try put("held", "unit", unit.description, nil)
        case .putChannel(let name, let digest): try put("channel", "name", name, digest, column: "digest")
        case .putAlert(let alert): try put("alert", "key", alert.key, alert.jsonText)
        case .removeAlert(let key): try put("alert", "key", key, nil)
        case .putOutbox(let entry):
            try run(
                "INSERT OR REPLACE INTO outbox (id, created, json) VALUES (?, ?, ?)",
                [entry.id, entry.created.milliseconds, entry.jsonText])
        case .removeOutbox(let id): try put("outbox", "id", id, nil)
        case .putCredential(let credential): try put("credential", "tokenDigest", credential.tokenDigest, credential.jsonText)
        case .removeCredential(let digest): try put("credential", "tokenDigest", digest, nil)
        case .putCatalog(let catalog):
            try run(
                "INSERT OR REPLACE INTO catalog (type, version, json) VALUES (?, ?, ?)",
                [catalog.type.rawValue, catalog.version, catalog.jsonText])
        case .finishRebuild(let stores, let hosts, let term):
            try RebuildRow.finish(db, adopts: stores, without: hosts, aboveTerm: term)
        case .removeLeftOut(let host): try put("leftOut", "host", host, nil)
        case .putCluster, .removeCluster, .counters, .putRevision, .putPlan, .openAttempt, .endAttempt, .appendEvent:
            break
        }
    }

    // MARK: Rows

    private func run(_ sql: String, _ arguments: StatementArguments) throws {
        try db.cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// Puts the value of a key, or removes the key. Table and column names are constants of ours.
    private func put(_ table: String, _ keyColumn: String, _ key: String, _ value: String?, column: String = "json") throws {
        if let value {
            try run("INSERT OR REPLACE INTO \(table) (\(keyColumn), \(column)) VALUES (?, ?)", [key, value])
        } else {
            try run("DELETE FROM \(table) WHERE \(keyColumn) = ?", [key])
        }
    }

    private func count(_ server: Int64, _ domain: Int64, _ made: Int64) throws {
        let statement = try db.cachedStatement(sql: "SELECT nextServerNumber, nextDomainNumber, clustersMade FROM store")
        if let row = try Row.fetchOne(statement) {
            try StoreRules.checkCounters(old: (row[0], row[1], row[2]), new: (server, domain, made))
        }
        try run("UPDATE store SET nextServerNumber = ?, nextDomainNumber = ?, clustersMade = ?", [server, domain, made])
    }

    private mutating func put(_ record: RevisionRecord) throws {
        grown.insert(.revision)
        try run("DELETE FROM revision WHERE source = ? AND revision = ?", [record.source, record.revision.commit])
        try run(
            "INSERT INTO revision (source, revision, state, json) VALUES (?, ?, ?, ?)",
            [record.source, record.revision.commit, record.state.rawValue, record.jsonText])
    }

    private mutating func open(_ record: AttemptRecord) throws {
        grown.insert(.attempt)
        let known = try db.cachedStatement(sql: "SELECT 1 FROM attempt WHERE id = ?")
        if try Int.fetchOne(known, arguments: [record.id]) != nil { throw StoreRules.attemptIsKnown(record.id) }
        let other = try db.cachedStatement(sql: "SELECT id FROM attempt WHERE key = ? AND ended IS NULL")
        if record.ended == nil, let id = try String.fetchOne(other, arguments: [record.key]) {
            throw StoreRules.keyIsOpen(record.key, by: id)
        }
        try run(
            "INSERT INTO attempt (id, key, unit, ended, outcome, json) VALUES (?, ?, ?, ?, ?, ?)",
            [
                record.id, record.key, record.task.unit.description, record.ended?.milliseconds, record.outcome?.jsonText,
                record.jsonText,
            ])
    }

    // MARK: Retention

    private func trim() throws {
        for history in grown {
            switch history {
            case .event: try trimEvents()
            case .plan: try trim("plan", "1", retention.plansMax)
            case .attempt: try trim("attempt", "ended IS NOT NULL", retention.attemptsMax)
            case .revision: try trimRevisions()
            }
        }
    }

    /// Events are never replaced, so their numbers have no gaps and none need be counted.
    private func trimEvents() throws {
        try run("DELETE FROM event WHERE number <= (SELECT max(number) FROM event) - ?", [retention.eventsMax])
    }

    /// Drops the oldest of what matches, but for so many.
    private func trim(_ table: String, _ condition: String, _ limit: Int) throws {
        let counting = try db.cachedStatement(sql: "SELECT count(*) FROM \(table) WHERE \(condition)")
        let surplus = try Int.fetchOne(counting).map { $0 - limit } ?? 0
        guard surplus > 0 else { return }
        try run(
            "DELETE FROM \(table) WHERE number IN (SELECT number FROM \(table) WHERE \(condition) ORDER BY number LIMIT ?)",
            [surplus])
    }

    /// Of all revisions so many stay, whatever else is in force beyond that.
    private func trimRevisions() throws {
        let counting = try db.cachedStatement(sql: "SELECT count(*) FROM revision")
        let surplus = try Int.fetchOne(counting).map { $0 - retention.revisionsMax } ?? 0
        guard surplus > 0 else { return }
        try run(
            """
            DELETE FROM revision WHERE number IN (
                SELECT number FROM revision
                WHERE number NOT IN (SELECT max(number) FROM revision WHERE state = 'accepted' GROUP BY source)
                ORDER BY number LIMIT ?)
            """, [surplus])
    }
}
