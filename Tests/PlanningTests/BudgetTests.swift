import FleetModel
import Testing

@testable import Planning

/// How often others take over by themselves: instance 1 in zone-a is the writer, and is lost.
struct BudgetTests {
    private func losing(_ change: (inout TestFleet) -> Void = { _ in }) -> TestFleet {
        var fleet = TestFleet(TestFleet.orders([1, 1, 1]))
        fleet.converge()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        change(&fleet)
        return fleet
    }

    /// A cluster that failed over away from a zone, so long before `now`.
    private func other(_ name: String, _ zone: String, _ seconds: Int64, at now: Instant) -> ClusterRecords {
        var records = ClusterRecords(uid: name, name: name, gtidDomain: 9)
        records.failovers = [FailoverMark(at: now + .seconds(-seconds), zone: zone)]
        return records
    }

    private func decide(_ fleet: TestFleet, _ others: [ClusterRecords]) -> Decision {
        var situation = fleet.situation()
        situation.failovers = FailoverLedger(of: others)
        return Planner.step(situation)
    }

    private func spent(_ decision: Decision) -> String? { decision.findings.first { $0.reason == "FailoverBudgetSpent" }?.message }

    @Test func `a whole zone's loss fails over all its clusters: it is one incident`() {
        let fleet = losing { $0.policy.failovers.perZone = 1; $0.policy.failovers.perRegion = 1 }
        let others = (0..<500).map { other("c\($0)", "zone-a", Int64($0) / 10, at: fleet.now) }
        let decision = decide(fleet, others)
        #expect(decision.records.failover != nil && spent(decision) == nil)
    }

    @Test func `minute after minute another one: it stops, names the zone, and goes on when the window has passed`() throws {
        var fleet = losing { $0.policy.failovers.perZone = 5 }
        let others = (1...5).map { other("c\($0)", "zone-a", Int64($0) * 61, at: fleet.now) }
        let decision = decide(fleet, others)
        #expect(decision.records.failover == nil && decision.tasks.allSatisfy { !$0.action.isIsolating })
        let message = try #require(spent(decision))
        #expect(message.contains("5 incidents with failovers away from zone zone-a within 1h"))
        let until = fleet.now + .seconds(3600 - 5 * 61)
        #expect(message.contains(until.rfc3339))
        #expect(decision.waits.contains { $0.reason == .time(until) })
        fleet.pass(until - fleet.now, except: [1])
        #expect(decide(fleet, others).records.failover != nil)
    }

    @Test func `what is taken from another zone counts for the region alone`() throws {
        let fleet = losing { $0.policy.failovers.perZone = 2; $0.policy.failovers.perRegion = 4 }
        let elsewhere = (1...3).map { other("c\($0)", "zone-b", Int64($0) * 100, at: fleet.now) }
        #expect(decide(fleet, elsewhere).records.failover != nil)
        let more = elsewhere + [other("d", "zone-c", 900, at: fleet.now)]
        #expect(try #require(spent(decide(fleet, more))).contains("4 incidents with failovers in region hz"))
        // At one time in two zones: one incident of the region.
        let together = elsewhere + [other("d", "zone-c", 110, at: fleet.now)]
        #expect(decide(fleet, together).records.failover != nil)
    }

    @Test func `another region's failovers count for nothing here`() {
        let fleet = losing { $0.policy.failovers.perZone = 1; $0.policy.failovers.perRegion = 1 }
        #expect(decide(fleet, [other("c", "far-a", 200, at: fleet.now)]).records.failover != nil)
    }

    @Test func `a cluster's own limit comes from the configuration, and is named`() throws {
        let fleet = losing {
            $0.policy.failovers.perCluster = 1
            $0.policy.failovers.window = .seconds(600)
            $0.records.clusters["orders"]?.failovers = [FailoverMark(at: $0.now + .seconds(-500), zone: "zone-b")]
        }
        #expect(try #require(spent(decide(fleet, []))).contains("1 failovers of orders within 10m"))
        var later = fleet
        later.pass(.seconds(101), except: [1])
        #expect(decide(later, []).records.failover != nil)
    }

    @Test func `who fails over is taken down with the zone that was lost`() throws {
        var fleet = losing()
        fleet.converge()
        let mark = try #require(fleet.orders?.failovers.first)
        #expect(mark.zone == "zone-a")
        var ledger = FailoverLedger(of: fleet.records.clusters.values)
        #expect(ledger.zones == ["zone-a": [mark.at]])
        ledger.note(FailoverMark(at: mark.at + .seconds(59), zone: "zone-a"))
        #expect(ledger.zones == ["zone-a": [mark.at]])
        ledger.note(FailoverMark(at: mark.at + .seconds(60), zone: "zone-a"))
        #expect(ledger.zones["zone-a"]?.count == 2)
    }
}
