/// Where an agent keeps what it must not forget over a crash.
package protocol Journal: Sendable {
    /// Returns when all entries are durable, in order. After a throw none of them counts, also after a restart, and a
    /// later call may succeed.
    func append(_ entries: [JournalEntry]) async throws
}
