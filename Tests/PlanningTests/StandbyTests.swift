import FleetModel
import Testing

@testable import Planning

/// Two clusters in one world, each step seeing the other's records and facts; instances of `orders` in zones a and b, of
/// `orders-sh` in zone c.
struct TwoClusters {
    var world = TestFleet(TestFleet.orders([1, 1, 0]))
    /// Every state in which more than one instance took writes.
    var rivals: [Set<String>] = []
    private static let roundsMax = 200
    static let names = ["orders", "orders-sh"]

    init() {
        var standby = TestFleet.orders([0, 0, 2])
        standby.metadata.name = "orders-sh"
        (standby.preferredZones, standby.port, standby.standbyOf) = ([], 3307, "orders")
        world.declare(standby)
        _ = world.allocate()
    }

    mutating func edit(_ name: String, _ change: (inout Cluster) -> Void) {
        guard var cluster = world.fleet.clusters[name]?.value else { return }
        change(&cluster)
        world.declare(cluster)
    }

    func records(_ name: String) -> ClusterRecords { world.records.clusters[name] ?? ClusterRecords(uid: "", name: name, gtidDomain: 0) }

    private func related(_ name: String) -> RelatedCluster {
        RelatedCluster(
            name: name, standbyOf: world.fleet.clusters[name]?.value.standbyOf, records: records(name), observed: world.observed)
    }

    func situation(_ name: String) -> ClusterSituation {
        var situation = world.situation()
        (situation.name, situation.desired, situation.records) = (name, world.fleet.clusters[name], records(name))
        situation.upstream = RelatedCluster.upstream(of: situation.records, situation.desired?.value).map(related)
        situation.followers = Self.names.filter { $0 != name }.map(related).filter { $0.isFollower(of: situation.records.uid, named: name) }
        return situation
    }

    /// One step of one cluster, its tasks' effects, and a moment.
    @discardableResult
    mutating func step(_ name: String) -> Decision {
        var situation = situation(name)
        let decision = Planner.step(situation)
        situation.records = decision.records
        #expect(Invariants.violation(decision.tasks, in: situation) == nil)
        world.records.clusters[name] = decision.records
        for task in decision.tasks {
            var after = self.situation(name)
            let result = after.apply(task, ConfigurationCache(after.desired?.value))
            world.observed = after.observed
            world.records.clusters[name] = Planner.absorb(.succeeded(result), of: task, into: records(name), at: world.now, jitter: 0)
            let writable = self.writable
            if writable.count > 1 { rivals.append(writable) }
        }
        pass(.milliseconds(100))
        return decision
    }

    mutating func pass(_ time: Duration) {
        world.now = world.now + time
        for host in world.observed.keys where !lost.contains(host) {
            world.observed[host]?.renewed = world.now
            world.observed[host]?.heard = world.now
        }
    }

    var lost: Set<String> = []

    /// Steps both until neither does anything more; what each said last.
    @discardableResult
    mutating func settle() -> [String: Decision] {
        var last: [String: Decision] = [:]
        for _ in 0..<Self.roundsMax {
            let before = world.records.clusters
            for name in Self.names { last[name] = step(name) }
            if last.values.allSatisfy(\.tasks.isEmpty), world.records.clusters == before { return last }
        }
        Issue.record("they do not come to rest: \(last.mapValues { $0.tasks.map(\.summary) })")
        return last
    }

    func report(_ name: String, _ ordinal: Int) -> InstanceReport? {
        let id = InstanceID(clusterUID: records(name).uid, ordinal: ordinal)
        return records(name).member(ordinal).flatMap { world.observed[$0.host]?.report.instances.first { $0.id == id } }
    }

    mutating func change(_ name: String, _ ordinal: Int, _ edit: (inout InstanceReport) -> Void) {
        let id = InstanceID(clusterUID: records(name).uid, ordinal: ordinal)
        guard let host = records(name).member(ordinal)?.host,
            let index = world.observed[host]?.report.instances.firstIndex(where: { $0.id == id }), var report = world.observed[host]?.report.instances[index]
        else { return }
        edit(&report)
        world.observed[host]?.report.instances[index] = report
    }

