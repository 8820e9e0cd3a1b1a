/// A store that several servers have open at once: one of them leads, the others follow.
package protocol SharedStore: MetadataStore {
    /// Where the holder of the lease is reached by clients and agents; nil where nobody holds it, or its time is over.
    func leaderURL() async throws -> String?
    /// The credentials as they are now, in the order in which `load` gives them.
    func credentials() async throws -> [CredentialRecord]
    /// The digest of the fleet key that this store's servers have; nil before the first of them has told.
    func keyDigest() async throws -> String?
    /// Tells the digest of this server's fleet key. The first one stays; throws `conflict` where it is another.
    func agree(onKey digest: String) async throws
}
