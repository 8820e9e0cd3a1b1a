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
    private var highestTerm: Int64 = 0
    private var journals: [String: (term: Int64, epochs: [InstanceID: Int64])] = [:]
    private(set) var attemptsOpened = 0
    private(set) var acknowledgedCount = 0

    func fail(_ reason: String) { if violation == nil { violation = reason } }

    // MARK: After every event

    func check(_ world: World) {
        var writer: InstanceID?
        for host in world.hosts {
            for instance in host.instances.values where instance.isWritable && !instance.isMadeWritable {
                if let writer { fail("\(writer) and \(instance.id) take writes at once") }
                writer = instance.id
            }
        }
    }

    // MARK: Writes

    /// A client was told that its write is safe.
    func acknowledged(_ instance: ModelInstance, _ place: Int, _ world: World) {
        let write = instance.binlog[place]
        guard case .write = write.content else { return }
        if let other = acknowledged[place], other != write {
            fail("two acknowledged writes at place \(place): \(other.content) and \(write.content)")
        }
        acknowledged[place] = write
        acknowledgedCount += 1
        guard instance.process?.semiSyncPrimary == true else { return }
        let copies = world.allInstances.count { $0.instance.received(at: place) == write }
        if copies < 2 { fail("\(instance.id) acknowledged \(write.content) with \(copies) copies") }
    }

    /// A writer was opened: everything acknowledged must be there.
    func opened(_ instance: ModelInstance, _ world: World) {
        world.note("\(instance.id) takes writes")
        requireAll(instance, "is opened")
    }

    func requireAll(_ instance: ModelInstance, _ what: String) {
        for (place, write) in acknowledged where place >= instance.binlog.count || instance.binlog[place] != write {
            return fail("\(instance.id) \(what) without the acknowledged \(write.content) at place \(place)")
        }
    }

    /// A directory is about to go: never one in service, never the only one that holds everything.
    func removing(_ instance: ModelInstance, _ host: ModelHost, _ world: World) {
        if instance.directory == .ready { fail("\(instance.id) is removed while in service") }
        guard instance.directory == .retired, let last = acknowledged.max(by: { $0.key < $1.key }) else { return }
        let others = world.allInstances.filter { $0.instance !== instance && $0.instance.received(at: last.key) == last.value }
        if others.isEmpty { fail("\(instance.id) is removed, and no other instance holds \(last.value.content)") }
    }

    // MARK: Terms and epochs

    func leased(_ term: Int64) {
        if term < highestTerm { fail("the lease's term went back from \(highestTerm) to \(term)") }
        highestTerm = max(highestTerm, term)
    }

    func stored(_ changes: [StoreChange]) {
        for change in changes {
            switch change {
            case .putCluster(let cluster): stored(cluster)
            case .openAttempt: attemptsOpened += 1
            default: break
            }
        }
    }

    private func stored(_ cluster: ClusterRecords) {
        if let epoch = epochs[cluster.uid], cluster.epoch < epoch {
            fail("the epoch of \(cluster.name) went back from \(epoch) to \(cluster.epoch)")
        }
        epochs[cluster.uid] = cluster.epoch
        if founded.contains(cluster.uid), !cluster.isFounded { fail("\(cluster.name) is founded no more") }
        if cluster.isFounded { founded.insert(cluster.uid) }
    }

    func journalled(_ host: ModelHost, _ entries: [JournalEntry]) {
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
