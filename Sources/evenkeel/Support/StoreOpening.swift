import FleetModel
import FoundationEssentials
import MetadataStore
import SQLiteStore
import Server

/// The store that a configuration names.
enum StoreOpening {
    /// Opens it, or makes a new one where the data directory was never used before: records that were lost are never
    /// taken for records that never were. `rebuild`: they are made anew, over those of a store that is there.
    static func open(_ configuration: ServerConfiguration, rebuild: Bool) async throws -> any MetadataStore {
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

    private static func lost(_ configuration: ServerConfiguration) -> CommandError {
        CommandError(
            "the store \(configuration.storePath) is gone, though this server has run before",
            help: """
                start with --rebuild: it is made anew from git and the agents, and nothing is done before you have \
                approved it. A copy from \(configuration.backupDirectory) put in its place first keeps the history; the \
                databases run on meanwhile
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
