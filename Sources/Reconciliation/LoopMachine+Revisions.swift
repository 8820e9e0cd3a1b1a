import ControlAPI
package import FleetModel
import Manifests
import MetadataStore
import Planning

// Revisions: judged, allocated, and taken into force in one commit.

extension LoopMachine {
    mutating func revisionRead(_ read: RevisionRead) {
        if isGathering { return gathered(read) }
        guard isLeading else { return }
        let known = sources[read.source]?.status.seen?.commit == read.revision.commit
        let moment = now
        source(read.source) { source in
            source.status.seen = read.revision
            source.status.problems = read.assembly.diagnostics
            source.status.strayErrors = read.assembly.strayErrors
            source.status.lastFetch = moment
            source.status.problem = nil
        }
        if let reason = invalidity(of: read) {
            hold(read, reason: reason, isApprovable: false, isNew: !known)
        } else if !read.isResumed, let reason = removal(by: read) {
            hold(read, reason: reason, isApprovable: true, isNew: !known)
        } else {
            if let old = read.rewrites { noteRewrite(read, old) }
            accepting = read
        }
    }

    private func invalidity(of read: RevisionRead) -> String? {
        guard let held = read.assembly.revisionHeld else { return nil }
        let first = held.first.map { "\($0.position): \($0.message)" } ?? "it has errors"
        return held.count > 1 ? "\(first), and \(held.count - 1) more" : first
    }

    /// A revision that was read relative to the one in force tells itself what it removes: mostly nothing.
    private func removal(by read: RevisionRead) -> String? {
        let fleet = read.assembly.fleet
        let isNothing = read.assembly.changed.allSatisfy { $0.kind != .cluster || fleet.clusters[$0.name] != nil }
        return isRelativeToForce(read) && isNothing ? nil : removal(by: fleet)
    }

    /// Whether all that differs from what is in force is in `changed`.
    private func isRelativeToForce(_ read: RevisionRead) -> Bool {
        read.base != nil && read.base == desired?.revision.commit
    }

    /// Why a revision has to wait for an operator: it would stop managing more than policy allows.
    package func removal(by fleet: DesiredFleet) -> String? {
        let managed = records.clusters.values.filter { cluster in
            (desired == nil || desired?.clusters[cluster.name] != nil) && cluster.members.contains { $0.phase == .active }
        }.map(\.name)
        let removed = managed.filter { fleet.clusters[$0] == nil }.sorted()
        guard !removed.isEmpty else { return nil }
        let isEverything = removed.count == managed.count
        let isTooMany = removed.count >= 2 && Double(removed.count) > settings.policy.removalShareMax * Double(managed.count)
        guard isEverything || isTooMany else { return nil }
        let names = removed.prefix(5).joined(separator: ", ") + (removed.count > 5 ? " …" : "")
        return "it no longer declares \(removed.count) of \(managed.count) clusters (\(names)). Nothing is destroyed by that; approve it to stop managing them."
    }

    private mutating func hold(_ read: RevisionRead, reason: String, isApprovable: Bool, isNew: Bool) {
        source(read.source) { source in
            source.status.problem = isApprovable ? nil : "revision \(read.revision.short) is held: \(reason)"
            source.status.approvalNeeded = isApprovable ? reason : nil
            source.pending = isApprovable ? read : nil
        }
        directives.append(.judged(source: read.source, commit: read.revision.commit, isAccepted: false))
        directives.append(.changed(.source(read.source)))
        enqueue(UnitID(.source, read.source))
        guard isNew else { return }
        let record = RevisionRecord(
            source: read.source, revision: read.revision, seen: read.seen ?? now, state: isApprovable ? .held : .refused, message: reason)
        housekeeping.append(.putRevision(record))
        note(read.source, .warning, "RevisionHeld", "revision \(read.revision.short) is held: \(reason)")
    }

    private mutating func noteRewrite(_ read: RevisionRead, _ old: String) {
        note(
            read.source, .warning, "HistoryRewritten",
            "revision \(read.revision.short) does not contain \(old.prefix(7)), which was in force: history was rewritten")
    }

    mutating func sourceLooked(_ name: String, _ problem: String?) {
        let isNew = sources[name]?.status.problem != problem
        let moment = now
        source(name) { source in
            source.status.lastFetch = moment
            if problem != nil || source.status.seen == source.status.accepted { source.status.problem = problem }
        }
        guard isNew else { return }
        if let problem, isLeading { note(name, .error, "SourceFailed", problem) }
        directives.append(.changed(.source(name)))
        if isLeading { enqueue(UnitID(.source, name)) }
    }

    private mutating func note(_ source: String, _ level: Event.Level, _ reason: String, _ message: String) {
        housekeeping.append(
            .appendEvent(Event(time: now, unit: UnitID(.source, source), level: level, reason: reason, message: message)))
    }

