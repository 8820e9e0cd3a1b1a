import FleetModel
import Testing

@testable import Planning

/// A move of the lead that something stops halfway comes to its end all the same.
struct StuckLeadTests {
    private func following() -> TwoClusters {
        var two = TwoClusters()
        two.settle()
        two.write(100)
        two.settle()
        return two
    }

    /// `orders-sh` has the lead in the store, and its head is closed still.
    private func taking() throws -> TwoClusters {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.settle()
        try take("orders-sh", &two)
        return two
    }

    /// By a commit that ends its following; the head is not opened yet.
    private func take(_ name: String, _ two: inout TwoClusters) throws {
        two.edit(name) { $0.standbyOf = nil }
        two.world.records.clusters[name] = two.step(name).records
        try #require(two.records(name).lead?.epoch == two.records(name).epoch && two.writable.isEmpty)
    }

    private func diverge(_ two: inout TwoClusters, _ ordinal: Int) {
        two.change("orders-sh", ordinal) {
            $0.database?.replication?.ioRunning = false
            $0.database?.replication?.ioError = "Got fatal error 1236 from master"
        }
    }

    @Test func `a demotion that is heard of once a failover has begun ends no lead`() throws {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        let step = two.step("orders")
        let demote = try #require(step.tasks.first { $0.action.name == "demote" })
        let last = GTIDSet(domains: [7: .init(serverID: 1, sequence: 100)])
        let closed = AttemptOutcome.succeeded(TaskResult(acted: true, position: last))
        var records = step.records
        let ended = Planner.absorb(closed, of: demote, into: records, at: two.world.now, jitter: 0)
        #expect(ended.standby?.name == "orders-sh" && ended.demotion?.position == last)
        records.epoch += 1
        let late = Planner.absorb(closed, of: demote, into: records, at: two.world.now, jitter: 0)
        #expect(late.standby == nil && late.demotion == nil && late.ackSet == records.ackSet)
    }

    @Test func `while nobody leads a head that stands still is attached to whoever led last`() {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.settle()
        let last = GTIDSet(domains: [7: .init(serverID: 1, sequence: 99)])
        for ordinal in [1, 2] {
            two.change("orders-sh", ordinal) {
                $0.database?.binlogPosition = last
                $0.database?.appliedPosition = last
                $0.database?.replication?.receivedPosition = last
            }
        }
        #expect(two.step("orders-sh").tasks.isEmpty, "one that replicates stays where it is")
        two.change("orders-sh", 1) {
            $0.database?.replication?.ioRunning = false
            $0.database?.replication?.sqlRunning = false
        }
        #expect(two.step("orders").tasks.isEmpty, "who led last waits for who is to lead")
        #expect(two.step("orders-sh").tasks.map(\.summary) == ["replicate from orders-1"])
        two.edit("orders-sh") { $0.standbyOf = nil }
        two.settle()
        #expect(two.writable == ["orders-sh-1"] && two.rivals.isEmpty)
    }

    @Test func `a lead is not ended for a head whose source is not known to replicate from the primary`() {
        var two = following()
        two.lost = ["hz-b-1", "hz-b-2"]
        two.pass(.seconds(12))
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        let held = Planner.step(two.situation("orders"))
        #expect(!held.tasks.contains { $0.action.name == "demote" } && held.records.steppingDown == nil)
        #expect(held.waits.contains { $0.message.contains("to follow orders-1 closely") })
    }

    @Test func `accounts that come with the last rows are known to who takes the lead`() throws {
        var two = try taking()
        two.world.records.clusters["orders-sh"]?.preparedReplicas = []
        let decision = two.step("orders-sh")
        #expect(decision.records.preparedReplicas.contains(2) && !decision.tasks.contains { $0.action.name == "prepareReplica" })
        two.settle()
        #expect(two.writable == ["orders-sh-1"])
    }

    @Test func `a replica with other rows does not hold up the opening of who takes the lead`() throws {
        var two = try taking()
        diverge(&two, 2)
        two.settle()
        #expect(two.writable == ["orders-sh-1"] && two.rivals.isEmpty)
        #expect(two.records("orders-sh").ackSet == [2])
    }

