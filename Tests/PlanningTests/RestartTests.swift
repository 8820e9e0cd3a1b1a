import FleetModel
import Testing

@testable import Planning

/// A rolling restart that somebody asks for: `spec.restart`.
struct RestartTests {
    private func restarted(_ plan: Rehearsal) -> [Int] {
        plan.waves.flatMap(\.tasks).compactMap { task in
            guard case .restart = task.action, case .instance(let id, _) = task.target else { return nil }
            return id.ordinal
        }
    }

    private func mark(_ fleet: TestFleet, _ ordinal: Int) -> String? {
        let host = fleet.orders?.member(ordinal)?.host ?? ""
        return fleet.observed[host]?.report.instances.first { $0.id.ordinal == ordinal }?.startedParameters["evenkeel_restart"]
    }

    @Test func `another mark restarts every instance once, replicas first, the primary by a switchover`() throws {
        var fleet = TestFleet.founded()
        fleet.edit { $0.restart = "2026-11-22 new OpenSSL" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && restarted(plan) == [2, 3, 1] && plan.outline.hasPrefix("configure 1, configure 2, configure 3 | restart 2"))
        #expect(plan.outline.contains("demote 1 | promote 2") && fleet.orders?.primary == 1)
        let restart = try #require(plan.waves.flatMap(\.tasks).first { $0.action.name == "restart" })
        #expect(restart.summary == "restart for \"2026-11-22 new OpenSSL\"")
        #expect({ if case .manifest(_, _, "spec.restart") = restart.cause { true } else { false } }())
        #expect([1, 2, 3].allSatisfy { mark(fleet, $0) == "2026-11-22 new OpenSSL" })
        #expect(fleet.converge().outline == "")
        fleet.edit { $0.restart = "again" }
        #expect(restarted(fleet.converge()) == [2, 3, 1])
    }

    @Test func `a mark that is taken away restarts nothing, nor does the same one again`() {
        var fleet = TestFleet.founded()
        fleet.edit { $0.restart = "a" }
        fleet.converge()
        fleet.edit { $0.restart = nil }
        #expect(fleet.converge().outline == "configure 1, configure 2, configure 3")
        #expect(fleet.converge().outline == "" && fleet.orders?.parameters["evenkeel_restart"] == nil)
        fleet.edit { $0.restart = "a" }
        #expect(restarted(fleet.converge()).isEmpty)
        #expect(fleet.converge().outline == "")
    }

    @Test func `an instance that is made with a mark is not restarted for it, and one that died since neither`() {
        var fleet = TestFleet.founded()
        fleet.edit { $0.restart = "a" }
        fleet.converge()
        fleet.edit { $0.placement[2].replicas = 2 }
        #expect(restarted(fleet.converge()).isEmpty && mark(fleet, 4) == "a")
        fleet.edit { $0.restart = "b" }
        // All files say so, and 2 dies before its turn.
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        fleet.change(2) { $0.process = .stopped; $0.database = nil }
        #expect(restarted(fleet.converge()) == [3, 4, 1])
    }

    @Test func `a parameter, a version and a mark come with one restart`() {
        var fleet = TestFleet.founded()
        fleet.edit {
            $0.restart = "a"
            $0.parameters["back_log"] = "200"
        }
        let plan = fleet.converge()
        #expect(restarted(plan) == [2, 3, 1])
        #expect(plan.waves.flatMap(\.tasks).contains { $0.summary == "restart for back_log, \"a\"" })
    }

    @Test func `one that does not start with a mark halts the others, and is told by the field`() throws {
        var fleet = TestFleet.founded()
        fleet.edit { $0.restart = "new OpenSSL" }
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        let world = fleet.situation()
        let orders = try #require(fleet.orders)
        let digest = ConfigurationCache(world.desired?.value).entry(try #require(orders.member(2)), of: orders).digest
        fleet.change(2) { $0.refusedStart = RefusedStart(configDigest: digest, engineVersion: "10.11.19", message: "[ERROR] no libssl") }
        let plan = fleet.converge()
        #expect(plan.outline == "")
        let told = try #require(plan.findings.first { $0.reason == "RolloutHalted" }?.message)
        #expect(told.contains("with \"new OpenSSL\"") && told.contains("[ERROR] no libssl") && told.contains("commit another spec.restart"))
    }

    @Test(arguments: [Topology.single, .galera]) func `it is so in every topology`(topology: Topology) {
        var cluster = topology == .galera ? GaleraTests.orders() : TestFleet.orders([1, 0, 0])
        (cluster.topology, cluster.durability) = (topology, .async)
        var fleet = TestFleet.founded(cluster)
        if topology == .galera { fleet.tellGroup(at: 100) }
        fleet.edit { $0.restart = "a" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && restarted(plan) == (topology == .galera ? [2, 3, 1] : [1]))
        #expect(fleet.converge().outline == "")
    }

    @Test func `what a server passes over is written so, and restarts nothing again`() throws {
        var fleet = TestFleet.founded()
        fleet.edit {
            $0.restart = "a # b"
            $0.parameters["loose_foo_bar"] = "7"
        }
        let plan = fleet.converge()
        #expect(restarted(plan) == [2, 3, 1] && fleet.converge().outline == "")
        let orders = try #require(fleet.orders)
        let text = ConfigurationCache(fleet.situation().desired?.value).entry(try #require(orders.member(1)), of: orders).text
        #expect(text.contains("\nloose_evenkeel_restart=a # b\n") && text.contains("\nloose_foo_bar=7\n"))
    }
}