    /// `orders-1`, of those that run and are not read-only.
    var writable: Set<String> {
        var found: Set<String> = []
        for name in Self.names {
            for member in records(name).members {
                guard let report = report(name, member.ordinal), report.process == .running, report.database?.readOnly == false else { continue }
                found.insert("\(name)-\(member.ordinal)")
            }
        }
        return found
    }

    /// Everybody holds up to this number of the first cluster's domain.
    mutating func write(_ sequence: Int64, except lagging: [String] = []) {
        let position = GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)])
        for name in Self.names where !lagging.contains(name) {
            for member in records(name).members {
                change(name, member.ordinal) {
                    $0.database?.binlogPosition = position
                    $0.database?.appliedPosition = position
                    $0.database?.replication?.receivedPosition = position
                }
            }
        }
    }
}

struct StandbyTests {
    private func following() -> TwoClusters {
        var two = TwoClusters()
        two.settle()
        two.write(100)
        two.settle()
        return two
    }

    private func expectConverged(_ end: [String: Decision]) {
        for (name, decision) in end { #expect(decision.isConverged, "\(name) waits for \(decision.waits.map(\.message))") }
    }

    private func source(_ two: TwoClusters, _ name: String, _ ordinal: Int) -> String? {
        two.report(name, ordinal)?.database?.replication.map { "\($0.sourceHost):\($0.sourcePort)" }
    }

    private func address(_ two: TwoClusters, _ name: String, _ ordinal: Int) -> String? {
        two.records(name).member(ordinal).map { "\($0.address):\($0.port)" }
    }

    @Test func `a standby is copied from the cluster that leads, and only its head replicates from there, from who acknowledges`() {
        var two = TwoClusters()
        let end = two.settle()
        expectConverged(end)
        #expect(two.writable == ["orders-1"] && two.rivals.isEmpty)
        let standby = two.records("orders-sh")
        #expect(standby.standby == StandbyRole(clusterUID: two.records("orders").uid, name: "orders") && standby.isFounded)
        #expect(two.records("orders").ackSet == [2] && source(two, "orders-sh", 1) == address(two, "orders", 2))
        #expect(source(two, "orders-sh", 2) == address(two, "orders-sh", 1))
        #expect(two.report("orders", 1)?.database?.standbyAccounts.map(\.ordinal) == [1, 2])
        #expect(end.values.flatMap(\.findings).isEmpty)
    }

    @Test func `where its source is lost the head follows the primary, until there is somebody who acknowledges`() {
        var two = following()
        two.change("orders", 2) { $0.database?.replication?.ioRunning = false }
        #expect(two.step("orders-sh").tasks.map(\.action.name) == ["replicate"])
        #expect(source(two, "orders-sh", 1) == address(two, "orders", 1))
        expectConverged(two.settle())
        #expect(source(two, "orders-sh", 1) == address(two, "orders", 2))
    }

    @Test func `without anybody who acknowledges the head follows the primary`() {
        var two = following()
        two.edit("orders") { $0.durability = .async }
        expectConverged(two.settle())
        #expect(two.records("orders").ackSet.isEmpty && source(two, "orders-sh", 1) == address(two, "orders", 1))
    }

    @Test func `while the writer is being changed the head stays where it is`() {
        var two = following()
        two.change("orders", 2) { $0.database?.replication?.sqlRunning = false }
        two.world.records.clusters["orders"]?.switchover = SwitchoverIntent(from: 1, to: 2, epoch: 9, began: two.world.now, reason: "by hand")
        let held = two.step("orders-sh")
        #expect(held.tasks.isEmpty && held.waits.contains { $0.message.contains("the end of the change of primary") })
    }

    @Test func `the head follows a new primary, and another one follows where the head is lost`() {
        var two = following()
        two.lost = ["hz-a-1"]
        two.pass(.seconds(12))
        for (name, ordinal) in [("orders", 2), ("orders-sh", 1)] {
            two.change(name, ordinal) { $0.database?.replication?.ioRunning = false }
        }
        two.settle()
        #expect(two.records("orders").primary == 2)
        #expect(source(two, "orders-sh", 1) == address(two, "orders", 2))
        let head = two.records("orders-sh").member(1)?.host ?? ""
        two.lost.insert(head)
        two.pass(.seconds(12))
        two.settle()
        #expect(two.records("orders-sh").primary == 2)
        #expect(source(two, "orders-sh", 2) == address(two, "orders", 2))
    }

    @Test(arguments: [false, true]) func `the lead moves without a moment of two, in one commit or in two`(isOneCommit: Bool) {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        if !isOneCommit {
            two.settle()
            #expect(two.writable.isEmpty)
            let demotion = two.records("orders").demotion
            #expect(demotion?.position == GTIDSet("7-1-100"))
            two.edit("orders-sh") {
                $0.standbyOf = nil
                $0.promotionToken = DemotionToken(clusterUID: "other", epoch: 3, position: GTIDSet())
            }
            let held = two.settle()
            #expect(held["orders-sh"]?.findings.map(\.reason) == ["LeadHeld"] && two.writable.isEmpty)
            two.edit("orders-sh") { $0.promotionToken = demotion.flatMap { DemotionToken($0.description) } }
        } else {
            two.edit("orders-sh") { $0.standbyOf = nil }
        }
        let end = two.settle()
        expectConverged(end)
        #expect(two.writable == ["orders-sh-1"] && two.rivals.isEmpty)
        #expect(two.records("orders").standby?.name == "orders-sh" && two.records("orders-sh").standby == nil)
        #expect(two.records("orders-sh").epoch > two.records("orders").epoch)
        #expect(source(two, "orders", 1) == address(two, "orders-sh", 2) && source(two, "orders", 2) == address(two, "orders", 1))
        #expect(two.records("orders-sh").ackSet == [2] && two.records("orders").ackSet == [])
        #expect(two.report("orders", 2)?.database?.semiSyncReplica == false)
        // And back.
        two.edit("orders-sh") {
            $0.standbyOf = "orders"
            $0.promotionToken = nil
        }
        two.edit("orders") { $0.standbyOf = nil }
        two.settle()
        #expect(two.writable == ["orders-1"] && two.rivals.isEmpty)
        #expect(two.records("orders").epoch > two.records("orders-sh").epoch)
        // And once more, after rows that the first end of this lead knew nothing of.
        two.write(200)
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.edit("orders-sh") { $0.standbyOf = nil }
        two.settle()
        #expect(two.writable == ["orders-sh-1"] && two.rivals.isEmpty)
        #expect(two.records("orders-sh").lead?.position == GTIDSet("7-1-200"))
        #expect(two.records("orders").demotion == nil && two.records("orders-sh").demotion == nil)
    }

    @Test func `who holds another row of the last number of a lead does not take it`() {
        var two = following()
        // Of a primary that was lost before anybody acknowledged it.
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
        #expect(two.writable.isEmpty && two.records("orders").demotion?.position == GTIDSet("7-1-100"))
        #expect(held?.waits.contains { $0.message.contains("to hold everything up to 7-1-100") } == true)
    }

    @Test func `a demotion is taken back as long as nobody leads`() {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.settle()
        #expect(two.writable.isEmpty)
        two.edit("orders") { $0.standbyOf = nil }
        let end = two.settle()
        #expect(two.writable == ["orders-1"] && two.records("orders").demotion == nil)
        // The other side was never given up.
        two.edit("orders-sh") { $0.standbyOf = nil }
        let held = two.settle()["orders-sh"]
        #expect(held?.findings.map(\.reason) == ["LeadHeld"])
        two.edit("orders-sh") { $0.standbyOf = "orders" }
        two.settle()
        expectConverged(end)
    }

    @Test func `what a silent host was ordered does not hold up the end of a lead`() throws {
        var two = following()
        two.lost = ["hz-b-1", "hz-b-2"]
        two.pass(.seconds(20))
        two.settle()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        var situation = two.situation("orders")
        let silent = try #require(situation.records.member(2))
        let kill = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(InstanceID(clusterUID: situation.records.uid, ordinal: 2), host: silent.host),
            action: .fence(epoch: 1), isVoluntary: false, cause: .observation("it was left behind"), summary: "kill the former writer")
        situation.running = [RunningAttempt(id: "1", task: kill, started: two.world.now)]
        #expect(Planner.step(situation).tasks.map(\.action.name) == ["demote"])
    }

