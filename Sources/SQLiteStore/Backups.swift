import Dispatch
import GRDB
import Glibc
import MetadataStore

extension SQLiteStore {
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
}
