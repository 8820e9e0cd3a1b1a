import ControlAPI
import FleetModel
import MetadataStore
import Planning

// The lease: who leads, and what is forgotten when it ends.

extension LoopMachine {
    var isLeading: Bool {
        if case .leading = leadership { return true }
        return false
    }

    /// By our own clock the lease is over: from this moment another server may lead.
    var isLeaseOver: Bool { leadership.until.map { $0 <= now } ?? false }

    /// The time after a change of leader in which silence means nothing yet.
    var isInGrace: Bool { now < graceEnd }

    var graceEnd: Instant {
        guard case .leading(_, _, let since) = leadership else { return now + settings.graceMax }
        return since + settings.graceMax
    }

    mutating func leaseGained(term: Int64, until: Instant) {
        if leadership.term == term {
            leaseRenewed(until: until)
            return
        }
        if leadership.isActive { becomeFollower(leaderURL: nil) }
        leadership = .loading(term: term, until: until)
        deadlines = DeadlineQueue()
        lastWake = nil
        deadlines.insert(.lease, at: until)
        deadlines.insert(.pulse, at: now + LoopMachine.pulse)
        directives.append(.load)
    }

    mutating func leaseRenewed(until: Instant) {
        switch leadership {
        case .follower: return
        case .loading(let term, _): leadership = .loading(term: term, until: until)
        case .leading(let term, _, let since): leadership = .leading(term: term, until: until, since: since)
        case .gathering(let term, _): leadership = .gathering(term: term, until: until)
        }
        deadlines.insert(.lease, at: until)
    }

    /// Everything that only a leader may know is forgotten; the desired state and the last statuses stay for readers.
    mutating func becomeFollower(leaderURL: String?) {
        let wasActive = leadership.isActive
        closeAgents(leaderURL: leaderURL)
        leadership = .follower(leaderURL: leaderURL)
        guard wasActive else { return }
        gathering = nil
        forgetWork()
        observed = [:]
        units = [:]
        held = [:]
        directives.append(.unwatchSources)
        directives.append(.changed(.leadership(term: nil)))
        directives.append(.stepDown)
    }

    private mutating func closeAgents(leaderURL: String?) {
        for (host, session) in agents.sorted(by: { $0.key < $1.key }) {
            directives.append(.send(.notLeader(url: leaderURL), host: host, connection: session.connection))
            directives.append(.close(host: host, connection: session.connection))
        }
        agents = [:]
    }

    private mutating func forgetWork() {
        commits = [:]
        attempts = [:]
        housekeeping = []
        queue = UnitQueue()
        resolving = 0
        heldByBudget = []
        accepting = nil
        isAllocationDue = false
        isAcceptanceInFlight = false
    }

    /// What the store has is not what we thought: read it again. Agents say hello again and tell what they have.
    mutating func reload(_ reason: String) {
        guard case .leading(let term, let until, let since) = leadership else { return }
        directives.append(.tell(LoopNotice(.warning, "the store is read again", ["reason": reason])))
        loadAnew(as: .loading(term: term, until: until))
        if now - since < LoopMachine.reloadPause {
            deadlines.insert(.reload, at: now + LoopMachine.reloadPause)
        } else {
            directives.append(.load)
        }
    }

    mutating func loadAnew(as loading: Leadership) {
        closeAgents(leaderURL: settings.ownURL)
        gathering = nil
        forgetWork()
        observed = [:]
        leadership = loading
        directives.append(.unwatchSources)
    }

    mutating func loadFailed(_ reason: String) {
        guard case .loading = leadership else { return }
        directives.append(.tell(LoopNotice(.error, "the store could not be read", ["reason": reason])))
        deadlines.insert(.reload, at: now + LoopMachine.reloadPause)
    }

    mutating func loaded(_ state: StoredState) {
        guard case .loading(let term, let until) = leadership else { return }
        if let since = state.rebuilding { return gather(state, since: since, term: term, until: until) }
        adopts = state.adopts
        leftOut = Set(state.leftOut)
        leadership = .leading(term: term, until: until, since: now)
        attemptPrefix = "\(term)-\(String(now.milliseconds, radix: 36))-"
        take(state)
        directives.append(.changed(.leadership(term: term)))
        directives.append(.watchSources(accepted: state.revisions, held: state.held))
        for host in agents.keys.sorted() { greet(host) }
    }

    private mutating func take(_ state: StoredState) {
        records = state.records
        for name in records.clusters.keys { records.clusters[name]?.countMoments(until: now) }
        failovers = FailoverLedger(of: records.clusters.values)
        loads = nil
        catalogs = state.catalogs.sorted { $0.version < $1.version }
        clusterNames = [:]
        clustersByHost = [:]
        followers = [:]
        for cluster in records.clusters.values { index(cluster) }
        for cluster in records.clusters.values where cluster.lead != nil { relate(cluster) }
        units = [:]
        let hasDesired = desired != nil
        statuses.keepOnly { hasDesired && $0.kind != .source }
        // Found under an earlier lease: shown until the next pass, and no reason to call anything converged.
        for unit in Array(statuses.keys) { status(of: unit) { $0.plan = nil } }
        for (unit, conditions) in state.conditions { status(of: unit) { $0.conditions = conditions } }
        held = Dictionary(state.held.map { ($0.unit, $0) }) { $1 }
        attempts = [:]
        for record in state.openAttempts { adopt(record) }
        noteSources(state.revisions)
        for name in records.clusters.keys.sorted() { enqueue(UnitID(.cluster, name), .due) }
        if desired != nil { enqueueAll() }
    }

    private mutating func adopt(_ record: AttemptRecord) {
        guard case .instance(let instance, let host) = record.task.target else { return }
        attempts[record.id] = OpenAttempt(record: record, instance: instance, host: host, phase: .unknown)
    }

    /// How often the streams to agents are looked after.
    static let pulse: Duration = .seconds(1)
    static let reloadPause: Duration = .seconds(1)
}
