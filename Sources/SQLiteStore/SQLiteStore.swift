package import FleetModel
import GRDB
import Glibc
package import MetadataStore

/// The metadata store in one file, for one server at a time: SQLite in WAL mode, every commit synced to the disk before
/// it returns.
///
/// Reads see the last commit and never wait for a writer. A cancelled task's call throws `CancellationError`.
package final class SQLiteStore: MetadataStore {
    let path: String
    let pool: DatabasePool
    private let retention: StoreRetention
    private let lock: StoreLock

    /// Whether there is anything at the path of a store.
    package static func exists(at path: String) -> Bool { StoreFile.exists(path) }

    /// Makes a new, empty store with an identity of its own, and opens it. Refused where there is anything at the path:
    /// a store that could not be read is never replaced. `rebuilding`: since when its records are being made anew, for
    /// one that takes the place of a lost store.
    package static func create(
        at path: String, holder: String, retention: StoreRetention = StoreRetention(), rebuilding: Instant? = nil
    ) throws(StoreError) -> SQLiteStore {
        let lock = try StoreLock(storePath: path, holder: holder)
        try StoreMaker.make(at: path, rebuilding: rebuilding)
        return try SQLiteStore(path: path, lock: lock, retention: retention, acceptsBackup: false)
    }

    /// Opens the store at `path` and holds it until this object is gone. `holder` is what another server is told that
    /// finds it taken: our process and address. Throws `inUse` then, and `unavailable` where there is none, where it is
    /// damaged, another program's, made by a newer release, or a backup, unless that is accepted (`beginRebuild` makes
    /// it a store to serve from).
    package static func open(
        at path: String, holder: String, retention: StoreRetention = StoreRetention(), acceptsBackup: Bool = false
    ) throws(StoreError) -> SQLiteStore {
        guard exists(at: path) else {
            throw StoreError.unavailable("There is no store at \(path). Check the path and that its disk is mounted; a new one has to be asked for.")
        }
        let lock = try StoreLock(storePath: path, holder: holder)
        return try SQLiteStore(path: path, lock: lock, retention: retention, acceptsBackup: acceptsBackup)
    }

    private init(path: String, lock: StoreLock, retention: StoreRetention, acceptsBackup: Bool) throws(StoreError) {
        self.path = path
        self.lock = lock
        self.retention = retention
        pool = try StoreMaker.openPool(at: path, acceptsBackup: acceptsBackup)
    }

    deinit {
        // Before the lock goes.
        try? pool.close()
    }

    package func acquireLease(holder: LeaseHolder, duration: Duration, now: Instant) async throws -> Lease {
        try await write { db in try LeaseRow.acquire(db, holder: holder, duration: duration, now: now) }
    }

    package func releaseLease(_ lease: Lease) async throws {
        try await write { db in try LeaseRow.release(db, lease) }
    }

    package func load() async throws -> StoredState { try await read { db in try StateReader(db: db).state() } }

    package func beginRebuild(now: Instant) async throws { try await write { db in try RebuildRow.begin(db, now: now) } }

    package func commit(_ changes: [StoreChange], term: Int64) async throws {
        let retention = retention
        try await write { db in
            try LeaseRow.check(db, term: term)
            var transaction = StoreTransaction(db: db, retention: retention)
            try transaction.apply(changes)
        }
    }

    package func events(unit: UnitID?, limit: Int) async throws -> [Event] {
        try await read { db in try HistoryReader(db: db).newest("event", unit: unit, limit: limit) }
    }

    package func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        try await read { db in try HistoryReader(db: db).attempts(unit: unit, limit: limit) }
    }

    package func revisions(limit: Int) async throws -> [RevisionRecord] {
        try await read { db in try HistoryReader(db: db).newest("revision", unit: nil, limit: limit) }
    }

    package func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] {
        try await read { db in try HistoryReader(db: db).newest("plan", unit: unit, limit: limit) }
    }

    // MARK: Errors

    private func write<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await pool.write(body) } catch { throw StoreFailure.wrapped(error, path: path) }
    }

    private func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await pool.read(body) } catch { throw StoreFailure.wrapped(error, path: path) }
    }
}
