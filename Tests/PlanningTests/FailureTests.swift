import FleetModel
import Planning
import Testing

/// Tasks that fail, hosts that are silent, switchovers that are given up.
struct FailureTests {
    private func converged() -> TestFleet {
        var fleet = TestFleet()
        fleet.converge()
        return fleet
    }

    /// Steps once, lets each task end as told, and returns the actions' names.
    private func pass(_ fleet: inout TestFleet, _ outcome: (PlannedTask) -> AttemptOutcome?) -> [String] {
        let decision = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = decision.records
        for task in decision.tasks {
            guard let outcome = outcome(task), let records = fleet.orders else { continue }
            fleet.records.clusters["orders"] = Planner.absorb(outcome, of: task, into: records, at: fleet.now, jitter: 0)
        }
        return decision.tasks.map(\.action.name)
    }

    @Test func `a failed task is let rest, then tried again, then stalls its unit`() throws {
        var fleet = converged()
        fleet.edit { $0.databases.append(DatabaseSpec(name: "audit")) }
        var delays: [Int64] = []
        for _ in 0..<FailureRecord.stalledAfter {
            #expect(pass(&fleet) { _ in .failed("disk full") } == ["ensureDatabase"])
            #expect(pass(&fleet) { _ in nil } == [])
            let failure = try #require(fleet.orders?.failures.values.first)
            delays.append((failure.retryAt - fleet.now).milliseconds)
            fleet.now = failure.retryAt
            for host in TestFleet.hostNames { fleet.observed[host]?.renewed = fleet.now }
        }
        #expect(delays == [1000, 2000, 4000, 8000, 16000])
        let stalled = Planner.step(fleet.situation()).conditions.first { $0.type == .stalled }
        #expect(stalled?.isTrue == true && stalled?.message == "disk full")
    }

    @Test func `a failure of what nothing asks for any more stalls nothing`() throws {
        var fleet = converged()
        let before = try #require(fleet.fleet.clusters["orders"]?.value)
        fleet.edit { $0.databases.append(DatabaseSpec(name: "audit")) }
        for _ in 0..<FailureRecord.stalledAfter {
            _ = pass(&fleet) { _ in .failed("disk full") }
            fleet.now = try #require(fleet.orders?.failures.values.first).retryAt
            for host in TestFleet.hostNames { fleet.observed[host]?.renewed = fleet.now }
        }
        #expect(Planner.step(fleet.situation()).conditions.contains { $0.type == .stalled && $0.isTrue })
        fleet.declare(before)
        let decision = Planner.step(fleet.situation())
        #expect(decision.isConverged)
        #expect(!decision.conditions.contains { $0.type == .stalled })
        #expect(decision.conditions.contains { $0.type == .ready && $0.isTrue })
    }

    @Test func `a failing task holds up no other`() {
        var fleet = converged()
        fleet.edit { $0.databases.append(DatabaseSpec(name: "audit")) }
        _ = pass(&fleet) { _ in .failed("no") }
        fleet.edit { $0.parameters["max_connections"] = "300" }
        #expect(pass(&fleet) { _ in nil }.contains("setVariables"))
    }

    @Test func `a switchover whose target is lost is given up as soon as that is known`() throws {
        var fleet = converged()
        fleet.records.clusters["orders"]?.requestedPrimary = 2
        let begun = pass(&fleet) { _ in nil }
        #expect(fleet.orders?.switchover?.to == 2 && begun.contains("replicate"))
        let lost = try #require(fleet.orders?.member(2)?.host)
        fleet.now = fleet.now + Planner.silenceMin
        for name in fleet.observed.keys where name != lost { fleet.observed[name]?.renewed = fleet.now }
        _ = pass(&fleet) { _ in nil }
        #expect(fleet.orders?.switchover == nil && fleet.orders?.primary == 1)
        #expect(fleet.orders?.failures["switchover"]?.message.contains("is lost") == true)
    }

    @Test func `a demotion that fails gives the switchover up under a higher epoch`() {
        var fleet = converged()
        fleet.edit { $0.preferredZones = ["zone-b"] }
        var seen: [String] = []
        for _ in 0..<6 {
            let names = pass(&fleet) { task in
                if task.action.name == "demote" { return .failed("a statement runs for 12 s") }
                return .succeeded(TaskResult())
            }
            seen += names
            applyEffects(of: names, &fleet)
            if fleet.orders?.switchover == nil && seen.contains("demote") { break }
        }
        #expect(seen.contains("demote") && !seen.contains("promote"))
        #expect(fleet.orders?.primary == 1 && fleet.orders?.epoch == 3)
        #expect(fleet.orders?.failures["switchover"]?.count == 1)
    }

