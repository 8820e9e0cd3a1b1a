/// Bounds of what a store asks of its database. The lease is renewed three times in its duration (15 s): what takes longer
/// than one call's bound has cost the lead anyway.
enum StoreLimits {
    static let connectMax: Duration = .seconds(3)
    static let statementMax: Duration = .seconds(5)
    /// One call with all its tries, but for reading everything.
    static let callMax: Duration = .seconds(12)
    /// Reading all that a leader needs, for the largest fleets.
    static let loadMax: Duration = .seconds(120)
    /// Seconds that a server waits while another one makes the tables.
    static let makingWait = 60
    /// Tries of one transaction that the database broke off: a deadlock, or a lock that was not free in time.
    static let triesMax = 4
    static let pauseFirst: Duration = .milliseconds(20)
    /// Looks at whether a commit was made whose answer was lost.
    static let settlingMax: Duration = .seconds(10)
    static let settlingPause: Duration = .milliseconds(200)
    /// Calls that wait for one connection.
    static let waitingMax = 1000
    /// Seconds, of the database: how long it waits for a row's lock; and how long it keeps a session that says nothing, so
    /// that the locks of a server that was paused or cut off in the middle of a transaction are not held for longer.
    static let lockWait = 3
    static let silenceMax = 10
    /// A connection that was not used for so long may have been ended by the database.
    static let idleMax: Duration = .seconds(8)
    /// Of one statement's text; the smallest `max_allowed_packet` that is usual is 16 MiB.
    static let statementBytesMax = 1 << 20
    static let rowsPerStatement = 500
    /// Clusters that are read by one statement.
    static let clustersPerRead = 5_000
    /// Runs of servers that are remembered, for what became of their last commits.
    static let writersKept = 1_000
}