    @Test func `a plan of a move does not depend on how old the reports are`() {
        var two = following()
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.world.now = two.world.now + .seconds(4)
        let plan = Planner.rehearse(two.situation("orders"))
        #expect(plan.outline.hasPrefix("demote 1"), "\(plan.waits.map(\.message))")
    }

    @Test func `a lead that is not near, or not followed, is not ended`() {
        var two = following()
        two.change("orders-sh", 1) { $0.database?.replication?.lagSeconds = 400 }
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        let held = two.settle()
        #expect(two.writable == ["orders-1"] && held["orders"]?.isConverged == false)
    }

    @Test func `a lead is given up only as the manifest says, and who had it is closed whatever its own says`() {
        var two = following()
        two.write(103, except: ["orders-sh"])
        let epoch = two.records("orders").epoch
        two.lost = ["hz-a-1", "hz-b-1", "hz-b-2"]
        two.edit("orders-sh") { $0.standbyOf = nil }
        two.pass(.seconds(20))
        for ordinal in [1, 2] { two.change("orders-sh", ordinal) { $0.database?.replication?.ioRunning = ordinal == 2 } }
        let held = two.settle()["orders-sh"]
        #expect(held?.findings.first { $0.reason == "LeadHeld" }?.message.contains("acceptLoss: \(epoch)") == true)
        #expect(held?.findings.first { $0.reason == "LeadHeld" }?.message.contains("3 commits that were seen") == true)
        two.edit("orders-sh") { $0.acceptLoss = epoch + 1 }
        #expect(two.settle()["orders-sh"]?.findings.contains { $0.reason == "LeadHeld" } == true)
        two.edit("orders-sh") { $0.acceptLoss = epoch }
        let taken = two.settle()["orders-sh"]
        #expect(two.writable.contains("orders-sh-1") && two.records("orders-sh").lead?.loss == 3)
        #expect(taken?.findings.contains { $0.reason == "DataAtRisk" } == true)
        #expect(two.records("orders").standby?.name == "orders-sh")
        // Its region is heard again.
        two.lost = []
        two.pass(.seconds(1))
        let back = two.settle()["orders"]
        #expect(two.writable == ["orders-sh-1"])
        #expect(back?.findings.contains { $0.reason == "Superseded" } == true)
        #expect(two.report("orders", 1)?.process == .stopped)
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        let end = two.settle()
        expectConverged(end)
        #expect(two.records("orders").leftBehind.isEmpty && two.writable == ["orders-sh-1"])
        #expect(source(two, "orders", 1) == address(two, "orders-sh", 2))
        // It is a standby like any other now.
        two.edit("orders") { $0.standbyOf = nil }
        #expect(two.settle()["orders"]?.findings.map(\.reason) == ["LeadHeld"])
    }

