import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import Synchronization
import Testing

/// Places nothing, ever, and counts how often it is asked.
private final class FullFleet: PlacingPlanner {
    let asked = Mutex(0)

    func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation {
        asked.withLock { $0 += 1 }
        var allocation = Allocation(records: records)
        allocation.problems = fleet.clusters.keys.sorted().map {
            AllocationProblem(cluster: $0, field: "spec.placement[0]", message: "there is no room", help: "add a host")
        }
        return allocation
    }

    func rehearse(_ situation: ClusterSituation) -> Rehearsal { Planner.rehearse(situation) }
}

@Suite struct LoopMachineTests {
    private func read(_ clusters: [String], _ commit: String) -> LoopEvent {
        var fleet = DesiredFleet(revision: Revision(commit: commit))
        for name in clusters {
            let cluster = Cluster(
                metadata: Metadata(name: name), engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .single,
                placement: [Placement(zone: "a", replicas: 1)],
                resources: ClusterResources(memoryBytes: 1 << 28, storageBytes: 1 << 30))
            fleet.clusters[name] = Declared(value: cluster, file: "c.yaml", line: 1, revision: commit)
        }
        let changed = clusters.map { UnitID(.cluster, $0) }
        return .revisionRead(
            RevisionRead(source: "fleet", revision: fleet.revision, assembly: Assembly(fleet: fleet, changed: changed)))
    }

    @Test func `a cluster without a place is tried again at its interval, not again and again`() throws {
        let planner = FullFleet()
        var drive = Drive(planner)
        let ends1 = try drive.lead()
        #expect(ends1)
        let ends4 = drive.handle(read(["orders"], "c1"))
        #expect(ends4)
        let first = planner.asked.withLock { $0 }
        #expect(first <= 2)
        let status = drive.machine.view(at: drive.now).units[UnitID(.cluster, "orders")]
        #expect(status?.conditions.contains { $0.reason == "NoPlace" && $0.isTrue } == true)
        // Passes within the interval, whoever asks for them, look for no place.
        for _ in 1...20 {
            drive.now = drive.now + .seconds(2)
            let endsPass = drive.handle(.request(.reconcile(UnitID(.cluster, "orders"), by: "ann")))
            #expect(endsPass)
        }
        #expect(planner.asked.withLock { $0 } == first)
        drive.now = drive.now + .seconds(30)
        let ends5 = drive.handle(.request(.reconcile(UnitID(.cluster, "orders"), by: "ann")))
        #expect(ends5)
        #expect(planner.asked.withLock { $0 } == first + 1)
    }

    @Test func `a lease that is over by our own clock ends the lead without an answer of the store`() throws {
        var drive = Drive(StandardPlanner())
        let ends2 = try drive.lead()
        #expect(ends2)
        #expect(drive.machine.isLeader)
        drive.now = drive.now + .seconds(3601)
        let ends6 = drive.handle(.woke)
        #expect(ends6)
        #expect(!drive.machine.isLeader)
    }

    @Test func `a second revision is in force only after the first is in the store`() throws {
        var drive = Drive(StandardPlanner())
        let ends3 = try drive.lead()
        #expect(ends3)
        let ends7 = drive.handle(read(["orders"], "c1"))
        #expect(ends7)
        let ends8 = drive.handle(read(["orders", "billing"], "c2"))
        #expect(ends8)
        #expect(drive.verdicts == [true, true])
        #expect(drive.store.loadNow().revisions.first?.revision.commit == "c2")
    }

    // MARK: Agents that are not heard

    private var founded: ClusterRecords {
        var records = ClusterRecords(uid: "u1", name: "orders", gtidDomain: 7)
        records.members = [MemberRecord(ordinal: 1, host: "host-1", zone: "a", address: "127.0.1.1", port: 3306, serverID: 1)]
        (records.isFounded, records.primary) = (true, 1)
        return records
    }

    @Test func `until its agents have reported, a new leader shows a cluster as waiting for them`() throws {
        var drive = Drive(StandardPlanner())
        let lease = try drive.store.acquireNow(holder: LeaseHolder(name: "before", run: 1), duration: .seconds(1), now: drive.now)
        try drive.store.commitNow(
            [.putCluster(founded), .putConditions(UnitID(.cluster, "orders"), [Condition(.ready, true, reason: "Converged")])],
            term: lease.term)
        drive.now = drive.now + .seconds(2)
        try drive.mustLead()
        try drive.run(read(["orders"], "c1"))
        var status = try #require(drive.machine.view(at: drive.now).units[UnitID(.cluster, "orders")])
        #expect(status.waits == [Wait(.host("host-1"), "its agents' first report: host-1")])
        #expect(status.findings.isEmpty && status.pass == nil && !status.isConverged)
        #expect(drive.machine.settled(UnitID(.cluster, "orders")) == .waiting([UnitID(.cluster, "orders"): [status.waits[0].message]]))
        drive.now = drive.now + LoopSettings().graceMax + .seconds(1)
        try drive.run(.woke)
        status = try #require(drive.machine.view(at: drive.now).units[UnitID(.cluster, "orders")])
        #expect(status.pass == drive.now && status.waits.first?.message.contains("first report:") != true)
    }

    @Test func `the stream of an agent that is silent for long is ended, that of another is not`() throws {
        var drive = Drive(StandardPlanner())
        try drive.mustLead()
        for (number, host) in ["host-1", "host-2"].enumerated() {
            try drive.run(.agentConnected(host: host, connection: UInt64(number + 1)))
        }
        for _ in 0..<11 {
            drive.now = drive.now + .seconds(1)
            try drive.run(.agentMessage(.heartbeat(digest: "d", delay: .zero), host: "host-2", connection: 2))
            try drive.run(.woke)
        }
        #expect(drive.closed == [1])
        #expect(drive.machine.view(at: drive.now).agents.keys.sorted() == ["host-2"])
        // The end of its streams, told late, is not taken for the end of a newer one.
        try drive.run(.agentConnected(host: "host-1", connection: 3))
        try drive.run(.agentDisconnected(host: "host-1", connection: 1))
        #expect(drive.machine.view(at: drive.now).agents["host-1"]?.isConnected == true)
    }
}
