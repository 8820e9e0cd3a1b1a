import FleetModel

/// What every host holds, for choosing among them: instances, memory, ports.
///
/// Hosts are numbered in the order of their names, so that placing a large fleet compares numbers.
struct HostLoads {
    enum Choice {
        case host(Host)
        /// Why there is none.
        case none(String)
    }

    private struct Load {
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
    }

    /// Candidates of one zone as a binary heap, the least loaded first, of these the first by name; an entry whose count
    /// is out of date is put back with the new one when it comes up.
    private struct ZoneQueue {
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

    /// By name; those that only records name have loads but no manifest.
    private var hosts: [Host?] = []
    private var loads: [Load] = []
    private var numbers: [String: Int] = [:]
    private var queues: [ZoneQueue] = []
    private var zones: [String: Int] = [:]

    init(_ fleet: DesiredFleet, _ records: FleetRecords) {
        for (name, host) in fleet.hosts.sorted(by: { $0.key < $1.key }) {
            numbers[name] = hosts.count
            hosts.append(host.value)
        }
        loads = Array(repeating: Load(), count: hosts.count)
        for (_, cluster) in records.clusters {
            let resources = fleet.clusters[cluster.name]?.value.resources
            for member in cluster.members {
                switch member.phase {
                case .active, .leaving: add(member.host, port: member.port, resources)
                // A directory that is only kept takes storage, not a place.
                case .retired:
                    let number = number(member.host)
                    loads[number].storageBytes += resources?.storageBytes ?? 0
                case .purged: break
                }
            }
        }
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

    private mutating func number(_ host: String) -> Int {
        if let known = numbers[host] { return known }
        numbers[host] = hosts.count
        hosts.append(nil)
        loads.append(Load())
        return hosts.count - 1
    }

    mutating func add(_ host: String, port: Int?, _ resources: ClusterResources?) {
        let number = number(host)
        loads[number].instances += 1
        loads[number].memoryBytes += resources?.memoryBytes ?? 0
        loads[number].storageBytes += resources?.storageBytes ?? 0
        if let port, port != 0 { loads[number].take(port) }
    }

    mutating func add(port: Int, to host: String) {
        let number = number(host)
        loads[number].take(port)
    }

    /// The least loaded host of the zone that has room and holds no other member; in another room than those where it
    /// can be had.
    mutating func choose(_ zone: String, _ cluster: Cluster, port: Int?, avoiding members: [MemberRecord]) -> Choice {
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

    func freePort(on hosts: [String]) -> Int? {
        let taken = hosts.compactMap { numbers[$0] }.map { loads[$0] }
        let first = taken.map(\.firstFree).max() ?? Self.firstPort
        guard first <= 65535 else { return nil }
        return (first...65535).first { port in taken.allSatisfy { !$0.ports.contains(port) } }
    }
}
