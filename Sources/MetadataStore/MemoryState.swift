import FleetModel

/// All of an in-memory store as one value; a transaction works on a copy of it.
struct MemoryState: Sendable {
    var lease = MemoryLease()
    private(set) var records: FleetRecords
    private var index = ClusterIndex()
    private(set) var attempts: [AttemptRecord] = []
    private var openAttempts: [String: String] = [:]
    private(set) var conditions: [UnitID: [Condition]] = [:]
    private(set) var events: [Event] = []
    private var held: [UnitID: HeldUnit] = [:]
    private var alerts: [String: AlertRecord] = [:]
    private var outbox: [String: OutboxEntry] = [:]
    private var credentials: [String: CredentialRecord] = [:]
    private var catalogs: [String: VariableCatalog] = [:]
    private(set) var revisions: [RevisionRecord] = []
    private(set) var plans: [PlanRecord] = []
    private var rebuilding: Instant?
    private var adopts: Set<String> = []
    private var leftOut: Set<String> = []
    private let retention: StoreRetention

    init(storeID: String, retention: StoreRetention) {
        records = FleetRecords(storeID: storeID)
        self.retention = retention
    }

    /// What a leader loads, in the order in which a store gives it.
    var stored: StoredState {
        var accepted: [String: RevisionRecord] = [:]
        for record in revisions where record.state == .accepted { accepted[record.source] = record }
        return StoredState(
            records: records, openAttempts: attempts.filter { $0.ended == nil }, conditions: conditions,
            held: held.values.sorted { $0.unit < $1.unit }, alerts: alerts.values.sorted { $0.key < $1.key },
            outbox: outbox.values.sorted { ($0.created, $0.id) < ($1.created, $1.id) },
            credentials: credentials.values.sorted { $0.tokenDigest < $1.tokenDigest },
            catalogs: catalogs.values.sorted { $0.version < $1.version },
            revisions: accepted.values.sorted { $0.source < $1.source }, rebuilding: rebuilding,
            adopts: rebuilding == nil ? adopts.sorted() : [], leftOut: leftOut.sorted())
    }

    /// Makes all changes, or throws and makes none.
    mutating func commit(_ changes: [StoreChange]) throws(StoreError) {
        var next = self
        try next.apply(changes)
        self = consume next
        // Last, when there is one copy of them again: they are many, and nothing forbids them.
        for case .appendEvent(let event) in changes { events.append(event) }
        events.removeFirst(max(0, events.count - retention.eventsMax))
    }

    /// Makes all changes but events, or throws and is to be thrown away.
    private mutating func apply(_ changes: [StoreChange]) throws(StoreError) {
        let before = records.clusters
        var touched: Set<String> = []
        for change in changes {
            switch change {
            case .putCluster(let cluster):
                touched.insert(cluster.name)
                try put(cluster)
            case .removeCluster(let name):
                touched.insert(name)
                records.clusters[name] = nil
            default: try applySmall(change)
            }
        }
        for name in touched { if let old = before[name] { index.remove(old) } }
        for name in touched.sorted() { if let new = records.clusters[name] { try index.insert(new) } }
        trim()
    }

    private mutating func applySmall(_ change: StoreChange) throws(StoreError) {
        switch change {
        case .putCluster, .removeCluster: break
        case .counters(let server, let domain, let made): try count(server, domain, made)
        case .putRevision(let record):
            revisions.removeAll { $0.source == record.source && $0.revision.commit == record.revision.commit }
            revisions.append(record)
        case .putPlan(let record):
            plans.removeAll { $0.id == record.id }
            plans.append(record)
        case .openAttempt(let record): try open(record)
        case .endAttempt(let id, let outcome, let at): end(id, outcome, at)
        case .putConditions(let unit, let list): conditions[unit] = list.isEmpty ? nil : list
        case .appendEvent: break
        case .putHeld(let unit): held[unit.unit] = unit
        case .removeHeld(let unit): held[unit] = nil
        case .putChannel(let name, let digest): records.channels[name] = digest
        case .putAlert(let alert): alerts[alert.key] = alert
        case .removeAlert(let key): alerts[key] = nil
        case .putOutbox(let entry): outbox[entry.id] = entry
        case .removeOutbox(let id): outbox[id] = nil
        case .putCredential(let credential): credentials[credential.tokenDigest] = credential
        case .removeCredential(let digest): credentials[digest] = nil
        case .putCatalog(let catalog): catalogs[catalog.type.rawValue + " " + catalog.version] = catalog
        case .finishRebuild(let stores, let hosts, let term): try finishRebuild(stores, hosts, term)
        case .removeLeftOut(let host): leftOut.remove(host)
        }
    }

