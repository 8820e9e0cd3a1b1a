import FleetModel

/// What every host holds, for choosing among them: instances, memory, ports.
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
    }

    /// Candidates of one zone as a binary heap, the least loaded first; an entry whose count is out of date is put back
    /// with the new one when it comes up.
    private struct ZoneQueue {
        var heap: [(count: Int, name: String)] = []

        private func isBefore(_ left: Int, _ right: Int) -> Bool {
            (heap[left].count, heap[left].name) < (heap[right].count, heap[right].name)
        }

        mutating func push(_ count: Int, _ name: String) {
            heap.append((count, name))
            var child = heap.count - 1
            while child > 0, isBefore(child, (child - 1) / 2) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }

        mutating func pop() -> (count: Int, name: String)? {
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

    private let fleet: DesiredFleet
    private var loads: [String: Load] = [:]
    private var zones: [String: ZoneQueue] = [:]

    init(_ fleet: DesiredFleet, _ records: FleetRecords) {
        self.fleet = fleet
        for (_, cluster) in records.clusters {
            let resources = fleet.clusters[cluster.name]?.value.resources
            for member in cluster.members {
                switch member.phase {
                case .active, .leaving: add(member.host, port: member.port, resources)
                // A directory that is only kept takes storage, not a place.
                case .retired: loads[member.host, default: Load()].storageBytes += resources?.storageBytes ?? 0
                case .purged: break
                }
            }
        }
        for (name, host) in fleet.hosts where host.value.takesInstances {
            zones[host.value.zone, default: ZoneQueue()].push(loads[name]?.instances ?? 0, name)
        }
    }

    mutating func add(_ host: String, port: Int?, _ resources: ClusterResources?) {
        var load = loads.removeValue(forKey: host) ?? Load()
        load.instances += 1
        load.memoryBytes += resources?.memoryBytes ?? 0
        load.storageBytes += resources?.storageBytes ?? 0
        if let port, port != 0 { load.ports.insert(port) }
        loads[host] = load
    }

    mutating func add(port: Int, to host: String) { loads[host, default: Load()].ports.insert(port) }

    /// The least loaded host of the zone that has room and holds no other member; in another room than those where it
    /// can be had.
    mutating func choose(_ zone: String, _ cluster: Cluster, port: Int?, avoiding members: [MemberRecord]) -> Choice {
        // Taken out while it is changed, so that it is changed in place.
        guard var queue = zones.removeValue(forKey: zone) else { return .none("it has no schedulable host") }
        defer { zones[zone] = queue }
        // A retired one is only a directory that is kept: it stands in nobody's way but for the room that it takes.
        let living = members.filter { $0.phase == .active || $0.phase == .leaving }
        let used = Set(living.map(\.host))
        let rooms = Set(living.filter { $0.zone == zone }.compactMap { fleet.hosts[$0.host]?.value.room })
        var seen: [(count: Int, name: String)] = []
        var fitting: [Host] = []
        var reasons: [String: Int] = [:]
        while let entry = queue.pop() {
            let current = loads[entry.name]?.instances ?? 0
            if current != entry.count {
                queue.push(current, entry.name)
                continue
            }
            seen.append(entry)
            guard let host = fleet.hosts[entry.name]?.value else { continue }
            if let reason = used.contains(entry.name) ? "hold one of it already" : obstacle(host, cluster, port) {
                reasons[reason, default: 0] += 1
                continue
            }
            fitting.append(host)
            if rooms.isEmpty || !rooms.contains(host.room) || fitting.count == Self.roomSearchMax { break }
        }
        for entry in seen { queue.push(entry.count, entry.name) }
        if let chosen = fitting.first(where: { !rooms.contains($0.room) }) ?? fitting.first { return .host(chosen) }
        let why = reasons.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        return .none("of its \(seen.count) schedulable hosts " + (why.isEmpty ? "none fits" : why))
    }

    private func obstacle(_ host: Host, _ cluster: Cluster, _ port: Int?) -> String? {
        let load = loads[host.metadata.name] ?? Load()
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
        let taken = hosts.map { loads[$0]?.ports ?? [] }
        return (Self.firstPort...65535).first { port in taken.allSatisfy { !$0.contains(port) } }
    }
}
