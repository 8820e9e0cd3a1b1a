package import ControlAPI
package import Engines
package import FleetModel

/// What happens to an agent. Its shell (`AgentRunner`, or the simulator) hands each to `AgentMachine.handle`, one at a
/// time, in the order in which they happened.
package indirect enum AgentEvent: Sendable, Hashable {
    /// Once, first of all.
    case started
    /// The moment of the last `wake` directive has come.
    case woke
    /// Both streams to a server are open.
    case connected
    /// They could not be opened, or broke, or were closed by a `disconnect`. `jitter`: evenly in 0 ..< 1.
    case disconnected(reason: String, jitter: Double)
    case received(ServerMessage)
    /// An offer came that this release cannot carry out.
    case receivedUnsupported(UnsupportedOrder)
    /// The transport has taken the last `send` directive's message; the next is sent only then.
    case sent
    /// Answer to `lookAtHost`.
    case hostLooked(HostFacts)
    /// Answer to `look`; nil: the instance is not on this host.
    case looked(InstanceID, InstanceReport?)
    /// From here on answers to `perform`: any number of these two, then one `attemptEnded`.
    case progressed(attempt: String, EngineProgress)
    case copyReady(attempt: String, CopyDestination)
    case attemptEnded(attempt: String, AttemptOutcome)
    /// Answer to `sendCopy`; a nil error is success.
    case copySent(attempt: String, error: String?)
    /// Answer to `startClosed`; a nil error is success.
    case closedStartEnded(InstanceID, error: String?)
    /// Answer to `openByGrant`: whether the instance is open now.
    case grantEnded(InstanceID, opened: Bool)
    /// Answer to `resumeReplication`: whether it replicates on.
    case resumeEnded(InstanceID, resumed: Bool)
    /// Answer to `fault`.
    case faulted(FaultAnswer)
    /// Answer to `askPeers`.
    case peersAsked(InstanceID, answered: Bool)
    /// Answer to `fenceItself`; a nil error is success.
    case selfFenceEnded(InstanceID, error: String?)
    /// Answer to `closeItself`; a nil error is success.
    case selfCloseEnded(InstanceID, error: String?)
    /// A database process has ended, whoever started or stopped it.
    case processExited(InstanceID)
    /// A look at this instance shows trouble that the last one did not.
    case stalled(InstanceID)
    /// The entries of the `journal` directive that answered `event` are not on disk. The machine is to be handed this
    /// in the state that it had *before* `event`; see `AgentMachine`.
    case journalFailed(reason: String, event: AgentEvent)
}

/// What a look at the host finds, apart from the instances themselves.
package struct HostFacts: Sendable, Hashable {
    /// Sorted.
    package var engines: [EngineBinary]
    package var storageFreeBytes: Int64
    package var memoryTotalBytes: Int64
    /// Sorted.
    package var instances: [InstanceID]
    package var catalogs: [VariableCatalog]

    package init(
        engines: [EngineBinary] = [], storageFreeBytes: Int64 = 0, memoryTotalBytes: Int64 = 0,
        instances: [InstanceID] = [], catalogs: [VariableCatalog] = []
    ) {
        self.engines = engines
        self.storageFreeBytes = storageFreeBytes
        self.memoryTotalBytes = memoryTotalBytes
        self.instances = instances
        self.catalogs = catalogs
    }
}
