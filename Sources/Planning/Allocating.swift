package import FleetModel

extension Planner {
    /// Places what is new, marks what must leave, hands out uids, ordinals, ports, server ids. Sticky; in the order of
    /// names. Only clusters in `changed` are looked at (nil: all).
    ///
    /// A cluster that cannot be placed keeps the records it had, and is told as a problem. `loads`: what the hosts hold
    /// by the whole fleet's records; with it, `records` need to hold the clusters in `changed` only. Nil: it is counted
    /// when the first cluster needs a host.
    package static func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>? = nil, loads: HostLoads? = nil
    ) -> Allocation {
        var allocator = Allocator(fleet, records, loads)
        if changed == nil { allocator.expect(fleet.clusters.count) }
        let names = changed?.sorted() ?? fleet.clusters.keys.sorted()
        allocator.count(names)
        for name in names { allocator.place(name) }
        return allocator.finish()
    }
}

private struct Allocator {
    let fleet: DesiredFleet
    var allocation: Allocation
    /// Where it is not given, made when the first cluster needs a host: a commit that places nothing never pays for it.
    private var hosts: HostLoads?
    /// Names of hosts that are to be empty, but for those of which the whole zone is: instances go to hosts of their own zone.
    private let draining: Set<String>

    init(_ fleet: DesiredFleet, _ records: FleetRecords, _ loads: HostLoads?) {
        self.fleet = fleet
        draining = Set(
            fleet.hosts.lazy.filter { $0.value.value.drain && fleet.zones[$0.value.value.zone]?.value.drain != true }.map(\.key))
        allocation = Allocation(records: records)
        hosts = loads
        hosts?.begin()
    }

    func finish() -> Allocation {
        var allocation = allocation
        allocation.loads = hosts
        return allocation
    }

    /// Loads that were given learn what is declared now, of every cluster before the first is placed.
    mutating func count(_ names: [String]) {
        guard hosts != nil else { return }
        for name in names {
            guard let known = allocation.records.clusters[name] else { continue }
            hosts?.setResources(fleet.clusters[name]?.value.resources, of: known)
        }
    }

    /// Makes room for the records of so many clusters; where they are there already nothing is copied.
    mutating func expect(_ count: Int) {
        if allocation.records.clusters.count < count { allocation.records.clusters.reserveCapacity(count) }
    }

    mutating func place(_ name: String) {
        guard let declared = fleet.clusters[name] else { return }
        let cluster = declared.value
        let known = allocation.records.clusters[name]
        if let known, fits(cluster, known), !changesReplication(cluster, known) { return }
        var records = known ?? newRecords(cluster)
        do throws(Obstacle) {
            try requireSameReplication(cluster, records)
            leave(cluster, &records)
            for (index, placement) in cluster.placement.enumerated() {
                try fill(placement, at: index, cluster, &records)
            }
            try givePort(cluster, &records)
            if records.galera != nil { try giveGroupPorts(&records) }
        } catch {
            // Counters that were taken stay taken: numbers are never used twice. The rest is as it was.
            hosts?.takeBack(records, to: known)
            allocation.problems.append(
                AllocationProblem(cluster: name, field: error.field, message: error.message, help: error.help))
            return
        }
        guard records != known else { return }
        allocation.records.clusters[name] = records
        allocation.changed.insert(name)
    }

    struct Obstacle: Error {
        var field: String
        var message: String
        var help: String
    }

    /// Whether each zone holds just as many as declared, none on a host that is drained: nothing to place then.
    private func fits(_ cluster: Cluster, _ records: ClusterRecords) -> Bool {
        var left = cluster.replicas
        for member in records.members where member.phase == .active {
            guard draining.isEmpty || !draining.contains(member.host) else { return false }
            guard cluster.placement.contains(where: { $0.zone == member.zone }) else { return false }
            left -= 1
        }
        guard left == 0 else { return false }
        return cluster.placement.count == 1
            || cluster.placement.allSatisfy { placement in
                records.members.count { $0.phase == .active && $0.zone == placement.zone } == placement.replicas
            }
    }

