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

    @Test func `by default a writer without ackers waits`() {
        let fleet = waiting { _ in }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && decision.records.ackSet == [2, 3])
        #expect(decision.findings.contains { $0.reason == "CommitsWaiting" })
    }

    @Test func `one whose commits wait is closed before it is copied, where nobody is left`() {
        var fleet = founded { _ in }
        fleet.change(1) { $0.database?.areCommitsWaiting = true }
        for ordinal in [2, 3] {
            guard let member = fleet.orders?.member(ordinal) else { continue }
            fleet.observed[member.host]?.report.instances.removeAll { $0.id.ordinal == ordinal }
        }
        #expect(outline(fleet.carryOutStep()) == "fence 1")
        // What the kill ended waits no more; it comes back closed.
        fleet.change(1) { $0.database?.areCommitsWaiting = false }
        let end = fleet.converge()
        #expect(end.refusal == nil && end.outline.hasPrefix("start 1 | "), "\(end.outline)")
        #expect(fleet.orders?.primary == 1 && fleet.orders?.ackSet == [2, 3])
    }

    @Test func `one that may goes on once everybody was refused, says so, and is protected again when one is back`() {
        var fleet = waiting { $0.whenAlone = .continue }
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.expel(ordinal: 2)])
        #expect(fleet.orders?.ackSet == [2, 3])
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.expel(ordinal: 3)])
        #expect(fleet.orders?.ackSet == [2, 3] && fleet.orders?.isSemiSync == true)
        let off = fleet.carryOutStep()
        #expect(off.tasks.map(\.action) == [.open(epoch: 1, semiSync: false)])
        #expect(off.tasks.allSatisfy { !$0.isVoluntary })
        #expect(fleet.orders?.ackSet == [] && fleet.orders?.isSemiSync == false)
        fleet.change(1) { $0.database?.areCommitsWaiting = false }
        let alone = Planner.step(fleet.situation())
        #expect(alone.tasks.isEmpty && alone.findings.contains { $0.reason == "Unprotected" })

        fleet.pass(.seconds(1), except: [3])
        _ = fleet.converge()
        #expect(fleet.orders?.ackSet.contains(2) == true && fleet.orders?.isSemiSync == true && fleet.orders?.isUnprotected == false)
        #expect(!Planner.step(fleet.situation()).findings.contains { $0.reason == "Unprotected" })
    }

    /// It went on alone, up to 140; instance 2 is back and acknowledges, and has received so much.
    private func isBack(having sequence: Int64) -> TestFleet {
        var fleet = waiting { $0.whenAlone = .continue }
        for _ in 1...3 { fleet.carryOutStep() }
        fleet.change(1) { $0.database?.areCommitsWaiting = false; $0.database?.binlogPosition = position(140) }
        fleet.pass(.seconds(1), except: [3])
        for _ in 1...6 where fleet.orders?.isSemiSync == false {
            let decision = fleet.carryOutStep()
            #expect(decision.findings.contains { $0.reason == "Unprotected" })
        }
        fleet.change(2) {
            $0.database?.appliedPosition = position(100)
            $0.database?.binlogPosition = position(100)
            $0.database?.replication?.receivedPosition = position(sequence)
        }
        return fleet
    }

    @Test func `who acknowledges again proves nothing before it has all that was written alone`() throws {
        var fleet = isBack(having: 120)
        #expect(fleet.orders?.isSemiSync == true && fleet.orders?.ackSet == [2])
        let behind = fleet.carryOutStep()
        #expect(behind.findings.contains { $0.reason == "Unprotected" } && fleet.orders?.isUnprotected == true)
        var lost = fleet
        lost.cutOff([2])
        lost.pass(.seconds(12), except: [1, 3])
        for _ in 1...3 { lost.carryOutStep() }
        #expect(lost.orders?.primary == 1 && lost.orders?.failover == nil)
        let held = try #require(Planner.step(lost.situation()).findings.first { $0.reason == "FailoverHeld" })
        #expect(held.message.contains("orders-1 wrote without waiting for anybody"))

        fleet.change(2) { $0.database?.replication?.receivedPosition = position(140) }
        #expect(!fleet.carryOutStep().findings.contains { $0.reason == "Unprotected" } && fleet.orders?.isUnprotected == false)
        fleet.cutOff([2])
        fleet.pass(.seconds(12), except: [1, 3])
        for _ in 1...2 { fleet.carryOutStep() }
        #expect(fleet.orders?.primary == 2 && fleet.orders?.floor == position(140))
    }

    @Test func `an end that was not heard leaves no proof that is none`() {
        var fleet = waiting { $0.whenAlone = .continue }
        for _ in 1...2 { fleet.carryOutStep() }
        // Semi-sync goes off, and nobody hears of it; another one is back at once.
        let off = Planner.step(fleet.situation())
        #expect(off.tasks.map(\.action) == [.open(epoch: 1, semiSync: false)])
        fleet.records.clusters["orders"] = off.records
        fleet.change(1) { $0.database?.semiSyncPrimary = false; $0.database?.areCommitsWaiting = false; $0.database?.binlogPosition = position(140) }
        fleet.pass(.milliseconds(100), except: [3])
        let back = fleet.carryOutStep()
        #expect(back.records.ackSet == [2] && back.records.isSemiSync == false)
        fleet.cutOff([2])
        fleet.pass(.seconds(12), except: [1, 3])
        for _ in 1...3 { fleet.carryOutStep() }
        #expect(fleet.orders?.primary == 1)
    }

    @Test func `semi-sync that was turned on by hand is affirmed, and then proven`() {
        var fleet = founded { _ in }
        fleet.records.clusters["orders"]?.isSemiSync = false
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.open(epoch: 1, semiSync: true)])
        #expect(fleet.orders?.isSemiSync == true && fleet.orders?.isUnprotected == true)
        let next = fleet.carryOutStep()
        #expect(next.isConverged && next.records.isUnprotected == false)
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

    @Test func `one that is leaving and still acknowledges is no less there`() {
        var fleet = founded { $0.whenAlone = .continue }
        fleet.records.clusters["orders"]?.members[2].phase = .leaving
        fleet.pass(.seconds(12), except: [2])
        fleet.change(1) { $0.database?.connectedReplicas = [3]; $0.database?.readOnly = true }
        #expect(!Planner.step(fleet.situation()).tasks.contains { $0.action == .expel(ordinal: 3) })
    }

    @Test func `one that is worked on and does not run is not waited for`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.pass(.milliseconds(10), except: [2])
        fleet.change(3) { $0.process = .stopped; $0.database = nil }
        let name = fleet.orders?.member(3)?.host ?? ""
        let end = fleet.now + .seconds(600)
        fleet.change(host: name) { $0.maintenance = Maintenance(until: end, reason: "disks") }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action) == [.expel(ordinal: 2)])
    }

    @Test func `without a commit that waits nothing is given up`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.change(1) { $0.database?.areCommitsWaiting = false }
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
    }

    @Test func `a closed writer that is alone is opened without semi-sync`() {
        var fleet = waiting { $0.whenAlone = .continue }
        fleet.change(1) { $0.database?.readOnly = true; $0.database?.areCommitsWaiting = false }
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.expel(ordinal: 2)])
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.expel(ordinal: 3)])
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.open(epoch: 1, semiSync: false)])
    }

    @Test func `a writer that went on alone is replaced only by who has all of its own binlog`() {
        var fleet = waiting { $0.whenAlone = .continue }
        for _ in 1...3 { fleet.carryOutStep() }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(12), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.records.primary == 1)
        #expect(decision.findings.contains { $0.reason == "FailoverHeld" && $0.message.contains("without waiting for anybody") })
    }

    @Test func `synced relay logs are in the configuration, and the plan shows the price`() {
        var fleet = founded { _ in }
        let before = Planner.step(fleet.situation())
        #expect(before.isConverged && before.warnings.isEmpty)
        fleet.edit { $0.relaySync = .always }
        let decision = Planner.step(fleet.situation())
        #expect(decision.warnings.contains { $0.contains("durability.relaySync: always") && $0.contains("700 commits a second") })
        #expect(Set(decision.tasks.map(\.action.name)) == ["setVariables"])
        for task in decision.tasks {
            guard case .manifest(_, _, let field) = task.cause else { Issue.record("\(task.cause)"); continue }
            #expect(field == "spec.durability.relaySync")
        }
        #expect(parameters(fleet).contains { $0 == ("sync_relay_log", "1") })
    }

    private func parameters(_ fleet: TestFleet) -> [(String, String)] {
        MariaDBConfiguration.parameters(of: fleet.situation().desired?.value ?? TestFleet.orders())
    }

    @Test func `binlog files are short where nothing else is declared`() {
        var fleet = founded { _ in }
        #expect(parameters(fleet).contains { $0 == ("max_binlog_size", "16777216") })
        fleet.edit { $0.parameters["max_binlog_size"] = "1G" }
        #expect(parameters(fleet).contains { $0 == ("max_binlog_size", "1G") })
        #expect(Planner.step(fleet.situation()).tasks.contains { $0.action.name == "setVariables" })
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
        for _ in 1...3 { fleet.carryOutStep() }
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.primary == 1 && decision.records.failovers.isEmpty)
        #expect(decision.findings.contains { $0.reason == "FailoverHeld" })
    }

    @Test func `no more than is accepted goes on after the hold time, and says what may be lost`() throws {
        var fleet = doubtful(3)
        fleet.pass(.seconds(15), except: [1, 3])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
        fleet.pass(.seconds(16), except: [1, 3])
        #expect(outline(fleet.carryOutStep()) == "revoke 2")
        let promotion = fleet.carryOutStep()
        #expect(outline(promotion) == "promote 2")
        let told = try #require(promotion.findings.first { $0.reason == "DataAtRisk" })
        #expect(told.message.contains("3 commits that were seen are missing"))
        let records = try #require(fleet.orders)
        #expect(records.primary == 2 && records.leftBehind == [1, 3] && records.failovers.map(\.loss) == [.init(known: 3, isAll: false)])
        fleet.pass(.seconds(60), except: [1, 3])
        #expect(Planner.step(fleet.situation()).findings.contains { $0.reason == "DataAtRisk" })
    }

    @Test func `who holds more is waited for while it is started`() throws {
        var fleet = TestFleet(TestFleet.orders([1, 2, 1]))
        fleet.edit { $0.maxDataLoss = 100 }
        fleet.converge()
        for ordinal in 1...4 {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(ordinal == 2 ? 97 : 100)
                $0.database?.appliedPosition = position(ordinal == 2 ? 97 : 100)
                $0.database?.replication?.receivedPosition = position(ordinal == 2 ? 97 : 100)
            }
        }
        let others = try #require(fleet.orders).members.map(\.ordinal).filter { $0 > 2 }
        let (up, lost) = (others[0], others[1])
        fleet.cutOff([2, up])
        fleet.pass(.seconds(31), except: [1, lost])
        fleet.change(up) { $0.process = .stopped }
        let first = fleet.carryOutStep()
        #expect(Set(first.tasks.map(\.action)) == [.revoke(epoch: 2)] && first.tasks.count == 2)
        fleet.change(up) { $0.process = .stopped }
        #expect(fleet.orders?.failover?.revoked.count == 2)
        let second = fleet.carryOutStep()
        #expect(outline(second) == "start \(up)" && fleet.orders?.primary == 1)
        let third = fleet.carryOutStep()
        #expect(fleet.orders?.primary == up && third.records.failovers.map(\.loss) == [.init(known: 0, isAll: false)])
    }

    @Test func `what cannot be counted is not accepted`() throws {
        var fleet = doubtful(1000)
        fleet.change(1) { $0.database = nil }
        fleet.pass(.seconds(40), except: [1, 3])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil)
        #expect(try #require(decision.findings.first { $0.reason == "FailoverHeld" }).message.contains("nothing can be counted"))
    }

    @Test func `the finding of a hold says how many would be missing`() throws {
        var fleet = doubtful(2)
        fleet.pass(.seconds(5), except: [1, 3])
        let held = try #require(Planner.step(fleet.situation()).findings.first { $0.reason == "FailoverHeld" })
        #expect(held.message.contains("3 commits that were seen are missing, failover.maxDataLoss is 2"))
    }

    /// The writer's process is killed, its host can be asked: it has 100, nobody else more than 97.
    private func killed() -> TestFleet {
        var fleet = founded { $0.maxDataLoss = 10 }
        for ordinal in 2...3 {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(97)
                $0.database?.appliedPosition = position(97)
                $0.database?.replication?.receivedPosition = position(97)
            }
        }
        fleet.records.clusters["orders"]?.floor = position(99)
        fleet.cutOff([2, 3])
        return fleet
    }

    @Test func `a lost writer that can be started again goes before any loss`() {
        var fleet = killed()
        fleet.change(1) { $0.process = .unresponsive; $0.database = nil }
        fleet.carryOutStep()
        fleet.change(1) { $0.process = .stopped }
        #expect(fleet.orders?.failover?.isFenced == true)
        fleet.pass(.seconds(31))
        let decision = fleet.carryOutStep()
        #expect(decision.findings.contains { $0.reason == "FailoverAbandoned" } && fleet.orders?.primary == 1)
    }

    @Test func `one that does not start gives way, and its binlog tells how many are missing`() throws {
        var fleet = killed()
        fleet.change(1) { $0.process = .stopped }
        fleet.fail(startOf: 1)
        fleet.carryOutStep()
        #expect(fleet.orders?.failover?.tail == position(100))
        fleet.pass(.seconds(10))
        #expect(fleet.carryOutStep().findings.contains { $0.reason == "FailoverHeld" })
        fleet.pass(.seconds(21))
        let promotion = fleet.carryOutStep()
        #expect(fleet.orders?.primary == 2 && fleet.orders?.failovers.map(\.loss) == [.init(known: 3, isAll: true)])
        let told = try #require(promotion.findings.first { $0.reason == "DataAtRisk" })
        #expect(told.message.hasSuffix("3 commits that were seen are missing"))
    }

    @Test func `what a writer wrote alone is not given up without its fence`() {
        var fleet = doubtful(1000)
        fleet.records.clusters["orders"]?.isUnprotected = true
        fleet.pass(.seconds(40), except: [1, 3])
        for _ in 1...3 { fleet.carryOutStep() }
        #expect(fleet.orders?.primary == 1)
    }

    @Test func `with proof nothing is at risk`() {
        var fleet = founded { $0.maxDataLoss = 1000 }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.converge()
        #expect(fleet.orders?.failovers.map(\.loss) == [FailoverMark.DataLoss?.none])
    }
}
