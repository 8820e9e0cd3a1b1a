package import ControlAPI
package import FleetModel

/// What the machine asks of its shell. The directives of one list are carried out in its order; all but `journal` and
/// `send` begin something and do not wait for its end.
package enum AgentDirective: Sendable, Hashable {
    /// At most one, always first: nothing that follows may happen before these entries are on disk. Where that fails,
    /// nothing that follows happens at all (see `AgentEvent.journalFailed`).
    case journal([JournalEntry])
    /// Open both streams after this time, to `url` where the last server named the leader, else to the next of the
    /// configured servers. Answered by `connected` or `disconnected`.
    case reconnect(after: Duration, url: String?)
    /// Close the streams. Answered by `disconnected`.
    case disconnect(reason: String)
    /// Hand the message to the transport. Answered by `sent`, or by `disconnected`.
    case send(AgentMessage)
    /// Say `woke` at this moment; replaces the moment of the one before.
    case wake(at: Instant)
    /// Answered by `hostLooked`.
    case lookAtHost
    /// Answered by `looked`.
    case look(InstanceID, fingerprintKey: String?)
    /// Carry out the order. Answered by `attemptEnded`.
    case perform(AttemptOrder)
    /// Cancel the task that performs it; it still answers `attemptEnded`.
    case cancelAttempt(String)
    /// Send a copy of the donor there. Answered by `copySent`.
    case sendCopy(CopyEndpoint, donor: InstanceID)
    /// Tell the attempt that receives a copy how its donor ended.
    case copyEnded(attempt: String, error: String?)
    /// Answered by `closedStartEnded`.
    case startClosed(InstanceID)
    /// Answered by `grantEnded`.
    case openByGrant(InstanceID, semiSync: Bool, within: Duration)
    /// Answered by `resumeEnded`.
    case resumeReplication(InstanceID, acknowledges: Bool)
    /// Hurt this host on purpose, where the agent was started for that. Answered by `faulted`.
    case fault(FaultOrder)
    /// Whether any of these database servers' hosts answers within the time; for the writer in whose place they could be
    /// promoted. Answered by `peersAsked`.
    case askPeers(InstanceID, [Peer], within: Duration)
    /// Kill the instance, which was cut off. Answered by `selfFenceEnded`.
    case fenceItself(InstanceID, clusterName: String, epoch: Int64)
    /// Make the writer of a galera cluster read-only, whose agent stood still. Answered by `selfCloseEnded`.
    case closeItself(InstanceID, clusterName: String)
    /// Run the role hook, where one is configured. In order for each instance.
    case roleChanged(RoleChange)
    /// For the log.
    case tell(AgentNotice)
}

/// What applications may use an instance for.
package enum InstanceRole: String, Sendable, Hashable, CaseIterable {
    /// The writer, open.
    case primary
    /// Attached to a source.
    case replica
    case none
}

/// A change of an instance's role, or of the epoch under which it has it.
package struct RoleChange: Sendable, Hashable {
    package var instance: InstanceID
    package var clusterName: String
    package var role: InstanceRole
    package var epoch: Int64

    package init(instance: InstanceID, clusterName: String, role: InstanceRole, epoch: Int64) {
        self.instance = instance
        self.clusterName = clusterName
        self.role = role
        self.epoch = epoch
    }
}

/// Something that the agent's log should say: a constant sentence, and what it is about.
package struct AgentNotice: Sendable, Hashable {
    package enum Level: String, Sendable, Hashable { case info, warning, error }

    package var level: Level
    package var message: String
    /// `instance`, `attempt`, `reason` …; no secrets.
    package var metadata: [String: String]

    package init(_ level: Level, _ message: String, _ metadata: [String: String] = [:]) {
        self.level = level
        self.message = message
        self.metadata = metadata
    }
}