    @Test func `a demotion that is held up is asked for again, and given up after a minute with what holds it up`() {
        var fleet = converged()
        fleet.records.clusters["orders"]?.requestedPrimary = 2
        let why = "thread 7 of app@10.0.0.9 has run for 12 s: UPDATE t SET a = ?"
        var (demotions, waited) = (0, false)
        let began = fleet.now
        while fleet.now - began < .seconds(70) {
            let decision = Planner.step(fleet.situation())
            waited = waited || decision.waits.contains { $0.message.contains(why) }
            let names = pass(&fleet) { task in
                if task.action.name == "demote" { return .refused(why) }
                return .succeeded(TaskResult())
            }
            demotions += names.count { $0 == "demote" }
            applyEffects(of: names, &fleet)
            if demotions > 0, fleet.orders?.switchover == nil { break }
            fleet.now = fleet.now + .milliseconds(500)
            for name in fleet.observed.keys { fleet.observed[name]?.renewed = fleet.now }
        }
        #expect(waited && demotions > 10 && fleet.now - began > .seconds(60))
        #expect(fleet.orders?.switchover == nil && fleet.orders?.primary == 1 && fleet.orders?.requestedPrimary == nil)
        #expect(fleet.orders?.failures["switchover"]?.message == why && fleet.orders?.failures.count == 1)
    }

    /// The third member follows the candidate; without this the preparation would never be done.
    private func applyEffects(of names: [String], _ fleet: inout TestFleet) {
        guard let to = fleet.orders?.switchover?.to, let target = fleet.orders?.member(to) else { return }
        let other = 5 - to
        if names.contains("replicate") {
            fleet.change(other) {
                $0.database?.replication = ReplicationReport(sourceHost: target.address, sourcePort: target.port, ioRunning: true, sqlRunning: true)
                $0.database?.semiSyncReplica = false
            }
        } else if names.contains("acknowledge") {
            fleet.change(other) { $0.database?.semiSyncReplica = true }
        }
    }

    /// A switchover as far as to the order that opens the candidate, which is not carried out yet.
    private func promotion(of fleet: inout TestFleet) -> PlannedTask? {
        fleet.edit { $0.preferredZones = ["zone-b"] }
        for _ in 0..<8 {
            let decision = Planner.step(fleet.situation())
            fleet.records.clusters["orders"] = decision.records
            if let promotion = decision.tasks.first(where: { $0.action.name == "promote" }) { return promotion }
            let names = decision.tasks.map(\.action.name)
            for task in decision.tasks where task.action.name == "demote" {
                fleet.change(1) { $0.database?.readOnly = true }
                fleet.records.clusters["orders"] = Planner.absorb(
                    .succeeded(TaskResult(position: GTIDSet("1-1-9"))), of: task, into: decision.records, at: fleet.now, jitter: 0)
            }
            applyEffects(of: names, &fleet)
        }
        return nil
    }

