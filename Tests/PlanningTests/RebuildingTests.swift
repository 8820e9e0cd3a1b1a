import FleetModel
import Planning
import Testing

/// A lost store is made anew from git and agents.
struct RebuildingTests {
    @Test func `records come back from what agents see, under a higher epoch`() throws {
        var fleet = TestFleet()
        fleet.converge()
        let before = try #require(fleet.orders)
        for ordinal in 1...3 { fleet.change(ordinal) { $0.clusterName = "orders"; $0.database?.variables["gtid_domain_id"] = String(before.gtidDomain) } }
        let rebuilt = Planner.rebuild(fleet.fleet, observed: fleet.observed, storeID: "store-2")
        #expect(rebuilt.problems.isEmpty)
        let records = try #require(rebuilt.records.clusters["orders"])
        #expect(records.uid == before.uid && records.members == before.members && records.primary == 1 && records.isFounded)
        #expect(records.epoch == before.epoch + 1 && records.ackSet == [2, 3])
        #expect(rebuilt.records.nextServerNumber == fleet.records.nextServerNumber)
        fleet.records = rebuilt.records
        #expect(!fleet.converge().waves.flatMap(\.tasks).contains { task in
            switch task.action {
            case .install, .clone, .retire, .purge, .restart: true
            default: false
            }
        })
    }

    @Test func `two clusters of one name are told, not guessed`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.change(3) { $0.id = InstanceID(clusterUID: "other", ordinal: 3) }
        let rebuilt = Planner.rebuild(fleet.fleet, observed: fleet.observed, storeID: "store-2")
        #expect(rebuilt.records.clusters.isEmpty && rebuilt.problems.first?.message.contains("2 clusters") == true)
    }
}
