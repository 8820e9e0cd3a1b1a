package import FleetModel

/// A host on which people are to work: its own maintenance or its zone's, whichever ends later.
package struct HostMaintenance: Sendable, Hashable {
    /// `host hz-a-1` or `zone cn-hangzhou-a`.
    package var scope: String
    package var maintenance: Maintenance

    package func isInForce(at now: Instant) -> Bool { maintenance.isInForce(at: now) }

    /// `maintenance of host hz-a-1 until 2026-11-21T22:00:00Z (new memory)`
    package var text: String { "maintenance of \(scope) \(maintenance.text)" }

    /// By host name, of all hosts for which any is declared, over or not.
    static func directory(of fleet: DesiredFleet) -> [String: HostMaintenance] {
        var all: [String: HostMaintenance] = [:]
        let zones = fleet.zones.filter { $0.value.value.maintenance != nil }
        for (name, host) in fleet.hosts {
            let zone = zones.isEmpty ? nil : zones[host.value.zone]?.value.maintenance
            guard host.value.maintenance != nil || zone != nil else { continue }
            let own = host.value.maintenance.map { HostMaintenance(scope: "host \(name)", maintenance: $0) }
            let inherited = zone.map { HostMaintenance(scope: "zone \(host.value.zone)", maintenance: $0) }
            all[name] = [own, inherited].compactMap(\.self).max { $0.maintenance.until < $1.maintenance.until }
        }
        return all
    }
}

extension HostDirectory {
    /// Until when an instance on this host is not to be started: the later end of its cluster's maintenance and its
    /// host's, where one of them is in force.
    package func startHeldUntil(_ cluster: Cluster?, on host: String, at now: Instant) -> Instant? {
        [cluster?.maintenance, maintenance[host]?.maintenance].compactMap(\.self).filter { $0.isInForce(at: now) }.map(\.until).max()
    }
}