    mutating func approve(_ commit: String, by name: String) {
        for (source, state) in sources.sorted(by: { $0.key < $1.key }) {
            guard let pending = state.pending, pending.revision.commit == commit, accepting == nil else { continue }
            note(source, .info, "RevisionApproved", "\(name) approved revision \(pending.revision.short)")
            accepting = pending
        }
    }

    // MARK: Acceptance

    /// With no commit in flight: places what is new and writes revision, records and held units in one transaction.
    mutating func accept() {
        if let pause = acceptancePause, pause > now { return }
        acceptancePause = nil
        let read = accepting
        guard let fleet = read?.assembly.fleet ?? desired else {
            isAllocationDue = false
            return
        }
        let allocation = allocate(placeable(fleet), placementChanges(read))
        let held = read.map { heldUnits($0.assembly) } ?? [:]
        let changes = acceptanceChanges(read, allocation, held)
        let acceptance = AcceptanceCommit(read: read, allocation: allocation, held: held)
        accepting = nil
        isAllocationDue = false
        if changes.isEmpty {
            accepted(acceptance)
        } else {
            isAcceptanceInFlight = true
            commit(changes, .acceptance(acceptance))
        }
    }

    /// Only the records of what changed go in, so that nothing of the fleet's size is copied.
    private mutating func allocate(_ fleet: DesiredFleet, _ changed: Set<String>?) -> Allocation {
        if loads == nil { loads = HostLoads(desired ?? fleet, records) }
        guard let changed else { return planner.allocate(fleet, records, changed: nil, loads: loads) }
        var known = FleetRecords(storeID: records.storeID)
        known.nextServerNumber = records.nextServerNumber
        known.nextDomainNumber = records.nextDomainNumber
        known.clustersMade = records.clustersMade
        for name in changed { known.clusters[name] = records.clusters[name] }
        return planner.allocate(fleet, known, changed: changed, loads: loads)
    }

    /// The clusters that have to be placed (again); nil: all. A change of hosts or zones can concern each of them.
    private func placementChanges(_ read: RevisionRead?) -> Set<String>? {
        guard let read else { return Set(allocationProblems.keys) }
        guard desired != nil, read.assembly.changed.allSatisfy({ $0.kind == .cluster || $0.kind == .alertChannel }) else {
            return nil
        }
        return Set(read.assembly.changed.filter { $0.kind == .cluster }.map(\.name)).union(allocationProblems.keys)
    }

    private func heldUnits(_ assembly: Assembly) -> [UnitID: HeldUnit] {
        var held: [UnitID: HeldUnit] = [:]
        for (unit, diagnostics) in assembly.held {
            let place = assembly.fleet.place(of: unit)
            let message = diagnostics.map { "\($0.position): \($0.message)" }.joined(separator: "\n")
            held[unit] = HeldUnit(unit: unit, revision: place?.revision, file: place?.position.file, message: message)
        }
        return held
    }

    private func acceptanceChanges(
        _ read: RevisionRead?, _ allocation: Allocation, _ held: [UnitID: HeldUnit]
    ) -> [StoreChange] {
        var changes: [StoreChange] = []
        for name in allocation.changed.sorted() {
            if let cluster = allocation.records.clusters[name] { changes.append(.putCluster(cluster)) }
        }
        if !changes.isEmpty {
            changes.append(
                .counters(
                    nextServerNumber: allocation.records.nextServerNumber,
                    nextDomainNumber: allocation.records.nextDomainNumber, clustersMade: allocation.records.clustersMade))
        }
        guard let read else { return changes }
        for (unit, value) in held.sorted(by: { $0.key < $1.key }) where self.held[unit] != value { changes.append(.putHeld(value)) }
        for unit in self.held.keys.sorted() where held[unit] == nil { changes.append(.removeHeld(unit)) }
        if sources[read.source]?.status.accepted?.commit != read.revision.commit {
            let record = RevisionRecord(
                source: read.source, revision: read.revision, seen: read.seen ?? now, accepted: now, state: .accepted)
            changes.append(.putRevision(record))
            let message = "revision \(read.revision.short) is in force: \(read.revision.subject)"
            changes.append(
                .appendEvent(Event(time: now, unit: UnitID(.source, read.source), level: .info, reason: "RevisionAccepted", message: message)))
        }
        return changes
    }

