package import FleetModel

/// One line of an agent's journal.
package enum JournalEntry: Sendable, Hashable {
    /// The agent serves this store and no other.
    case bound(storeID: String)
    /// No order of a lower term is taken.
    case promised(term: Int64)
    /// All that is kept of one instance, from now on.
    case instance(InstanceID, InstanceJournal)
    case accepted(JournalledAttempt)
    case ended(attempt: String, AttemptOutcome)
    /// The server has the end in its store.
    case settled(attempt: String)
}

/// What an agent must not forget of an instance.
package struct InstanceJournal: Sendable, Hashable {
    /// The highest epoch promised.
    package var epoch: Int64
    /// Whether its process should run: it is started closed when it does not.
    package var shouldRun: Bool
    /// Not nil: it is the writer under `epoch`, and may be opened without a server as the writer's grant allows.
    package var grant: WriterGrant?
    /// Not nil: it is a replica under `epoch`, and replicates on without a server when it was started again.
    package var following: Following?
    /// It is in maintenance: not started by the agent alone before this moment.
    package var startHeldUntil: Instant?

    package init(
        epoch: Int64 = 0, shouldRun: Bool = false, grant: WriterGrant? = nil, following: Following? = nil,
        startHeldUntil: Instant? = nil
    ) {
        self.epoch = epoch
        self.shouldRun = shouldRun
        self.grant = grant
        self.following = following
        self.startHeldUntil = startHeldUntil
    }
}

/// How a writer is to be opened again.
package struct WriterGrant: Sendable, Hashable {
    package var semiSync: Bool
    /// Who could be promoted in its place while this agent hears nobody; as the last order on the instance had it.
    package var rivals: [Peer]

    package init(semiSync: Bool, rivals: [Peer] = []) {
        self.semiSync = semiSync
        self.rivals = rivals
    }
}

/// How a replica is to replicate on.
package struct Following: Sendable, Hashable {
    /// Whether it is in the ack set of its epoch.
    package var acknowledges: Bool

    package init(acknowledges: Bool) { self.acknowledges = acknowledges }
}

/// An attempt as it is kept on disk: without arguments and secrets, because it is never redone without being offered
/// again.
package struct JournalledAttempt: Sendable, Hashable {
    package var id: String
    package var instance: InstanceID
    /// The action's name.
    package var action: String
    package var epoch: Int64
    /// Nil while it is open.
    package var outcome: AttemptOutcome?

    package init(id: String, instance: InstanceID, action: String, epoch: Int64, outcome: AttemptOutcome? = nil) {
        self.id = id
        self.instance = instance
        self.action = action
        self.epoch = epoch
        self.outcome = outcome
    }
}

/// What all entries of a journal add up to.
package struct JournalState: Sendable, Hashable {
    /// Empty before the agent is bound.
    package var storeID: String
    package var term: Int64
    package var instances: [InstanceID: InstanceJournal]
    /// Open, and ended but not settled, by id.
    package var attempts: [String: JournalledAttempt]
    /// The last that were settled, oldest first, so that a late repetition of their offer does nothing.
    package var settled: [String]

    /// How many settled ids are remembered.
    package static let settledMax = 256

    package init() {
        storeID = ""
        term = 0
        instances = [:]
        attempts = [:]
        settled = []
    }

    /// Epochs and terms never go back, whatever an entry says.
    package mutating func apply(_ entry: JournalEntry) {
        switch entry {
        case .bound(let store): storeID = store
        case .promised(let promised): term = max(term, promised)
        case .instance(let id, var instance):
            instance.epoch = max(instance.epoch, instances[id]?.epoch ?? 0)
            instances[id] = instance
        case .accepted(let attempt): attempts[attempt.id] = attempt
        case .ended(let attempt, let outcome): attempts[attempt]?.outcome = outcome
        case .settled(let attempt):
            attempts[attempt] = nil
            settled.append(attempt)
            if settled.count > JournalState.settledMax { settled.removeFirst(settled.count - JournalState.settledMax) }
        }
    }

    /// The fewest entries that add up to this state, in a stated order.
    package var entries: [JournalEntry] {
        var entries: [JournalEntry] = []
        if !storeID.isEmpty { entries.append(.bound(storeID: storeID)) }
        if term > 0 { entries.append(.promised(term: term)) }
        entries += instances.sorted { $0.key < $1.key }.map { .instance($0.key, $0.value) }
        entries += settled.map { .settled(attempt: $0) }
        entries += attempts.values.sorted { $0.id < $1.id }.map { .accepted($0) }
        return entries
    }
}
