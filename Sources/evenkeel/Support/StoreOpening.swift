import FoundationEssentials
import MetadataStore
import SQLiteStore
import Server

/// The store that a configuration names.
enum StoreOpening {
    /// Opens it, or makes a new one where the data directory was never used before: records that were lost are never
    /// taken for records that never were.
    static func open(_ configuration: ServerConfiguration) async throws -> any MetadataStore {
        let holder = "process \(ProcessInfo.processInfo.processIdentifier), \(configuration.url)"
        let path = configuration.storePath
        if SQLiteStore.exists(at: path) { return try SQLiteStore.open(at: path, holder: holder) }
        if FileManager.default.fileExists(atPath: configuration.fleetKeyPath) {
            throw CommandError(
                "the store \(path) is gone, though this server has run before",
                help: "put it back from the newest copy in \(configuration.backupDirectory); the databases run on meanwhile")
        }
        return try SQLiteStore.create(at: path, holder: holder)
    }
}
