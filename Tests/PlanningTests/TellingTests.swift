import FleetModel
import Testing

@testable import Planning

/// What is found of a cluster as a whole: it is told, and nothing else follows from it.
@Suite struct TellingTests {
    private func founded(_ counts: [Int] = [1, 1, 1]) -> TestFleet {
        TestFleet.founded(TestFleet.orders(counts))
    }

    private func told(_ fleet: TestFleet, _ reason: String) -> [Finding] {
        Planner.step(fleet.situation()).findings.filter { $0.reason == reason }
    }

    @Test func `a replica that applies far behind is told, in steps, and the cluster is as it was`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.replication?.lagSeconds = 60 }
        #expect(told(fleet, "ReplicaLagging").isEmpty)
        for (seconds, text) in [(61, "1 min"), (300, "1 min"), (301, "5 min"), (4_000, "1 h"), (90_000, "a day")] as [(Int64, String)] {
            fleet.change(2) { $0.database?.replication?.lagSeconds = seconds }
            let decision = Planner.step(fleet.situation())
            #expect(decision.findings.map(\.reason) == ["ReplicaLagging"] && decision.findings[0].subject == "orders-2")
            #expect(decision.findings[0].message == "it applies more than \(text) behind its source")
            #expect(decision.isConverged && decision.findings[0].host == fleet.orders?.member(2)?.host)
        }
        // One whose threads do not run says nothing of how far behind it is.
        fleet.cutOff([2])
        #expect(told(fleet, "ReplicaLagging").isEmpty)
    }

    @Test func `a replica that we took out of service is to catch up`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.replication?.lagSeconds = 600 }
        fleet.records.clusters["orders"]?.returning = [2]
        // It serves, and is judged again.
        #expect(told(fleet, "ReplicaLagging").count == 1)
        fleet.change(2) { $0.database?.semiSyncReplica = false }
        #expect(told(fleet, "ReplicaLagging").isEmpty)
    }

    @Test func `a primary that is lost twice within the hour flaps, until the hour is over`() {
        var fleet = founded()
        let mark = { (seconds: Int64) in FailoverMark(at: fleet.now - .seconds(seconds), zone: "zone-a") }
        fleet.records.clusters["orders"]?.failovers = [mark(4_000), mark(30)]
        #expect(told(fleet, "PrimaryFlapping").isEmpty)
        fleet.records.clusters["orders"]?.failovers = [mark(3_000), mark(600)]
        let decision = Planner.step(fleet.situation())
        #expect(decision.findings.map(\.reason) == ["PrimaryFlapping"] && decision.isConverged)
        #expect(decision.findings[0].message.contains("2 times"))
        fleet.pass(.seconds(601))
        #expect(told(fleet, "PrimaryFlapping").isEmpty)
        // Where it is lost on purpose nobody is told.
        fleet.records.clusters["orders"]?.failovers = [mark(20), mark(10)]
        #expect(told(fleet, "PrimaryFlapping").count == 1)
        fleet.edit { $0.gameDay = .allowed }
        #expect(told(fleet, "PrimaryFlapping").isEmpty)
    }

    @Test func `that no replica replicates is told beside what each one lacks`() {
        var fleet = founded()
        fleet.cutOff([2])
        #expect(told(fleet, "AllReplicasNotReplicating").isEmpty)
        fleet.cutOff([3])
        let decision = Planner.step(fleet.situation())
        #expect(Set(decision.findings.map(\.reason)) == ["AllReplicasNotReplicating", "ReplicationBroken"])
        #expect(told(fleet, "AllReplicasNotReplicating").map(\.message) == ["orders-1 takes writes, and none of orders-2, orders-3 replicates from it"])
        // One that is down replicates no more than one whose threads stopped; who was never heard may.
        fleet.change(3) { $0.process = .stopped }
        #expect(told(fleet, "AllReplicasNotReplicating").count == 1)
        fleet.observed[fleet.orders?.member(3)?.host ?? ""] = nil
        #expect(told(fleet, "AllReplicasNotReplicating").isEmpty)
    }

    @Test func `a single replica's own finding is enough, and our own acts are no fault`() {
        var two = founded([1, 1, 0])
        two.cutOff([2])
        #expect(told(two, "AllReplicasNotReplicating").isEmpty && told(two, "ReplicationBroken").count == 1)
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.records.clusters["orders"]?.returning = [3]
        #expect(told(fleet, "AllReplicasNotReplicating").isEmpty)
    }

    @Test func `a failover says who takes over, and last of all who took over`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        var messages: [String] = []
        for _ in 0..<10 {
            for finding in fleet.carryOutStep().findings where finding.reason == "Failover" {
                #expect(finding.subject == "orders-1")
                messages.append(finding.message)
            }
        }
        #expect(messages.first?.hasPrefix("UnreachablePrimary: hz-a-1 is silent") == true)
        #expect(messages.first?.contains("over") == false)
        #expect(messages.last?.hasSuffix("; orders-2 took over") == true)
        #expect(fleet.orders?.failover == nil && messages.count < 6)
    }
}