    private mutating func newRecords(_ cluster: Cluster) -> ClusterRecords {
        allocation.records.clustersMade += 1
        let seed = "\(allocation.records.storeID)/\(cluster.metadata.name)/\(allocation.records.clustersMade)"
        let uid = String(SHA256.hex(seed).prefix(10))
        let zone = cluster.preferredZones.first ?? cluster.placement.first?.zone ?? ""
        let domain = allocation.records.nextDomainNumber
        allocation.records.nextDomainNumber += 1
        var records = ClusterRecords(uid: uid, name: cluster.metadata.name, gtidDomain: locationBits(zone) | domain)
        if cluster.topology == .galera { records.galera = GaleraRecords() }
        return records
    }

    /// The region's location code in the bits above 24.
    private func locationBits(_ zone: String) -> Int64 {
        let region = fleet.zones[zone].map(\.value.region) ?? ""
        return Int64(fleet.regions[region]?.value.locationCode ?? 0) << 24
    }

    // MARK: Leaving

    /// Marks the surplus: whatever is in a zone that is no longer declared, then in each zone those on hosts that are
    /// drained, then the newest, the writer last.
    private mutating func leave(_ cluster: Cluster, _ records: inout ClusterRecords) {
        let wanted = Dictionary(cluster.placement.map { ($0.zone, $0.replicas) }, uniquingKeysWith: +)
        for zone in Set(records.members.map(\.zone)).sorted() {
            let active = records.members.filter { $0.phase == .active && $0.zone == zone }
            let surplus = active.count - wanted[zone, default: 0]
            guard surplus > 0 else { continue }
            let primary = records.primary
            let going = active.sorted { left, right in
                let isLeftDrained = draining.contains(left.host), isRightDrained = draining.contains(right.host)
                if isLeftDrained != isRightDrained { return isLeftDrained }
                return (left.ordinal == primary ? 0 : 1, left.ordinal) > (right.ordinal == primary ? 0 : 1, right.ordinal)
            }
            for member in going.prefix(surplus) { set(.leaving, member.ordinal, &records) }
        }
    }

    private func set(_ phase: MemberPhase, _ ordinal: Int, _ records: inout ClusterRecords) {
        guard let index = records.members.firstIndex(where: { $0.ordinal == ordinal }) else { return }
        records.members[index].phase = phase
    }

    // MARK: Filling

    private mutating func fill(
        _ placement: Placement, at index: Int, _ cluster: Cluster, _ records: inout ClusterRecords
    ) throws(Obstacle) {
        let field = "spec.placement[\(index)].replicas"
        let moving = records.members.filter {
            $0.phase == .active && $0.zone == placement.zone && draining.contains($0.host)
        }
        var missing =
            placement.replicas - records.members.count { $0.phase == .active && $0.zone == placement.zone } + moving.count
        // One that was about to leave and has not yet stays.
        for member in records.members
        where missing > 0 && member.phase == .leaving && member.zone == placement.zone && !draining.contains(member.host) {
            set(.active, member.ordinal, &records)
            missing -= 1
        }
        if missing > 0 { try requireOpen(placement, field) }
        for _ in 0..<max(missing, 0) {
            lookAtHosts()
            let known = records.members.first { $0.phase != .purged }?.port
            let port = known == 0 ? cluster.port : known ?? cluster.port
            let choice = hosts?.choose(placement.zone, cluster, port: port, avoiding: records.members, in: fleet)
            guard case .host(let host)? = choice else {
                guard case .none(let reason)? = choice else { return }
                throw Obstacle(
                    field: field, message: "\(placement.replicas) instances in zone \(placement.zone), but \(reason)",
                    help: "declare another Host in \(placement.zone), or lower \(field)")
            }
            add(host, placement.zone, port, cluster, &records)
        }
        for member in moving { set(.leaving, member.ordinal, &records) }
    }

