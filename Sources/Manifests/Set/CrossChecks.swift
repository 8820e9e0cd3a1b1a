import FleetModel

// Checks between documents. What a unit refers to was judged before it, so it is looked up among what is in force.

extension ManifestSet {
    /// The manifest with what others decide filled in, or nil where it cannot be in force.
    func crossChecked(_ declared: AnyDeclared, _ site: Site, _ found: inout Findings) -> AnyDeclared? {
        switch declared {
        case .region(let region):
            checkLocationCode(region, &found)
        case .availabilityZone(let zone):
            _ = reference(
                .region, zone.value.region, known: force.fleet.regions, at: "spec.region", declared, &found)
        case .host(let host):
            checkAddress(host, &found)
            return checkRoom(host, &found).map(AnyDeclared.host)
        case .cluster(let cluster):
            for (index, placement) in cluster.value.placement.enumerated() { check(placement, index, cluster, &found) }
            checkStandby(cluster, &found)
            checkOneRegion(cluster, &found)
        case .alertChannel:
            break
        }
        return declared
    }

    private func error(
        _ declared: AnyDeclared, _ field: String, _ message: String, _ help: String, _ found: inout Findings
    ) {
        let position = declared.position(of: field, decoder.paths.names)
        found.diagnostics.append(Diagnostic(position: position, message: message, help: help, unit: declared.unit))
    }

    /// What a name refers to; tells what is wrong where it refers to nothing that is in force.
    private func reference<Value>(
        _ kind: Kind, _ name: String, known: [String: Declared<Value>], at field: String, _ declared: AnyDeclared,
        _ found: inout Findings
    ) -> Declared<Value>? {
        if let target = known[name] { return target }
        guard !name.isEmpty else { return nil }
        let unit = UnitID(kind, name)
        if index.isDeclared(unit) || claimed[unit] != nil {
            let position = declared.position(of: field, decoder.paths.names)
            found.consequences.append(
                Diagnostic(
                    position: position, message: "the \(kind.rawValue) `\(name)` is not valid",
                    help: "mend its manifest first", unit: declared.unit))
        } else {
            error(
                declared, field, "no \(kind.rawValue) `\(name)` is declared",
                Suggestion.help(for: name, among: known.keys, else: "there are "), &found)
        }
        return nil
    }
}

// MARK: Regions and hosts

extension ManifestSet {
    private func checkLocationCode(_ region: Declared<Region>, _ found: inout Findings) {
        let code = region.value.locationCode
        guard code >= 0 else { return }
        let rivals = index.regions.compactMap { name -> Rival? in
            guard let site = index.sites(UnitID(.region, name)).first, let document = document(at: site),
                case .region(let other) = document.declared, other.value.locationCode == code
            else { return nil }
            let isIncumbent = force.fleet.regions[name]?.value.locationCode == code
            return Rival(isIncumbent: isIncumbent, file: site.file, line: document.line, name: name)
        }
        guard let winner = rivals.min(), winner.name != region.value.metadata.name else { return }
        error(
            .region(region), "spec.locationCode", "the location code \(code) belongs to the Region `\(winner.name)`",
            "choose another from 0 to 127; `\(winner.name)` is at \(winner.file):\(winner.line)", &found)
    }

    private func checkAddress(_ host: Declared<Host>, _ found: inout Findings) {
        let address = host.value.address
        guard !address.isEmpty, let names = index.hostsByAddress[address], names.count > 1 else { return }
        let rivals = names.compactMap { name -> Rival? in
            guard let site = index.sites(UnitID(.host, name)).first, let document = document(at: site) else { return nil }
            let isIncumbent = force.fleet.hosts[name]?.value.address == address
            return Rival(isIncumbent: isIncumbent, file: site.file, line: document.line, name: name)
        }
        guard let winner = rivals.min(), winner.name != host.value.metadata.name else { return }
        error(
            .host(host), "spec.address", "the address \(address) belongs to the Host `\(winner.name)`",
            "each host has an address of its own; `\(winner.name)` is at \(winner.file):\(winner.line)", &found)
    }

    /// Fills in the zone's first room where none is given.
    private func checkRoom(_ host: Declared<Host>, _ found: inout Findings) -> Declared<Host>? {
        let zone = reference(
            .availabilityZone, host.value.zone, known: force.fleet.zones, at: "spec.zone", .host(host), &found)
        guard let rooms = zone?.value.rooms else { return nil }
        guard !host.value.room.isEmpty else {
            var value = host.value
            value.room = rooms.first ?? ""
            return host.with(value)
        }
        if rooms.contains(host.value.room) { return host }
        error(
            .host(host), "spec.room", "the zone `\(host.value.zone)` has no room `\(host.value.room)`",
            Suggestion.help(for: host.value.room, among: rooms, else: "its rooms are "), &found)
        return nil
    }
}

