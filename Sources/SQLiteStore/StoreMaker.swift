import FleetModel
import GRDB
import Glibc
import MetadataStore

/// Makes the file of a store, and opens one after a look at what it is.
enum StoreMaker {
    /// Makes an empty store beside its place and gives it its name when it is whole.
    ///
    /// `rebuilding`: since when its records are being made anew from outside; nil for a store of a new fleet.
    static func make(at path: String, rebuilding: Instant?) throws(StoreError) {
        guard !StoreFile.exists(path) else {
            throw StoreError.conflict("there is a file at \(path) already; it is opened or moved away, never replaced")
        }
        try refuseForeignLog(path)
        let temporary = StoreFile.temporary(for: path)
        defer { unlink(temporary) }
        do {
            try fill(temporary, rebuilding)
        } catch {
            throw StoreError.unavailable("A store cannot be made at \(path): \(error). Check the directory's owner, mode and space.")
        }
        if let reason = StoreFile.publish(temporary, as: path) {
            throw StoreError.unavailable("A store cannot be made at \(path): \(reason). Check the directory's owner, mode and space.")
        }
    }

    /// SQLite would read what another store has left in its write-ahead log into this one.
    private static func refuseForeignLog(_ path: String) throws(StoreError) {
        let log = path + "-wal"
        guard StoreFile.exists(log), !StoreFile.isInWALMode(path) else { return }
        throw StoreError.unavailable("\(log) is of another store than \(path). Move it, and the file that ends in -shm, away.")
    }

    private static func fill(_ path: String, _ rebuilding: Instant?) throws {
        let queue = try DatabaseQueue(path: path)
        try Migrations.all.migrate(queue)
        try queue.write { db in
            try db.execute(sql: "PRAGMA application_id = \(Migrations.applicationID)")
            try db.execute(
                sql: """
                    INSERT INTO store
                    (id, storeID, nextServerNumber, nextDomainNumber, clustersMade, leaseHolder, leaseUntil, term, rebuilding)
                    VALUES (1, ?, 1, 1, 0, NULL, 0, 0, ?)
                    """, arguments: [newIdentity(), rebuilding?.milliseconds])
        }
        try queue.close()
    }

    /// 128 random bits, in hex.
    static func newIdentity() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<2).map { _ in String(generator.next() | 1 << 63, radix: 16) }
        return digits.joined()
    }

    /// Only for whoever holds the store's lock: a lease that is in the file is a dead server's.
    static func openPool(at path: String, acceptsBackup: Bool) throws(StoreError) -> DatabasePool {
        try refuseForeignLog(path)
        do {
            try check(path, acceptsBackup: acceptsBackup)
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.label = "evenkeel.store"
            let pool = try DatabasePool(path: path, configuration: configuration)
            try Migrations.all.migrate(pool)
            try pool.writeWithoutTransaction { db in
                // GRDB lowers it for WAL; a commit that returned must survive a loss of power.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.execute(sql: "UPDATE store SET leaseHolder = NULL")
            }
            return pool
        } catch let error as StoreError {
            throw error
        } catch {
            let wrapped = StoreFailure.wrapped(error, path: path) as? StoreError
            throw wrapped ?? StoreError.unavailable("The store at \(path) cannot be opened: \(error).")
        }
    }

    /// That the file is a store of ours, whole, and not a newer release's; changes nothing.
    private static func check(_ path: String, acceptsBackup: Bool) throws {
        let queue = try DatabaseQueue(path: path)
        defer { try? queue.close() }
        try queue.read { db in
            let application = try Int32.fetchOne(db, sql: "PRAGMA application_id")
            guard application == Migrations.applicationID else {
                throw StoreError.unavailable("The file \(path) is no store of evenkeel's. Check the configuration's path.")
            }
            guard try !Migrations.all.hasBeenSuperseded(db) else {
                throw StoreError.unavailable("The store at \(path) was written by a newer release of evenkeel. Use that release, or restore a backup from before.")
            }
            let problem = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
            guard problem == "ok" else {
                throw StoreError.unavailable("The store at \(path) is damaged (\(problem)). Restore the last daily backup.")
            }
            let knowsBackups = try db.columns(in: "store").contains { $0.name == "isBackup" }
            if !acceptsBackup, knowsBackups, try Bool.fetchOne(db, sql: "SELECT isBackup FROM store") ?? false {
                throw StoreError.unavailable("The store at \(path) is a backup that was put back: what was decided since it was made is not in it. Start with `evenkeel serve --rebuild`, which asks the agents and puts the result to you.")
            }
        }
    }
}
