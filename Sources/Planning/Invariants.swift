package import FleetModel

/// The invariants of DESIGN.md as measures of a cluster's observed state: a wave may make none of them worse.
///
/// Written apart from step and sharing none of its decisions: what step got wrong is refused here.
package struct ClusterMeasure: Sendable, Hashable {
    /// Instances that take writes; more than one is two writers.
    package var writable: Set<Int> = []
    /// Instances that serve: a writable one, or a replica with both threads up.
    package var serving: Set<Int> = []
    /// Replicas that acknowledge.
    package var acknowledging: Set<Int> = []

    package init(_ situation: ClusterSituation) {
        for member in situation.records.members where member.phase != .purged {
            guard let place = situation.observed.index(forKey: member.host) else { continue }
            let id = InstanceID(clusterUID: situation.records.uid, ordinal: member.ordinal)
            for report in situation.observed.values[place].report.instances where report.id == id {
                guard report.directory == .ready, report.process == .running, let database = report.database else { break }
                let replicates = database.replication.map { $0.ioRunning && $0.sqlRunning } ?? false
                if let galera = situation.records.galera {
                    // Who is outside can acknowledge nothing, whatever its read_only says; two inside are of one order.
                    let isPrimary = database.galera.map { $0.isReady && $0.isPrimaryComponent } ?? false
                    let isOurs = database.galera?.isInComponent(of: galera.stateUUID) ?? false
                    if isPrimary, !database.readOnly, !isOurs || situation.records.leftBehind.contains(member.ordinal) { writable.insert(member.ordinal) }
                    if isOurs { serving.insert(member.ordinal) }
                    break
                }
                if !database.readOnly { writable.insert(member.ordinal) }
                if !database.readOnly || replicates { serving.insert(member.ordinal) }
                if database.semiSyncReplica && replicates { acknowledging.insert(member.ordinal) }
                break
            }
        }
    }
}

