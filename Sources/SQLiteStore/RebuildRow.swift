import FleetModel
import GRDB
import MetadataStore

/// Whether the store is being rebuilt, and whose agents it adopts. Called within a transaction.
enum RebuildRow {
    /// With a new identity: what the agents were told under the old one is not in here.
    static func begin(_ db: Database, now: Instant) throws {
        guard try since(db) == nil else { return }
        try db.execute(sql: "INSERT OR IGNORE INTO adopted SELECT storeID FROM store")
        try db.execute(
            sql: "UPDATE store SET storeID = ?, rebuilding = ?, isBackup = 0, leaseHolder = NULL",
            arguments: [StoreMaker.newIdentity(), now.milliseconds])
    }

    static func finish(_ db: Database, adopts stores: [String], without hosts: [String], aboveTerm term: Int64) throws {
        guard try since(db) != nil else { throw StoreRules.notRebuilding }
        for store in stores { try db.execute(sql: "INSERT OR IGNORE INTO adopted VALUES (?)", arguments: [store]) }
        try db.execute(sql: "DELETE FROM leftOut")
        for host in hosts { try db.execute(sql: "INSERT OR IGNORE INTO leftOut VALUES (?)", arguments: [host]) }
        try db.execute(sql: "DELETE FROM adopted WHERE storeID = (SELECT storeID FROM store)")
        try db.execute(sql: "UPDATE store SET rebuilding = NULL, term = max(term, ?) + 1", arguments: [term])
    }

    static func since(_ db: Database) throws -> Instant? {
        try Int64.fetchOne(db, sql: "SELECT rebuilding FROM store WHERE rebuilding IS NOT NULL").map(Instant.init(milliseconds:))
    }

    static func leftOut(_ db: Database) throws -> [String] {
        try String.fetchAll(db, sql: "SELECT host FROM leftOut ORDER BY host")
    }

    static func adopted(_ db: Database) throws -> [String] {
        try String.fetchAll(db, sql: "SELECT storeID FROM adopted ORDER BY storeID")
    }
}
