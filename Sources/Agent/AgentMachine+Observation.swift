import ControlAPI
import FleetModel

/// What of the state the server has not been told.
struct ReportingState: Sendable {
    enum Change: Int, Sendable, Comparable {
        case none
        /// Only positions, lag and sizes.
        case moving
        case significant

        static func < (left: Change, right: Change) -> Bool { left.rawValue < right.rawValue }
    }

    var change = Change.none
    /// When a report, and anything that renews one, was last sent.
    var reportedAt: Instant?
    var renewedAt: Instant?
    /// Names the last report sent on this connection, for heartbeats that say that nothing has changed since. No other
    /// report of this process has it.
    var digest: String { String(made) }
    /// Reports made by this process.
    var made: UInt64 = 0
    var toldCatalogs: Set<String> = []

    mutating func note(_ new: Change) { change = max(change, new) }
}

extension AgentMachine {
    // MARK: looks

    mutating func lookAtEverything() {
        hostLook.renew(at: now)
        for id in watches.keys { watches[id]?.look.renew(at: now) }
    }

    /// Something was done to an instance: what is known of it, or being looked up, is from before.
    mutating func lookAfterChange(_ id: InstanceID) {
        hostLook.renew(at: now)
        watch(id)
        watches[id]?.mustLook = true
        watches[id]?.look.renew(at: now)
    }

    mutating func startLooks() {
        if hostLook.began == nil, now >= hostLook.due {
            hostLook.begin(at: now)
            directives.append(.lookAtHost)
        }
        for (id, watch) in watches {
            if watch.look.began != nil {
                if now >= watch.look.overdue { giveUpLook(id) }
            } else if now >= watch.look.due {
                watches[id]?.look.begin(at: now)
                directives.append(.look(id, fingerprintKey: fingerprintKeys[id.clusterUID]))
            }
        }
    }

    mutating func hostLooked(_ facts: HostFacts) {
        guard let seen = hostLook.end() else { return }
        if facts != hostFacts { reporting.note(stilled(facts) == hostFacts.map(stilled) ? .moving : .significant) }
        (hostFacts, hostFactsAt) = (facts, seen)
        let present = Set(facts.instances)
        for id in present { watch(id) }
        for (id, watch) in watches where !present.contains(id) && watch.wasLookedAt && watch.seen == nil {
            // A look that is still to come tells the end of an attempt: forgotten before it, that end would never be told.
            if watch.operation == nil, !watch.mustLook { forget(id, watch) }
        }
    }

    /// Watches over an instance from now on.
    mutating func watch(_ id: InstanceID) {
        guard watches[id] == nil else { return }
        watches[id] = Watch()
        reconsiderRole(id, after: .zero)
    }

    /// An instance that is gone is watched no more.
    private mutating func forget(_ id: InstanceID, _ watch: Watch) {
        watches[id] = nil
        guard let told = watch.told, told.role != .none else { return }
        directives.append(
            .roleChanged(RoleChange(instance: id, clusterName: told.clusterName, role: .none, epoch: told.epoch)))
    }

    mutating func looked(_ id: InstanceID, _ report: InstanceReport?) {
        guard let seen = watches[id]?.look.end(), var watch = watches[id] else { return }
        note(report, instead: watch.facts)
        watch.wasLookedAt = true
        watch.mustLook = false
        (watch.facts, watch.factsAt) = (report, seen)
        watches[id] = watch
        tellEnds(on: id)
    }

    /// The driver bounds its looks; one that breaks its bound must not make the whole host's facts old.
    private mutating func giveUpLook(_ id: InstanceID) {
        guard var watch = watches[id] else { return }
        watch.wasLookedAt = true
        watch.mustLook = false
        watch.look.isOutdated = true
        watch.look.overdue = now + AgentLimits.lookInterval
        if var facts = watch.facts {
            (facts.process, facts.database) = (.unresponsive, nil)
            note(facts, instead: watch.facts)
            watch.facts = facts
        }
        watch.factsAt = now
        watches[id] = watch
        tellEnds(on: id)
    }

    private mutating func note(_ new: InstanceReport?, instead old: InstanceReport?) {
        guard new != old else { return }
        reporting.note(new.map(stilled) == old.map(stilled) ? .moving : .significant)
    }

