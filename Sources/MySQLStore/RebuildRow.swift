import FleetModel
import MetadataStore
import MySQLClient

/// Whether the store is being rebuilt, and whose agents it adopts. Called within a transaction.
enum RebuildRow {
    /// With a new identity: what the agents were told under the old one is not in here.
    static func begin(_ session: Session, now: Instant) async throws {
        guard try await since(session) == nil else { return }
        try await session.query("INSERT IGNORE INTO adopted_stores (entry, body) SELECT store_id, '' FROM store")
        try await session.query(
            "UPDATE store SET store_id = \(MySQLStore.newIdentity()), rebuilding = \(now.milliseconds), holder = NULL")
    }

    static func finish(_ session: Session, adopts stores: [String], without hosts: [String], aboveTerm term: Int64) async throws {
        guard try await since(session) != nil else { throw StoreRules.notRebuilding }
        try await session.insert("INSERT IGNORE INTO adopted_stores (entry, body)", stores.map { "(\($0), '')" })
        try await session.query("DELETE FROM left_out_hosts")
        try await session.insert("INSERT IGNORE INTO left_out_hosts (entry, body)", hosts.map { "(\($0), '')" })
        try await session.query("DELETE FROM adopted_stores WHERE entry = (SELECT store_id FROM store)")
        try await session.query("UPDATE store SET rebuilding = NULL, term = GREATEST(term, \(term)) + 1")
    }

    static func since(_ session: Session) async throws -> Instant? {
        try await session.query("SELECT rebuilding FROM store").first.flatMap { Int64($0) }.map(Instant.init(milliseconds:))
    }

    static func leftOut(_ session: Session) async throws -> [String] { try await entries(session, "left_out_hosts") }
    static func adopted(_ session: Session) async throws -> [String] { try await entries(session, "adopted_stores") }

    private static func entries(_ session: Session, _ table: String) async throws -> [String] {
        try await session.read("SELECT entry FROM \(identifier: table) ORDER BY entry").rows.compactMap { $0[0] }
    }
}
