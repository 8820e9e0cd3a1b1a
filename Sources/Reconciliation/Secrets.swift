package import FleetModel

/// Where the server finds secrets. Values are asked for when they are needed and are never kept, logged or shown.
package protocol SecretProvider: Sendable {
    /// The value that a reference names. Throws an error whose description says what is missing and how to mend it,
    /// and holds nothing of the value.
    func resolve(_ reference: SecretReference) async throws -> String
    /// The key of the fleet, at least 32 bytes, from a file outside the store.
    func fleetKey() -> [UInt8]
    /// A new certificate by which a member of a galera cluster is let into its group, with its key and its authority, as
    /// `GroupAuthority` makes it. Good from `now` on; `authority`: `GaleraRecords.authority`.
    func groupCertificate(of instance: InstanceID, authority: Int64, now: Instant) throws -> String
    /// What the engine stores for an account with this password: for `mysql_native_password` `*` and 40 upper-case hex
    /// digits.
    func expectedAuthentication(password: String) -> String
}

/// Credentials of our own accounts, derived from the fleet key: nothing is stored, a rotation is version + 1.
package struct Credentials: Sendable {
    private let fleetKey: [UInt8]

    package init(fleetKey: [UInt8]) { self.fleetKey = fleetKey }

    /// The key by which accounts of a cluster are fingerprinted; its agents get it as hex in `welcome`.
    package func fingerprintKey(clusterUID: String) -> [UInt8] {
        SHA256.keyed(key: fleetKey, Array("evenkeel fingerprint \(clusterUID)".utf8))
    }

    /// A password of ours: `purpose` is `replication.<ordinal>`, `clone` or `monitor`. 32 hex digits, 128 bits.
    package func password(clusterUID: String, purpose: String, version: Int = 1) -> String {
        let text = "evenkeel password \(clusterUID) \(purpose) \(version)"
        return String(SHA256.keyedHex(key: fleetKey, text).prefix(32))
    }
}

extension Credentials {
    /// The purpose of the password of one replica's replication account.
    package static func replication(_ ordinal: Int) -> String { "replication.\(ordinal)" }
}
