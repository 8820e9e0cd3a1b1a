package import FleetModel
package import MetadataStore
import MySQLClient

/// The metadata store in a database of MariaDB or MySQL, for several servers at once.
///
/// Every write is one transaction under the lock of the store's row, which holds the lease: it is made only while its term
/// is the lease's, and never beside another.
package final class MySQLStore: SharedStore {
    /// Whose clock a lease is measured by.
    package enum LeaseClock: Sendable {
        /// The database's: servers' clocks may differ.
        case database
        /// That of who calls, for tests whose time is not the wall's.
        case caller
    }

    package let place: MySQLStorePlace
    private let serverURL: String
    private let retention: StoreRetention
    private let clock: LeaseClock
    private let writer: Writer
    private let reads: Lane

    /// Does not connect yet. `serverURL`: where clients and agents reach the server whose store this is.
    package init(
        _ place: MySQLStorePlace, password: String, serverURL: String, retention: StoreRetention = StoreRetention(),
        clock: LeaseClock = .database
    ) {
        self.place = place
        self.serverURL = serverURL
        self.retention = retention
        self.clock = clock
        // All decisions are made behind one row's lock, on rows as they are now: read committed is enough for them, and
        // locks no gaps between rows, over which transactions would fall into deadlocks.
        writer = Writer(place, lane: Lane(place, password: password, isolation: .readCommitted))
        reads = Lane(place, password: password, isolation: .repeatableRead)
    }

    // MARK: Making

    /// Whether there is a store in the database. Brings that of an earlier release up to date. Throws `unavailable` where
    /// the database cannot be reached, holds something else, is a newer release's, or may lose what it has acknowledged.
    package func exists() async throws -> Bool {
        try await maintain { session in
            try await MySQLStore.checkDurability(session, self.place)
            switch try await Schema.look(session, self.place) {
            case .nothing: return false
            case .whole: return true
            case .earlier:
                try await Schema.bring(session, self.place, identity: MySQLStore.newIdentity(), rebuilding: nil)
                return true
            }
        }
    }

    /// Makes an empty store with an identity of its own; where another server has just made one, that is it.
    /// `rebuilding`: since when its records are being made anew, for one that takes the place of a lost store.
    package func make(rebuilding: Instant? = nil) async throws {
        try await maintain { session in
            try await Schema.bring(session, self.place, identity: MySQLStore.newIdentity(), rebuilding: rebuilding?.milliseconds)
        }
    }

    private func maintain<Answer: Sendable>(_ body: @Sendable (Session) async throws -> Answer) async throws -> Answer {
        do {
            return try await reads.run(within: StoreLimits.loadMax, body)
        } catch {
            throw StoreFailure.wrapped(error, place)
        }
    }

    private static func checkDurability(_ session: Session, _ place: MySQLStorePlace) async throws {
        guard try await session.query("SELECT @@GLOBAL.innodb_flush_log_at_trx_commit").first == "1" else {
            throw StoreError.unavailable(
                """
                The database of the store \(place) may lose commits that it has acknowledged \
                (innodb_flush_log_at_trx_commit is not 1), and a term or an epoch that goes back is a second writer. Set it to 1.
                """)
        }
    }

    /// 128 random bits, in hex.
    static func newIdentity() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<2).map { _ in String(generator.next() | 1 << 63, radix: 16) }
        return digits.joined()
    }

    // MARK: The lease

    package func acquireLease(holder: LeaseHolder, duration: Duration, now: Instant) async throws -> Lease {
        let (url, clock) = (serverURL, clock)
        return try await write { session, row in
            let moment = clock == .caller ? now : row.now
            return try await row.acquire(session, holder: holder, url: url, duration: duration, now: moment)
        }
    }

    package func releaseLease(_ lease: Lease) async throws {
        try await write { session, row in try await row.release(session, lease) }
    }

    package func leaderURL() async throws -> String? {
        let clock = clock
        return try await read { session in
            let row = try await LeaseRow.read(session)
            guard row.holder != nil, clock == .caller || row.now < row.until else { return nil }
            return try await session.query("SELECT holder_url FROM store").first
        }
    }

    // MARK: Records

    package func load() async throws -> StoredState {
        do {
            return try await reads.run(within: StoreLimits.loadMax) { session in
                // A commit whose answer was lost may still be under way: its end is waited for.
                _ = try await LeaseRow.lock(session)
                try await session.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
                let state = try await StateReader(session: session).state()
                try await session.query("COMMIT")
                return state
            }
        } catch {
            throw StoreFailure.wrapped(error, place)
        }
    }

    package func beginRebuild(now: Instant) async throws {
        try await write { session, _ in try await RebuildRow.begin(session, now: now) }
    }

    package func commit(_ changes: [StoreChange], term: Int64) async throws {
        let retention = retention
        try await write { session, row in
            try row.check(term: term)
            try await StoreTransaction.apply(changes, session, retention)
        }
    }

    package func credentials() async throws -> [CredentialRecord] {
        try await read { session in try await StateReader(session: session).credentials() }
    }

    package func keyDigest() async throws -> String? {
        try await read { session in try await session.query("SELECT key_digest FROM store").first }
    }

    package func agree(onKey digest: String) async throws {
        let place = place
        try await write { session, _ in
            try await session.query("UPDATE store SET key_digest = \(digest) WHERE key_digest IS NULL")
            guard try await session.query("SELECT key_digest FROM store").first == digest else {
                throw StoreError.conflict("the fleet key of this server is not the one that the servers of the store \(place) have")
            }
        }
    }

    // MARK: What happened

    package func events(unit: UnitID?, limit: Int) async throws -> [Event] {
        try await read { session in try await StateReader(session: session).newest("events", unit: unit, limit: limit) }
    }

    package func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        try await read { session in try await StateReader(session: session).attempts(unit: unit, limit: limit) }
    }

    package func revisions(limit: Int) async throws -> [RevisionRecord] {
        try await read { session in try await StateReader(session: session).newest("revisions", unit: nil, limit: limit) }
    }

    package func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] {
        try await read { session in try await StateReader(session: session).newest("plans", unit: unit, limit: limit) }
    }

    package func backUp(to path: String) async throws {
        throw StoreError.unavailable(
            "The store \(place) is a database: copy it with the tools that it comes with, such as `mariadb-dump --single-transaction \(place.database)`.")
    }

    // MARK: Errors

    private func write<Answer: Sendable>(
        _ body: @escaping @Sendable (Session, LeaseRow) async throws -> Answer
    ) async throws -> Answer {
        let writer = writer
        // Who is cancelled while it waits does not break a commit off, and so is not left without its outcome.
        do { return try await Task { try await writer.write(body) }.value } catch { throw StoreFailure.wrapped(error, place) }
    }

    private func read<Answer: Sendable>(_ body: @Sendable (Session) async throws -> Answer) async throws -> Answer {
        do { return try await reads.run(within: StoreLimits.callMax, body) } catch { throw StoreFailure.wrapped(error, place) }
    }
}
