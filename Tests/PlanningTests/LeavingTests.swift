import FleetModel
import Testing

@testable import Planning

/// Who acknowledges leaves the ack set only once it is alone with nothing: 1 writes on hz-a-1; 2 and 3 acknowledge.
struct LeavingTests {
    private func position(_ sequence: Int64) -> GTIDSet { GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)]) }

    private func holds(_ sequence: Int64, _ ordinals: [Int], in fleet: inout TestFleet) {
        for ordinal in ordinals {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(sequence)
                $0.database?.appliedPosition = position(sequence)
                $0.database?.replication?.receivedPosition = position(sequence)
            }
        }
    }

    private func founded() -> TestFleet {
        var fleet = TestFleet(TestFleet.orders([1, 1, 1]))
        fleet.converge()
        holds(100, [1, 2, 3], in: &fleet)
        return fleet
    }

    /// The zone of instance 2 is declared no more; allocate marks it as leaving.
    private func leaving() -> TestFleet {
        var fleet = founded()
        fleet.declare(TestFleet.orders([1, 0, 1]))
        _ = fleet.allocate()
        return fleet
    }

    @Test func `one that is to leave is refused first, and stopped once another one has all`() {
        var fleet = leaving()
        // Acknowledged by 2 alone.
        holds(103, [1, 2], in: &fleet)
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.expel(ordinal: 2)])
        let held = fleet.carryOutStep()
        #expect(held.tasks.isEmpty && held.records.ackSet == [2, 3])
        #expect(held.waits.contains { $0.message.contains("orders-3 to receive what was written while orders-2 could acknowledge") })
        holds(103, [3], in: &fleet)
        let freed = fleet.carryOutStep()
        #expect(freed.tasks.map(\.action) == [.retire] && freed.records.ackSet == [3])
    }

    @Test func `nobody leaves while no other one acknowledges, or none was heard just now`() {
        var fleet = leaving()
        fleet.pass(.seconds(3), except: [3])
        let stale = fleet.carryOutStep()
        #expect(stale.tasks.isEmpty && stale.waits.contains { $0.message.contains("not older than 2 s, before orders-2 leaves") })
        fleet.change(3) { $0.database?.semiSyncReplica = false }
        fleet.pass(.milliseconds(10))
        #expect(!fleet.carryOutStep().tasks.contains { $0.action == .retire || $0.action == .expel(ordinal: 2) })
    }

    @Test func `a primary that was started again is opened while only one that is to leave acknowledges`() {
        var fleet = leaving()
        fleet.change(1) { $0.database?.readOnly = true }
        fleet.change(3) { $0.database?.semiSyncReplica = false }
        #expect(fleet.carryOutStep().tasks.contains { $0.action.name == "open" })
        // Once it is refused nobody would acknowledge.
        var alone = leaving()
        alone.records.clusters["orders"]?.ackSet = [3]
        alone.change(1) { $0.database?.readOnly = true }
        alone.change(3) { $0.database?.semiSyncReplica = false }
        let decision = alone.carryOutStep()
        #expect(!decision.tasks.contains { $0.action.name == "open" })
        #expect(decision.waits.contains { $0.message.contains("a replica that can acknowledge, before orders-1 is opened") })
    }

    @Test func `no wave stops a member of the ack set for good`() throws {
        var fleet = leaving()
        let member = try #require(fleet.orders?.member(2))
        let retire = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(InstanceID(clusterUID: try #require(fleet.orders).uid, ordinal: 2), host: member.host),
            action: .retire, isVoluntary: true, cause: .observation("by hand"), summary: "stop")
        #expect(Invariants.violation([retire], in: fleet.situation())?.contains("may be alone with acknowledged rows") == true)
        fleet.records.clusters["orders"]?.ackSet = [3]
        #expect(Invariants.violation([retire], in: fleet.situation()) == nil)
    }

    // MARK: Wanted again

    @Test func `one that is wanted again once it was taken out of service is copied anew`() throws {
        var fleet = leaving()
        for _ in 1...2 { fleet.carryOutStep() }
        // Its removal had come so far, and nobody has recorded it yet.
        #expect(fleet.orders?.member(2)?.phase == .leaving)
        #expect(fleet.observed["hz-b-1"]?.report.instances.first?.directory == .retired)
        fleet.declare(TestFleet.orders([1, 1, 1]))
        _ = fleet.allocate()
        #expect(fleet.orders?.member(2)?.phase == .active)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline == "prepareReplica 1, clone 2 | start 2 | replicate 2 | acknowledge 2", "\(plan.outline)")
        let clone = try #require(plan.waves.flatMap(\.tasks).first { $0.action.name == "clone" })
        #expect(clone.summary == "clone from orders-3; its old directory is moved aside and kept")
        // It is declared again; nothing of it was lost.
        #expect(plan.findings.isEmpty)
        #expect(fleet.orders?.ackSet == [2, 3])
        #expect(fleet.converge().outline == "")
    }

    @Test func `what still runs in a directory that was taken out of service is killed before a copy takes its place`() {
        var fleet = founded()
        fleet.change(2) { $0.directory = .retired }
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.fence(epoch: 1)])
        #expect(fleet.carryOutStep().tasks.map(\.action.name) == ["clone"])
    }

    @Test func `one that was turned into an asynchronous replica stays in the ack set until another one has all`() {
        var fleet = founded()
        // As after a switchover into its zone: it may acknowledge no more.
        fleet.records.clusters["orders"]?.members[1].zone = "zone-a"
        holds(103, [1, 2], in: &fleet)
        fleet.change(2) { $0.database?.semiSyncReplica = false }
        let held = fleet.carryOutStep()
        #expect(held.records.ackSet == [2, 3] && held.records.quiet == [2: position(103)])
        // What was written since is no more than the other one's.
        holds(110, [1], in: &fleet)
        #expect(fleet.carryOutStep().records.quiet == [2: position(103)])
        holds(103, [3], in: &fleet)
        let freed = fleet.carryOutStep()
        #expect(freed.records.ackSet == [3] && freed.records.quiet.isEmpty)
    }

    @Test func `what the writer held before one was seen to stop proves nothing`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.members[1].zone = "zone-a"
        fleet.pass(.seconds(1), except: [1])
        fleet.change(2) { $0.database?.semiSyncReplica = false }
        let held = fleet.carryOutStep()
        #expect(held.records.ackSet == [2, 3] && held.records.quiet.isEmpty)
        fleet.pass(.milliseconds(10))
        #expect(fleet.carryOutStep().records.ackSet == [3])
    }

    @Test func `one that is to leave takes over where nobody else holds all`() {
        var fleet = leaving()
        holds(103, [1, 2], in: &fleet)
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        #expect(fleet.carryOutStep().records.failover != nil)
        #expect(fleet.carryOutStep().tasks.contains { $0.action.name == "promote" })
        #expect(fleet.orders?.primary == 2)
    }

    @Test func `one that is to leave and was made writable does not hold up the founding`() throws {
        var fleet = TestFleet(TestFleet.orders([1, 1, 1]))
        _ = fleet.allocate()
        for _ in 0..<20 where !Planner.step(fleet.situation()).tasks.contains(where: { $0.action.name == "open" }) { fleet.carryOutStep() }
        try #require(fleet.orders?.isFounded == false)
        fleet.declare(TestFleet.orders([1, 1, 0]))
        _ = fleet.allocate()
        fleet.change(3) { $0.database?.readOnly = false }
        let decision = fleet.carryOutStep()
        #expect(decision.tasks.map(\.action) == [.close] && !decision.isConverged)
        fleet.converge()
        #expect(fleet.orders?.isFounded == true && fleet.orders?.ackSet == [2])
    }
}
