import FleetModel

/// The manifests in force, with what the checks count in them, and how to take changes back.
struct Force: Sendable {
    var fleet = DesiredFleet(revision: Revision(commit: ""))
    private(set) var hostCounts: [String: HostCount] = [:]
    /// What was in force for each unit that was set since changes were last kept or undone.
    private var before: [UnitID: AnyDeclared?] = [:]

    /// Hosts of a zone.
    struct HostCount: Sendable, Hashable {
        var all = 0
        var schedulable = 0
    }

    mutating func set(_ unit: UnitID, _ declared: AnyDeclared?) {
        let old = fleet[unit]
        if old == nil, declared == nil { return }
        if before[unit] == nil { before[unit] = .some(old) }
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

    /// Forgets what was before. Answers the units that declare something else than they did.
    @discardableResult mutating func keepChanges() -> [UnitID] {
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
        for (unit, old) in before { put(unit, fleet[unit], old) }
        before = [:]
    }
}
