/// Keyed fingerprints, so that the server and every agent name the same secret by the same short text and nobody can
/// turn it back.
package enum Fingerprint {
    /// The fingerprint of an account's authentication string as MariaDB stores it (`*` and 40 upper-case hex digits for
    /// `mysql_native_password`). `key`: the cluster's fingerprint key, derived by the server from its fleet key.
    package static func account(_ authenticationString: String, key: [UInt8]) -> String {
        String(SHA256.keyedHex(key: key, authenticationString).prefix(16))
    }
}
