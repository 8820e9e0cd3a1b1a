import FleetModel
import MetadataStore

/// The fleet key of servers that share a store: replication passwords, fingerprints and tickets derive from it, so that a
/// leader with another one would have every replica refused.
enum SharedKey {
    /// Whether the servers of the store have a key; throws where they do and this one has none.
    static func isThere(_ store: (any SharedStore)?, _ configuration: ServerConfiguration) async throws -> Bool {
        guard try await store?.keyDigest() != nil else { return false }
        guard try PrivateFile.read(configuration.fleetKeyPath) != nil else {
            throw ConfigurationError("there is no fleet key at \(configuration.fleetKeyPath), and the servers that share this store have one. \(mend)")
        }
        return true
    }

    /// Tells the store which key this server has, where it is the first; throws where the others have another.
    static func check(_ key: [UInt8], _ store: (any SharedStore)?, _ configuration: ServerConfiguration) async throws {
        do {
            try await store?.agree(onKey: SHA256.keyedHex(key: key, "evenkeel fleet key"))
        } catch StoreError.conflict {
            throw ConfigurationError("the fleet key \(configuration.fleetKeyPath) is not the one of the servers that share this store. \(mend)")
        }
    }

    private static let mend = "Copy fleet.key from the data directory of one of them to this one's, mode 0600"
}
