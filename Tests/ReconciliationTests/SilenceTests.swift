import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import Synchronization
import Testing

/// Rehearses nothing to do, and counts how often it was asked.
private final class CountingPlanner: PlacingPlanner {
    let passes = Mutex(0)

    func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation { Allocation(records: records) }

    func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        passes.withLock { $0 += 1 }
        var rehearsal = Rehearsal(unit: UnitID(.cluster, situation.name))
        rehearsal.first = Decision(records: situation.records)
        return rehearsal
    }
}

/// How soon a silent host is looked into.
@Suite struct SilenceTests {
    private func founded(isUnprotected: Bool = false) -> ClusterRecords {
        var records = ClusterRecords(uid: "u1", name: "orders", gtidDomain: 7)
        records.members = [MemberRecord(ordinal: 1, host: "host-1", zone: "a", address: "127.0.1.1", port: 3306, serverID: 1)]
        (records.isFounded, records.primary, records.isUnprotected) = (true, 1, isUnprotected)
        return records
    }

    /// Leads a cluster whose only host has reported; also how often it was rehearsed until then.
    private func reported(
        _ planner: CountingPlanner, _ records: ClusterRecords? = nil, _ report: HostReport = HostReport(host: "host-1")
    ) throws -> (drive: Drive, passes: Int) {
        var drive = Drive(planner)
        let lease = try drive.store.acquireNow(holder: LeaseHolder(name: "before", run: 1), duration: .seconds(1), now: drive.now)
        try drive.store.commitNow([.putCluster(records ?? founded())], term: lease.term)
        drive.now = drive.now + .seconds(2)
        try drive.mustLead()
        var fleet = DesiredFleet(revision: Revision(commit: "c1"))
        let cluster = Cluster(
            metadata: Metadata(name: "orders"), engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .single,
            placement: [Placement(zone: "a", replicas: 1)],
            resources: ClusterResources(memoryBytes: 1 << 28, storageBytes: 1 << 30))
        fleet.clusters["orders"] = Declared(value: cluster, file: "c.yaml", line: 1, revision: "c1")
        try drive.run(
            .revisionRead(
                RevisionRead(
                    source: "fleet", revision: fleet.revision,
                    assembly: Assembly(fleet: fleet, changed: [UnitID(.cluster, "orders")]))))
        try drive.run(.agentConnected(host: "host-1", connection: 1))
        try drive.run(
            .agentMessage(
                .hello(version: agentProtocolVersion, term: 0, attempts: [], report: report, digest: "d", delay: .zero),
                host: "host-1", connection: 1))
        try drive.run(.agentMessage(.promised(term: lease.term + 1), host: "host-1", connection: 1))
        try drive.run(.woke)
        return (drive, planner.passes.withLock { $0 })
    }

    @Test func `two agents of one name are told once both speak, not where one dials before its old stream is over`() throws {
        var (drive, _) = try reported(CountingPlanner())
        func isTold(_ drive: Drive) -> Bool {
            drive.machine.view(at: drive.now).units[UnitID(.host, "host-1")]?.findings.contains { $0.reason == "SecondAgent" } ?? false
        }
        try drive.run(.agentConnected(host: "host-1", connection: 2))
        // What was on its way.
        drive.now = drive.now + .milliseconds(500)
        try drive.run(.agentMessage(.heartbeat(digest: "d", delay: .zero), host: "host-1", connection: 1))
        try drive.run(.woke)
        #expect(!isTold(drive))
        drive.now = drive.now + .seconds(1)
        try drive.run(.agentMessage(.heartbeat(digest: "d", delay: .zero), host: "host-1", connection: 1))
        try drive.run(.woke)
        #expect(isTold(drive))
    }

    @Test func `an agent is told how much of what it sent was taken, twice a second at most`() throws {
        var (drive, _) = try reported(CountingPlanner())
        func answers(after step: Duration) -> [ServerMessage] {
            drive.now = drive.now + step
            let event = LoopEvent.agentMessage(.heartbeat(digest: "d", delay: .zero), host: "host-1", connection: 1)
            return drive.machine.handle(event, now: drive.now).compactMap {
                if case .send(let message, _, _) = $0, message.isHeartbeat { message } else { nil }
            }
        }
        // The hello is the first.
        #expect(answers(after: .seconds(1)) == [.heartbeat(answers: 2)])
        #expect(answers(after: .milliseconds(400)) == [])
        #expect(answers(after: .milliseconds(100)) == [.heartbeat(answers: 4)])
    }

    @Test func `a host that is silent for 3 s gives its cluster a pass, one that is heard does not`() throws {
        let planner = CountingPlanner()
        var (drive, passes) = try reported(planner)
        #expect(passes > 0)
        for _ in 1...4 {
            drive.now = drive.now + .seconds(1)
            try drive.run(.agentMessage(.heartbeat(digest: "d", delay: .zero), host: "host-1", connection: 1), .woke)
        }
        #expect(planner.passes.withLock { $0 } == passes)
        drive.now = drive.now + .milliseconds(3001)
        try drive.run(.woke)
        #expect(planner.passes.withLock { $0 } == passes + 1)
    }

    @Test func `the end of an agent's stream gives its cluster a pass at once`() throws {
        let planner = CountingPlanner()
        var (drive, passes) = try reported(planner)
        try drive.run(.agentDisconnected(host: "host-1", connection: 1), .woke)
        #expect(planner.passes.withLock { $0 } == passes + 1)
    }

    /// That another instance has what the writer wrote alone is told by its position, and by nothing else.
    @Test(arguments: [false, true]) func `a position that moves gives a pass to a cluster whose writer wrote alone`(isUnprotected: Bool) throws {
        func report(_ sequence: Int64) -> HostReport {
            var database = DatabaseReport(version: "10.11.19", serverID: 1, readOnly: false, isInitialized: true)
            database.binlogPosition = GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)])
            let instance = InstanceReport(id: InstanceID(clusterUID: "u1", ordinal: 1), port: 3306, process: .running, database: database)
            return HostReport(host: "host-1", instances: [instance])
        }
        let planner = CountingPlanner()
        var (drive, passes) = try reported(planner, founded(isUnprotected: isUnprotected), report(1))
        try drive.run(.agentMessage(.report(report(2), digest: "e", delay: .zero), host: "host-1", connection: 1), .woke)
        #expect(planner.passes.withLock { $0 } == passes + (isUnprotected ? 1 : 0))
    }
}