    @Test func `where all of a standby hold what no candidate has they are compared one after the other`() throws {
        var two = following()
        for ordinal in [1, 2] {
            two.change("orders-sh", ordinal) {
                $0.database?.replication?.ioRunning = false
                $0.database?.replication?.ioError = "Got fatal error 1236 from master"
            }
        }
        let first = two.step("orders-sh")
        #expect(first.tasks.map(\.action.name) == ["rejoin"] && first.records.primary == 1)
        #expect(first.waits.contains { $0.message.contains("orders-sh-1 to be a copy again, before orders-sh-2 is compared") })
        // The one that is a copy again becomes the head, and nobody follows the other.
        #expect(two.step("orders-sh").tasks.map(\.action.name) == ["replicate"])
        let next = two.step("orders-sh")
        #expect(next.tasks.map(\.action.name) == ["rejoin"] && next.records.primary == 1)
        two.change("orders-sh", 1) { $0.database?.replication?.ioError = "error 1236" }
        two.change("orders-sh", 1) { $0.database?.replication?.ioRunning = false }
        expectConverged(two.settle())
        #expect(two.records("orders-sh").primary == 2 && source(two, "orders-sh", 2) == address(two, "orders", 2))
    }

    @Test func `who is turned to a head that is lost is turned away, to be the head`() throws {
        var two = following()
        let head = try #require(two.records("orders-sh").member(1))
        let turn = PlannedTask(
            unit: UnitID(.cluster, "orders-sh"), target: .instance(InstanceID(clusterUID: two.records("orders-sh").uid, ordinal: 2), host: "hz-c-2"),
            action: .replicate(source: Peer(ordinal: 1, host: head.host, address: head.address, port: head.port)), isVoluntary: true,
            cause: .observation("replication is stopped"), summary: "replicate from orders-sh-1")
        var situation = two.situation("orders-sh")
        situation.running = [RunningAttempt(id: "1", task: turn, started: two.world.now)]
        #expect(Planner.step(situation).cancel.isEmpty)
        two.lost = [head.host]
        two.pass(.seconds(12))
        situation = two.situation("orders-sh")
        situation.running = [RunningAttempt(id: "1", task: turn, started: two.world.now)]
        #expect(Planner.step(situation).cancel == ["1"])
    }