    @Test func `a candidate that took over, of which nobody heard, and died since, is started and opened`() throws {
        var fleet = converged()
        let task = try #require(promotion(of: &fleet))
        let records = fleet.orders
        fleet.carryOut(task)
        fleet.records.clusters["orders"] = records
        fleet.change(2) { ($0.process, $0.isWriter) = (.stopped, true) }
        #expect(fleet.carryOutStep().tasks.map(\.action) == [.start])
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.contains("open 2"))
        #expect(fleet.orders?.switchover == nil && fleet.orders?.primary == 2)
    }

    @Test func `a promotion whose attempt still runs is neither repeated nor given up`() throws {
        var fleet = converged()
        let task = try #require(promotion(of: &fleet))
        guard case .promote(let epoch, let position, let semiSync, _, _) = task.action else { return }
        #expect(epoch == 2 && position == GTIDSet("1-1-9") && semiSync)
        #expect(fleet.orders?.switchover?.isPastReturn == true && fleet.orders?.primary == 2)
        let running = RunningAttempt(id: "a1", task: task, started: fleet.now)
        let held = Planner.step(fleet.situation([running]))
        #expect(held.tasks.isEmpty && held.records.epoch == 2 && !held.waits.isEmpty)
        // The agent answers that it failed: only now the old writer is affirmed.
        let failed = Planner.absorb(.failed("did not catch up"), of: task, into: held.records, at: fleet.now, jitter: 0)
        fleet.records.clusters["orders"] = failed
        let back = Planner.step(fleet.situation())
        #expect(back.records.primary == 1 && back.records.epoch == 3)
        #expect(back.tasks.contains { $0.action == .open(epoch: 3, semiSync: true) } || !back.waits.isEmpty)
        // The candidate still acknowledges for the old writer.
        #expect(held.records.ackSet == [3] && back.records.ackSet == [2, 3])
    }

    @Test func `who could not be asked while a candidate was chosen may acknowledge for the old writer again`() throws {
        var fleet = converged()
        let task = try #require(promotion(of: &fleet))
        var records = try #require(fleet.orders)
        (records.ackSet, records.leftBehind) = ([], [3])
        fleet.records.clusters["orders"] = Planner.absorb(.refused("it has not applied all"), of: task, into: records, at: fleet.now, jitter: 0)
        fleet.pass(.seconds(20), except: [3])
        let back = Planner.step(fleet.situation()).records
        #expect(back.primary == 1 && back.ackSet == [2, 3])
    }

    @Test func `what a lost third host was ordered does not hold up a switchover`() throws {
        var fleet = converged()
        fleet.records.clusters["orders"]?.requestedPrimary = 2
        let begun = Planner.step(fleet.situation())
        fleet.records.clusters["orders"] = begun.records
        let attach = try #require(begun.tasks.first { $0.action.name == "replicate" })
        let running = RunningAttempt(id: "a1", task: attach, started: fleet.now)
        #expect(Planner.step(fleet.situation([running])).tasks.isEmpty)
        fleet.pass(.seconds(20), except: [3])
        #expect(Planner.step(fleet.situation([running])).tasks.map(\.action.name) == ["demote"])
    }

    @Test func `an open writer that its agent does not know as the writer, or only under a lower epoch, is affirmed`() {
        let open = Action.open(epoch: 1, semiSync: true)
        var fleet = converged()
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
        fleet.change(1) { $0.isWriter = false }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action) == [open])
        fleet.change(1) { ($0.isWriter, $0.epoch) = (true, 0) }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action) == [open])
    }

    @Test func `suspended, only what has died is started`() {
        var fleet = converged()
        fleet.edit { $0.suspend = true; $0.parameters["max_connections"] = "300" }
        fleet.change(2) { $0.process = .stopped }
        fleet.change(3) { $0.database?.replication = nil }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action.name) == ["start"])
    }

    @Test func `a clone that is wanted no more is cancelled, and what it left is deleted`() throws {
        var fleet = converged()
        fleet.declare(TestFleet.orders([1, 2, 1]))
        _ = fleet.allocate()
        let clone = try #require(Planner.step(fleet.situation()).tasks.first { $0.action.name == "clone" })
        fleet.declare(TestFleet.orders([1, 1, 1]))
        _ = fleet.allocate()
        let running = RunningAttempt(id: "a7", task: clone, started: fleet.now)
        #expect(Planner.step(fleet.situation([running])).cancel == ["a7"])
        guard case .instance(let id, let host) = clone.target else { return }
        fleet.observed[host]?.report.instances.append(InstanceReport(id: id, port: 3306, directory: .halfMade))
        #expect(fleet.converge().outline == "purge 4")
        #expect(fleet.orders?.member(4)?.phase == .purged)
    }

    @Test func `a cluster that is declared no more is left as it is`() {
        var fleet = converged()
        fleet.fleet.clusters["orders"] = nil
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.isEmpty && decision.conditions.first?.reason == "NotDeclared")
    }

    @Test func `a primary whose replicas are all gone is not opened`() {
        var fleet = converged()
        fleet.change(1) { $0.database?.readOnly = true; $0.database?.semiSyncPrimary = false }
        for ordinal in 2...3 { fleet.change(ordinal) { $0.process = .stopped } }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.map(\.action.name) == ["start", "start"])
        #expect(decision.findings.contains { $0.reason == "WriterClosed" })
    }
}

/// The checks that share nothing with step.
struct InvariantTests {
    private func task(_ action: Action, _ ordinal: Int, _ fleet: TestFleet) -> PlannedTask {
        let records = fleet.orders ?? ClusterRecords(uid: "", name: "", gtidDomain: 0)
        return PlannedTask(
            unit: UnitID(.cluster, "orders"),
            target: .instance(InstanceID(clusterUID: records.uid, ordinal: ordinal), host: records.member(ordinal)?.host ?? ""),
            action: action, cause: .observation("test"), summary: "")
    }

