import FoundationEssentials
import MetadataStore
import SQLiteStore
import Server

/// The store that a configuration names.
enum StoreOpening {
    /// Opens it, or makes a new one where the data directory was never used before, or a rebuild was asked for.
    static func open(_ configuration: ServerConfiguration, rebuilding: Bool) async throws -> any MetadataStore {
        let holder = "process \(ProcessInfo.processInfo.processIdentifier), \(configuration.url)"
        let path = configuration.storePath
        if SQLiteStore.exists(at: path) { return try SQLiteStore.open(at: path, holder: holder) }
        if FileManager.default.fileExists(atPath: configuration.fleetKeyPath), !rebuilding {
            throw CommandError(
                "the store \(path) is gone, though this server has run before",
                help: """
                    put it back from \(configuration.backupDirectory), or let `evenkeel serve --rebuild` make its records \
                    anew from git and the agents
                    """)
        }
        return try SQLiteStore.create(at: path, holder: holder)
    }
}
