import FleetModel
import Planning
import Testing

/// What we do ourselves is no drift, and what we are mending stays told until it is mended.
struct OwnActTests {
    private func converged(_ cluster: Cluster = TestFleet.orders()) -> TestFleet {
        var fleet = TestFleet(cluster)
        fleet.converge()
        return fleet
    }

    /// Findings of every step on the way to the end, each task taking effect by itself.
    private func findings(_ fleet: inout TestFleet, stepsMax: Int = 60) -> [String] {
        var found: [String] = []
        for _ in 0..<stepsMax {
            _ = fleet.allocate()
            let decision = Planner.step(fleet.situation())
            found += decision.findings.map { "\($0.reason) \($0.subject)" }
            fleet.records.clusters["orders"] = decision.records
            let waits = decision.waits.contains { if case .retention = $0.reason { false } else { true } }
            guard !decision.tasks.isEmpty || waits else { break }
            for task in decision.tasks { fleet.carryOut(task) }
        }
        return found
    }

    @Test func `a planned restart of every instance is no drift`() {
        for counts in [[1, 1, 1], [1, 1, 0], [1, 0, 0]] {
            var fleet = converged(TestFleet.orders(counts))
            fleet.edit { $0.parameters["back_log"] = "200" }
            #expect(findings(&fleet) == [], "\(counts)")
            #expect(fleet.orders?.returning == [] && fleet.orders?.joining == [])
            #expect(fleet.converge().outline == "")
        }
    }

    @Test func `a new replica is not down before it first serves, and is from then on`() {
        var fleet = converged()
        fleet.declare(TestFleet.orders([1, 2, 1]))
        #expect(findings(&fleet) == [])
        #expect(fleet.converge().outline == "" && fleet.orders?.joining == [])
        fleet.change(4) { $0.process = .stopped }
        #expect(Planner.step(fleet.situation()).findings.map(\.reason) == ["InstanceDown"])
    }

    @Test func `a commit soon after another is no drift of the file, a change by hand is`() {
        var fleet = converged()
        fleet.edit { $0.parameters["back_log"] = "200" }
        let configured = Planner.step(fleet.situation())
        #expect(configured.tasks.map(\.action.name) == ["configure", "configure", "configure"])
        for task in configured.tasks { fleet.carryOut(task) }
        fleet.edit { $0.parameters["back_log"] = nil }
        let back = Planner.step(fleet.situation())
        #expect(back.tasks.map(\.action.name) == ["configure", "configure", "configure"] && back.findings.isEmpty)
        for task in back.tasks { fleet.carryOut(task) }
        fleet.change(2) { $0.configDigest = "changed" }
        #expect(Planner.step(fleet.situation()).findings.map(\.reason) == ["ConfigurationDrift"])
    }

    @Test func `what an attempt mends stays found while it runs`() throws {
        var fleet = converged()
        fleet.change(3) { $0.database?.replication?.ioRunning = false }
        let decision = Planner.step(fleet.situation())
        let task = try #require(decision.tasks.first)
        #expect(task.action.name == "replicate" && !task.isVoluntary)
        let running = RunningAttempt(id: "a1", task: task, started: fleet.now)
        let held = Planner.step(fleet.situation([running]))
        #expect(held.findings == decision.findings && held.tasks.isEmpty && !held.waits.isEmpty)
    }

    @Test func `only the only acker's restart says that writes wait`() {
        for (counts, waits) in [([1, 1, 0], true), ([1, 1, 1], false)] {
            var fleet = converged(TestFleet.orders(counts))
            fleet.edit { $0.parameters["back_log"] = "200" }
            let summaries = fleet.converge().waves.flatMap(\.tasks).filter { $0.action.name == "restart" }.map(\.summary)
            #expect(summaries.contains { $0.contains("writes wait until it is back") } == waits)
        }
    }
}

/// Parameters that a server refuses, or makes something else of.
struct ParameterTests {
    private func converged() -> TestFleet {
        var fleet = TestFleet()
        fleet.converge()
        return fleet
    }

