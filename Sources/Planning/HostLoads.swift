package import FleetModel

/// What every host holds, for choosing among them: instances, memory, ports.
///
/// Hosts are numbered in the order of their names, so that placing a large fleet compares numbers. Can be kept from one
/// allocation to the next, so that placing one instance does not cost a look at the whole fleet.
package struct HostLoads: Sendable {
    enum Choice {
        case host(Host)
        /// Why there is none.
        case none(String)
    }

    private struct Load: Sendable {
        var instances = 0
        var memoryBytes: Int64 = 0
        var storageBytes: Int64 = 0
        var ports: Set<Int> = []
        /// None below it is free: ports are only ever taken here.
        var firstFree = HostLoads.firstPort

        mutating func take(_ port: Int) {
            ports.insert(port)
            while ports.contains(firstFree) { firstFree += 1 }
        }

        mutating func leave(_ port: Int) {
            guard ports.remove(port) != nil else { return }
            firstFree = max(min(firstFree, port), HostLoads.firstPort)
        }
    }

    /// Candidates of one zone as a binary heap, the least loaded first, of these the first by name; an entry whose count
    /// is out of date is put back with the new one when it comes up.
    private struct ZoneQueue: Sendable {
        var heap: [(count: Int, host: Int)] = []

        private func isBefore(_ left: Int, _ right: Int) -> Bool {
            (heap[left].count, heap[left].host) < (heap[right].count, heap[right].host)
        }

        mutating func push(_ count: Int, _ host: Int) {
            heap.append((count, host))
            var child = heap.count - 1
            while child > 0, isBefore(child, (child - 1) / 2) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }

        mutating func pop() -> (count: Int, host: Int)? {
            guard let first = heap.first, let last = heap.popLast() else { return nil }
            guard !heap.isEmpty else { return first }
            heap[0] = last
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) { least = child }
                if least == parent { return first }
                heap.swapAt(parent, least)
                parent = least
            }
        }
    }

    /// Of the hosts that fit, so many are looked at for one in another room.
    private static let roomSearchMax = 16
    private static let firstPort = 3306
    /// Galera's own.
    private static let firstGroupPort = 4567

    /// By name; those that only records name have loads but no manifest.
    private var hosts: [Host?] = []
    private var loads: [Load] = []
    private var numbers: [String: Int] = [:]
    /// What each instance of a cluster counts with; a cluster that is not declared counts with nothing.
    private var resources: [String: ClusterResources] = [:]
    /// Of one allocation, made when the first host is chosen in it.
    private var queues: [ZoneQueue] = []
    private var zones: [String: Int] = [:]
    private var isLinedUp = false

    package init(_ fleet: DesiredFleet, _ records: FleetRecords) {
        number(fleet)
        for (name, cluster) in records.clusters { count(cluster, fleet.clusters[name]?.value.resources) }
    }

    // MARK: Keeping up

    /// A cluster's records have changed; what it declares has not.
    package mutating func replace(_ old: ClusterRecords?, by new: ClusterRecords) {
        let known = resources[new.name]
        if let old {
            guard old.members != new.members else { return }
            discount(old)
        }
        count(new, known)
    }

    /// What a cluster's instances may take is declared anew; nil where it is no longer declared.
    mutating func setResources(_ declared: ClusterResources?, of cluster: ClusterRecords) {
        guard resources[cluster.name] != declared else { return }
        discount(cluster)
        count(cluster, declared)
    }

    private mutating func count(_ cluster: ClusterRecords, _ declared: ClusterResources?) {
        if let declared { resources[cluster.name] = declared }
        for member in cluster.members { count(member, declared, sign: 1) }
    }

    private mutating func discount(_ cluster: ClusterRecords) {
        let known = resources.removeValue(forKey: cluster.name)
        for member in cluster.members { count(member, known, sign: -1) }
        isLinedUp = false
    }

    private mutating func count(_ member: MemberRecord, _ resources: ClusterResources?, sign: Int) {
        if case .purged = member.phase { return }
        let number = number(member.host)
        loads[number].storageBytes += Int64(sign) * (resources?.storageBytes ?? 0)
        // A directory that is only kept takes storage, not a place.
        guard member.phase == .active || member.phase == .leaving else { return }
        loads[number].instances += sign
        loads[number].memoryBytes += Int64(sign) * (resources?.memoryBytes ?? 0)
        for port in [member.port, member.groupPort, member.transferPort] where port != 0 {
            if sign > 0 { loads[number].take(port) } else { loads[number].leave(port) }
        }
    }

    private mutating func number(_ host: String) -> Int {
        if let known = numbers[host] { return known }
        numbers[host] = hosts.count
        hosts.append(nil)
        loads.append(Load())
        return hosts.count - 1
    }

    /// Numbers the hosts anew, with the loads that they have.
    private mutating func number(_ fleet: DesiredFleet) {
        let (oldNumbers, oldLoads) = (numbers, loads)
        (hosts, loads, numbers) = ([], [], [:])
        for (name, host) in fleet.hosts.sorted(by: { $0.key < $1.key }) {
            numbers[name] = hosts.count
            hosts.append(host.value)
            loads.append(oldNumbers[name].map { oldLoads[$0] } ?? Load())
        }
        for (name, old) in oldNumbers where numbers[name] == nil {
            let added = number(name)
            loads[added] = oldLoads[old]
        }
    }

    // MARK: Choosing

    /// Forgets the order of an earlier allocation: hosts may have come, gone or closed since.
    mutating func begin() { isLinedUp = false }

    private mutating func lineUp(_ fleet: DesiredFleet) {
        guard !isLinedUp else { return }
        isLinedUp = true
        number(fleet)
        (queues, zones) = ([], [:])
        for (number, host) in hosts.enumerated() {
            guard let host, host.takesInstances else { continue }
            let zone = zones[host.zone] ?? queues.count
            if zone == queues.count {
                zones[host.zone] = zone
                queues.append(ZoneQueue())
            }
            queues[zone].push(loads[number].instances, number)
        }
    }

    /// Puts one more instance of a cluster on a host.
    mutating func add(_ host: String, port: Int?, of cluster: Cluster) {
        resources[cluster.metadata.name] = cluster.resources
        let number = number(host)
        loads[number].instances += 1
        loads[number].memoryBytes += cluster.resources.memoryBytes
        loads[number].storageBytes += cluster.resources.storageBytes
        if let port, port != 0 { loads[number].take(port) }
    }

    /// What was added for a cluster that could not be placed after all.
    mutating func takeBack(_ partial: ClusterRecords, to known: ClusterRecords?) {
        let declared = resources[partial.name]
        discount(partial)
        if let known { count(known, declared) }
    }

    mutating func add(port: Int, to host: String) {
        let number = number(host)
        loads[number].take(port)
    }

    /// The least loaded host of the zone that has room and holds no other member; in another room than those where it
    /// can be had.
    mutating func choose(
        _ zone: String, _ cluster: Cluster, port: Int?, avoiding members: [MemberRecord], in fleet: DesiredFleet
    ) -> Choice {
        lineUp(fleet)
        guard let queue = zones[zone] else { return .none("it has no schedulable host") }
        // A retired one is only a directory that is kept: it stands in nobody's way but for the room that it takes.
        var used: [Int] = []
        var rooms: [String] = []
        for member in members where member.phase == .active || member.phase == .leaving {
            guard let number = numbers[member.host] else { continue }
            used.append(number)
            if member.zone == zone, let room = hosts[number]?.room { rooms.append(room) }
        }
        var seen: [(count: Int, host: Int)] = []
        var fitting: [Host] = []
        var reasons: [String: Int] = [:]
        while let entry = queues[queue].pop() {
            let current = loads[entry.host].instances
            if current != entry.count {
                queues[queue].push(current, entry.host)
                continue
            }
            seen.append(entry)
            guard let host = hosts[entry.host] else { continue }
            if let reason = used.contains(entry.host) ? "hold one of it already" : obstacle(host, loads[entry.host], cluster, port) {
                reasons[reason, default: 0] += 1
                continue
            }
            fitting.append(host)
            if rooms.isEmpty || !rooms.contains(host.room) || fitting.count == Self.roomSearchMax { break }
        }
        for entry in seen { queues[queue].push(entry.count, entry.host) }
        if let chosen = fitting.first(where: { !rooms.contains($0.room) }) ?? fitting.first { return .host(chosen) }
        let why = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return .none("of its \(seen.count) schedulable hosts " + (why.isEmpty ? "none fits" : why))
    }

    private func obstacle(_ host: Host, _ load: Load, _ cluster: Cluster, _ port: Int?) -> String? {
        if let limit = host.capacity.instances, load.instances >= limit { return "are full (capacity.instances)" }
        if let limit = host.capacity.memoryBytes, load.memoryBytes + cluster.resources.memoryBytes > limit {
            return "have too little memory left (capacity.memory)"
        }
        if let limit = host.capacity.storageBytes, load.storageBytes + cluster.resources.storageBytes > limit {
            return "have too little storage left (capacity.storage)"
        }
        if let port, load.ports.contains(port) { return "have port \(port) taken" }
        return nil
    }

    /// Two free ports beside each other, for a galera member's group and for what it missed.
    func freeGroupPorts(on host: String) -> (group: Int, transfer: Int)? {
        let taken = numbers[host].map { loads[$0].ports } ?? []
        return stride(from: Self.firstGroupPort, to: 65535, by: 2).first { !taken.contains($0) && !taken.contains($0 + 1) }.map { ($0, $0 + 1) }
    }

    func freePort(on hosts: [String]) -> Int? {
        let taken = hosts.compactMap { numbers[$0] }.map { loads[$0] }
        let first = taken.map(\.firstFree).max() ?? Self.firstPort
        guard first <= 65535 else { return nil }
        return (first...65535).first { port in taken.allSatisfy { !$0.ports.contains(port) } }
    }
}
