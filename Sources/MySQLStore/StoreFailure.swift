import MetadataStore
import MySQLClient

/// The database's errors in our words. A server's sentence is repeated only where it names nothing that was stored: an
/// argument may be a digest of a token.
enum StoreFailure {
    /// The transaction was broken off and can be done again: deadlock (also how Galera refuses one of two at the commit),
    /// and a lock that was not free in time.
    private static let transient: Set<Int> = [1213, 1205]

    static func isTransient(_ error: MySQLError) -> Bool { error.kind == .server && transient.contains(error.code) }

    /// A key that only one may have.
    static func isDuplicate(_ error: MySQLError) -> Bool { error.kind == .server && error.code == 1062 }

    static func wrapped(_ error: any Error, _ place: MySQLStorePlace) -> any Error {
        switch error {
        case is StoreError, is CancellationError: error
        case let error as MySQLError: StoreError.unavailable(sentence(error, place))
        default: StoreError.unavailable("The store \(place) failed: \(error).")
        }
    }

    private static func sentence(_ error: MySQLError, _ place: MySQLStorePlace) -> String {
        "The store \(place) failed: \(what(error)). \(mend(error, place))"
    }

    private static func what(_ error: MySQLError) -> String {
        switch error.kind {
        case .connection, .timedOut, .tooLarge: "\(error)"
        case .server:
            repeated.contains(error.code) ? "\(error)" : "the database answered with error \(error.code)"
        }
    }

    /// Errors whose sentences name users, databases, tables, options and disks only.
    private static let repeated: Set<Int> = [1021, 1044, 1045, 1047, 1049, 1114, 1142, 1146, 1180, 1205, 1213, 1227, 1290, 1698, 1792, 1836]

    private static func mend(_ error: MySQLError, _ place: MySQLStorePlace) -> String {
        switch error.code {
        case 1044, 1142, 1227: "Let `\(place.user)` do everything in `\(place.database)`: GRANT ALL ON `\(place.database)`.* TO …"
        case 1045, 1698: "Check the user and the file of its password in the server's configuration (`store`)."
        case 1049: "Make it: CREATE DATABASE `\(place.database)`."
        case 1146: "A table is gone: restore a dump of the database, and start with `evenkeel serve --rebuild`."
        case 1021, 1114: "Its disk is full: make room; the server goes on by itself."
        case 1290, 1792, 1836: "It takes no writes: name the server that does in `store.url`; the server goes on by itself."
        default: "Nothing is decided meanwhile and the databases of the fleet run on; the server goes on by itself when it answers again."
        }
    }

    /// A row that this release cannot read.
    static func unreadable(_ table: String, _ key: String, _ error: any Error) -> StoreError {
        .unavailable("An entry of the store (\(table) \(key)) cannot be read: \(error). A newer release may have written it: use that release again.")
    }

    static let noRow = StoreError.unavailable(
        "The store has lost its first row. Restore a dump of the database, and start with `evenkeel serve --rebuild`.")
}
