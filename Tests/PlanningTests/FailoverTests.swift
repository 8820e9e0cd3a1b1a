import FleetModel
import Testing

@testable import Planning

/// What the planner does where the writer is lost: instance 1 on hz-a-1; 2 and 3 acknowledge.
struct FailoverTests {
    private func founded(_ counts: [Int] = [1, 1, 1]) -> TestFleet {
        var fleet = TestFleet(TestFleet.orders(counts))
        fleet.converge()
        for ordinal in 1...counts.reduce(0, +) {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(100)
                $0.database?.appliedPosition = position(100)
                $0.database?.replication?.receivedPosition = position(100)
            }
        }
        return fleet
    }

    /// The writer tells which replicas are connected.
    private func connect(_ ordinals: [Int], in fleet: inout TestFleet) {
        fleet.change(1) { $0.database?.connectedReplicas = ordinals }
    }

    private func position(_ sequence: Int64) -> GTIDSet { GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)]) }

    private func host(_ fleet: TestFleet, _ ordinal: Int) -> String { fleet.orders?.member(ordinal)?.host ?? "" }

    // MARK: Diagnosis

    @Test func `a silent host alone is no evidence`() {
        var fleet = founded()
        fleet.pass(.seconds(5), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.tasks.isEmpty)
        #expect(!decision.waits.isEmpty)
    }

    @Test func `replicas that lost the writer alone are no evidence`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
    }

    @Test func `one replica that still receives from a silent writer keeps it`() {
        var fleet = founded()
        fleet.cutOff([2])
        fleet.pass(.seconds(5), except: [1])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
    }

    @Test func `what a replica said too long ago counts for nothing`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1, 3])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil)
        #expect(decision.waits.contains { $0.reason == .host(host(fleet, 3)) })
    }

    @Test func `nobody is compared with a primary that has not applied yet what it began with`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.leftBehind = [3]
        fleet.records.clusters["orders"]?.floor = position(200)
        fleet.change(1) { $0.database?.readOnly = true }
        fleet.change(3) { $0.process = .stopped; $0.database = nil }
        #expect(!Planner.step(fleet.situation()).tasks.contains { $0.action.name == "rejoin" })
        fleet.change(1) { $0.database?.binlogPosition = position(200) }
        #expect(Planner.step(fleet.situation()).tasks.contains { $0.action.name == "rejoin" })
    }

    @Test func `who acknowledges calls a primary that is started again, unless it was refused`() {
        var fleet = founded()
        fleet.change(1) { $0.process = .starting; $0.database = nil }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.map(\.action.name) == ["acknowledge", "acknowledge"])
        fleet.records.clusters["orders"]?.expelled[3] = position(100)
        #expect(Planner.step(fleet.situation()).tasks.filter { $0.action.name == "acknowledge" }.count == 1)
        fleet.change(2) { $0.database?.replication?.sqlRunning = false }
        #expect(!Planner.step(fleet.situation()).tasks.contains { $0.action.name == "acknowledge" })
    }

    @Test func `a killed writer is started again, and only one that does not start is given up`() throws {
        var fleet = founded()
        fleet.change(1) { $0.process = .stopped; $0.database = nil }
        let first = Planner.step(fleet.situation())
        #expect(first.records.failover == nil && first.tasks.map(\.action.name) == ["start", "acknowledge", "acknowledge"])
        let start = try #require(first.tasks.first)
        let records = try #require(fleet.orders)
        fleet.records.clusters["orders"] = Planner.absorb(.failed("no"), of: start, into: records, at: fleet.now, jitter: 0)
        let second = Planner.step(fleet.situation())
        #expect(second.records.failover?.reason.hasPrefix("DeadPrimary: orders-1 does not start: no") == true)
        #expect(outline(second) == "revoke 2, revoke 3, fence 1")
    }

    @Test func `a start that failed says nothing of a writer that has run since`() {
        var fleet = founded()
        fleet.change(1) { $0.process = .stopped }
        fleet.fail(startOf: 1)
        // Its agent, or a rejoin, brought it up.
        fleet.change(1) { $0.process = .running }
        let up = Planner.step(fleet.situation())
        #expect(up.records.failover == nil && up.records.failures.isEmpty)
        fleet.records.clusters["orders"] = up.records
        fleet.pass(.seconds(5))
        fleet.change(1) { $0.process = .stopped }
        let killed = Planner.step(fleet.situation())
        #expect(killed.records.failover == nil && killed.tasks.first?.action == .start)
    }

    @Test func `a writer that hangs is given up once its replicas cannot reach it either`() {
        var fleet = founded()
        fleet.change(1) { $0.process = .unresponsive; $0.database = nil }
        #expect(Planner.step(fleet.situation()).records.failover == nil)
        fleet.cutOff([2, 3])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover?.reason.hasPrefix("HungPrimary") == true)
        #expect(outline(decision) == "revoke 2, revoke 3, fence 1")
    }

    // MARK: The way through

    @Test func `a lost host: revoke, promote who received most, bring back who was left behind`() throws {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.change(3) { $0.database?.replication?.receivedPosition = position(104) }
        fleet.pass(.seconds(15), except: [1])
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(plan.outline.hasPrefix("revoke 2, revoke 3 | promote 3, replicate 2 |"))
        let records = try #require(fleet.orders)
        #expect(records.primary == 3 && records.epoch == 2 && records.failover == nil && records.leftBehind == [1])
        #expect(records.ackSet == [2] && records.floor == position(104) && records.failovers.count == 1)
        for task in plan.waves.prefix(2).flatMap(\.tasks) { #expect(!task.isVoluntary) }

        // Its host comes back, and the database takes writes still.
        fleet.pass(.seconds(5))
        let back = fleet.converge()
        #expect(back.refusal == nil)
        #expect(back.outline.hasPrefix("fence 1 | prepareReplica 3 | rejoin 1 | acknowledge 1"))
        #expect(fleet.orders?.leftBehind == [])
    }

    @Test func `nobody is promoted before every possible acker has stopped`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let first = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks where task.summary.contains("stop receiving") { fleet.carryOut(task); break }
        let second = Planner.step(fleet.situation())
        #expect(outline(second) == "revoke 3")
        #expect(second.records.primary == 1)
    }

    @Test func `an acker that is lost too holds the failover, by name, and its return ends the hold`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let first = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks where task.target == .instance(id(fleet, 2), host: host(fleet, 2)) { fleet.carryOut(task) }
        fleet.pass(.seconds(5), except: [1, 3])
        let held = Planner.step(fleet.situation())
        #expect(held.tasks.isEmpty)
        #expect(held.findings.contains { $0.reason == "FailoverHeld" && $0.message.contains(host(fleet, 3)) })
        fleet.pass(.milliseconds(100), except: [1])
        #expect(outline(Planner.step(fleet.situation())) == "revoke 3")
    }

    @Test(arguments: [5, 15]) func `a writer and an acker that fall silent at once: held by name, and the plan ends`(_ seconds: Int) {
        var fleet = founded()
        fleet.cutOff([2])
        fleet.pass(.seconds(seconds), except: [1, 3])
        let plan = Planner.rehearse(fleet.situation())
        #expect(plan.refusal == nil)
        #expect(plan.first?.records.failover == nil && plan.first?.records.primary == 1)
        #expect(plan.findings.contains { $0.reason == "FailoverHeld" && $0.message.contains(host(fleet, 3)) })
        fleet.pass(.milliseconds(100), except: [1])
        fleet.cutOff([3])
        #expect(outline(Planner.step(fleet.situation())) == "revoke 2, revoke 3")
    }

    @Test(arguments: [4, 15]) func `a silent host whose writer is followed still: looked at again, and the plan ends`(_ seconds: Int) {
        var fleet = founded()
        fleet.pass(.seconds(seconds), except: [1])
        let plan = Planner.rehearse(fleet.situation())
        #expect(plan.refusal == nil)
        #expect(plan.waves.isEmpty)
        #expect(plan.first?.waits.contains { if case .time = $0.reason { $0.message.contains("silent") } else { false } } == true)
    }

    @Test func `a lost acker is made up for by the lost writer's own binlog`() {
        var fleet = founded()
        fleet.change(1) { $0.process = .stopped }
        fleet.cutOff([2, 3])
        fleet.fail(startOf: 1)
        fleet.pass(.seconds(5), except: [3])
        let first = Planner.step(fleet.situation())
        #expect(outline(first) == "revoke 2, fence 1")
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks { fleet.carryOut(task) }
        #expect(fleet.orders?.failover?.tail == position(100))
        let second = Planner.step(fleet.situation())
        #expect(outline(second) == "promote 2")
        #expect(second.records.leftBehind == [1, 3])
    }

    @Test func `and holds where that binlog has more than anybody received`() {
        var fleet = founded()
        fleet.change(1) { $0.process = .stopped; $0.database?.binlogPosition = position(101) }
        fleet.cutOff([2, 3])
        fleet.fail(startOf: 1)
        fleet.pass(.seconds(5), except: [3])
        fleet.carryOutStep()
        let second = Planner.step(fleet.situation())
        #expect(second.tasks.isEmpty && second.findings.contains { $0.reason == "FailoverHeld" })
    }

    @Test func `without semi-sync whoever an earlier failover left behind is asked for nothing`() {
        var fleet = founded()
        fleet.edit { $0.durability = .async }
        fleet.records.clusters["orders"]?.ackSet = []
        fleet.records.clusters["orders"]?.isSemiSync = false
        fleet.records.clusters["orders"]?.leftBehind = [2]
        fleet.change(1) { $0.process = .stopped }
        fleet.change(2) { $0.database?.binlogPosition = position(104) }
        fleet.fail(startOf: 1)
        fleet.pass(.seconds(5))
        let first = Planner.step(fleet.situation())
        #expect(outline(first) == "revoke 3, fence 1")
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks { fleet.carryOut(task) }
        #expect(Planner.step(fleet.situation()).records.primary == 3)
    }

    @Test func `who lacks what the present writer held when it took over does not take over from it`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.floor = position(102)
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.carryOutStep()
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
    }

    @Test func `the new writer is lost before it was seen: the next one that holds as much takes over`() throws {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.carryOutStep()
        let second = Planner.step(fleet.situation())
        #expect(outline(second) == "promote 2, replicate 3")
        fleet.records.clusters["orders"] = second.records
        // Nothing of it is heard any more; the other one cannot attach.
        fleet.pass(.seconds(5), except: [1, 2])
        let third = Planner.step(fleet.situation())
        #expect(third.records.failover?.from == 2 && third.records.epoch == 3)
        fleet.records.clusters["orders"] = third.records
        for task in third.tasks { fleet.carryOut(task) }
        let fourth = Planner.step(fleet.situation())
        #expect(outline(fourth) == "promote 3")
        #expect(fourth.records.leftBehind == [1, 2])
    }

    // MARK: Silent ackers

    @Test func `a silent acker is refused by the writer and then needs no asking`() throws {
        var fleet = founded()
        fleet.pass(.seconds(15), except: [3])
        connect([2, 3], in: &fleet)
        #expect(Planner.step(fleet.situation()).tasks.isEmpty, "only its agent may be gone")
        connect([2], in: &fleet)
        let first = Planner.step(fleet.situation())
        #expect(outline(first) == "expel 1" && first.records.ackSet == [2, 3])
        for task in first.tasks { fleet.carryOut(task) }
        #expect(fleet.orders?.expelled == [3: position(100)])
        let second = Planner.step(fleet.situation())
        #expect(second.tasks.isEmpty && second.records.ackSet == [2])
        fleet.records.clusters["orders"] = second.records
        // Now the writer may be lost too.
        fleet.cutOff([2])
        fleet.pass(.seconds(5), except: [1, 3])
        fleet.records.clusters["orders"] = Planner.step(fleet.situation()).records
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        let promotion = Planner.step(fleet.situation())
        #expect(outline(promotion) == "promote 2" && promotion.records.leftBehind == [1, 3] && promotion.records.expelled.isEmpty)
    }

    @Test func `it is a possible acker again before it is let in`() {
        var fleet = founded()
        fleet.pass(.seconds(15), except: [3])
        connect([2], in: &fleet)
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        fleet.records.clusters["orders"] = Planner.step(fleet.situation()).records
        fleet.cutOff([3])
        fleet.pass(.milliseconds(10))
        let back = Planner.step(fleet.situation())
        #expect(back.records.ackSet == [2, 3] && back.records.expelled.isEmpty)
        #expect(outline(back).contains("prepareReplica 1"))
        #expect(!back.findings.contains { $0.isDrift })
        #expect(fleet.converge().refusal == nil)
        #expect(fleet.converge().outline == "")
    }

    @Test func `the last acker is never refused, and nobody leaves before another one has received what there was`() {
        var fleet = founded([1, 1, 0])
        fleet.pass(.seconds(15), except: [2])
        connect([], in: &fleet)
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
        var three = founded()
        three.pass(.seconds(15), except: [3])
        connect([2], in: &three)
        three.change(1) { $0.database?.binlogPosition = position(120) }
        for task in Planner.step(three.situation()).tasks { three.carryOut(task) }
        #expect(Planner.step(three.situation()).records.ackSet == [2, 3])
        three.change(2) { $0.database?.replication?.receivedPosition = position(120) }
        #expect(Planner.step(three.situation()).records.ackSet == [2])
    }

    // MARK: Bounds

    @Test func `an acker that does not run is revoked by its files, and started; it does not hold the failover`() throws {
        var fleet = founded()
        fleet.change(2) { $0.process = .stopped }
        fleet.cutOff([3])
        fleet.pass(.seconds(5), except: [1])
        let first = Planner.step(fleet.situation())
        #expect(outline(first) == "revoke 2, revoke 3")
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks { fleet.carryOut(task) }
        let second = Planner.step(fleet.situation())
        #expect(outline(second).hasPrefix("start 2, promote 3"))
    }

    @Test(arguments: [DiskTrouble.full, .stalled]) func `a writer whose disk takes no writes is fenced, and another takes over`(_ disk: DiskTrouble) {
        var fleet = founded()
        fleet.change(1) { $0.disk = disk }
        let first = Planner.step(fleet.situation())
        #expect(outline(first) == "revoke 2, revoke 3, fence 1")
        #expect(first.records.failover?.reason.hasPrefix("Disk") == true)
    }

    @Test func `a candidate whose disk takes no writes is none`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.change(2) { $0.disk = .full }
        fleet.pass(.seconds(5), except: [1])
        fleet.carryOutStep()
        #expect(Planner.step(fleet.situation()).records.primary == 3)
    }

    @Test(arguments: [(1_000, 2), (20_000, 3)])
    func `of two that have received all, one that has much less to apply takes over`(received: Int64, successor: Int) {
        var fleet = founded()
        fleet.cutOff([2, 3])
        for ordinal in 2...3 { fleet.change(ordinal) { $0.database?.replication?.receivedPosition = position(received) } }
        fleet.change(3) { $0.database?.binlogPosition = position(received); $0.database?.appliedPosition = position(received) }
        fleet.pass(.seconds(5), except: [1])
        fleet.carryOutStep()
        #expect(Planner.step(fleet.situation()).records.primary == successor)
    }

    @Test func `where nothing commits and no acker reaches the writer, a row of ours shows whether one could`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.replication?.ioConnecting = true }
        #expect(!outline(Planner.step(fleet.situation())).contains("probe"))
        fleet.change(3) { $0.database?.replication?.ioConnecting = true }
        let decision = Planner.step(fleet.situation())
        #expect(outline(decision).contains("probe 1") && decision.records.failover == nil)
        fleet.change(1) { $0.database?.awaitsAcknowledgement = true }
        #expect(!outline(Planner.step(fleet.situation())).contains("probe"))
        // One at a time, and not beside what waits already.
        fleet.change(1) { $0.database?.areCommitsWaiting = true }
        let blocked = Planner.step(fleet.situation())
        #expect(!outline(blocked).contains("probe") && blocked.records.failover?.reason.hasPrefix("SemiSyncBlocked") == true)
        // A refusal is none of the network's.
        fleet.change(1) { $0.database?.areCommitsWaiting = false; $0.database?.awaitsAcknowledgement = false }
        for ordinal in 2...3 { fleet.change(ordinal) { $0.database?.replication?.ioErrorCode = 1045 } }
        #expect(!outline(Planner.step(fleet.situation())).contains("probe"))
    }

    @Test func `a writer whose commits wait is lost only where the network keeps every acker away`() {
        var fleet = founded()
        fleet.change(1) { $0.database?.areCommitsWaiting = true }
        fleet.cutOff([2, 3])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
        for ordinal in 2...3 {
            fleet.change(ordinal) { $0.database?.replication?.ioConnecting = true }
        }
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover?.reason.hasPrefix("SemiSyncBlocked") == true)
        #expect(outline(decision) == "revoke 2, revoke 3, fence 1")
    }

    /// No access, a locked account, too many connections, a blocked or unknown host, TLS.
    @Test(arguments: [1045, 4151, 1040, 1203, 1129, 1130, 2026])
    func `an acker that is answered is not kept away by the network`(code: Int) {
        var fleet = founded()
        fleet.change(1) { $0.database?.areCommitsWaiting = true }
        fleet.cutOff([2, 3])
        for ordinal in 2...3 { fleet.change(ordinal) { $0.database?.replication?.ioConnecting = true } }
        fleet.change(3) { $0.database?.replication?.ioErrorCode = 2003 }
        #expect(Planner.step(fleet.situation()).records.failover != nil)
        fleet.change(3) { $0.database?.replication?.ioErrorCode = code }
        #expect(Planner.step(fleet.situation()).records.failover == nil)
    }

    @Test func `ackers that do not run say nothing of a silent writer`() {
        var fleet = founded()
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.process = .stopped } }
        fleet.pass(.seconds(5), except: [1])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
    }

    @Test func `an agent that is heard is not silent, however old its facts`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.observed[host(fleet, 1)]?.heard = fleet.now
        #expect(Planner.step(fleet.situation()).records.failover == nil)
    }

    @Test func `of those who received as much, one whose applier stands still comes last`() throws {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.change(2) { $0.database?.replication?.sqlError = "Duplicate entry" }
        fleet.pass(.seconds(5), except: [1])
        fleet.carryOutStep()
        #expect(Planner.step(fleet.situation()).records.primary == 3)
    }

    @Test func `one that cannot be promoted is replaced by another that holds as much, under a new epoch`() throws {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let first = fleet.carryOutStep()
        var decision = Planner.step(fleet.situation())
        #expect(decision.records.primary == 2)
        for _ in 0..<2 {
            let promotion = try #require(decision.tasks.first { $0.action.name == "promote" })
            fleet.records.clusters["orders"] = Planner.absorb(
                .refused("it has not applied it"), of: promotion, into: decision.records, at: fleet.now, jitter: 0)
            fleet.pass(.seconds(5), except: [1])
            decision = Planner.step(fleet.situation())
        }
        #expect(decision.records.failover?.from == 2 && decision.records.epoch == first.records.epoch + 1)
        #expect(decision.records.failover?.reason.hasPrefix("StuckCandidate") == true)
    }

    @Test func `a replica with rows of its own is compared and cloned, not started again`() {
        var fleet = founded()
        fleet.change(2) {
            $0.database?.replication?.sqlRunning = false
            $0.database?.replication?.sqlError = "An attempt was made to binlog GTID 7-1-101 which would create an out-of-order sequence number"
        }
        #expect(outline(Planner.step(fleet.situation())) == "rejoin 2")
    }

    @Test func `a replica that cannot apply what it receives is started three times, then compared and cloned`() {
        var fleet = founded()
        fleet.change(2) {
            $0.database?.replication?.sqlRunning = false
            $0.database?.replication?.sqlError = "Duplicate entry '5' for key 'PRIMARY'"
        }
        for _ in 0..<3 {
            let decision = Planner.step(fleet.situation())
            #expect(outline(decision) == "replicate 2")
            guard let start = decision.tasks.first else { return }
            fleet.records.clusters["orders"] = Planner.absorb(
                .failed("Duplicate entry"), of: start, into: decision.records, at: fleet.now, jitter: 0)
            fleet.pass(.seconds(300))
        }
        let last = Planner.step(fleet.situation())
        #expect(outline(last) == "rejoin 2")
        #expect(last.records.failures.keys.contains { $0.contains("/replicate") })
    }

    @Test func `a replica that somebody wrote to is compared and cloned, the last that acknowledges only when there is another`() {
        var fleet = founded()
        let writeTo: (inout InstanceReport) -> Void = { report in
            let own = report.database?.serverID ?? 0
            report.database?.binlogPosition.domains[7] = .init(serverID: own, sequence: 999)
        }
        fleet.change(2, writeTo)
        let decision = Planner.step(fleet.situation())
        #expect(outline(decision) == "rejoin 2")
        #expect(decision.findings.contains { $0.reason == "ErrantGTID" && $0.isDrift })
        fleet.change(3, writeTo)
        #expect(outline(Planner.step(fleet.situation())) == "rejoin 2")
        fleet.change(3) { $0.database?.semiSyncReplica = false }
        #expect(!outline(Planner.step(fleet.situation())).contains("rejoin 2"))
    }

    /// Its number is beyond all that the writer gave out.
    @Test func `a row of a replica's own passes for none that it received`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.change(2) { $0.process = .stopped }
        fleet.pass(.seconds(5), except: [1])
        let first = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = first.records
        for task in first.tasks {
            guard case .instance(let id, _) = task.target, let member = fleet.records.clusters["orders"]?.member(id.ordinal), task.action.name == "revoke" else { continue }
            let server = id.ordinal == 2 ? member.serverID : 1
            let received = GTIDSet(domains: [7: .init(serverID: server, sequence: id.ordinal == 2 ? 999 : 102)])
            fleet.records.clusters["orders"] = Planner.absorb(
                .succeeded(TaskResult(position: received)), of: task, into: fleet.records.clusters["orders"] ?? first.records, at: fleet.now, jitter: 0)
        }
        let second = Planner.step(fleet.situation())
        #expect(second.records.failover?.to == nil)
        #expect(outline(second).contains("start 2"))
    }

    @Test func `a delay that was set by hand is taken off`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.replication?.delaySeconds = 3600 }
        let decision = Planner.step(fleet.situation())
        #expect(outline(decision) == "replicate 2")
        #expect(decision.findings.contains { $0.reason == "DelayedReplica" && $0.isDrift })
    }

    @Test func `semi-sync of a primary on a replica is turned off`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.semiSyncPrimary = true }
        let decision = Planner.step(fleet.situation())
        #expect(outline(decision) == "replicate 2")
        #expect(decision.findings.contains { $0.reason == "SemiSyncOnReplica" && $0.isDrift })
    }

    @Test func `a switchover by command waits for a replica that is far behind, and touches nobody`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.requestedPrimary = 2
        fleet.change(2) {
            $0.database?.appliedPosition = position(100)
            $0.database?.binlogPosition = position(100)
            $0.database?.replication?.receivedPosition = position(5000)
        }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && decision.records.switchover == nil && !decision.waits.isEmpty)
    }

    @Test func `manual: it is told and nothing is done`() {
        var fleet = founded()
        fleet.edit { $0.failover = .manual }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.findings.contains { $0.reason == "FailoverManual" })
        #expect(!decision.tasks.contains { $0.action.isIsolating })
    }

    @Test func `manual, or with the budget spent: by command another one takes over, with the same proof`() {
        var fleet = founded()
        fleet.edit { $0.failover = .manual }
        fleet.records.clusters["orders"]?.failovers = [30, 20, 10].map { FailoverMark(at: fleet.now - .seconds($0), zone: "zone-a") }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        #expect(Planner.step(fleet.situation()).records.failover == nil)
        fleet.records.clusters["orders"]?.isFailoverRequested = true
        let begun = Planner.step(fleet.situation())
        #expect(begun.records.failover?.from == 1 && begun.names.contains("revoke 2"))
        #expect(!begun.records.isFailoverRequested)
        #expect(!begun.findings.contains { ["FailoverManual", "FailoverBudgetSpent"].contains($0.reason) })
        // Whoever may hold what nobody else does is waited for all the same, and so is the request.
        fleet.pass(.seconds(5), except: [1, 3])
        let held = Planner.step(fleet.situation())
        #expect(held.records.failover == nil && held.records.isFailoverRequested)
        #expect(held.findings.contains { $0.reason == "FailoverHeld" })
    }

    @Test func `a failover that was asked for is forgotten once the primary serves again`() {
        var fleet = founded()
        fleet.edit { $0.failover = .manual }
        fleet.records.clusters["orders"]?.isFailoverRequested = true
        let decision = Planner.step(fleet.situation())
        #expect(!decision.records.isFailoverRequested && decision.records.failover == nil)
    }

    @Test func `a cluster fails over three times an hour at the most`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.failovers = [30, 20, 10].map { FailoverMark(at: fleet.now - .seconds($0), zone: "zone-a") }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        #expect(Planner.step(fleet.situation()).findings.contains { $0.reason == "FailoverBudgetSpent" })
        fleet.records.clusters["orders"]?.failovers = [4000, 30, 20].map { FailoverMark(at: fleet.now - .seconds($0), zone: "zone-a") }
        #expect(Planner.step(fleet.situation()).records.failover != nil)
    }

    @Test func `where game days are allowed, as often as a primary is lost`() {
        var fleet = founded()
        fleet.edit { $0.gameDay = .allowed }
        fleet.records.clusters["orders"]?.failovers = [10, 20, 30].map { FailoverMark(at: fleet.now - .seconds($0), zone: "zone-a") }
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        #expect(Planner.step(fleet.situation()).records.failover != nil)
    }

    @Test func `a writer that answers again before anything was done stays the writer, under a higher epoch`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        fleet.records.clusters["orders"] = Planner.step(fleet.situation()).records
        fleet.pass(.milliseconds(10))
        let decision = Planner.step(fleet.situation())
        #expect(decision.records.failover == nil && decision.records.epoch == 3 && decision.records.primary == 1)
        #expect(decision.findings.contains { $0.reason == "FailoverAbandoned" })
        #expect(decision.tasks.contains { $0.action == .open(epoch: 3, semiSync: true) })
    }

    @Test func `the writer does not go back to its wanted zone at once`() {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(15), except: [1])
        _ = fleet.converge()
        fleet.pass(.seconds(5))
        let back = fleet.converge()
        #expect(back.waves.flatMap(\.tasks).contains { if case .demote = $0.action { true } else { false } })
        #expect(back.waves.contains { $0.waited.contains { $0.message.contains("cool-down") } })
    }

    @Test(arguments: [(5, false), (40, true)])
    func `the cool-down is configured`(seconds: Int64, waits: Bool) {
        var fleet = founded()
        fleet.policy.failovers.coolDown = .seconds(seconds)
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(15), except: [1])
        _ = fleet.converge()
        fleet.pass(.seconds(20))
        let back = fleet.converge()
        #expect(back.waves.flatMap(\.tasks).contains { if case .demote = $0.action { true } else { false } })
        #expect(back.waves.contains { $0.waited.contains { $0.message.contains("cool-down") } } == waits)
    }

    @Test func `the invariants refuse a promotion that is not covered`() throws {
        var fleet = founded()
        fleet.cutOff([2, 3])
        fleet.pass(.seconds(5), except: [1])
        var situation = fleet.situation()
        situation.records.epoch = 2
        situation.records.primary = 2
        situation.records.failover = FailoverIntent(from: 1, epoch: 2, began: fleet.now, reason: "", ackers: [2, 3], revoked: [2: position(100)])
        let task = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(id(fleet, 2), host: host(fleet, 2)),
            action: .promote(epoch: 2, position: position(100), semiSync: true), cause: .observation(""), summary: "")
        #expect(Invariants.violation([task], in: situation)?.contains("takes writes") == true)
        situation.records.failover?.revoked[3] = position(100)
        #expect(Invariants.violation([task], in: situation) == nil)
    }

    private func id(_ fleet: TestFleet, _ ordinal: Int) -> InstanceID {
        InstanceID(clusterUID: fleet.orders?.uid ?? "", ordinal: ordinal)
    }

    private func outline(_ decision: Decision) -> String {
        decision.tasks.map { task in
            guard case .instance(let id, _) = task.target else { return task.action.name }
            return "\(task.action.name) \(id.ordinal)"
        }.joined(separator: ", ")
    }
}

extension TestFleet {
    /// Time passes; all hosts but those of these instances report again.
    mutating func pass(_ time: Duration, except silent: [Int] = []) {
        now = now + time
        let hosts = silent.compactMap { orders?.member($0)?.host }
        for name in observed.keys where !hosts.contains(name) { observed[name]?.renewed = now }
    }

    /// These replicas lose the connection to their source.
    mutating func cutOff(_ ordinals: [Int]) {
        for ordinal in ordinals { change(ordinal) { $0.database?.replication?.ioRunning = false } }
    }

    mutating func fail(startOf ordinal: Int) {
        guard let records = orders, let start = Planner.step(situation()).tasks.first(where: { $0.action == .start }) else { return }
        self.records.clusters["orders"] = Planner.absorb(.failed("no"), of: start, into: records, at: now, jitter: 0)
    }
}

