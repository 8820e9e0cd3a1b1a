import FleetModel
import Planning

/// What a report says that the one before did not.
struct HostChanges: Sendable {
    /// The host came back, or something of the host itself changed.
    let isHostChanged: Bool
    private let isEverything: Bool
    private let changed: [InstanceID]
    /// Those of `changed` of which only positions, lag or sizes moved, as they always do under load.
    private let moved: Set<InstanceID>

    init(from old: ObservedHost?, to new: HostReport, at now: Instant) {
        guard let old, old.isFresh(at: now) else {
            (isHostChanged, isEverything, changed, moved) = (true, true, [], [])
            return
        }
        isHostChanged = old.report.engines != new.engines
        isEverything = isHostChanged
        var changed: [InstanceID] = []
        var moved: Set<InstanceID> = []
        // Both are sorted by id.
        var before = old.report.instances[...]
        for report in new.instances {
            while let last = before.first, last.id < report.id {
                changed.append(last.id)
                before.removeFirst()
            }
            guard let last = before.first, last.id == report.id else {
                changed.append(report.id)
                continue
            }
            before.removeFirst()
            guard last != report else { continue }
            changed.append(report.id)
            if last.withoutMotion == report.withoutMotion { moved.insert(report.id) }
        }
        changed += before.map(\.id)
        self.changed = changed
        self.moved = moved
    }

    /// Whether a cluster is to look again. One that waits for nothing does not care for mere motion.
    func concern(_ uid: String, isResting: Bool) -> Bool {
        if isEverything { return true }
        return changed.contains { $0.clusterUID == uid && !(isResting && moved.contains($0)) }
    }
}

extension InstanceReport {
    /// Without what moves all the time on a healthy instance.
    fileprivate var withoutMotion: InstanceReport {
        var still = self
        still.usedBytes = 0
        still.database?.binlogPosition = GTIDSet()
        still.database?.appliedPosition = GTIDSet()
        still.database?.replication?.receivedPosition = GTIDSet()
        if let lag = still.database?.replication?.lagSeconds {
            still.database?.replication?.lagSeconds = lag > Planner.lagTold ? Planner.lagTold : min(lag, 1)
        }
        if let group = still.database?.galera {
            still.database?.galera?.lastCommitted = 0
            still.database?.galera?.cachedDownTo = 0
            still.database?.galera?.flowControlPaused = 0
            still.database?.galera?.receiveQueue = min(group.receiveQueue, Planner.queueMax) / Planner.queueMax
        }
        return still
    }
}