    mutating func beginRebuild(newIdentity: String, now: Instant) {
        guard rebuilding == nil else { return }
        adopts.insert(records.storeID)
        records.storeID = newIdentity
        rebuilding = now
        lease.end()
    }

    private mutating func finishRebuild(_ stores: [String], _ hosts: [String], _ term: Int64) throws(StoreError) {
        guard rebuilding != nil else { throw StoreRules.notRebuilding }
        rebuilding = nil
        leftOut = Set(hosts)
        adopts.formUnion(stores)
        adopts.remove(records.storeID)
        lease.raise(above: term)
    }

    private mutating func put(_ cluster: ClusterRecords) throws(StoreError) {
        if let old = records.clusters[cluster.name] { try StoreRules.checkReplacement(uid: old.uid, epoch: old.epoch, by: cluster) }
        records.clusters[cluster.name] = cluster
    }

    private mutating func count(_ server: Int64, _ domain: Int64, _ made: Int64) throws(StoreError) {
        try StoreRules.checkCounters(
            old: (records.nextServerNumber, records.nextDomainNumber, records.clustersMade), new: (server, domain, made))
        records.nextServerNumber = server
        records.nextDomainNumber = domain
        records.clustersMade = made
    }

    private mutating func open(_ record: AttemptRecord) throws(StoreError) {
        if attempts.contains(where: { $0.id == record.id }) { throw StoreRules.attemptIsKnown(record.id) }
        if record.ended == nil, let other = openAttempts.updateValue(record.id, forKey: record.key) {
            throw StoreRules.keyIsOpen(record.key, by: other)
        }
        attempts.append(record)
    }

    private mutating func end(_ id: String, _ outcome: AttemptOutcome, _ at: Instant) {
        guard let index = attempts.firstIndex(where: { $0.id == id }), attempts[index].ended == nil else { return }
        attempts[index].ended = at
        attempts[index].outcome = outcome
        openAttempts[attempts[index].key] = nil
    }

    private mutating func trim() {
        plans.removeFirst(max(0, plans.count - retention.plansMax))
        let surplusAttempts = attempts.lazy.filter { $0.ended != nil }.count - retention.attemptsMax
        Self.removeOldest(surplusAttempts, of: &attempts) { $0.ended != nil }
        guard revisions.count > retention.revisionsMax else { return }
        let inForce = Set(stored.revisions.map { [$0.source, $0.revision.commit] })
        Self.removeOldest(revisions.count - retention.revisionsMax, of: &revisions) {
            !inForce.contains([$0.source, $0.revision.commit])
        }
    }

    private static func removeOldest<Element>(_ count: Int, of list: inout [Element], where isOld: (Element) -> Bool) {
        guard count > 0 else { return }
        var left = count
        list.removeAll { element in
            guard left > 0, isOld(element) else { return false }
            left -= 1
            return true
        }
    }
}

/// Who leads.
struct MemoryLease: Sendable {
    private(set) var holder: LeaseHolder?
    private(set) var term: Int64 = 0
    private var until = Instant(milliseconds: 0)

    mutating func acquire(_ asker: LeaseHolder, duration: Duration, now: Instant) throws(StoreError) -> Lease {
        if holder != asker {
            if let holder, now < until, !asker.supersedes(holder) { throw StoreError.leaseLost(term: term) }
            holder = asker
            term += 1
        }
        until = now + duration
        return Lease(holder: asker, term: term, duration: duration)
    }

    mutating func release(_ lease: Lease) {
        if holder == lease.holder, term == lease.term { holder = nil }
    }

    mutating func end() { holder = nil }

    /// Its holder goes on under a higher term than either.
    mutating func raise(above other: Int64) { term = max(term, other) + 1 }

    func check(_ term: Int64) throws(StoreError) {
        guard holder != nil, term == self.term else { throw StoreError.leaseLost(term: self.term) }
    }
}
