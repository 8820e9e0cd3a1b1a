import FleetModel
import Testing

@testable import Planning

/// What leaves a host or a zone that is to be empty, and what stays there: instance 1 in zone-a is the writer; 2 and 3 acknowledge.
struct DrainingTests {
    private func zoneOfPrimary(_ fleet: TestFleet) -> String? { fleet.orders.flatMap { $0.member($0.primary ?? 0)?.zone } }

    private func drain(_ zones: String..., in fleet: inout TestFleet, is isDrained: Bool = true) {
        for zone in zones { fleet.fleet.zones[zone]?.value.drain = isDrained }
    }

    private func held(_ plan: Rehearsal) -> [String] { plan.findings.filter { $0.reason == "DrainHeld" }.map(\.subject) }

    // MARK: A zone

    @Test func `the primary leaves a drained zone, its replicas stay and acknowledge, and it goes back afterwards`() throws {
        var fleet = TestFleet.founded()
        drain("zone-a", in: &fleet)
        #expect(fleet.allocate().isEmpty)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.contains("demote 1 | promote 2") && !plan.outline.contains("clone") && !plan.outline.contains("retire"))
        let demotion = try #require(plan.waves.flatMap(\.tasks).first { $0.action.name == "demote" })
        #expect(demotion.cause == .observation("zone zone-a is drained: z.yaml:1"))
        #expect(zoneOfPrimary(fleet) == "zone-b" && fleet.orders?.ackSet == [1, 3])
        #expect(fleet.orders?.members.allSatisfy { $0.phase == .active } == true)
        // It has come to rest though zone-a is wanted most, and says who stays there and why.
        let after = fleet.converge()
        #expect(after.outline == "" && after.waits.isEmpty && held(after) == ["orders-1"])
        #expect(after.findings.first?.message == "zone zone-a is drained: z.yaml:1; it stays as a replica: spec.placement puts it there, so commit its place in another zone")
        #expect(Planner.step(fleet.situation()).conditions.contains { $0.type == .ready && $0.isTrue })
        drain("zone-a", in: &fleet, is: false)
        let back = fleet.converge()
        #expect(back.outline.contains("promote 1") && zoneOfPrimary(fleet) == "zone-a" && back.refusal == nil)
        #expect(held(fleet.converge()).isEmpty)
    }