package enum Invariants {
    /// Why a wave may not be begun, or nil. `situation` has the decision's records already.
    ///
    /// The order within a wave, and which of its tasks ran when something stopped it, change nothing: each task alters
    /// only its own instance (checked first), so the worst subset is that of all tasks that take something away.
    package static func violation(_ wave: [PlannedTask], in situation: ClusterSituation) -> String? {
        sharedParticipant(wave) ?? lostData(wave, situation) ?? secondWriter(wave, situation)
            ?? secondComponent(wave, situation) ?? lostService(wave, situation)
    }

    /// No two attempts work on one participant at once.
    private static func sharedParticipant(_ wave: [PlannedTask]) -> String? {
        // A list: a wave has a few tasks.
        var seen: [InstanceID] = []
        for task in wave {
            guard case .instance(let id, _) = task.target else { continue }
            if seen.contains(id) { return "two tasks of one wave work on \(id)" }
            seen.append(id)
            guard let donor = task.alsoBusy else { continue }
            if seen.contains(donor) { return "two tasks of one wave work on \(donor)" }
            seen.append(donor)
        }
        return nil
    }

    /// Only what was removed from service and kept its time, or never held data, is deleted or made anew.
    private static func lostData(_ wave: [PlannedTask], _ situation: ClusterSituation) -> String? {
        for task in wave {
            guard case .instance(let id, let host) = task.target else { continue }
            switch task.action {
            case .purge:
                if directory(of: id, on: host, situation) == .halfMade { continue }
                guard case .retired(let until)? = situation.records.member(id.ordinal)?.phase, until <= situation.now else {
                    return "\(id) would be deleted, but it was not removed and kept for its time"
                }
            case .retire:
                guard situation.records.member(id.ordinal)?.phase == .leaving, situation.records.primary != id.ordinal else {
                    return "\(id) would be stopped for good, but it is still wanted"
                }
                if situation.records.isSemiSync, situation.records.standby == nil, situation.records.ackSet.contains(id.ordinal) {
                    return "\(id) would be stopped for good, and may be alone with acknowledged rows"
                }
            case .install where situation.records.isFounded:
                return "\(id) would be made empty in a cluster that holds data"
            case .upgrade(_, let version):
                if let made = versionOfData(of: id, on: host, situation), !sharesData(made, version) {
                    return "\(id) would be started by \(version), which cannot give the data of \(made) back"
                }
            case .install, .clone:
                if directory(of: id, on: host, situation) == .ready { return "\(id) is there already and would be written over" }
            default: break
            }
        }
        return nil
    }

    private static func directory(of id: InstanceID, on host: String, _ situation: ClusterSituation) -> InstanceDirectory? {
        report(of: id, on: host, situation)?.directory
    }

    private static func report(of id: InstanceID, on host: String, _ situation: ClusterSituation) -> InstanceReport? {
        guard let place = situation.observed.index(forKey: host) else { return nil }
        return situation.observed.values[place].report.instances.first { $0.id == id }
    }

    /// The version that runs, or of a stopped one that which its directory names; nil where neither is known.
    private static func versionOfData(of id: InstanceID, on host: String, _ situation: ClusterSituation) -> String? {
        let report = report(of: id, on: host, situation)
        return [report?.database?.version, report?.origin?.engineVersion].compactMap { $0 }.first { !$0.isEmpty }
    }

    /// The first two numbers of a version say of what format its data is.
    private static func sharesData(_ left: String, _ right: String) -> Bool {
        left.split(separator: ".").prefix(2) == right.split(separator: ".").prefix(2)
    }

    /// Nothing outside the recorded writer can take writes.
    private static func secondWriter(_ wave: [PlannedTask], _ situation: ClusterSituation) -> String? {
        for task in wave {
            guard case .instance(let id, _) = task.target else { continue }
            switch task.action {
            case .open(let epoch, _), .promote(let epoch, _, _, _, _):
                if let leader = otherLead(situation) { return "\(id) would be opened for writing while \(leader) leads" }
                if let former = leadBeforeLast(situation) { return "\(id) would be opened for writing without the last rows of \(former)" }
                let before = ClusterMeasure(situation).writable
                guard situation.records.primary == id.ordinal, situation.records.epoch == epoch else {
                    return "\(id) would be opened for writing, but the store names another writer or epoch"
                }
                if let other = before.first(where: { $0 != id.ordinal && !isCutOff($0, epoch, situation.records) && !isLeftBehind($0, situation) }) {
                    return "\(id) would be opened for writing while instance \(other) takes writes"
                }
            default: break
            }
        }
        return nil
    }

    /// The cluster that leads by the records, where this one does not.
    private static func otherLead(_ situation: ClusterSituation) -> String? {
        if let role = situation.records.standby { return role.name }
        return situation.followers.first { follower in
            follower.records.lead.map { $0.from == situation.records.uid && $0.epoch >= situation.records.epoch } ?? false
        }?.name
    }

    /// The cluster whose lead ended last, where the lead that is taken, and gives nothing up, begins before that end.
    private static func leadBeforeLast(_ situation: ClusterSituation) -> String? {
        guard let lead = situation.records.lead, lead.loss == nil, lead.epoch == situation.records.epoch else { return nil }
        return (situation.followers + [situation.upstream].compactMap { $0 }).first { other in
            other.records.demotion.map { $0.epoch < lead.epoch && !lead.position.contains($0.position) } ?? false
        }?.name
    }

    /// Whether nothing that this instance still takes can be acknowledged: it was killed, or everybody who could
    /// acknowledge for it has stopped under the failover's epoch. What was last seen of it may say that it takes writes.
    private static func isCutOff(_ ordinal: Int, _ epoch: Int64, _ records: ClusterRecords) -> Bool {
        guard let failover = records.failover, failover.epoch == epoch, failover.from == ordinal else { return false }
        return failover.isFenced || !failover.ackers.isEmpty && failover.ackers.allSatisfy { failover.revoked[$0] != nil }
    }

    /// Whether a failover before this one cut it off, and it was not seen since.
    private static func isLeftBehind(_ ordinal: Int, _ situation: ClusterSituation) -> Bool {
        guard situation.records.leftBehind.contains(ordinal), let member = situation.records.member(ordinal) else { return false }
        return !(situation.observed[member.host]?.isFresh(at: situation.now) ?? false)
    }

    /// A voluntary task never takes a cluster below `availability.min`, nor the last acknowledging replica away.
    private static func lostService(_ wave: [PlannedTask], _ situation: ClusterSituation) -> String? {
        guard situation.records.isFounded, wave.contains(where: { $0.isVoluntary && takesAway($0.action) }),
            let cluster = situation.desired?.value
        else { return nil }
        let before = ClusterMeasure(situation)
        var during = before
        var zones: Set<String> = []
        for task in wave where task.isVoluntary && takesAway(task.action) {
            guard case .instance(let id, _) = task.target, before.serving.contains(id.ordinal) else { continue }
            during.serving.remove(id.ordinal)
            during.acknowledging.remove(id.ordinal)
            zones.insert(situation.records.member(id.ordinal)?.zone ?? "")
        }
        guard during != before else { return nil }
        let wanted = situation.records.members.count { $0.phase == .active }
        let least = cluster.availabilityMin ?? max(wanted - 1, 0)
        if during.serving.count < min(least, before.serving.count) {
            return "only \(during.serving.count) instances would serve; availability.min is \(least)"
        }
        if situation.records.galera != nil, !before.serving.isEmpty, during.serving.count * 2 <= before.serving.count {
            return "only \(during.serving.count) of the \(before.serving.count) instances in the component would stay, which are no majority of it"
        }
        if zones.count > 1 { return "instances in two zones (\(zones.sorted().joined(separator: ", "))) would be disrupted at once" }
        if !before.acknowledging.isEmpty && during.acknowledging.isEmpty && before.acknowledging.count > 1 {
            return "no replica would acknowledge"
        }
        return nil
    }

    private static func takesAway(_ action: Action) -> Bool {
        switch action {
        case .restart, .upgrade, .takeBack, .retire: true
        default: false
        }
    }
}