/// One that wants what only one can have: who has it keeps it, else the first in the tree gets it.
private struct Rival: Comparable {
    var isIncumbent: Bool
    var file: String
    var line: Int
    var name: String

    static func < (left: Rival, right: Rival) -> Bool {
        if left.isIncumbent != right.isIncumbent { return left.isIncumbent }
        return (left.file, left.line, left.name) < (right.file, right.line, right.name)
    }
}

// MARK: Clusters

extension ManifestSet {
    private func check(_ placement: Placement, _ number: Int, _ cluster: Declared<Cluster>, _ found: inout Findings) {
        let field = "spec.placement[\(number)]"
        guard !placement.zone.isEmpty else { return }
        guard let zone = force.fleet.zones[placement.zone] else {
            _ = reference(
                .availabilityZone, placement.zone, known: force.fleet.zones, at: field + ".zone", .cluster(cluster),
                &found)
            return
        }
        var hosts = force.hostCounts[placement.zone] ?? Force.HostCount()
        let isOpen = zone.value.takesInstances
        if !isOpen { hosts.schedulable = 0 }
        guard placement.replicas > hosts.schedulable else { return }
        let declaredHosts = max(hosts.all, index.hostsByZone[placement.zone]?.count ?? 0)
        let position = AnyDeclared.cluster(cluster).position(of: field + ".replicas", decoder.paths.names)
        var diagnostic = Diagnostic(
            position: position,
            message: "\(counted(placement.replicas, "instance")) in `\(placement.zone)`, which has \(counted(declaredHosts, "host"))",
            help: "declare another Host in the zone, or place fewer: no host gets two instances of a cluster",
            unit: UnitID(.cluster, cluster.value.metadata.name))
        if placement.replicas > hosts.all, placement.replicas <= declaredHosts {
            // Enough are declared, and what is wrong with them is told there.
            diagnostic.message = "of the hosts in `\(placement.zone)` only \(hosts.all) have a valid manifest"
            found.consequences.append(diagnostic)
            return
        }
        if placement.replicas <= hosts.all {
            // Instances that are there may stay on a host that takes no new ones, so this alone holds nothing back.
            diagnostic.severity = .warning
            diagnostic.message += isOpen ? ", but only \(hosts.schedulable) that \(hosts.schedulable == 1 ? "takes" : "take") new instances" : ", but takes no new instances"
            diagnostic.help = "set `schedulable: true` and no `drain` on \(isOpen ? "another Host of the zone" : "AvailabilityZone `\(placement.zone)`"); instances that are there stay, a new one waits"
        }
        found.diagnostics.append(diagnostic)
    }

    /// In a galera cluster every commit waits for a round trip between all instances.
    private func checkOneRegion(_ cluster: Declared<Cluster>, _ found: inout Findings) {
        guard cluster.value.topology == .galera, let first = cluster.value.placement.first,
            let home = force.fleet.zones[first.zone]?.value.region
        else { return }
        for (number, placement) in cluster.value.placement.enumerated() {
            guard let region = force.fleet.zones[placement.zone]?.value.region, region != home else { continue }
            error(
                .cluster(cluster), "spec.placement[\(number)].zone",
                "`\(placement.zone)` is in the region `\(region)`, and `\(first.zone)` in `\(home)`: a galera cluster is in one region",
                "for the other region declare a cluster that is `standbyOf` this one", &found)
        }
    }

    /// Whom it follows is declared, and leads, or takes the lead from it. By what is declared and not by what is in force:
    /// clusters are judged in no order.
    private func checkStandby(_ cluster: Declared<Cluster>, _ found: inout Findings) {
        guard let leading = cluster.value.standbyOf, leading != cluster.value.metadata.name else { return }
        let field = "spec.standbyOf.cluster"
        guard let site = index.sites(UnitID(.cluster, leading)).first else {
            error(
                .cluster(cluster), field, "no Cluster `\(leading)` is declared",
                Suggestion.help(for: leading, among: force.fleet.clusters.keys, else: "there are "), &found)
            return
        }
        guard case .cluster(let other)? = document(at: site)?.declared, let third = other.value.standbyOf,
            third != cluster.value.metadata.name
        else { return }
        error(
            .cluster(cluster), field, "`\(leading)` follows `\(third)` itself: a standby follows the cluster that leads",
            "write `\(third)`", &found)
    }

    private func counted(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number == 0 ? "no" : String(number)) \(noun)s"
    }
}
