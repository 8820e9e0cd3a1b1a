import MetadataStore
import MySQLClient

/// The store's tables. Steps are only ever added: a released one stays as it is. MariaDB and MySQL commit each change of a
/// table at once, so a step can be done again from its beginning, and is noted when it is whole.
enum Schema {
    static let steps: [[SQL]] = [first]

    /// Text of ours is bytes in keys: no collation calls two names equal, and none depends on the server's version. Values
    /// are JSON in `body`; what is asked for, ordered or unique has a column. `seq` is the order in which rows came. What
    /// is unique only for a time is a column that is NULL afterwards.
    private static let first: [SQL] = [
        table("store", """
            id TINYINT NOT NULL PRIMARY KEY, store_id VARCHAR(64) NOT NULL, next_server BIGINT NOT NULL, \
            next_domain BIGINT NOT NULL, clusters_made BIGINT NOT NULL, writes BIGINT NOT NULL, \
            holder VARBINARY(1000), holder_url VARBINARY(1000), lease_until BIGINT NOT NULL, term BIGINT NOT NULL, \
            rebuilding BIGINT, key_digest VARCHAR(128)
            """),
        table("writers", "seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, last_write BIGINT NOT NULL"),
        table("clusters", """
            name VARBINARY(1000) NOT NULL PRIMARY KEY, uid VARBINARY(1000) NOT NULL, gtid_domain BIGINT NOT NULL, \
            epoch BIGINT NOT NULL, body LONGTEXT NOT NULL, UNIQUE (uid), UNIQUE (gtid_domain)
            """),
        table("members", """
            cluster_name VARBINARY(1000) NOT NULL, ordinal BIGINT NOT NULL, host_name VARBINARY(1000) NOT NULL, \
            place_port BIGINT, server_number BIGINT NOT NULL, PRIMARY KEY (cluster_name, ordinal), \
            UNIQUE (server_number), UNIQUE (host_name, place_port)
            """),
        table("revisions", """
            seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, source_name VARBINARY(1000) NOT NULL, \
            commit_id VARBINARY(1000) NOT NULL, state VARBINARY(32) NOT NULL, body LONGTEXT NOT NULL, \
            UNIQUE (source_name, commit_id), KEY (source_name, state, seq)
            """),
        table("plans", """
            seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, id VARBINARY(1000) NOT NULL, unit VARBINARY(1000) NOT NULL, \
            body LONGTEXT NOT NULL, UNIQUE (id), KEY (unit, seq)
            """),
        table("attempts", """
            seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, id VARBINARY(1000) NOT NULL, open_key VARBINARY(3000), \
            unit VARBINARY(1000) NOT NULL, ended BIGINT, outcome LONGTEXT, body LONGTEXT NOT NULL, \
            UNIQUE (id), UNIQUE (open_key), KEY (unit, seq), KEY (ended, seq)
            """),
        table("events", """
            seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, unit VARBINARY(1000) NOT NULL, body LONGTEXT NOT NULL, \
            KEY (unit, seq)
            """),
        entries("conditions"), entries("held_units"), entries("channels"), entries("alerts"), entries("credentials"),
        entries("adopted_stores"), entries("left_out_hosts"), entries("catalogs"),
        table("outbox", "entry VARBINARY(3000) NOT NULL PRIMARY KEY, created BIGINT NOT NULL, body LONGTEXT NOT NULL"),
    ]

    /// A table of one row by its key.
    private static func entries(_ name: String) -> SQL {
        table(name, "entry VARBINARY(3000) NOT NULL PRIMARY KEY, body LONGTEXT NOT NULL")
    }

    private static func table(_ name: String, _ columns: String) -> SQL {
        "CREATE TABLE IF NOT EXISTS \(identifier: name) (\(verbatim: columns)) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    }

    /// What of a store there is in a database.
    enum Found: Equatable { case nothing, whole, earlier }

    /// Changes nothing. Throws where the database is another program's, or a newer release's.
    static func look(_ session: Session, _ place: MySQLStorePlace) async throws -> Found {
        let tables = try await session.query(
            "SELECT CONVERT(table_name USING utf8mb4) FROM information_schema.tables WHERE table_schema = \(place.database)"
        ).rows.compactMap { $0.first ?? nil }
        guard !tables.isEmpty else { return .nothing }
        guard tables.contains("schema_steps") else {
            throw StoreError.unavailable(
                "The database \(place.database) holds other tables and no store of evenkeel's. Give the store a database of its own (`store.url`).")
        }
        let done = Int(try await session.query("SELECT MAX(step) FROM schema_steps").first ?? "0") ?? 0
        guard done <= steps.count else {
            throw StoreError.unavailable("The store \(place) was written by a newer release of evenkeel. Use that release, or restore a dump from before.")
        }
        guard done > 0, try await session.query("SELECT COUNT(*) FROM store").first == "1" else { return .nothing }
        return done == steps.count ? .whole : .earlier
    }

    /// Makes what is missing, one server at a time. `rebuilding`: since when the records of a new store are being made anew.
    static func bring(_ session: Session, _ place: MySQLStorePlace, identity: String, rebuilding: Int64?) async throws {
        let name = lockName(place)
        guard try await session.read("SELECT GET_LOCK(\(name), \(StoreLimits.makingWait))").first == "1" else {
            throw StoreError.unavailable("Another server makes the tables of the store \(place) just now. Start this one again in a few seconds.")
        }
        _ = try await look(session, place)
        _ = try await session.read("CREATE TABLE IF NOT EXISTS schema_steps (step INT NOT NULL PRIMARY KEY) ENGINE = InnoDB")
        let done = Int(try await session.query("SELECT MAX(step) FROM schema_steps").first ?? "0") ?? 0
        for (number, statements) in zip(1..., steps) where number > done {
            for statement in statements { _ = try await session.read(statement) }
            if number == 1 { try await session.query(firstRow(identity, rebuilding)) }
            try await session.query("INSERT INTO schema_steps VALUES (\(number))")
        }
        try await session.query("SELECT RELEASE_LOCK(\(name))")
    }

    /// What an empty store holds.
    static func firstRow(_ identity: String, _ rebuilding: Int64?) -> SQL {
        """
        INSERT IGNORE INTO store (id, store_id, next_server, next_domain, clusters_made, writes, lease_until, term, rebuilding) \
        VALUES (1, \(identity), 1, 1, 0, 0, 0, 0, \(rebuilding.map { String($0) }))
        """
    }

    /// At most 64 characters, all that MySQL takes.
    private static func lockName(_ place: MySQLStorePlace) -> String { String("evenkeel " + place.database).prefix(64).description }
}
