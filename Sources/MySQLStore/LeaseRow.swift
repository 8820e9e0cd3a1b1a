import FleetModel
import MetadataStore
import MySQLClient

/// The lease, in the store's one row. Called within a transaction that has the row's lock.
struct LeaseRow {
    let holder: LeaseHolder?
    let term: Int64
    let until: Instant
    /// By the database's clock.
    let now: Instant

    /// The row's lock is held until the transaction ends: all that is written to the store is one after another.
    static func lock(_ session: Session) async throws -> LeaseRow {
        try await read(session, " FOR UPDATE")
    }

    static func read(_ session: Session, _ locking: SQL = "") async throws -> LeaseRow {
        let found = try await session.query(
            "SELECT holder, term, lease_until, ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) FROM store" + locking)
        guard let row = found.rows.first, row.count == 4, let term = row[1].flatMap({ Int64($0) }),
            let until = row[2].flatMap({ Int64($0) }), let now = row[3].flatMap({ Int64($0) })
        else { throw StoreFailure.noRow }
        return LeaseRow(
            holder: row[0].map { LeaseHolder($0) }, term: term, until: Instant(milliseconds: until), now: Instant(milliseconds: now))
    }

    func acquire(_ session: Session, holder asker: LeaseHolder, url: String, duration: Duration, now: Instant) async throws -> Lease {
        var term = term
        if holder != asker {
            if let holder, now < until, !asker.supersedes(holder) { throw StoreError.leaseLost(term: term) }
            term += 1
        }
        try await session.query(
            """
            UPDATE store SET holder = \(asker.description), holder_url = \(url), \
            lease_until = \((now + duration).milliseconds), term = \(term)
            """)
        return Lease(holder: asker, term: term, duration: duration)
    }

    func release(_ session: Session, _ lease: Lease) async throws {
        guard holder == lease.holder, term == lease.term else { return }
        try await session.query("UPDATE store SET holder = NULL")
    }

    func check(term wanted: Int64) throws {
        guard holder != nil, term == wanted else { throw StoreError.leaseLost(term: term) }
    }
}
