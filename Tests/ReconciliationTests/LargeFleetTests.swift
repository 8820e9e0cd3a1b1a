import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import Synchronization
import Testing

/// Places every cluster on one host and finds nothing to do; remembers which clusters were looked at, in their order.
private final class Recorder: PlacingPlanner {
    private let rehearsed = Mutex<[String]>([])
    private let allocated = Mutex<[Int]>([])

    /// What was rehearsed since the last call.
    func take() -> [String] {
        rehearsed.withLock { names in
            defer { names = [] }
            return names
        }
    }

    /// How many clusters' records each allocation was given.
    var allocations: [Int] { allocated.withLock { $0 } }

    func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        rehearsed.withLock { $0.append(situation.name) }
        return Planner.rehearse(situation)
    }

    func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation {
        allocated.withLock { $0.append(records.clusters.count) }
        return Planner.allocate(fleet, records, changed: changed, loads: loads)
    }
}

/// A fleet that is too large to be looked at while a commit waits.
@Suite struct LargeFleetTests {
    private static let count = 600

    private func name(_ number: Int) -> String { "c\(1000 + number)" }

    private func fleet(_ commit: String, memory: [Int: Int64] = [:]) -> DesiredFleet {
        var fleet = DesiredFleet(revision: Revision(commit: commit))
        let region = Region(metadata: Metadata(name: "r"), displayName: "r", locationCode: 1, isDefault: true)
        fleet.regions["r"] = Declared(value: region, file: "r.yaml", line: 1)
        let zone = AvailabilityZone(metadata: Metadata(name: "a"), region: "r", rooms: ["x"])
        fleet.zones["a"] = Declared(value: zone, file: "r.yaml", line: 5)
        let host = Host(metadata: Metadata(name: "h"), zone: "a", room: "x", address: "10.0.0.1")
        fleet.hosts["h"] = Declared(value: host, file: "r.yaml", line: 9)
        for number in 0..<LargeFleetTests.count {
            let cluster = Cluster(
                metadata: Metadata(name: name(number)), engine: EngineSpec(type: .mariadb, version: "10.11"),
                topology: .single, placement: [Placement(zone: "a", replicas: 1)],
                resources: ClusterResources(memoryBytes: memory[number] ?? 1 << 28, storageBytes: 1 << 30))
            fleet.clusters[name(number)] = Declared(value: cluster, file: "c.yaml", line: 1, revision: commit)
        }
        return fleet
    }

    private func read(_ fleet: DesiredFleet, changed: [String], base: String?) -> LoopEvent {
        let assembly = Assembly(fleet: fleet, changed: changed.map { UnitID(.cluster, $0) })
        return .revisionRead(RevisionRead(source: "fleet", revision: fleet.revision, assembly: assembly, base: base))
    }

    /// A leader with the fleet in force, past the time in which agents may still say hello, all units waiting for a pass.
    private func loaded(_ planner: Recorder, passesPerEventMax: Int = 8) throws -> Drive {
        var drive = Drive(planner) { $0.passesPerEventMax = passesPerEventMax }
        let leads = try drive.lead()
        #expect(leads)
        try drive.run(read(fleet("c1"), changed: (0..<LargeFleetTests.count).map(name), base: nil))
        _ = planner.take()
        drive.now = drive.now + LoopSettings().graceMax + .seconds(1)
        return drive
    }

    @Test func `a commit's unit goes ahead of those that are only due`() throws {
        let planner = Recorder()
        var drive = try loaded(planner)
        let answers = try drive.once(.woke)
        #expect((7...8).contains(planner.take().count))
        _ = try drive.once(read(fleet("c2", memory: [590: 1 << 29]), changed: [name(590)], base: "c1"))
        for answer in answers { try drive.run(answer) }
        let order = planner.take()
        // Before it come those whose first pass changed their records, and who have their second.
        #expect(try #require(order.firstIndex(of: name(590))) <= 8)
        #expect(Set(order).count > LargeFleetTests.count - 9)
    }

    @Test func `what is only due gets its pass under a flood of changes`() throws {
        let planner = Recorder()
        var drive = try loaded(planner, passesPerEventMax: 1)
        try drive.run(.woke)
        drive.now = drive.now + .seconds(70)
        _ = try drive.once(.woke)
        for number in 0..<450 {
            _ = try drive.once(.request(.reconcile(UnitID(.cluster, name(number % 5)), by: "ann")))
        }
        let units = drive.machine.view(at: drive.now).units
        let late = (5..<LargeFleetTests.count).count { units[UnitID(.cluster, name($0))]?.pass == drive.now }
        #expect((40...60).contains(late))
    }

    @Test func `a cluster of whose hosts nothing was seen is rehearsed once`() throws {
        let planner = Recorder()
        var drive = try loaded(planner)
        try drive.run(.woke)
        #expect(Set(planner.take()).count == LargeFleetTests.count)
        let before = drive.machine.view(at: drive.now).units[UnitID(.cluster, name(3))]?.pass
        drive.now = drive.now + .seconds(70)
        try drive.run(.woke)
        #expect(planner.take().isEmpty)
        let status = drive.machine.view(at: drive.now).units[UnitID(.cluster, name(3))]
        #expect(try #require(status?.pass) > #require(before))
        try drive.run(read(fleet("c2", memory: [3: 1 << 29]), changed: [name(3)], base: "c1"))
        #expect(planner.take() == [name(3)])
    }

    @Test func `an allocation is given only the records of what changed`() throws {
        let planner = Recorder()
        var drive = try loaded(planner)
        try drive.run(read(fleet("c2", memory: [5: 1 << 29]), changed: [name(5)], base: "c1"))
        #expect(planner.allocations == [0, 1])
        #expect(drive.machine.view(at: drive.now).records.clusters.count == LargeFleetTests.count)
    }
}