    @Test func `where the head is to be compared too, a copy is made of the lead`() throws {
        var two = following()
        two.world.records.clusters["orders-sh"]?.primary = 2
        two.settle()
        two.change("orders-sh", 1) { ($0.directory, $0.process, $0.database) = (.halfMade, .stopped, nil) }
        two.change("orders-sh", 2) {
            $0.database?.replication?.ioRunning = false
            $0.database?.replication?.ioError = "Got fatal error 1236 from master"
        }
        let tasks = two.step("orders-sh").tasks
        #expect(tasks.map(\.action.name) == ["clone"] && tasks.first?.alsoBusy?.clusterUID == two.records("orders").uid)
        expectConverged(two.settle())
    }

    @Test func `who cannot be asked while the lead is taken is let in again only once it was compared`() {
        var two = following()
        two.lost = [two.records("orders-sh").member(2)?.host ?? ""]
        two.pass(.seconds(12))
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.edit("orders-sh") {
            $0.standbyOf = nil
            $0.durability = .async
        }
        two.settle()
        #expect(two.writable == ["orders-sh-1"] && two.records("orders-sh").leftBehind == [2])
        #expect(two.report("orders-sh", 1)?.database?.replicationAccounts.contains(2) == false)
        two.lost = []
        two.pass(.seconds(1))
        expectConverged(two.settle())
        #expect(two.records("orders-sh").leftBehind.isEmpty && source(two, "orders-sh", 2) == address(two, "orders-sh", 1))
    }

    @Test func `no wave opens a cluster beside the one that leads, nor before the end of the last lead`() throws {
        var two = following()
        var situation = two.situation("orders-sh")
        let task = PlannedTask(
            unit: UnitID(.cluster, "orders-sh"), target: .instance(InstanceID(clusterUID: situation.records.uid, ordinal: 1), host: "hz-c-1"),
            action: .promote(epoch: 9, position: GTIDSet(), semiSync: false), isVoluntary: false, cause: .observation("a bug"), summary: "open")
        #expect(Invariants.violation([task], in: situation)?.contains("while orders leads") == true)
        two.edit("orders") { $0.standbyOf = "orders-sh" }
        two.settle()
        situation = two.situation("orders-sh")
        let orders = try #require(situation.upstream?.records)
        (situation.records.standby, situation.records.epoch, situation.records.primary) = (nil, 9, 1)
        situation.records.lead = LeadTaken(from: orders.uid, epoch: 9, position: GTIDSet("7-1-99") ?? GTIDSet())
        #expect(Invariants.violation([task], in: situation)?.contains("without the last rows of orders") == true)
        situation.records.lead?.position = GTIDSet("7-1-100") ?? GTIDSet()
        #expect(Invariants.violation([task], in: situation) == nil)
    }

    @Test func `while it takes writes in sight a lead is not given up`() {
        var two = following()
        let epoch = two.records("orders").epoch
        two.edit("orders-sh") {
            $0.standbyOf = nil
            $0.acceptLoss = epoch
        }
        #expect(two.settle()["orders-sh"]?.findings.map(\.reason) == ["LeadHeld"])
        #expect(two.writable == ["orders-1"])
    }
}