    /// Nothing new is placed in a zone that says so.
    private func requireOpen(_ placement: Placement, _ field: String) throws(Obstacle) {
        guard let zone = fleet.zones[placement.zone], !zone.value.takesInstances else { return }
        let switched = zone.value.drain ? "drain: true" : "schedulable: false"
        let place = fleet.fieldPaths.position(of: zone.value.drain ? "spec.drain" : "spec.schedulable", in: zone)
        throw Obstacle(
            field: field, message: "\(placement.replicas) instances in zone \(placement.zone), but it takes no new ones: `\(switched)` at \(place.file):\(place.line)",
            help: "place it in another zone, or take `\(switched)` off AvailabilityZone \(placement.zone)")
    }

    private mutating func add(_ host: Host, _ zone: String, _ port: Int?, _ cluster: Cluster, _ records: inout ClusterRecords) {
        let number = allocation.records.nextServerNumber
        allocation.records.nextServerNumber += 1
        // The ack set can name one that a rebuild knows only by its account.
        let ordinal = max(records.members.map(\.ordinal).max() ?? 0, records.ackSet.max() ?? 0) + 1
        records.members.append(
            MemberRecord(
                ordinal: ordinal, host: host.metadata.name, zone: zone, address: host.address, port: port ?? 0,
                serverID: locationBits(zone) | number))
        hosts?.add(host.metadata.name, port: port, of: cluster)
    }

    // MARK: Ports

    /// Gives the cluster's one port to members that have none yet.
    private mutating func givePort(_ cluster: Cluster, _ records: inout ClusterRecords) throws(Obstacle) {
        let inUse = records.members.first { $0.port != 0 && $0.phase == .active }?.port
        if let declared = cluster.port, let inUse, declared != inUse {
            throw Obstacle(
                field: "spec.port", message: "the port of a cluster that exists cannot change (it is \(inUse))",
                help: "declare port \(inUse), or make a new cluster")
        }
        let missing = records.members.filter { $0.port == 0 && $0.phase == .active }
        guard !missing.isEmpty else { return }
        lookAtHosts()
        guard let port = hosts?.freePort(on: missing.map(\.host)) else {
            throw Obstacle(field: "spec.port", message: "no port is free on all its hosts", help: "declare one in spec.port")
        }
        for index in records.members.indices where records.members[index].port == 0 {
            records.members[index].port = port
            hosts?.add(port: port, to: records.members[index].host)
        }
    }

    /// Gives members of a galera cluster that have none the ports of their group.
    private mutating func giveGroupPorts(_ records: inout ClusterRecords) throws(Obstacle) {
        for index in records.members.indices where records.members[index].groupPort == 0 && records.members[index].phase == .active {
            lookAtHosts()
            let host = records.members[index].host
            guard let ports = hosts?.freeGroupPorts(on: host) else {
                throw Obstacle(
                    field: "spec.placement", message: "no two ports beside each other are free on \(host) for its group",
                    help: "place it on another host")
            }
            (records.members[index].groupPort, records.members[index].transferPort) = (ports.group, ports.transfer)
            for port in [ports.group, ports.transfer] { hosts?.add(port: port, to: host) }
        }
    }

    // MARK: Topology

    private func changesReplication(_ cluster: Cluster, _ records: ClusterRecords) -> Bool {
        (cluster.topology == .galera) != (records.galera != nil)
    }

    /// What is written in one way cannot be read in the other: rows have to be copied to a new cluster.
    private func requireSameReplication(_ cluster: Cluster, _ records: ClusterRecords) throws(Obstacle) {
        guard changesReplication(cluster, records) else { return }
        let what = records.galera == nil ? "is no galera cluster and cannot become one" : "is a galera cluster and stays one"
        throw Obstacle(
            field: "spec.topology", message: "a cluster that exists \(what)", help: "make a new cluster, and move its data there")
    }

    private mutating func lookAtHosts() {
        if hosts == nil { hosts = HostLoads(fleet, allocation.records) }
    }
}
