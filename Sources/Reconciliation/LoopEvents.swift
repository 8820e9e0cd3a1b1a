package import ControlAPI
package import FleetModel
package import Manifests
package import MetadataStore

/// A revision of a source, read and assembled.
package struct RevisionRead: Sendable {
    package var source: String
    package var revision: Revision
    /// Relative to the revision in force; the first after a start is relative to nothing.
    package var assembly: Assembly
    /// When the source told of it, before it was fetched; nil: it is not known.
    package var seen: Instant?
    /// The revision that the store says is in force, read again after a start: it was judged before.
    package var isResumed: Bool
    /// Not nil: history was rewritten, and this was in force before.
    package var rewrites: String?
    /// The commit that was in force when it was read, which `assembly.changed` is relative to; nil: nothing was.
    package var base: String?

    package init(
        source: String, revision: Revision, assembly: Assembly, seen: Instant? = nil, isResumed: Bool = false,
        rewrites: String? = nil, base: String? = nil
    ) {
        self.source = source
        self.revision = revision
        self.assembly = assembly
        self.seen = seen
        self.isResumed = isResumed
        self.rewrites = rewrites
        self.base = base
    }
}

/// What people ask of the loop; `by` is the name of who asks.
package enum LoopRequest: Sendable, Hashable {
    /// A pass now; nil: of every unit.
    case reconcile(UnitID?, by: String)
    case suspend(UnitID, by: String)
    case resume(UnitID, by: String)
    /// The instance of this ordinal is to be the writer.
    case switchover(UnitID, to: Int, by: String)
    case failover(UnitID, by: String)
    /// A full commit that waits for approval.
    case approve(revision: String, by: String)
    /// Passed over where it is not to be taken; `rebuildView` says why before.
    case approveRebuild(RebuildApproval)
}

/// Everything that happens to the loop. Its shell hands each to `LoopMachine.handle`, one at a time.
package enum LoopEvent: Sendable {
    /// This server leads. `until`: the end of the lease on this server's clock, as for `leaseRenewed`.
    case leaseGained(term: Int64, until: Instant)
    case leaseRenewed(until: Instant)
    case leaseLost(leaderURL: String?)
    /// Answer to `load`.
    case loaded(StoredState)
    case loadFailed(String)
    /// Answers to `commit`.
    case committed(UInt64)
    case commitFailed(UInt64, StoreError)
    case revisionRead(RevisionRead)
    /// A look at a source that found nothing new, or failed: the sentence says why and how to mend it.
    case sourceLooked(name: String, problem: String?)
    case agentConnected(host: String, connection: UInt64)
    case agentMessage(AgentMessage, host: String, connection: UInt64)
    case agentDisconnected(host: String, connection: UInt64)
    /// Answer to `resolve`: by account key the keyed fingerprint of what the engine should store; and what could not
    /// be resolved.
    case resolved(UnitID, fingerprints: [String: String], problems: [String])
    /// A secret of an offer could not be resolved: it was not sent.
    case offerFailed(attempt: String, reason: String)
    case request(LoopRequest)
    /// The moment of the last `wake` has come.
    case woke
}

/// What the loop asks of its shell. The directives of one list are carried out in its order; `commit`s one after the
/// other in the order in which they were asked for.
package enum LoopDirective: Sendable {
    case load
    /// Answered by `committed` or `commitFailed`.
    case commit(id: UInt64, [StoreChange], term: Int64)
    /// Goes to the agent on that connection, after everything that was sent to it before.
    case send(ServerMessage, host: String, connection: UInt64)
    /// As `send`, with the secrets that the order needs resolved and added on the way.
    case offer(AttemptOrder, OfferSecrets, host: String, connection: UInt64)
    /// Ends that connection's stream after what was sent before.
    case close(host: String, connection: UInt64)
    /// Resolve the secrets of a cluster's accounts; answered by `resolved`.
    case resolve(UnitID, clusterUID: String, [AccountSpec])
    /// Begin to watch the sources, from what the store says is in force.
    case watchSources(accepted: [RevisionRecord], held: [HeldUnit])
    case unwatchSources
    /// The answer to `revisionRead`: whether it is in force now.
    case judged(source: String, commit: String, isAccepted: Bool)
    /// Look at every source now.
    case look
    /// Say `woke` at this moment; replaces the moment of the one before.
    case wake(at: Instant)
    /// What a pass found.
    case publish(UnitStatus)
    case changed(FleetChange)
    /// Our lease is of no use any more: give it back.
    case stepDown
    /// For the log.
    case tell(LoopNotice)
}

/// Something that the server's log should say: a constant sentence, and what it is about.
package struct LoopNotice: Sendable, Hashable {
    package var level: Event.Level
    package var message: String
    package var metadata: [String: String]

    package init(_ level: Event.Level, _ message: String, _ metadata: [String: String] = [:]) {
        self.level = level
        self.message = message
        self.metadata = metadata
    }
}

/// The secrets that an offer needs, by name; their values are added only when it is sent.
package struct OfferSecrets: Sendable, Hashable {
    package var clusterUID: String
    /// Replicas whose replication passwords are needed, and the one whose own it is.
    package var replicas: [Int] = []
    package var own: Int?
    package var account: AccountSpec?
    /// Who is let into its group by the certificate that comes with the order.
    package var groupMember: InstanceID?
    package var groupAuthority: Int64 = 0

    package init(clusterUID: String) { self.clusterUID = clusterUID }

    /// Whether something has to be asked for, and may not be there.
    var areAskedFor: Bool { account != nil || groupMember != nil }

    /// What an action needs: the accounts of the replicas that it makes, or its own to attach with.
    /// `epoch`: the order's. One that was planned before somebody was given up lets nobody in any more.
    package init(clusterUID: String, instance: InstanceID, action: Action, epoch: Int64 = 0, groupAuthority: Int64 = 0) {
        self.init(clusterUID: clusterUID)
        self.groupAuthority = groupAuthority
        switch action {
        case .initialize(let replicas): self.replicas = replicas
        case .prepareReplica(let ordinal, let cluster):
            replicas = [ordinal]
            if !cluster.isEmpty { self.clusterUID = cluster }
        case .replicate, .acknowledge, .rejoin: own = instance.ordinal
        case .ensureAccount(let account, _): self.account = account
        case .foundComponent, .joinComponent, .recoverComponent, .renewCertificate: groupMember = epoch >= groupAuthority ? instance : nil
        default: break
        }
    }
}
