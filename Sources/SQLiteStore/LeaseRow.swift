import FleetModel
import GRDB
import MetadataStore

/// The lease, in the store's one row of its own. Called within a transaction.
enum LeaseRow {
    static func acquire(_ db: Database, holder: LeaseHolder, duration: Duration, now: Instant) throws -> Lease {
        let current = try read(db)
        var term = current.term
        if current.holder != holder {
            if let other = current.holder, now < current.until, !holder.supersedes(other) { throw StoreError.leaseLost(term: term) }
            term += 1
        }
        try db.cachedStatement(sql: "UPDATE store SET leaseHolder = ?, leaseUntil = ?, term = ?")
            .execute(arguments: [holder.description, (now + duration).milliseconds, term])
        return Lease(holder: holder, term: term, duration: duration)
    }

    static func release(_ db: Database, _ lease: Lease) throws {
        try db.cachedStatement(sql: "UPDATE store SET leaseHolder = NULL WHERE leaseHolder = ? AND term = ?")
            .execute(arguments: [lease.holder.description, lease.term])
    }

    static func check(_ db: Database, term: Int64) throws {
        let current = try read(db)
        guard current.holder != nil, current.term == term else { throw StoreError.leaseLost(term: current.term) }
    }

    private static func read(_ db: Database) throws -> (holder: LeaseHolder?, term: Int64, until: Instant) {
        let statement = try db.cachedStatement(sql: "SELECT leaseHolder, term, leaseUntil FROM store")
        guard let row = try Row.fetchOne(statement) else { throw StoreError.unavailable("The store has lost its first row. Restore the last daily backup.") }
        let holder: String? = row[0]
        return (holder.map { LeaseHolder($0) }, row[1], Instant(milliseconds: row[2]))
    }
}