    mutating func accepted(_ acceptance: AcceptanceCommit) {
        isAcceptanceInFlight = false
        let allocation = acceptance.allocation
        let lane: UnitQueue.Lane = desired == nil ? .due : .changed
        records.nextServerNumber = allocation.records.nextServerNumber
        records.nextDomainNumber = allocation.records.nextDomainNumber
        records.clustersMade = allocation.records.clustersMade
        for name in allocation.changed.sorted() {
            if let cluster = allocation.records.clusters[name] {
                records.clusters[name] = cluster
                index(cluster)
            }
            enqueue(UnitID(.cluster, name), lane)
        }
        loads = allocation.loads
        noteProblems(acceptance)
        if let read = acceptance.read { takeIntoForce(read, acceptance.held) }
        tellFingerprintKeys(acceptance.allocation.changed)
    }

    private mutating func noteProblems(_ acceptance: AcceptanceCommit) {
        let tried = acceptance.read == nil ? Set(allocationProblems.keys) : nil
        for name in tried ?? Set(acceptance.allocation.changed) { allocationProblems[name] = nil }
        if acceptance.read != nil { allocationProblems = allocationProblems.filter { acceptance.read?.assembly.fleet.clusters[$0.key] != nil } }
        let still = Set(acceptance.allocation.problems.map(\.cluster))
        for name in allocationProblems.keys.sorted() where !still.contains(name) {
            allocationProblems[name] = nil
            enqueue(UnitID(.cluster, name))
        }
        for problem in acceptance.allocation.problems {
            allocationProblems[problem.cluster] = problem
            enqueue(UnitID(.cluster, problem.cluster))
        }
    }

    private mutating func takeIntoForce(_ read: RevisionRead, _ held: [UnitID: HeldUnit]) {
        let isFirst = desired == nil
        let heldBefore = self.held.keys
        let hostsChange = read.assembly.changed.contains { $0.kind == .host || $0.kind == .availabilityZone }
        let isRelative = isRelativeToForce(read)
        if hostsChange || !isRelative { directory = HostDirectory(of: read.assembly.fleet) }
        desired = read.assembly.fleet
        let declared = isRelative ? Array(read.assembly.changed.lazy.filter { $0.kind == .cluster }.map(\.name)) : Array(read.assembly.fleet.clusters.keys)
        for name in declared where read.assembly.fleet.clusters[name]?.value.standbyOf != nil {
            if let cluster = records.clusters[name] { relate(cluster) }
        }
        if isRelative {
            noteUndeclared(read.assembly.changed.lazy.filter { $0.kind == .cluster }.map(\.name), isAll: false)
        } else {
            noteUndeclared(records.clusters.keys, isAll: true)
        }
        self.held = held
        source(read.source) { source in
            source.status.accepted = read.revision
            source.status.approvalNeeded = nil
            source.pending = nil
        }
        directives.append(.judged(source: read.source, commit: read.revision.commit, isAccepted: true))
        directives.append(.changed(.source(read.source)))
        enqueue(UnitID(.source, read.source))
        if isFirst {
            enqueueAll()
            for unit in held.keys.sorted() { enqueue(unit) }
        } else {
            for unit in Set(read.assembly.changed).union(heldBefore).union(held.keys).sorted() { noteChange(unit) }
            if hostsChange { enqueueAll() }
        }
    }

    /// A manifest changed: its secrets may have, and a pause for the old one's failures is over.
    private mutating func noteChange(_ unit: UnitID) {
        if unit.kind == .cluster { enqueueRelatives(of: unit.name) }
        units[unit]?.secrets = .unknown
        units[unit]?.pause = nil
        units[unit]?.pauses = 0
        enqueue(unit)
        units[unit]?.isChanged = true
    }

    mutating func enqueueAll() {
        guard let desired else { return }
        for name in desired.clusters.keys.sorted() { enqueue(UnitID(.cluster, name), .due) }
        for name in records.clusters.keys.sorted() { enqueue(UnitID(.cluster, name), .due) }
        for name in Set(desired.channels.keys).union(records.channels.keys).sorted() { enqueue(UnitID(.alertChannel, name), .due) }
        for name in desired.hosts.keys.sorted() { enqueue(UnitID(.host, name), .due) }
        for name in desired.regions.keys.sorted() { enqueue(UnitID(.region, name), .due) }
        for name in desired.zones.keys.sorted() { enqueue(UnitID(.availabilityZone, name), .due) }
        // What the store has conditions of: a unit that is gone is forgotten by its pass.
        for unit in statuses.keys.filter({ desired.place(of: $0) == nil }).sorted() { enqueue(unit, .due) }
    }

    /// Agents of hosts that a cluster is new on need its key, to name its accounts.
    private mutating func tellFingerprintKeys(_ changed: Set<String>) {
        let hosts = Set(changed.flatMap { records.clusters[$0]?.members.map(\.host) ?? [] })
        for host in hosts.sorted() where agents[host].map({ $0.phase != .connected }) ?? false {
            send(.fingerprintKeys(fingerprintKeys(host)), to: host)
        }
    }
}
