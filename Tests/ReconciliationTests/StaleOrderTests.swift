import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import Testing

/// Wants nothing.
private struct IdlePlanner: PlacingPlanner {
    func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation { Allocation(records: records) }

    func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        var rehearsal = Rehearsal(unit: UnitID(.cluster, situation.name))
        rehearsal.first = Decision(records: situation.records)
        return rehearsal
    }
}

/// Orders whose agent was away for so long that they are over.
@Suite struct StaleOrderTests {
    private let instance = InstanceID(clusterUID: "u1", ordinal: 1)

    /// An attempt of this epoch is in the store, the cluster has epoch 3, and the agent is heard again and knows nothing of it.
    private func orders(openedUnder epoch: Int64) throws -> (offered: [Int64], cancelled: [String]) {
        var drive = Drive(IdlePlanner())
        var records = ClusterRecords(uid: "u1", name: "orders", gtidDomain: 7)
        records.members = [MemberRecord(ordinal: 1, host: "host-1", zone: "a", address: "127.0.1.1", port: 3306, serverID: 1)]
        (records.isFounded, records.primary, records.epoch) = (true, 1, 3)
        let task = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(instance, host: "host-1"),
            action: .promote(epoch: epoch, position: GTIDSet(), semiSync: true), cause: .observation("x"), summary: "promote")
        let lease = try drive.store.acquireNow(holder: LeaseHolder(name: "before", run: 1), duration: .seconds(1), now: drive.now)
        let attempt = AttemptRecord(id: "1-a-1", key: "k", task: task, plan: "", revision: "", epoch: epoch, started: drive.now)
        try drive.store.commitNow([.putCluster(records), .openAttempt(attempt)], term: lease.term)
        drive.now = drive.now + .seconds(2)
        try drive.mustLead()
        let fleet = DesiredFleet(revision: Revision(commit: "c1"))
        try drive.run(.revisionRead(RevisionRead(source: "fleet", revision: fleet.revision, assembly: Assembly(fleet: fleet))))
        try drive.run(.agentConnected(host: "host-1", connection: 1))
        try drive.run(
            .agentMessage(
                .hello(version: agentProtocolVersion, term: 0, attempts: [], report: HostReport(host: "host-1"), digest: "d", delay: .zero),
                host: "host-1", connection: 1))
        try drive.run(.agentMessage(.promised(term: lease.term + 1), host: "host-1", connection: 1), .woke)
        let cancelled = drive.sent.compactMap { message -> String? in
            if case .cancel(let id, _) = message { id } else { nil }
        }
        return (drive.offered.map(\.epoch), cancelled)
    }

    @Test func `an order of the present epoch is offered again`() throws {
        let orders = try orders(openedUnder: 3)
        #expect(orders.offered == [3] && orders.cancelled.isEmpty)
    }

    @Test func `an order of an epoch that is over is cancelled and never offered`() throws {
        let orders = try orders(openedUnder: 2)
        #expect(orders.offered.isEmpty && orders.cancelled == ["1-a-1"])
    }
}