    @Test func `a name that no server of the version knows touches nothing, and is told with the nearest`() throws {
        var fleet = converged()
        fleet.edit { $0.parameters["back_lgo"] = "1" }
        let plan = fleet.converge()
        #expect(plan.outline == "" && plan.findings.map(\.reason) == ["ParameterUnknown"])
        let message = try #require(plan.warnings.first)
        #expect(message.hasPrefix("clusters/orders.yaml:") && message.contains("did you mean back_log?"))
        #expect(plan.conditions.contains { $0.type == .stalled && $0.reason == "ParameterUnknown" })
        // What has died is started as it was, and nothing new is made with it.
        fleet.change(2) { $0.process = .stopped }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action.name) == ["start"])
        fleet.edit { $0.parameters["back_lgo"] = nil }
        #expect(fleet.converge().outline == "start 2 | replicate 2")
    }

    @Test func `words and options that a server takes are no unknown names`() {
        var fleet = converged()
        for name in ["loose_foo_bar", "skip_back_log", "default_time_zone"] { fleet.edit { $0.parameters[name] = "1" } }
        #expect(!fleet.converge().findings.contains { $0.reason == "ParameterUnknown" })
    }

    @Test func `an instance that its configuration kept down is started by the one that mends it`() throws {
        var fleet = converged()
        fleet.edit { $0.parameters["back_log"] = "200" }
        for task in Planner.step(fleet.situation()).tasks { fleet.carryOut(task) }
        fleet.change(2) { $0.process = .stopped }
        let start = try #require(Planner.step(fleet.situation()).tasks.first { $0.action == .start })
        guard let records = fleet.orders else { return }
        var failed = records
        for _ in 0..<FailureRecord.stalledAfter {
            failed = Planner.absorb(.failed("\(records.uid)-2 does not start, see /d/\(records.uid)-2/log"), of: start, into: failed, at: fleet.now, jitter: 0)
        }
        fleet.records.clusters["orders"] = failed
        let stalled = Planner.step(fleet.situation())
        #expect(!stalled.tasks.contains { $0.action == .start })
        #expect(stalled.conditions.first { $0.type == .stalled }?.message == "orders-2 does not start, see /d/\(records.uid)-2/log")
        fleet.edit { $0.parameters["back_log"] = nil }
        let mended = Planner.step(fleet.situation())
        let configure = try #require(mended.tasks.first { task in
            if case .instance(let id, _) = task.target { id.ordinal == 2 } else { false }
        })
        #expect(configure.action.name == "configure" && !configure.isVoluntary)
        fleet.carryOut(configure)
        fleet.records.clusters["orders"] = Planner.absorb(.succeeded(TaskResult()), of: configure, into: mended.records, at: fleet.now, jitter: 0)
        #expect(Planner.step(fleet.situation()).tasks.contains { $0.action == .start })
        #expect(!Planner.step(fleet.situation()).conditions.contains { $0.type == .stalled })
    }

    @Test func `what SET and a start make of a value are both in force, and told as long as they are`() {
        var fleet = converged()
        fleet.edit { $0.parameters["max_connections"] = "1000000" }
        fleet.converge()
        fleet.records.clusters["orders"]?.parameters["max_connections"]?.readBack = "100000"
        for ordinal in [1, 2, 3] {
            fleet.change(ordinal) {
                $0.startedParameters["max_connections"] = "200"
                $0.database?.variables["max_connections"] = "100000"
            }
        }
        #expect(fleet.converge().outline == "")
        fleet.change(2) {
            $0.startedParameters["max_connections"] = "1000000"
            $0.startedValues["max_connections"] = "16770"
            $0.database?.variables["max_connections"] = "16770"
        }
        for _ in 0..<2 {
            let plan = fleet.converge()
            #expect(plan.outline == "" && plan.findings.isEmpty)
            #expect(plan.warnings == ["max_connections: declared 1000000, the server uses 100000 (16770 after a restart)"])
            #expect(plan.conditions.first { $0.type == .ready }?.message.contains("16770 after a restart") == true)
        }
        fleet.change(2) { $0.database?.variables["max_connections"] = "17" }
        #expect(fleet.converge().findings.map(\.reason) == ["ParameterDrift"])
    }

    @Test func `a replication account that is gone is drift, and is made again`() {
        var fleet = converged()
        for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.database?.replicationAccounts = [1, 3] } }
        let plan = fleet.converge()
        #expect(plan.outline == "prepareReplica 1" && plan.findings.map(\.subject) == ["orders-2"])
        #expect(fleet.converge().outline == "")
    }

    @Test func `replication accounts are made again where not one is left, and the writer is closed for want of them`() {
        var fleet = converged()
        for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.database?.replicationAccounts = [] } }
        fleet.change(1) {
            $0.database?.readOnly = true
            $0.database?.semiSyncPrimary = false
        }
        for ordinal in [2, 3] {
            fleet.change(ordinal) {
                $0.database?.replication?.ioRunning = false
                $0.database?.semiSyncReplica = false
            }
        }
        let plan = fleet.converge()
        #expect(plan.outline.contains("prepareReplica 1"))
        #expect(plan.outline.contains("open 1"))
        #expect(plan.findings.filter { $0.reason == "AccountDrift" }.map(\.subject).sorted() == ["orders-1", "orders-2", "orders-3"])
    }
}
