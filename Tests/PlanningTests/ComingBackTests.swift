import FleetModel
import Testing

@testable import Planning

/// Who was restarted by a rolling change and is not back in service: instance 2, the first of them.
struct ComingBackTests {
    /// Instance 2 was restarted for another value, and its replication stopped with that.
    private func broken(by parameter: String = "back_log") throws -> TestFleet {
        var fleet = TestFleet()
        fleet.converge()
        fleet.edit { $0.parameters[parameter] = "200" }
        fleet.carryOutStep()
        let restart = try #require(Planner.step(fleet.situation()).tasks.first)
        #expect(restart.action == .restart(isPrimary: false))
        fleet.carryOut(restart)
        #expect(fleet.orders?.rolled == RolledInstance(ordinal: 2, at: fleet.now))
        breakReplication(in: &fleet)
        return fleet
    }

    private func breakReplication(in fleet: inout TestFleet) {
        fleet.change(2) { report in
            report.database?.replication?.sqlRunning = false
            report.database?.replication?.sqlError = "error 1950"
        }
    }

    private func halted(_ decision: Decision) -> String? { decision.findings.first { $0.reason == "RolloutHalted" }?.message }

    @Test func `one that is back in service is forgotten`() throws {
        var fleet = try broken()
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.map(\.action.name) == ["replicate"] && halted(decision) == nil)
        #expect(decision.waits.contains { $0.message == "orders-2 to be back in service after its restart: error 1950" })
        for task in decision.tasks { fleet.carryOut(task) }
        #expect(Planner.step(fleet.situation()).records.rolled == nil)
        #expect(fleet.converge().refusal == nil && fleet.orders?.rolled == nil)
    }

    @Test func `one that is not back after ten minutes is taken back, and nobody else is restarted`() throws {
        var fleet = try broken()
        fleet.pass(.seconds(599))
        #expect(halted(Planner.step(fleet.situation())) == nil)
        fleet.pass(.seconds(1))
        let decision = Planner.step(fleet.situation())
        let why = "was not back in service within 10m after its restart: error 1950"
        #expect(decision.tasks.map(\.action) == [.takeBack(reason: why)])
        #expect(halted(decision) == "orders-2 \(why); no other instance is restarted: mend it, or commit what it ran by before")
        #expect(decision.conditions.contains { $0.type == .stalled && $0.reason == "RolloutHalted" })
        let task = try #require(decision.tasks.first)
        fleet.carryOut(task)
        // As its agent tells: it runs by what it did before.
        fleet.change(2) { $0.startedParameters["back_log"] = nil }
        let plan = fleet.converge()
        #expect(plan.outline == "replicate 2" && plan.refusal == nil && fleet.orders?.rolled == nil)
        let told = try #require(plan.findings.first { $0.reason == "RolloutHalted" }?.message)
        #expect(told == "orders-2 was restarted with back_log: \(why); it runs as before, and no other instance is restarted: commit another spec.parameters.back_log")
        // Another value is another try.
        fleet.edit { $0.parameters["back_log"] = "100" }
        let next = fleet.converge()
        #expect(next.outline.contains("restart 2") && next.outline.contains("restart 1") && next.findings.isEmpty)
    }

    @Test func `where its agent does not know what it ran by it stays, is told, and is not tried at once again`() throws {
        var fleet = try broken()
        fleet.pass(.seconds(600))
        let task = try #require(Planner.step(fleet.situation()).tasks.first)
        fleet.fail(task)
        fleet.pass(.seconds(60))
        let decision = Planner.step(fleet.situation())
        #expect(!decision.tasks.contains { $0.action.name == "takeBack" } && halted(decision) != nil)
    }

    @Test func `a commit mends it before that, though it serves nobody`() throws {
        var fleet = try broken()
        // What would attach it is let rest.
        let attach = try #require(Planner.step(fleet.situation()).tasks.first)
        fleet.edit { $0.parameters["back_log"] = nil }
        let rewritten = Planner.step(fleet.situation()).tasks.filter { $0.action.name == "configure" }
        #expect(rewritten.count == 2, "instance 2 is attached at once")
        for task in rewritten { fleet.carryOut(task) }
        fleet.fail(attach)
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        breakReplication(in: &fleet)
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.map(\.action) == [.restart(isPrimary: false)])
        let target = try #require(decision.tasks.first?.target)
        #expect({ if case .instance(let id, _) = target { id.ordinal == 2 } else { false } }())
    }

    @Test func `a host or a source that is away is no fault of the change`() throws {
        for away in [1, 2] {
            var fleet = try broken()
            fleet.pass(.seconds(60), except: [away])
            #expect(Planner.step(fleet.situation()).records.rolled == nil)
        }
    }

    @Test func `one that lags is only told where it alone acknowledges`() throws {
        var fleet = TestFleet(TestFleet.orders([1, 1, 0]))
        fleet.converge()
        fleet.edit { $0.parameters["back_log"] = "200" }
        fleet.carryOutStep()
        fleet.carryOutStep()
        fleet.carryOutStep()
        fleet.change(2) { $0.database?.replication?.lagSeconds = 4000 }
        fleet.pass(.seconds(600))
        let decision = Planner.step(fleet.situation())
        #expect(halted(decision)?.contains("it applies more than 1 h behind its source") == true)
        #expect(!decision.tasks.contains { $0.action.name == "takeBack" } && decision.records.switchover == nil)
    }
}