    @Test func `who takes the lead and was started again before it had applied all is opened for nobody else can come back before`() throws {
        var two = try taking()
        two.world.records.clusters["orders-sh"]?.leftBehind = [2]
        two.change("orders-sh", 2) { $0.process = .stopped; $0.database = nil }
        two.change("orders-sh", 1) {
            $0.database?.binlogPosition = GTIDSet()
            $0.database?.appliedPosition = GTIDSet()
        }
        func names() -> [String] { Planner.step(two.situation("orders-sh")).tasks.map(\.action.name) }
        // An applier that runs comes to all of it.
        #expect(!names().contains("promote"))
        two.change("orders-sh", 1) {
            $0.database?.replication?.ioRunning = false
            $0.database?.replication?.sqlRunning = false
        }
        #expect(names().contains("promote"))
    }

    @Test func `who acknowledged before a demotion that is taken back, and was not heard since, is refused before the opening`() throws {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.settle()
        try take("orders", &two)
        try #require(two.records("orders").primary == 1)
        let source = try #require(two.records("orders").member(1))
        two.world.records.clusters["orders"]?.leftBehind = [2]
        func step() -> Decision { Planner.step(two.situation("orders")) }
        two.change("orders", 2) {
            $0.epoch = 0
            $0.database?.semiSyncReplica = true
            $0.database?.replication = ReplicationReport(sourceHost: source.address, sourcePort: source.port, ioRunning: true, sqlRunning: true)
        }
        let refusing = step()
        #expect(refusing.tasks.contains { $0.action == .expel(ordinal: 2) } && !refusing.tasks.contains { $0.action.name == "open" })
        #expect(!refusing.records.preparedReplicas.contains(2))
        // One that has promised the epoch acknowledges by an order alone.
        let epoch = two.records("orders").epoch
        two.change("orders", 2) { $0.epoch = epoch }
        #expect(!step().tasks.contains { $0.action.name == "expel" })
    }

    @Test func `a plan of a replica that was refused again and again comes to its end`() throws {
        var two = following()
        let (standby, leading) = (two.records("orders-sh"), two.records("orders"))
        let (head, member) = (try #require(standby.member(1)), try #require(standby.member(2)))
        let attach = PlannedTask(
            unit: UnitID(.cluster, "orders-sh"), target: .instance(InstanceID(clusterUID: standby.uid, ordinal: 2), host: member.host),
            action: .replicate(source: Peer(ordinal: 1, host: head.host, address: head.address, port: head.port)), isVoluntary: true,
            cause: .observation("replication is stopped"), summary: "replicate from orders-sh-1")
        two.change("orders-sh", 2) { $0.database?.replication?.ioRunning = false }
        two.world.records.clusters["orders-sh"]?.failures[Planner.key(of: attach)] = FailureRecord(
            count: 3, last: two.world.now, message: "error 1236: the source has not what this replica has", retryAt: two.world.now)
        let plan = Planner.rehearse(two.situation("orders-sh"))
        #expect(plan.refusal == nil && plan.outline == "rejoin 2 | replicate 2", "\(plan.refusal ?? "") \(plan.outline)")
        two.settle()
        #expect(two.report("orders-sh", 2)?.database?.replication?.sourceHost == head.address && leading.uid != standby.uid)
    }

    @Test func `who can never hold the end of the last lead is told so`() {
        var two = following()
        let other = GTIDSet(domains: [7: .init(serverID: 9, sequence: 100)])
        for ordinal in [1, 2] {
            two.change("orders-sh", ordinal) {
                $0.database?.binlogPosition = other
                $0.database?.appliedPosition = other
                $0.database?.replication?.receivedPosition = other
            }
        }
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.edit("orders-sh") { $0.standbyOf = nil }
        let held = two.settle()["orders-sh"]
        #expect(held?.findings.contains { $0.reason == "LeadHeld" && $0.message.contains("take that demotion back") } == true)
    }
}
