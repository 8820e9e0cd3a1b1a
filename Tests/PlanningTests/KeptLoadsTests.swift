import FleetModel
import Planning
import Testing

/// An allocation that is given what the hosts hold, and the records of what changed only, against one that counts anew.
@Suite struct KeptLoadsTests {
    @Test(arguments: 0..<60) func `kept loads place everything where counting anew does`(seed: Int) throws {
        var random = Mixer(state: UInt64(seed) &* 7919 &+ 1)
        var fleet = hosts(&random)
        var records = FleetRecords(storeID: "store-1")
        var loads = HostLoads(fleet, records)
        for _ in 0..<40 {
            let changed = change(&fleet, &random)
            var known = records
            known.clusters = records.clusters.filter { changed.contains($0.key) }
            let kept = Planner.allocate(fleet, known, changed: changed, loads: loads)
            let anew = Planner.allocate(fleet, records, changed: changed)
            #expect(kept.changed == anew.changed && kept.problems == anew.problems)
            for name in anew.changed { #expect(kept.records.clusters[name] == anew.records.clusters[name]) }
            #expect(kept.records.nextServerNumber == anew.records.nextServerNumber)
            records = anew.records
            loads = try #require(kept.loads)
            retireSome(&records, &loads, &random)
        }
    }

    private func hosts(_ random: inout Mixer) -> DesiredFleet {
        var fleet = DesiredFleet(revision: Revision(commit: "c"))
        let region = Region(metadata: Metadata(name: "r"), displayName: "r", locationCode: 1, isDefault: true)
        fleet.regions["r"] = Declared(value: region, file: "r.yaml", line: 1)
        for zone in ["a", "b"] {
            let declared = AvailabilityZone(metadata: Metadata(name: zone), region: "r", rooms: ["x", "y"])
            fleet.zones[zone] = Declared(value: declared, file: "r.yaml", line: 1)
            for number in 0..<4 {
                let limits: [Int?] = [nil, 3, 5]
                let capacity = HostCapacity(
                    memoryBytes: random.isOneOf(2) ? 3000 : nil, storageBytes: random.isOneOf(3) ? 4000 : nil,
                    instances: limits[random.below(3)])
                let host = Host(
                    metadata: Metadata(name: "\(zone)\(number)"), zone: zone, room: number < 2 ? "x" : "y",
                    address: "10.0.0.\(number)", capacity: capacity, schedulable: !random.isOneOf(8))
                fleet.hosts[host.metadata.name] = Declared(value: host, file: "h.yaml", line: 1)
            }
        }
        return fleet
    }

    /// Declares, changes or forgets a few clusters; answers which.
    private func change(_ fleet: inout DesiredFleet, _ random: inout Mixer) -> Set<String> {
        var changed: Set<String> = []
        for _ in 0...random.below(3) {
            let name = "c\(random.below(12))"
            changed.insert(name)
            if random.isOneOf(6) {
                fleet.clusters[name] = nil
                continue
            }
            let counts = [random.below(3), random.below(3) + 1]
            let cluster = Cluster(
                metadata: Metadata(name: name), engine: EngineSpec(type: .mariadb, version: "10.11"),
                topology: .primaryReplica,
                placement: zip(["a", "b"], counts).filter { $0.1 > 0 }.map { Placement(zone: $0.0, replicas: $0.1) },
                resources: ClusterResources(
                    memoryBytes: Int64(random.below(3) + 1) * 500, storageBytes: Int64(random.below(3) + 1) * 500))
            fleet.clusters[name] = Declared(value: cluster, file: "c.yaml", line: 1)
        }
        return changed
    }

    /// What passes of the loop do: members that were to leave are retired, then purged.
    private func retireSome(_ records: inout FleetRecords, _ loads: inout HostLoads, _ random: inout Mixer) {
        for name in records.clusters.keys.sorted() where random.isOneOf(3) {
            guard var cluster = records.clusters[name] else { continue }
            for index in cluster.members.indices {
                switch cluster.members[index].phase {
                case .leaving: cluster.members[index].phase = .retired(until: Instant(milliseconds: 1))
                case .retired: cluster.members[index].phase = .purged
                case .active, .purged: break
                }
            }
            loads.replace(records.clusters[name], by: cluster)
            records.clusters[name] = cluster
        }
    }
}

/// SplitMix64.
private struct Mixer {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(bound))
    }

    mutating func isOneOf(_ count: Int) -> Bool { below(count) == 0 }
}
