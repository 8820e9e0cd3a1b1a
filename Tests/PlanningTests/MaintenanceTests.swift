import FleetModel
import Testing

@testable import Planning

/// What is left alone while people work on it: instance 1 on hz-a-1 is the writer; 2 and 3 acknowledge.
struct MaintenanceTests {
    private func host(_ fleet: TestFleet, _ ordinal: Int) -> String { fleet.orders?.member(ordinal)?.host ?? "" }

    private func work(_ fleet: TestFleet, hours: Int64 = 1) -> Maintenance {
        Maintenance(until: fleet.now + .seconds(hours * 3600), reason: "new memory")
    }

    private func stop(_ ordinal: Int, in fleet: inout TestFleet) {
        fleet.change(ordinal) { $0.process = .stopped; $0.database = nil }
    }

    private func outline(_ decision: Decision) -> String {
        decision.tasks.map { task in
            guard case .instance(let id, _) = task.target else { return task.action.name }
            return "\(task.action.name) \(id.ordinal)"
        }.joined(separator: ", ")
    }

    // MARK: A cluster

    @Test func `of a cluster in maintenance nothing is started, and after the end it is`() throws {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let until = during.until
        fleet.edit { $0.maintenance = during }
        stop(2, in: &fleet)
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty)
        #expect(decision.waits.contains { $0.reason == .time(until) && $0.message.contains("orders-2: start, closed") })
        #expect(decision.findings.contains { $0.reason == "InstanceDown" && $0.isMuted })
        let told = try #require(decision.findings.first { $0.reason == "Maintenance" })
        #expect(!told.isMuted && told.message.contains(until.rfc3339) && told.message.contains("new memory"))
        #expect(decision.conditions.contains { $0.type == .maintenance && $0.isTrue })
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.hasPrefix("start 2") && fleet.now >= until)
        #expect(plan.waits.isEmpty)
        #expect(Planner.step(fleet.situation()).findings.isEmpty)
    }

    @Test func `a cluster in maintenance with nothing to do has converged, and is looked at again at the end`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let until = during.until
        fleet.edit { $0.maintenance = during }
        let decision = Planner.step(fleet.situation())
        #expect(decision.isConverged && decision.conditions.contains { $0.type == .ready && $0.isTrue })
        #expect(decision.waits.contains { $0.reason == .retention(until) })
    }

    @Test func `a lost writer of a cluster in maintenance is not failed over before the end`() throws {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let minute = Maintenance(until: fleet.now + .seconds(60))
        fleet.edit { $0.maintenance = minute }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(15), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && decision.records.failover == nil && decision.records.epoch == 1)
        #expect(decision.findings.contains { $0.reason == "MaintenanceHoldsFailover" && $0.isMuted })
        fleet.pass(.seconds(60), except: [1])
        #expect(Planner.step(fleet.situation()).records.failover != nil)
    }

    @Test func `a failover that has begun is brought to its end`() throws {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(15), except: [1])
        fleet.records.clusters["orders"] = Planner.step(fleet.situation()).records
        fleet.edit { $0.maintenance = during }
        let (plan, end) = Planner.rehearseToEnd(fleet.situation())
        #expect(plan.refusal == nil)
        #expect(plan.outline.hasPrefix("revoke 2, revoke 3 | promote 2, replicate 3"))
        #expect(end.records.primary == 2 && end.records.failover == nil)
    }

    @Test func `a second writer is closed all the same`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        fleet.edit { $0.maintenance = during }
        fleet.change(3) { $0.database?.readOnly = false }
        #expect(outline(Planner.step(fleet.situation())) == "close 3")
    }

    @Test func `settings, content and removals wait`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        fleet.edit {
            $0.maintenance = during
            $0.parameters["max_connections"] = "300"
            $0.parameters["back_log"] = "90"
            $0.databases.append(DatabaseSpec(name: "more"))
        }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && !decision.isConverged)
        #expect(decision.waits.count { if case .time = $0.reason { true } else { false } } >= 3)
        fleet.pass(.seconds(3601))
        #expect(!Planner.step(fleet.situation()).tasks.isEmpty)
    }

    // MARK: A host, a zone

    @Test func `the writer leaves a host that is worked on, and comes back at the end`() throws {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let name = host(fleet, 1)
        fleet.change(host: name) { $0.maintenance = during }
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.switchover?.to == 2)
        #expect(decision.records.switchover?.reason.contains("maintenance of host \(name)") == true)
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(plan.outline.contains("demote 1 | promote 2"))
        #expect(fleet.orders?.primary == 2)
        #expect(Planner.step(fleet.situation()).isConverged)
        fleet.pass(.seconds(3601))
        #expect(Planner.step(fleet.situation()).records.switchover?.to == 1)
    }

    @Test func `the writer leaves also where another member of the zone is away already`() {
        var fleet = TestFleet(TestFleet.orders([0, 2, 1]))
        let during = work(fleet)
        fleet.edit { $0.preferredZones = ["zone-b"] }
        fleet.converge()
        let primary = fleet.orders?.primary ?? 0
        let other = [1, 2].first { $0 != primary } ?? 0
        fleet.fleet.zones["zone-b"]?.value.maintenance = during
        stop(other, in: &fleet)
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.switchover?.to == 3)
        #expect(!decision.tasks.contains { $0.action == .start })
    }

    @Test func `a silent host in maintenance is expected, and nothing else is disrupted meanwhile`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let name = host(fleet, 3)
        fleet.change(host: name) { $0.maintenance = during }
        fleet.edit { $0.parameters["back_log"] = "90" }
        #expect(Planner.step(fleet.situation()).tasks.allSatisfy { if case .restart = $0.action { false } else { true } })
        fleet.pass(.seconds(20), except: [3])
        let decision = Planner.step(fleet.situation())
        #expect(decision.findings.contains { $0.reason == "HostSilent" && $0.isMuted })
        #expect(decision.findings.contains { $0.reason == "HostMaintenance" && $0.isMuted && $0.message.contains("new memory") })
        #expect(decision.records.failover == nil)
    }

    @Test func `a writer that could not leave is waited for, and that is told`() throws {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let name = host(fleet, 1)
        let until = during.until
        fleet.change(host: name) { $0.maintenance = during }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(15), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.records.switchover == nil)
        let finding = try #require(decision.findings.first { $0.reason == "MaintenanceHoldsFailover" })
        #expect(!finding.isMuted && finding.message.contains(name))
        #expect(decision.waits.contains { $0.reason == .time(until) })
        fleet.change(host: name) { $0.maintenance = nil }
        #expect(Planner.step(fleet.situation()).records.failover != nil)
    }

    @Test func `a replica on a host that is worked on does not hold up a failover elsewhere`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        fleet.change(host: host(fleet, 2)) { $0.maintenance = during }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let (plan, end) = Planner.rehearseToEnd(fleet.situation())
        #expect(plan.outline.hasPrefix("revoke 2, revoke 3 | promote 3, replicate 2"))
        #expect(end.records.primary == 3)
    }

    @Test func `the later end of host and zone counts`() {
        var fleet = TestFleet.founded(TestFleet.orders([1, 1, 1]))
        let during = work(fleet)
        let longer = work(fleet, hours: 2)
        let name = host(fleet, 1)
        fleet.change(host: name) { $0.maintenance = during }
        fleet.fleet.zones["zone-a"]?.value.maintenance = longer
        let known = HostDirectory(of: fleet.fleet).maintenance[name]
        #expect(known?.scope == "zone zone-a" && known?.maintenance.until == longer.until)
        let held = HostDirectory(of: fleet.fleet).startHeldUntil(nil, on: name, at: fleet.now)
        #expect(held == longer.until)
        #expect(HostDirectory(of: fleet.fleet).startHeldUntil(nil, on: name, at: fleet.now + .seconds(7200)) == nil)
    }
}
