import GRDB
import JSONStream
import MetadataStore

/// SQLite's errors in our words. Their SQL and arguments stay out: an argument may be a digest of a token.
enum StoreFailure {
    static func wrapped(_ error: any Error, path: String) -> any Error {
        switch error {
        case is StoreError, is CancellationError: error
        case let error as DatabaseError: StoreError.unavailable(sentence(error, path: path))
        default: StoreError.unavailable("The store at \(path) failed: \(error).")
        }
    }

    private static func sentence(_ error: DatabaseError, path: String) -> String {
        let what = "The store at \(path) failed: \(error.message ?? "no message") (SQLite code \(error.extendedResultCode.rawValue))."
        let mend =
            switch error.resultCode {
            case .SQLITE_FULL: "Its disk is full: make room; the server goes on by itself."
            case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_CANTOPEN, .SQLITE_AUTH:
                "Check the owner and mode of the file, of those beside it, and of its directory."
            case .SQLITE_CORRUPT, .SQLITE_NOTADB: "It is damaged: stop the server and restore the last daily backup."
            case .SQLITE_IOERR: "Look at the disk (dmesg); the server goes on by itself when it can be written again."
            case .SQLITE_BUSY, .SQLITE_LOCKED: "Another program holds the file: end what has it open."
            default: "If it stays, stop the server and keep a copy of the file for a report."
            }
        return what + " " + mend
    }

    /// A row that this release cannot read.
    static func unreadable(_ table: String, _ key: String, _ error: any Error) -> StoreError {
        .unavailable("An entry of the store (\(table) \(key)) cannot be read: \(error). A newer release may have written it: use that release again.")
    }
}
