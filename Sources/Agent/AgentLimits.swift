/// Every bound and interval of the agent, in one place.
package enum AgentLimits {
    /// Between the beginnings of two looks at one instance, and at the host.
    package static let lookInterval: Duration = .seconds(2)
    /// A look that takes longer is taken for an instance that does not answer. Longer than the driver's own bound.
    package static let lookMax: Duration = .seconds(4)

    package static let heartbeatInterval: Duration = .seconds(1)
    /// Between two reports: of a change, and where only positions and sizes moved.
    package static let reportSpacing: Duration = .milliseconds(100)
    package static let movingReportSpacing: Duration = .seconds(1)
    /// Between two messages on the progress of one phase of one attempt.
    package static let progressSpacing: Duration = .seconds(1)

    /// From the hello to the welcome.
    package static let welcomeMax: Duration = .seconds(10)
    /// For the transport to take one message.
    package static let sendMax: Duration = .seconds(10)
    /// Without a word from a server that has sent a heartbeat before.
    package static let silenceMax: Duration = .seconds(10)
    /// From the welcome to the repeated offer of an attempt that a restart interrupted.
    package static let reofferMax: Duration = .seconds(15)
    /// Reconnection: evenly between the first and a limit that doubles from `reconnectSpread` to `reconnectMax`.
    package static let reconnectFirst: Duration = .milliseconds(200)
    package static let reconnectSpread: Duration = .milliseconds(500)
    package static let reconnectMax: Duration = .seconds(5)

    /// Between two starts of a process that ends again and again: doubles from the first to the limit, begins anew
    /// once the process has lasted.
    package static let restartFirst: Duration = .seconds(1)
    package static let restartMax: Duration = .seconds(60)
    package static let restartForgotten: Duration = .seconds(120)

    /// Between two tries to open the writer by its grant, and the bound of one.
    package static let grantInterval: Duration = .seconds(1)
    package static let grantWithin: Duration = .seconds(1)

    /// How long the server that ordered an attempt is given to go on from there, before an instance is opened or
    /// replicates on without it; and between two tries to let it replicate on.
    package static let serverFirst: Duration = .seconds(5)

    /// How long the start of a writer that another may have been promoted for waits, when the agent begins, for the
    /// server to say so.
    package static let welcomeFirst: Duration = .seconds(5)

    /// A writer in whose place another could be promoted is killed after so long without a word from a server, and
    /// without an answer of any of those others. They are asked when the server is silent for longer than between two of
    /// its heartbeats (1 s), each time for an answer within `peersMax`. No later than a server takes it for lost.
    package static let isolationMax: Duration = .seconds(2)
    package static let serverQuietMax: Duration = .milliseconds(1500)
    package static let peersMax: Duration = .milliseconds(500)
    package static let peersInterval: Duration = .milliseconds(500)
    /// Between two tries to kill it.
    package static let selfFenceRetry: Duration = .seconds(1)

    /// An agent that comes to itself so much later than it wanted to be woken stood still, or its host did: others may have gone
    /// on without what it holds open. Longer than a journal's disk may hold it up.
    package static let sleptMin: Duration = .seconds(3)
    /// Between two tries to close what it held open meanwhile.
    package static let selfCloseRetry: Duration = .seconds(1)

    /// How long a revocation waits for what works on its instance to end: a failover waits for it.
    package static let revokeWaitMax: Duration = .milliseconds(500)

    /// For the journal's disk to take an entry; longer than that it is one that cannot be written.
    package static let journalMax: Duration = .seconds(2)
    /// Until a journal that could not be written is tried again.
    package static let journalRetry: Duration = .seconds(1)

    /// Attempts that run at once; attempts in the journal; copies sent at once; refusals of a connection and ended copies
    /// that are remembered.
    package static let performingMax = 16
    package static let attemptsMax = 256
    package static let copiesMax = 4
    package static let refusalsMax = 256
    package static let copiesKept = 8
}

extension Duration {
    /// The doubled `first`, `times` over, at most `limit`.
    static func doubled(_ first: Duration, times: Int, limit: Duration) -> Duration {
        times >= 16 ? limit : min(first * (1 << max(times, 0)), limit)
    }
}