    @Test func `it leaves while another member is away, by one that acknowledges`() {
        var fleet = TestFleet.founded()
        drain("zone-a", in: &fleet)
        fleet.pass(.seconds(60), except: [2])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.switchover?.to == 3)
        // Nobody can take over: it is waited for, and the primary goes on.
        fleet.pass(.seconds(60), except: [2, 3])
        let waiting = Planner.step(fleet.situation())
        #expect(waiting.records.switchover == nil && !waiting.isConverged)
        #expect(waiting.waits.contains { $0.message == "a replica elsewhere that can take over from orders-1: zone zone-a is drained: z.yaml:1" })
    }

    @Test func `instances leave a drained zone once placement names another, the new ones first`() throws {
        var fleet = TestFleet.founded()
        drain("zone-a", in: &fleet)
        fleet.converge()
        fleet.edit { $0.placement = [Placement(zone: "zone-b", replicas: 1), Placement(zone: "zone-c", replicas: 2)]; $0.preferredZones = [] }
        #expect(fleet.allocate().isEmpty)
        let plan = fleet.converge()
        let actions = plan.waves.flatMap(\.tasks).map(\.action.name)
        let acknowledged = try #require(actions.firstIndex(of: "acknowledge"))
        let retired = try #require(actions.firstIndex(of: "retire"))
        #expect(plan.refusal == nil && acknowledged < retired && fleet.orders?.member(1)?.phase != .active)
        let retire = try #require(plan.waves.flatMap(\.tasks).first { $0.action.name == "retire" })
        #expect({ if case .manifest(_, _, "spec.placement") = retire.cause { true } else { false } }())
        #expect(held(fleet.converge()).isEmpty)
    }

    @Test(arguments: [true, false]) func `nothing new is placed in a zone that is closed, and what is there stays`(isDrained: Bool) throws {
        var fleet = TestFleet.founded()
        fleet.fleet.zones["zone-b"]?.value.drain = isDrained
        fleet.fleet.zones["zone-b"]?.value.schedulable = isDrained
        #expect(fleet.allocate().isEmpty && fleet.converge().outline == "")
        fleet.edit { $0.placement[1].replicas = 2 }
        let problem = try #require(fleet.allocate().first)
        let field = isDrained ? "drain: true" : "schedulable: false"
        #expect(problem.field == "spec.placement[1].replicas" && problem.help.contains("take `\(field)` off AvailabilityZone zone-b"))
        #expect(problem.message == "2 instances in zone zone-b, but it takes no new ones: `\(field)` at z.yaml:1")
        // Another zone takes them all the same.
        fleet.edit { $0.placement[1].replicas = 1; $0.placement[2].replicas = 2 }
        #expect(fleet.allocate().isEmpty && fleet.orders?.members.count == 4)
    }

    @Test func `where all of a cluster is in the zone its primary stays, and an instance that died is started`() {
        var fleet = TestFleet.founded(TestFleet.orders([0, 2, 0]))
        drain("zone-b", in: &fleet)
        let plan = fleet.converge()
        #expect(plan.outline == "" && plan.waits.isEmpty && held(plan) == ["orders-1", "orders-2"])
        #expect(plan.findings.first?.message.contains("it stays the primary, for no instance is elsewhere") == true)
        fleet.change(1) { $0.process = .stopped; $0.database = nil }
        #expect(Planner.step(fleet.situation()).tasks.contains { $0.action == .start })
    }

    @Test(arguments: [false, true]) func `of two that hold all, a failover takes the one that is not drained`(isDrained: Bool) {
        var fleet = TestFleet.founded()
        if isDrained { drain("zone-b", in: &fleet) }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let plan = Planner.rehearse(fleet.situation())
        #expect(plan.outline.hasPrefix("revoke 2, revoke 3 | \(isDrained ? "promote 3, replicate 2" : "promote 2, replicate 3")"))
    }

    @Test func `a galera cluster's writer leaves a drained zone`() {
        var fleet = TestFleet.founded(GaleraTests.orders())
        fleet.tellGroup(at: 100)
        drain("zone-a", in: &fleet)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.hasPrefix("demote 1 | promote 2") && zoneOfPrimary(fleet) == "zone-b")
        #expect(fleet.converge().outline == "")
    }

    @Test func `a rolling change in a cluster with a drained zone brings the primary back to none of it`() {
        var fleet = TestFleet.founded()
        drain("zone-a", in: &fleet)
        fleet.converge()
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && !plan.outline.contains("promote 1") && plan.outline.contains("restart 1"))
        #expect(zoneOfPrimary(fleet) != "zone-a")
    }

    // MARK: A host, and a standby

    @Test func `the primary leaves a drained host that no other can stand in for, and goes back afterwards`() {
        var fleet = TestFleet.founded()
        fleet.change(host: "hz-a-1") { $0.drain = true }
        #expect(fleet.allocate().count == 1)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && zoneOfPrimary(fleet) == "zone-b" && held(plan).isEmpty)
        #expect(plan.waves.flatMap(\.tasks).first { $0.action.name == "demote" }?.cause == .observation("host hz-a-1 is drained: h.yaml:1"))
        fleet.change(host: "hz-a-1") { $0.drain = false }
        fleet.converge()
        #expect(zoneOfPrimary(fleet) == "zone-a")
    }

    @Test func `the head of a standby leaves a drained host, and stays where all of them are drained`() {
        var two = TwoClusters()
        two.settle()
        let head = two.records("orders-sh").primary
        let host = two.records("orders-sh").member(head ?? 0)?.host ?? ""
        two.world.change(host: host) { $0.drain = true }
        two.settle()
        #expect(two.records("orders-sh").primary != head && two.rivals.isEmpty)
        let moved = two.records("orders-sh").primary
        two.world.change(host: host) { $0.drain = false }
        two.world.fleet.zones["zone-c"]?.value.drain = true
        let last = two.settle()
        #expect(two.records("orders-sh").primary == moved)
        #expect(last["orders-sh"]?.findings.filter { $0.reason == "DrainHeld" }.count == 2)
        #expect(last["orders-sh"]?.findings.allSatisfy { $0.message.contains("it stays as a replica") } == true)
    }
}
