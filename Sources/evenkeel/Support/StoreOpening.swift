import FleetModel
import FoundationEssentials
import MetadataStore
import MySQLStore
import SQLiteStore
import Server

/// The store that a configuration names.
enum StoreOpening {
    /// Opens it, or makes a new one where the data directory was never used before: records that were lost are never
    /// taken for records that never were. `rebuild`: they are made anew, over those of a store that is there.
    static func open(_ configuration: ServerConfiguration, rebuild: Bool) async throws -> any MetadataStore {
        if let store = configuration.store { return try await openShared(store, configuration, rebuild: rebuild) }
        let holder = "process \(ProcessInfo.processInfo.processIdentifier), \(configuration.url)"
        let path = configuration.storePath
        let hasKey = FileManager.default.fileExists(atPath: configuration.fleetKeyPath)
        guard rebuild else {
            if SQLiteStore.exists(at: path) { return try SQLiteStore.open(at: path, holder: holder) }
            if hasKey { throw lost(configuration) }
            return try SQLiteStore.create(at: path, holder: holder)
        }
        guard hasKey else { throw keyless(configuration) }
        let now = SystemTime().now()
        guard SQLiteStore.exists(at: path) else {
            return try SQLiteStore.create(at: path, holder: holder, rebuilding: now)
        }
        let store = try SQLiteStore.open(at: path, holder: holder, acceptsBackup: true)
        try await store.beginRebuild(now: now)
        return store
    }

    /// That of several servers, in a database.
    private static func openShared(
        _ setting: ServerConfiguration.DatabaseStore, _ configuration: ServerConfiguration, rebuild: Bool
    ) async throws -> any MetadataStore {
        try DataDirectoryLock.take(configuration)
        let store = MySQLStore(setting.place, password: try password(setting), serverURL: configuration.url)
        let hasKey = FileManager.default.fileExists(atPath: configuration.fleetKeyPath)
        let exists = try await store.exists()
        guard rebuild else {
            if exists { return store }
            if hasKey { throw lost(configuration) }
            try await store.make()
            return store
        }
        guard hasKey else { throw keyless(configuration) }
        let now = SystemTime().now()
        if exists { try await store.beginRebuild(now: now) } else { try await store.make(rebuilding: now) }
        return store
    }

    private static func password(_ setting: ServerConfiguration.DatabaseStore) throws -> String {
        guard let path = setting.passwordFile else { return "" }
        guard let bytes = try PrivateFile.read(path) else {
            throw CommandError("the store's password file \(path) is not there", help: "write the password of the database's user to it, mode 0600")
        }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }, as: UTF8.self)
    }

    private static func lost(_ configuration: ServerConfiguration) -> CommandError {
        CommandError(
            "the store \(configuration.store.map { "\($0.place)" } ?? configuration.storePath) is gone, though this server has run before",
            help: """
                start with --rebuild: it is made anew from git and the agents, and nothing is done before you have \
                approved it. A copy \(configuration.store == nil ? "from \(configuration.backupDirectory)" : "of its database") \
                put in its place first keeps the history; the databases run on meanwhile
                """)
    }

    private static func keyless(_ configuration: ServerConfiguration) -> CommandError {
        CommandError(
            "there is no fleet key at \(configuration.fleetKeyPath): without it no agent's ticket can be checked, and no replication password be told",
            help: """
                put it back from where you keep a copy of it. A server that never ran here needs no --rebuild; with another \
                key every agent has to be enrolled again with a token
                """)
    }
}