    /// Without what moves all the time.
    private func stilled(_ report: InstanceReport) -> InstanceReport {
        var report = report
        report.usedBytes = 0
        report.database?.binlogPosition = GTIDSet()
        report.database?.appliedPosition = GTIDSet()
        report.database?.replication?.receivedPosition = GTIDSet()
        report.database?.replication?.lagSeconds = nil
        return report
    }

    private func stilled(_ facts: HostFacts) -> HostFacts {
        var facts = facts
        facts.storageFreeBytes = 0
        return facts
    }

    func noteLookDeadlines(_ next: inout Earliest) {
        if hostLook.began == nil { next.note(hostLook.due) }
        for (_, watch) in watches { next.note(watch.look.began == nil ? watch.look.due : watch.look.overdue) }
    }

    // MARK: reports

    /// The end of an attempt is told after what it led to was seen, so that nobody decides on what was seen before it.
    private mutating func tellEnds(on id: InstanceID) {
        for attempt in untoldEnds.filter({ $0.value == id }).keys.sorted() {
            untoldEnds[attempt] = nil
            outbox.add(.observation)
            outbox.add(.attempt(attempt))
        }
    }

    mutating func scheduleObservation() {
        if isReporting, now >= observationDue { outbox.add(.observation) }
    }

    private var observationDue: Instant {
        let (since, spacing) =
            switch reporting.change {
            case .none: (reporting.renewedAt, AgentLimits.heartbeatInterval)
            case .moving: (reporting.reportedAt, AgentLimits.movingReportSpacing)
            case .significant: (reporting.reportedAt, AgentLimits.reportSpacing)
            }
        return since.map { $0 + spacing } ?? now
    }

    func noteObservationDeadline(_ next: inout Earliest) {
        if isReporting, outbox.sendingSince == nil, !outbox.contains(.observation) { next.note(observationDue) }
    }

    mutating func observation() -> AgentMessage {
        reporting.renewedAt = now
        guard reporting.change != .none else { return .heartbeat(digest: reporting.digest, delay: delay) }
        var report = hostReport
        reporting.made += 1
        report.catalogs = (hostFacts?.catalogs ?? []).filter { !reporting.toldCatalogs.contains(catalogName($0)) }
        noteReported(report)
        return .report(report, digest: reporting.digest, delay: delay)
    }

    /// For the hello: with every catalog.
    mutating func fullReport() -> (report: HostReport, digest: String, delay: Duration) {
        var report = hostReport
        reporting.made += 1
        report.catalogs = hostFacts?.catalogs ?? []
        reporting.toldCatalogs = []
        reporting.renewedAt = now
        noteReported(report)
        return (report, reporting.digest, delay)
    }

    private mutating func noteReported(_ report: HostReport) {
        reporting.change = .none
        reporting.reportedAt = now
        reporting.toldCatalogs.formUnion(report.catalogs.map(catalogName))
    }

    private func catalogName(_ catalog: VariableCatalog) -> String { "\(catalog.type.rawValue) \(catalog.version)" }

    /// Without catalogs.
    private var hostReport: HostReport {
        var report = HostReport(host: host, agentVersion: agentVersion, storeID: journal.storeID)
        report.engines = hostFacts?.engines ?? []
        report.storageFreeBytes = hostFacts?.storageFreeBytes ?? 0
        report.memoryTotalBytes = hostFacts?.memoryTotalBytes ?? 0
        report.instances = watches.compactMap { id, watch in
            guard var facts = watch.facts else { return nil }
            facts.epoch = journal.instances[id]?.epoch ?? 0
            facts.isWriter = journal.instances[id]?.grant != nil
            facts.resumes = journal.instances[id]?.following.map { $0.acknowledges ? .acknowledges : .replicates } ?? .nothing
            facts.isSupervised = journal.instances[id]?.shouldRun ?? false
            facts.isStartHeld = isStartHeld(id)
            return facts
        }
        return report
    }

    /// Age of the oldest fact.
    private var delay: Duration {
        var oldest = Earliest()
        oldest.note(hostFactsAt)
        for (_, watch) in watches where watch.seen != nil { oldest.note(watch.factsAt) }
        return oldest.moment.map { now - $0 } ?? .zero
    }
}