    @Test func `waves that would break an invariant are refused`() {
        var fleet = TestFleet()
        fleet.converge()
        let world = fleet.situation()
        let blueprint = InstanceBlueprint(
            clusterName: "orders", port: 1, address: "", serverID: 9, gtidDomain: 1, engineVersion: "10.11", configuration: "", storageBytes: 0)
        let forbidden: [[PlannedTask]] = [
            [task(.open(epoch: 1, semiSync: true), 2, fleet)],
            [task(.promote(epoch: 9, position: GTIDSet(), semiSync: true), 1, fleet)],
            [task(.purge, 2, fleet)], [task(.retire, 1, fleet)], [task(.retire, 2, fleet)],
            [task(.install(blueprint), 2, fleet)], [task(.start, 2, fleet), task(.close, 2, fleet)],
            [task(.restart(isPrimary: false), 2, fleet), task(.restart(isPrimary: false), 3, fleet)],
            [task(.upgrade(isPrimary: false, version: "10.11.20"), 2, fleet), task(.restart(isPrimary: false), 3, fleet)],
            [task(.upgrade(isPrimary: false, version: "11.4.2"), 2, fleet)],
        ]
        for wave in forbidden { #expect(Invariants.violation(wave, in: world) != nil, "\(wave.map(\.action.name))") }
        #expect(Invariants.violation([task(.restart(isPrimary: false), 2, fleet)], in: world) == nil)
    }
}

struct AdmissionTests {
    @Test func `limits hold voluntary tasks and never involuntary ones`() {
        var policy = PlanningPolicy()
        policy.attemptsPerHostMax = 1
        func task(_ ordinal: Int, _ voluntary: Bool) -> PlannedTask {
            PlannedTask(
                unit: UnitID(.cluster, "c\(ordinal)"), target: .instance(InstanceID(clusterUID: "u\(ordinal)", ordinal: 1), host: "h"),
                action: .start, isVoluntary: voluntary, cause: .observation(""), summary: "")
        }
        let (admitted, held) = Planner.admit([task(1, true), task(2, true), task(3, false)], running: [], policy: policy)
        #expect(admitted.map(\.unit.name) == ["c3"])
        #expect(held.map(\.task.unit.name) == ["c1", "c2"])
    }
}

struct AllocationTests {
    @Test func `placement is sticky and numbers are never used twice`() throws {
        var fleet = TestFleet()
        fleet.converge()
        let before = try #require(fleet.orders)
        #expect(fleet.allocate().isEmpty && fleet.orders == before)
        fleet.declare(TestFleet.orders([1, 1, 0]))
        fleet.converge()
        fleet.declare(TestFleet.orders([1, 1, 1]))
        fleet.converge()
        let after = try #require(fleet.orders)
        #expect(after.members.map(\.ordinal) == [1, 2, 3, 4])
        #expect(Set(after.members.map(\.serverID)).count == 4)
        #expect(before.gtidDomain >> 24 == 1 && before.members.allSatisfy { $0.serverID >> 24 == 1 })
    }

    @Test func `a directory that is kept leaves its host to a new instance`() {
        var fleet = TestFleet()
        fleet.converge()
        // More often than the zone has hosts.
        for _ in 0..<4 {
            fleet.declare(TestFleet.orders([1, 1, 0]))
            fleet.converge()
            fleet.declare(TestFleet.orders([1, 1, 1]))
            #expect(fleet.allocate().isEmpty)
            #expect(fleet.converge().refusal == nil)
        }
        #expect(fleet.orders?.members.count { $0.phase == .active && $0.zone == "zone-c" } == 1)
        #expect(fleet.converge().outline == "")
    }

    @Test func `more instances than hosts is a problem at its field`() {
        var fleet = TestFleet(TestFleet.orders([2, 1, 1]))
        let problems = fleet.allocate()
        #expect(problems.map(\.field) == ["spec.placement[0].replicas"])
        #expect(fleet.orders == nil)
        #expect(problems.first?.message.contains("hold one of it already") == true)
    }

    @Test func `a port that is taken on the only host is a problem`() {
        var fleet = TestFleet()
        _ = fleet.allocate()
        var second = TestFleet.orders()
        second.metadata.name = "billing"
        fleet.declare(second)
        let problems = fleet.allocate()
        #expect(problems.count == 1 && problems.first?.message.contains("port 3306 taken") == true)
        second.port = nil
        fleet.declare(second)
        #expect(fleet.allocate().isEmpty)
        #expect(fleet.records.clusters["billing"]?.members.allSatisfy { $0.port == 3307 } == true)
    }

