import GRDB

/// The store's tables. Migrations are only ever added: a released one stays as it is.
enum Migrations {
    /// In the file's header, so that nothing else is taken for a store: "EVKL".
    static let applicationID: Int32 = 0x4556_4B4C

    static var all: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 first tables") { db in try db.execute(sql: first) }
        migrator.registerMigration("2 rebuilding") { db in try db.execute(sql: rebuilding) }
        return migrator
    }

    /// `rebuilding`: since when; `isBackup`: a copy that was never served from; `adopted`: whose agents are ours;
    /// `leftOut`: by the last rebuild.
    private static let rebuilding = """
        ALTER TABLE store ADD COLUMN rebuilding INTEGER;
        ALTER TABLE store ADD COLUMN isBackup INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE adopted (storeID TEXT NOT NULL PRIMARY KEY) STRICT;
        CREATE TABLE leftOut (host TEXT NOT NULL PRIMARY KEY) STRICT;
        """

    /// Values are JSON in `json`; what is asked for, ordered or unique has a column of its own. `number` is the order
    /// in which rows came.
    private static let first = """
        CREATE TABLE store (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            storeID TEXT NOT NULL,
            nextServerNumber INTEGER NOT NULL,
            nextDomainNumber INTEGER NOT NULL,
            clustersMade INTEGER NOT NULL,
            leaseHolder TEXT,
            leaseUntil INTEGER NOT NULL,
            term INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE cluster (
            name TEXT NOT NULL PRIMARY KEY,
            uid TEXT NOT NULL UNIQUE,
            gtidDomain INTEGER NOT NULL UNIQUE,
            epoch INTEGER NOT NULL,
            json TEXT NOT NULL
        ) STRICT;
        CREATE TABLE member (
            cluster TEXT NOT NULL REFERENCES cluster (name) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            host TEXT NOT NULL,
            port INTEGER NOT NULL,
            serverID INTEGER NOT NULL UNIQUE,
            holdsPlace INTEGER NOT NULL,
            PRIMARY KEY (cluster, ordinal)
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX memberPlace ON member (host, port) WHERE holdsPlace;
        CREATE TABLE revision (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            source TEXT NOT NULL,
            revision TEXT NOT NULL,
            state TEXT NOT NULL,
            json TEXT NOT NULL,
            UNIQUE (source, revision)
        ) STRICT;
        CREATE INDEX revisionState ON revision (source, state, number);
        CREATE TABLE plan (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            unit TEXT NOT NULL,
            json TEXT NOT NULL
        ) STRICT;
        CREATE INDEX planUnit ON plan (unit, number);
        CREATE TABLE attempt (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            key TEXT NOT NULL,
            unit TEXT NOT NULL,
            ended INTEGER,
            outcome TEXT,
            json TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX attemptOpen ON attempt (key) WHERE ended IS NULL;
        CREATE INDEX attemptEnded ON attempt (number) WHERE ended IS NOT NULL;
        CREATE INDEX attemptUnit ON attempt (unit, number);
        CREATE TABLE event (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            unit TEXT NOT NULL,
            json TEXT NOT NULL
        ) STRICT;
        CREATE INDEX eventUnit ON event (unit, number);
        CREATE TABLE condition (unit TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL) STRICT;
        CREATE TABLE held (unit TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL) STRICT;
        CREATE TABLE channel (name TEXT NOT NULL PRIMARY KEY, digest TEXT NOT NULL) STRICT;
        CREATE TABLE alert (key TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL) STRICT;
        CREATE TABLE outbox (id TEXT NOT NULL PRIMARY KEY, created INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
        CREATE TABLE credential (tokenDigest TEXT NOT NULL PRIMARY KEY, json TEXT NOT NULL) STRICT;
        CREATE TABLE catalog (
            type TEXT NOT NULL,
            version TEXT NOT NULL,
            json TEXT NOT NULL,
            PRIMARY KEY (type, version)
        ) STRICT;
        """
}
