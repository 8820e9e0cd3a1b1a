import Agent
import FleetModel
import MetadataStore

/// Watches the promises: what must never happen, after every event.
final class Oracle {
    private(set) var violation: String?
    /// Acknowledged client writes: their place in the binlog, and which write it was.
    private(set) var acknowledged: [Int: Transaction] = [:]
    private var epochs: [String: Int64] = [:]
    private var founded: Set<String> = []
    private var failoverEpochs: [String: Int64] = [:]
    private(set) var highestTerm: Int64 = 0
    private var journals: [String: (term: Int64, epochs: [InstanceID: Int64])] = [:]
    private(set) var attemptsOpened = 0
    private(set) var failoversBegun = 0
    var rejoinsMovedAside = 0
    /// How often the writer ceased to wait for anybody.
    private(set) var timesAlone = 0
    private var waiting: Set<String> = []
    /// The one that was opened last.
    private var writer: ModelInstance?
    private(set) var acknowledgedCount = 0
    /// How often a lost component was begun again, and how many writes were given up by somebody's word.
    var recoveries = 0
    private(set) var forgiven = 0
    /// The rows of answered clients, by number.
    private(set) var told: Set<Int> = []
    /// It breaks off nothing: promises are broken on purpose.
    var isPatient = false
    /// Who was left when a host was lost for good, and had which acknowledged writes.
    private var witnesses: [(host: ModelHost, id: InstanceID, writes: [Int: Transaction])] = []
    private var leads: Set<LeadTaken> = []
    /// How often a standby began to lead.
    private(set) var leadsTaken = 0

    func fail(_ reason: String) { if violation == nil, !isPatient { violation = reason } }

    // MARK: After every event

    func check(_ world: World) {
        // Members of one component are all writers.
        if world.script.isGalera { return }
        var writable = 0
        for host in world.hosts {
            for instance in host.sortedInstances where instance.isWritable && !instance.isMadeWritable { writable += 1 }
        }
        guard writable > 1 else { return }
        // A lost writer may stay open as long as no write of it can be answered.
        let writers = world.allInstances.map(\.instance).filter { world.canAcknowledge($0) }.map(\.id).sorted()
        if writers.count > 1 { fail("\(writers[0]) and \(writers[1]) take writes at once") }
    }

    // MARK: Writes

    /// A client was told that its write is safe.
    func acknowledged(_ instance: ModelInstance, _ place: Int, _ world: World) {
        let write = instance.binlog[place]
        guard case .write(let row) = write.content else { return }
        told.insert(row)
        if let other = acknowledged[place], other != write {
            fail("two acknowledged writes at place \(place): \(other.content) and \(write.content)")
        }
        if let writer, writer !== instance, !writer.holds(write, at: place) {
            fail("\(instance.id) acknowledged \(write.content) after \(writer.id) was opened without it")
        }
        acknowledged[place] = write
        acknowledgedCount += 1
        guard instance.process?.semiSyncPrimary == true else { return }
        let copies = world.allInstances.count { $0.instance.id.clusterUID == instance.id.clusterUID && $0.instance.holds(write, at: place) }
        if copies < 2 { fail("\(instance.id) acknowledged \(write.content) with \(copies) copies") }
    }

    /// As of a galera cluster, whose places are those of the one order.
    func acknowledge(_ write: Transaction, at place: Int) {
        if let other = acknowledged[place], other !== write {
            fail("two acknowledged writes at place \(place): \(other.content) and \(write.content)")
        }
        acknowledged[place] = write
        acknowledgedCount += 1
    }

    /// Its loss was accepted.
    func forgive(_ place: Int) {
        acknowledged[place] = nil
        forgiven += 1
    }

    /// A writer was opened: everything acknowledged must be there.
    func opened(_ instance: ModelInstance, _ world: World) {
        world.note("\(instance.id) takes writes")
        writer = instance
        requireAll(instance, "is opened")
    }

    func requireAll(_ instance: ModelInstance, _ what: String) {
        for (place, write) in acknowledged where place >= instance.binlog.count || instance.binlog[place] != write {
            return fail("\(instance.id) \(what) without the acknowledged \(write.content) at place \(place)")
        }
    }

    /// Who is left as a host is lost for good, and what of the acknowledged writes each has received.
    func hostIsGone(_ world: World) {
        for (host, instance) in world.allInstances where !host.isGone {
            witnesses.append((host, instance.id, acknowledged.filter { instance.holds($0.value, at: $0.key) }))
        }
    }

