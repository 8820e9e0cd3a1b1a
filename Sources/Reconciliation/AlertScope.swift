package import FleetModel

/// What the alerts have to know besides what passes find: which channels are in force, and which units there are.
///
/// Not a view: nothing in it is changed in place by the loop, so that it holds up no commit however long it is kept.
package struct AlertScope: Sendable {
    package var leader: LeaderView
    /// Nil until the first revision was read.
    package var desired: DesiredFleet?
    /// Names of the channels whose settings are in force.
    package var channels: Set<String>
    var sources: [String]
    /// Clusters that have records and are no longer declared, and all hosts that something is known of.
    var undeclared: Set<String>
    var hosts: Set<String>

    /// Every unit that something can be wrong with.
    package var units: Set<UnitID> {
        var units = Set(sources.map { UnitID(.source, $0) })
        guard let desired else { return units }
        units.reserveCapacity(desired.clusters.count + desired.hosts.count)
        for name in desired.clusters.keys { units.insert(UnitID(.cluster, name)) }
        for name in undeclared { units.insert(UnitID(.cluster, name)) }
        for name in desired.hosts.keys { units.insert(UnitID(.host, name)) }
        for name in hosts { units.insert(UnitID(.host, name)) }
        for name in desired.zones.keys { units.insert(UnitID(.availabilityZone, name)) }
        for name in desired.regions.keys { units.insert(UnitID(.region, name)) }
        for name in Set(desired.channels.keys).union(channels) { units.insert(UnitID(.alertChannel, name)) }
        return units
    }
}

extension LoopMachine {
    package var alertScope: AlertScope {
        AlertScope(
            leader: leader, desired: desired, channels: Set(records.channels.keys), sources: settings.sources.map(\.name),
            undeclared: undeclared, hosts: Set(observed.keys).union(agents.keys).union(hostProblems.keys))
    }

    /// Looks which of these clusters have records and are declared no more; `isAll`: of all that have records.
    mutating func noteUndeclared(_ changed: some Sequence<String>, isAll: Bool) {
        guard let desired else { return }
        if isAll { undeclared = [] }
        for name in changed {
            let isGone = desired.clusters[name] == nil && records.clusters[name] != nil
            if isGone { undeclared.insert(name) } else { undeclared.remove(name) }
        }
    }
}
