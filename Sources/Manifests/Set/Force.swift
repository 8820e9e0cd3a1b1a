import FleetModel

/// The manifests in force, with what the checks count in them, and how to take changes back.
struct Force: Sendable {
    var fleet = DesiredFleet(revision: Revision(commit: ""))
    private(set) var hostCounts: [String: HostCount] = [:]
    /// What was in force for each unit that was set since changes were last kept or undone.
    private var before: [UnitID: AnyDeclared?] = [:]
    /// No changes were kept yet: nothing was in force before, and `before` need not tell it of each unit.
    private(set) var isFirst = true

    /// Hosts of a zone.
    struct HostCount: Sendable, Hashable {
        var all = 0
        var schedulable = 0
    }

    mutating func set(_ unit: UnitID, _ declared: AnyDeclared?) {
        let old = fleet[unit]
        if old == nil, declared == nil { return }
        if !isFirst, before[unit] == nil { before[unit] = .some(old) }
        put(unit, old, declared)
    }

    private mutating func put(_ unit: UnitID, _ old: AnyDeclared?, _ new: AnyDeclared?) {
        if case .host(let host) = old { count(host.value, -1) }
        if case .host(let host) = new { count(host.value, 1) }
        fleet[unit] = new
    }

    private mutating func count(_ host: Host, _ step: Int) {
        hostCounts[host.zone, default: HostCount()].all += step
        if host.takesInstances { hostCounts[host.zone, default: HostCount()].schedulable += step }
    }

    /// Forgets what was before. Answers the units that declare something else than they did, in no order.
    @discardableResult mutating func keepChanges() -> [UnitID] {
        if isFirst {
            isFirst = false
            return fleet.units
        }
        let changed = before.filter { unit, old in
            switch (old, fleet[unit]) {
            case (nil, nil): false
            case (let old?, let new?): !new.declaresSame(as: old)
            default: true
            }
        }
        before = [:]
        return Array(changed.keys)
    }

    mutating func undoChanges() {
        if isFirst {
            for unit in fleet.units { put(unit, fleet[unit], nil) }
        }
        for (unit, old) in before { put(unit, fleet[unit], old) }
        before = [:]
    }
}

extension DesiredFleet {
    /// All that it declares, kind by kind.
    fileprivate var units: [UnitID] {
        regions.keys.map { UnitID(.region, $0) } + zones.keys.map { UnitID(.availabilityZone, $0) }
            + hosts.keys.map { UnitID(.host, $0) } + clusters.keys.map { UnitID(.cluster, $0) }
            + channels.keys.map { UnitID(.alertChannel, $0) }
    }
}