    /// What they had is with one of them, also after another host was lost for good.
    func requireKept(_ world: World) {
        let left = world.allInstances.filter { !$0.host.isGone }.map(\.instance)
        for witness in witnesses where !witness.host.isGone {
            for (place, write) in witness.writes where !left.contains(where: { $0.holds(write, at: place) }) {
                return fail("\(witness.id) had received the acknowledged \(write.content) at place \(place), and nobody who is left has it")
            }
        }
    }

    /// A task stops an instance to start it again: one at a time.
    func interrupting(_ instance: ModelInstance, _ world: World) {
        let down = world.allInstances.first { pair in
            pair.instance !== instance && pair.instance.id.clusterUID == instance.id.clusterUID && pair.instance.isInterrupted
                && pair.instance.process == nil && pair.instance.directory == .ready
        }
        if let down { fail("\(instance.id) is stopped while \(down.instance.id), stopped by another task, is not up") }
    }

    /// A directory is about to go: never one in service, never the only one that holds everything.
    func removing(_ instance: ModelInstance, _ host: ModelHost, _ world: World) {
        if instance.directory == .ready { fail("\(instance.id) is removed while in service") }
        guard instance.directory == .retired, let last = acknowledged.max(by: { $0.key < $1.key }) else { return }
        let others = world.allInstances.filter { $0.instance !== instance && $0.instance.holds(last.value, at: last.key) }
        if others.isEmpty { fail("\(instance.id) is removed, and no other instance holds \(last.value.content)") }
    }

    /// A rejoin takes a directory out of service: its source has everything acknowledged.
    func movingAside(_ instance: ModelInstance, _ source: ModelInstance) {
        rejoinsMovedAside += 1
        requireAll(source, "is what \(instance.id) rejoins,")
    }

    // MARK: Terms and epochs

    /// Somebody's own account, which no manifest has.
    static let stranger = AccountSpec(name: "stranger", host: "%", passwordFrom: .file("stranger"), grants: [])

    func leased(_ term: Int64) {
        if term < highestTerm { fail("the lease's term went back from \(highestTerm) to \(term)") }
        highestTerm = max(highestTerm, term)
    }

    func stored(_ changes: [StoreChange], by term: Int64) {
        if term < highestTerm { fail("the store took a change of term \(term), and term \(highestTerm) had begun") }
        for change in changes {
            switch change {
            case .putCluster(let cluster): stored(cluster)
            case .openAttempt(let attempt):
                attemptsOpened += 1
                requireCause(attempt.task)
            default: break
            }
        }
    }

    private func requireCause(_ task: PlannedTask) {
        let isNamed =
            switch task.cause {
            case .manifest(let revision, let place, _): !revision.isEmpty && !place.file.isEmpty && place.line > 0
            case .observation(let what): !what.isEmpty
            }
        if !isNamed { fail("\(task.summary): nothing says what caused it") }
    }

    private func stored(_ cluster: ClusterRecords) {
        if let epoch = epochs[cluster.uid], cluster.epoch < epoch {
            fail("the epoch of \(cluster.name) went back from \(epoch) to \(cluster.epoch)")
        }
        epochs[cluster.uid] = cluster.epoch
        if let failover = cluster.failover, failover.epoch > failoverEpochs[cluster.uid] ?? 0 {
            failoverEpochs[cluster.uid] = failover.epoch
            failoversBegun += 1
        }
        let isStandby = cluster.standby != nil
        if waiting.contains(cluster.uid), !cluster.isSemiSync, !isStandby { timesAlone += 1 }
        if cluster.isSemiSync { waiting.insert(cluster.uid) } else { waiting.remove(cluster.uid) }
        if !isStandby, let lead = cluster.lead, leads.insert(lead).inserted { leadsTaken += 1 }
        if founded.contains(cluster.uid), !cluster.isFounded { fail("\(cluster.name) is founded no more") }
        if cluster.isFounded { founded.insert(cluster.uid) }
    }

    /// What an agent begins with: all that it ever promised.
    func agentStarts(_ host: ModelHost) {
        for (instance, epoch) in journals[host.name]?.epochs ?? [:] where host.journal.instances[instance]?.epoch ?? 0 < epoch {
            fail("the agent of \(host.name) has forgotten that it promised epoch \(epoch) of \(instance)")
        }
        journalled(host)
    }

    func journalled(_ host: ModelHost) {
        var known = journals[host.name] ?? (0, [:])
        if host.journal.term < known.term { fail("\(host.name) promised term \(known.term) and then \(host.journal.term)") }
        known.term = host.journal.term
        for (instance, journal) in host.journal.instances {
            if journal.epoch < known.epochs[instance] ?? 0 { fail("\(host.name) went back in the epoch of \(instance)") }
            known.epochs[instance] = journal.epoch
        }
        journals[host.name] = known
    }
}
