import FleetModel
import Testing

@testable import Planning

/// A writer without anybody to acknowledge for it, and failovers without proof: instance 1 is the writer.
struct AloneTests {
    private func founded(_ change: (inout Cluster) -> Void) -> TestFleet {
        var fleet = TestFleet(TestFleet.orders([1, 1, 1]))
        fleet.edit(change)
        fleet.converge()
        for ordinal in 1...3 {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(100)
                $0.database?.appliedPosition = position(100)
                $0.database?.replication?.receivedPosition = position(100)
            }
        }
        return fleet
    }

    private func position(_ sequence: Int64) -> GTIDSet { GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)]) }

    private func outline(_ decision: Decision) -> String {
        decision.tasks.map { task in
            guard case .instance(let id, _) = task.target else { return task.action.name }
            return "\(task.action.name) \(id.ordinal)"
        }.joined(separator: ", ")
    }

    /// Both replicas' hosts are lost, and a commit waits.
    private func waiting(_ change: (inout Cluster) -> Void) -> TestFleet {
        var fleet = founded(change)
        fleet.pass(.seconds(12), except: [2, 3])
        fleet.change(1) { $0.database?.connectedReplicas = []; $0.database?.areCommitsWaiting = true }
        return fleet
    }

    /// Carries out what a step decides, once.
    private func step(_ fleet: inout TestFleet) -> Decision {
        let decision = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = decision.records
        for task in decision.tasks { fleet.carryOut(task) }
        return decision
    }

    @Test func `by default a writer without ackers waits`() {
        let fleet = waiting { _ in }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && decision.records.ackSet == [2, 3])
        #expect(decision.findings.contains { $0.reason == "CommitsWaiting" })
    }

    @Test func `one that may goes on once everybody was refused, says so, and is protected again when one is back`() {
        var fleet = waiting { $0.whenAlone = .continue }
        #expect(step(&fleet).tasks.map(\.action) == [.expel(ordinal: 2)])
        #expect(fleet.orders?.ackSet == [2, 3])
        #expect(step(&fleet).tasks.map(\.action) == [.expel(ordinal: 3)])
        #expect(fleet.orders?.ackSet == [2, 3])
        let off = step(&fleet)
        #expect(off.tasks.map(\.action) == [.open(epoch: 1, semiSync: false)])
        #expect(off.tasks.allSatisfy { !$0.isVoluntary })
        #expect(fleet.orders?.ackSet == [] && fleet.orders?.isSemiSync == false)
        fleet.change(1) { $0.database?.areCommitsWaiting = false }
        let alone = Planner.step(fleet.situation())
        #expect(alone.tasks.isEmpty && alone.findings.contains { $0.reason == "Unprotected" })

        fleet.pass(.seconds(1), except: [3])
        _ = fleet.converge()
        #expect(fleet.orders?.ackSet.contains(2) == true && fleet.orders?.isSemiSync == true)
        #expect(!Planner.step(fleet.situation()).findings.contains { $0.reason == "Unprotected" })
    }

    @Test func `nobody who is connected, starting or not silent for long is counted out`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.change(1) { $0.database?.connectedReplicas = [3] }
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
        fleet.change(1) { $0.database?.connectedReplicas = [] }
        fleet.cutOff([3])
        fleet.pass(.milliseconds(10), except: [2])
        #expect(outline(Planner.step(fleet.situation())) == "replicate 3")
        fleet.change(3) { $0.process = .stopped; $0.database = nil }
        #expect(outline(Planner.step(fleet.situation())) == "start 3")
    }

    @Test func `without a commit that waits nothing is given up`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.change(1) { $0.database?.areCommitsWaiting = false }
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
    }

    @Test func `a closed writer that is alone is opened without semi-sync`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.change(1) { $0.database?.readOnly = true; $0.database?.areCommitsWaiting = false }
        #expect(step(&fleet).tasks.map(\.action) == [.expel(ordinal: 2)])
        #expect(step(&fleet).tasks.map(\.action) == [.expel(ordinal: 3)])
        #expect(step(&fleet).tasks.map(\.action) == [.open(epoch: 1, semiSync: false)])
    }

    @Test func `a writer that went on alone is replaced only by who has all of its own binlog`() {
        var fleet = waiting { $0.whenAlone = .continue }
        for _ in 1...3 { _ = step(&fleet) }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.records.primary == 1)
    }

    @Test func `synced relay logs are in the configuration, and the plan shows the price`() {
        var fleet = founded { _ in }
        let before = Planner.step(fleet.situation())
        #expect(before.isConverged && before.warnings.isEmpty)
        fleet.edit { $0.relaySync = .always }
        let decision = Planner.step(fleet.situation())
        #expect(decision.warnings.contains { $0.contains("durability.relaySync: always") && $0.contains("700 commits a second") })
        #expect(MariaDBConfiguration.parameters(of: fleet.situation().desired?.value ?? TestFleet.orders()).contains { $0 == ("sync_relay_log", "1") })
    }

    // MARK: Without proof

    /// The writer's host and one acker's are lost; the other one has 97 of what was seen at 100.
    private func doubtful(_ limit: Int64?) -> TestFleet {
        var fleet = founded { $0.maxDataLoss = limit }
        fleet.change(2) {
            $0.database?.binlogPosition = position(97)
            $0.database?.appliedPosition = position(97)
            $0.database?.replication?.receivedPosition = position(97)
        }
        fleet.cutOff([2])
        return fleet
    }

    @Test(arguments: [nil, 2] as [Int64?]) func `more than is accepted holds, however long`(_ limit: Int64?) {
        var fleet = doubtful(limit)
        fleet.pass(.seconds(40), except: [1, 3])
        for _ in 1...3 { _ = step(&fleet) }
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.primary == 1 && decision.records.failovers.isEmpty)
        #expect(decision.findings.contains { $0.reason == "FailoverHeld" })
    }

    @Test func `no more than is accepted goes on after the hold time, and says what may be lost`() throws {
        var fleet = doubtful(3)
        fleet.pass(.seconds(15), except: [1, 3])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
        fleet.pass(.seconds(16), except: [1, 3])
        #expect(outline(step(&fleet)) == "revoke 2")
        let promotion = step(&fleet)
        #expect(outline(promotion) == "promote 2")
        let told = try #require(promotion.findings.first { $0.reason == "DataAtRisk" })
        #expect(told.message.contains("3 commits that were seen are missing"))
        let records = try #require(fleet.orders)
        #expect(records.primary == 2 && records.leftBehind == [1, 3] && records.failovers.map(\.atRisk) == [3])
        fleet.pass(.seconds(60), except: [1, 3])
        #expect(Planner.step(fleet.situation()).findings.contains { $0.reason == "DataAtRisk" })
    }

    @Test func `with proof nothing is at risk`() {
        var fleet = founded { $0.maxDataLoss = 1000 }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.converge()
        #expect(fleet.orders?.failovers.map(\.atRisk) == [Int64?.none])
    }
}
