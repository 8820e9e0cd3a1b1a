import Dispatch
package import FleetModel
import GRDB
import Glibc
import MetadataStore

extension SQLiteStore {
    /// Daily backups that are kept.
    package static let dailyBackupsMax = 7

    /// A consistent copy, checked, on disk before this returns; commits go on meanwhile. Refused where there is a file.
    package func backUp(to path: String) async throws {
        guard !StoreFile.exists(path) else {
            throw StoreError.conflict("there is a file at \(path) already; a backup never replaces one")
        }
        let pool = pool
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            DispatchQueue.global(qos: .utility).async {
                continuation.resume(with: Result { try Self.copy(pool, to: path) })
            }
        }
    }

    private static func copy(_ pool: DatabasePool, to path: String) throws {
        let temporary = StoreFile.temporary(for: path)
        defer { unlink(temporary) }
        do {
            let copy = try DatabaseQueue(path: temporary)
            try pool.backup(to: copy)
            try copy.writeWithoutTransaction { db in
                // Put back, it is not taken for the store that it was made from.
                try db.execute(sql: "UPDATE store SET isBackup = 1")
                // One file that needs none beside it.
                try db.execute(sql: "PRAGMA journal_mode = DELETE")
                guard try String.fetchOne(db, sql: "PRAGMA quick_check(1)") == "ok" else {
                    throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the copy is damaged")
                }
            }
            try copy.close()
        } catch {
            throw StoreFailure.wrapped(error, path: path)
        }
        if let reason = StoreFile.publish(temporary, as: path) {
            throw StoreError.unavailable("The backup \(path) cannot be written: \(reason). Check its directory's owner, mode and space.")
        }
    }

    /// The backup of the day of `now` (UTC), where it is not there yet; then only the newest seven are kept. Returns its
    /// path, or nil where it was there. The directory is made; nothing in it but our daily backups is touched.
    @discardableResult
    package func backUpDaily(directory: String, now: Instant) async throws -> String? {
        guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
            throw StoreError.unavailable("The backups' directory \(directory) cannot be made: \(StoreFile.reason). Make it, or name another.")
        }
        let name = DailyBackup.name(of: now)
        let path = directory + "/" + name
        guard !StoreFile.exists(path) else { return nil }
        try await backUp(to: path)
        for old in DailyBackup.surplus(in: StoreFile.names(in: directory), keeping: Self.dailyBackupsMax) {
            unlink(directory + "/" + old)
        }
        return path
    }
}

/// The names of daily backups: `evenkeel-2026-11-21.sqlite`, which sort by day.
enum DailyBackup {
    static func name(of now: Instant) -> String {
        var seconds = time_t(now.milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        let day = [Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday)]
        return "evenkeel-" + day.map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: "-") + ".sqlite"
    }

    static func surplus(in names: [String], keeping count: Int) -> [String] {
        names.filter { $0.wholeMatch(of: #/evenkeel-\d{4}-\d\d-\d\d\.sqlite/#) != nil }.sorted().dropLast(count)
    }
}
