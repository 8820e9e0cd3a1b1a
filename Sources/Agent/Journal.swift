/// Where an agent keeps what it must not forget over a crash.
package protocol Journal: Sendable {
    /// Returns when all entries are durable: after a crash all of them are there. After a throw they do not count, and a
    /// later call may succeed; a restart before that may still find them, all or none, which is harmless (an attempt
    /// that nobody offers again is given up, a promise that nobody relies on is kept).
    func append(_ entries: [JournalEntry]) async throws
}

/// Why a journal cannot be used: what failed, why, and how to mend it.
package struct JournalError: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