    @Test func `unschedulable hosts get nothing new`() {
        var fleet = TestFleet()
        fleet.fleet.hosts["hz-b-1"] = fleet.fleet.hosts["hz-b-1"].map { declared in
            var declared = declared
            declared.value.schedulable = false
            return declared
        }
        _ = fleet.allocate()
        #expect(fleet.orders?.members.map(\.host) == ["hz-a-1", "hz-b-2", "hz-c-1"])
    }

    @Test func `a host with too little storage left gets nothing, and a kept directory takes its share`() {
        var fleet = TestFleet(TestFleet.orders([0, 1, 0]))
        fleet.change(host: "hz-b-1") { $0.capacity.storageBytes = 1 << 30 }
        fleet.change(host: "hz-b-2") { $0.capacity.storageBytes = 1 << 20 }
        #expect(fleet.allocate().isEmpty && fleet.orders?.members.map(\.host) == ["hz-b-1"])
        fleet.records.clusters["orders"]?.members[0].phase = .retired(until: fleet.now)
        let problems = fleet.allocate()
        #expect(problems.first?.message.hasSuffix("2 have too little storage left (capacity.storage)") == true)
    }

    @Test func `a host that is drained gives its instances to others of its zone, the new ones first`() {
        var fleet = TestFleet()
        fleet.converge()
        let old = fleet.orders?.members.first { $0.host.hasPrefix("hz-b") }?.host ?? ""
        let other = old == "hz-b-1" ? "hz-b-2" : "hz-b-1"
        fleet.change(host: old) { $0.drain = true }
        let rehearsal = fleet.converge()
        let actions = rehearsal.waves.flatMap { $0.tasks.map(\.action.name) }
        #expect(actions.last == "retire" && actions.contains("clone"))
        for task in rehearsal.waves.flatMap(\.tasks) {
            guard case .manifest(_, let at, let field) = task.cause else { continue }
            #expect(at.file == "h.yaml" && field == "spec.drain")
        }
        #expect(fleet.orders?.members.filter { $0.phase == .active }.map(\.host).sorted() == ["hz-a-1", other, "hz-c-1"].sorted())
        #expect(fleet.converge().waves.isEmpty)
    }

    @Test func `a primary on a drained host moves by a switchover`() {
        var fleet = TestFleet(TestFleet.orders([0, 1, 1]))
        fleet.edit { $0.preferredZones = ["zone-b"] }
        fleet.converge()
        let old = fleet.orders?.member(fleet.orders?.primary ?? 0)?.host ?? ""
        fleet.change(host: old) { $0.drain = true }
        let actions = fleet.converge().waves.flatMap { $0.tasks.map(\.action.name) }
        // Its successor is in its own zone, where nobody acknowledges for it: the writer goes by way of another zone.
        #expect(actions.filter { $0 == "promote" }.count == 2 && actions.contains("retire"))
        let primary = fleet.orders?.member(fleet.orders?.primary ?? 0)
        #expect(primary?.zone == "zone-b" && primary?.host != old)
    }

    @Test func `a drained host that no other can stand in for keeps its instances, and that is told`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.change(host: "hz-a-1") { $0.drain = true }
        let problems = fleet.allocate()
        #expect(problems.first?.message.contains("but it has no schedulable host") == true)
        #expect(fleet.orders?.members.allSatisfy { $0.phase == .active } == true)
    }

    @Test func `a drain that is called off leaves what has moved where it is`() {
        var fleet = TestFleet()
        fleet.converge()
        let old = fleet.orders?.members.first { $0.host.hasPrefix("hz-b") }?.host ?? ""
        fleet.change(host: old) { $0.drain = true }
        fleet.converge()
        fleet.change(host: old) { $0.drain = false }
        #expect(fleet.converge().waves.isEmpty)
    }

    @Test func `the primary is the last of its zone to leave`() {
        var fleet = TestFleet(TestFleet.orders([1, 2, 0]))
        fleet.edit { $0.preferredZones = ["zone-b"] }
        fleet.converge()
        #expect(fleet.orders?.primary == 2)
        fleet.edit { $0.placement = [Placement(zone: "zone-a", replicas: 1), Placement(zone: "zone-b", replicas: 1)] }
        _ = fleet.allocate()
        #expect(fleet.orders?.member(3)?.phase == .leaving && fleet.orders?.member(2)?.phase == .active)
    }
}
