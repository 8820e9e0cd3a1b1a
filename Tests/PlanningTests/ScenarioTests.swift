import FleetModel
import Planning
import Testing

/// What the planner does with the demo's fleet, wave by wave.
struct ScenarioTests {
    @Test func `three empty hosts become a cluster with one writer`() throws {
        var fleet = TestFleet()
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline == """
                install 1, install 2, install 3 | start 1, start 2, start 3 | initialize 1 | replicate 2, replicate 3 | \
                acknowledge 2, acknowledge 3 | open 1 | ensureDatabase 1 | ensureAccount 1
                """)
        #expect(plan.waits.isEmpty)
        let records = try #require(fleet.orders)
        #expect(records.primary == 1 && records.epoch == 1 && records.isFounded && records.ackSet == [2, 3])
        #expect(records.member(1)?.zone == "zone-a")
    }

    @Test func `a second rehearsal after a finished one is empty`() {
        var fleet = TestFleet()
        fleet.converge()
        let again = fleet.converge()
        #expect(again.outline == "" && again.waits.isEmpty && again.findings.isEmpty)
    }

    @Test func `a new replica is cloned from another replica`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.declare(TestFleet.orders([1, 2, 1]))
        #expect(fleet.converge().outline == "prepareReplica 1, clone 4 | start 4 | replicate 4 | acknowledge 4")
        #expect(fleet.converge().outline == "")
    }

    @Test func `a dynamic parameter is set everywhere without a restart`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.edit { $0.parameters["max_connections"] = "400" }
        #expect(fleet.converge().outline == "setVariables 1, setVariables 2, setVariables 3")
        #expect(fleet.orders?.parameters["max_connections"]?.readBack == "400")
        fleet.edit { $0.parameters["max_connections"] = nil }
        #expect(fleet.converge().outline == "setVariables 1, setVariables 2, setVariables 3")
        #expect(fleet.orders?.parameters["max_connections"] == nil)
        #expect(fleet.converge().outline == "")
    }

    @Test func `a fixed parameter restarts replicas, moves the writer, restarts the old one, moves back`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline == """
                configure 1, configure 2, configure 3 | restart 2 | replicate 2 | restart 3 | replicate 3 | replicate 3 | \
                acknowledge 3 | demote 1 | promote 2 | replicate 1 | acknowledge 1 | restart 1 | replicate 1 | replicate 3 | acknowledge 3 | demote 2 | promote 1 | replicate 2 | acknowledge 2
                """)
        #expect(fleet.orders?.primary == 1)
        #expect(fleet.converge().outline == "")
    }

    @Test func `a writer that was asked for takes over, once, and one that cannot is waited for`() {
        var cluster = TestFleet.orders()
        cluster.preferredZones = []
        var fleet = TestFleet(cluster)
        fleet.converge()
        fleet.records.clusters["orders"]?.requestedPrimary = 2
        #expect(fleet.converge().outline == "replicate 3 | acknowledge 3 | demote 1 | promote 2 | replicate 1 | acknowledge 1")
        #expect(fleet.orders?.primary == 2 && fleet.orders?.requestedPrimary == nil)
        #expect(fleet.converge().outline == "")
        fleet.records.clusters["orders"]?.requestedPrimary = 3
        fleet.change(3) { $0.database?.replication?.lagSeconds = 900 }
        let waiting = fleet.converge()
        #expect(waiting.outline == "" && waiting.waits.contains { $0.message.contains("orders-3 to be able to take over from orders-2") })
    }

    @Test func `the only acker acknowledges from its first row on when it comes back, and so does the old writer`() {
        var fleet = TestFleet(TestFleet.orders([1, 1, 0]))
        fleet.converge()
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline == """
                configure 1, configure 2 | restart 2 | replicate 2 | demote 1 | promote 2 | replicate 1 | restart 1 | \
                replicate 1 | demote 2 | promote 1 | replicate 2
                """)
        for task in plan.waves.flatMap(\.tasks) {
            if case .replicate(_, let acknowledges) = task.action { #expect(acknowledges) }
        }
        #expect(fleet.orders?.ackSet == [2])
    }

    @Test func `commits that wait for rows that a replica has are released by it, and by nobody who has them not`() {
        var fleet = TestFleet()
        fleet.converge()
        let position = GTIDSet("1-1-9") ?? GTIDSet()
        for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.database?.appliedPosition = position } }
        fleet.change(1) { $0.database?.binlogPosition = position }
        #expect(Planner.step(fleet.situation()).tasks.isEmpty)
        fleet.change(1) { $0.database?.areCommitsWaiting = true }
        fleet.change(2) { $0.database?.appliedPosition = GTIDSet("1-1-8") ?? GTIDSet() }
        let decision = Planner.step(fleet.situation())
        #expect(decision.tasks.map(\.target).count == 1 && decision.tasks.first?.action.name == "acknowledge")
        #expect(decision.tasks.first?.summary == "acknowledge what it has" && decision.tasks.first?.isVoluntary == false)
        guard case .instance(let id, _)? = decision.tasks.first?.target else { return }
        #expect(id.ordinal == 3 && decision.findings.map(\.reason) == ["CommitsWaiting"])
    }

    @Test func `a replica that moves is made before the old one goes`() {
        var fleet = TestFleet(TestFleet.orders([1, 1, 0]))
        fleet.converge()
        fleet.declare(TestFleet.orders([1, 0, 1]))
        let plan = fleet.converge()
        #expect(plan.outline == "prepareReplica 1, clone 3 | start 3 | replicate 3 | acknowledge 3 | expel 1 | retire 2")
        #expect(fleet.orders?.member(2)?.phase == .retired(until: fleet.now + .seconds(86400)))
        fleet.now = fleet.now + .seconds(86400)
        for host in TestFleet.hostNames { fleet.observed[host]?.renewed = fleet.now }
        #expect(fleet.converge().outline == "purge 2")
        #expect(fleet.orders?.member(2)?.phase == .purged)
    }

    @Test func `the writer moves away before it is removed`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.edit { cluster in
            cluster.placement = [Placement(zone: "zone-b", replicas: 1), Placement(zone: "zone-c", replicas: 1)]
            cluster.preferredZones = []
        }
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(plan.outline == "replicate 3 | acknowledge 3 | demote 1 | promote 2 | retire 1")
        #expect(fleet.orders?.primary == 2)
    }

    @Test func `a single instance needs no acknowledgement`() {
        var cluster = TestFleet.orders([1, 0, 0])
        cluster.topology = .single
        cluster.durability = .async
        var fleet = TestFleet(cluster)
        #expect(fleet.converge().outline == "install 1 | start 1 | initialize 1 | open 1 | ensureDatabase 1 | ensureAccount 1")
        fleet.edit { $0.parameters["back_log"] = "200" }
        #expect(fleet.converge().outline == "configure 1 | restart 1 | open 1")
    }

    @Test func `a cluster that grows a second instance starts to wait for acknowledgements, which is no drift`() {
        var fleet = TestFleet(TestFleet.orders([1, 0, 0]))
        #expect(fleet.converge().outline.contains("open 1"))
        fleet.declare(TestFleet.orders([1, 1, 0]))
        let grown = fleet.converge()
        #expect(grown.outline == "prepareReplica 1 | clone 2 | start 2 | replicate 2 | acknowledge 2 | open 1")
        #expect(fleet.orders?.isSemiSync == true)
        fleet.change(1) { $0.database?.semiSyncPrimary = false }
        let plan = fleet.converge()
        #expect(plan.outline == "open 1" && plan.findings.map(\.reason) == ["SemiSyncOff"])
        fleet.declare(TestFleet.orders([1, 0, 0]))
        #expect(fleet.converge().outline == "open 1 | retire 2")
    }

    @Test func `a report too old for a change of writer is waited for, and the plan goes on to its end`() {
        var fleet = TestFleet()
        fleet.converge()
        fleet.edit { $0.preferredZones = ["zone-b"] }
        fleet.now = fleet.now + .seconds(5)
        let plan = fleet.converge()
        #expect(plan.outline.contains("demote 1 | promote 2") && plan.waits.isEmpty)
        #expect(plan.waves.first?.waited.isEmpty == false)
    }

    @Test func `from nothing ever seen the plan waits for hosts and says so`() throws {
        var fleet = TestFleet()
        fleet.observed = [:]
        let plan = fleet.converge()
        #expect(plan.outline.hasPrefix("install 1, install 2, install 3 | start"))
        #expect(plan.waves.first?.waited.count == 3)
    }
}

/// Departures that no commit caused are named and undone.
struct DriftTests {
    private func converged() -> TestFleet {
        var fleet = TestFleet()
        fleet.converge()
        return fleet
    }

    private func reasons(_ plan: Rehearsal) -> [String] { plan.findings.map(\.reason) }

    @Test func `a dropped account is made again`() {
        var fleet = converged()
        fleet.change(1) { $0.database?.accounts = [] }
        let plan = fleet.converge()
        #expect(plan.outline == "ensureAccount 1" && reasons(plan) == ["AccountDrift"])
    }

    @Test func `suspended, drift is told and left alone`() {
        var fleet = converged()
        fleet.edit { $0.suspend = true }
        fleet.change(1) { $0.database?.accounts = [] }
        let plan = fleet.converge()
        #expect(plan.outline == "" && reasons(plan) == ["AccountDrift"])
        #expect(plan.waits == [Wait(.approval("resume"), "`evenkeel resume orders`, for orders-1: create account app@127.%")])
        fleet.edit { $0.suspend = false }
        #expect(fleet.converge().outline == "ensureAccount 1")
    }

    @Test func `suspended, what was declared since is told and left alone`() {
        var fleet = converged()
        fleet.edit { $0.suspend = true }
        #expect(Planner.step(fleet.situation()).isConverged)
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(plan.outline == "" && plan.waits.count == 3)
        fleet.declare(TestFleet.orders([1, 2, 1]))
        fleet.edit { $0.suspend = true }
        _ = fleet.allocate()
        let grown = Planner.step(fleet.situation())
        #expect(grown.tasks.isEmpty && grown.waits.contains { $0.message.hasSuffix("to be made") })
        #expect(grown.records == fleet.situation().records)
    }

    @Test func `a variable set by hand is set back`() {
        var fleet = converged()
        fleet.change(2) { $0.database?.variables["max_connections"] = "7" }
        let plan = fleet.converge()
        #expect(plan.outline == "setVariables 2" && reasons(plan) == ["ParameterDrift"])
    }

    @Test func `stopped replication is started again`() {
        var fleet = converged()
        fleet.change(3) { $0.database?.replication?.sqlRunning = false }
        let plan = fleet.converge()
        #expect(plan.outline == "replicate 3" && reasons(plan) == ["ReplicationBroken"])
    }

    @Test func `a writable replica is closed`() {
        var fleet = converged()
        fleet.change(3) { $0.database?.readOnly = false }
        let plan = fleet.converge()
        #expect(plan.outline == "close 3" && reasons(plan) == ["ReplicaWritable"])
    }

    @Test func `a dead primary is started closed, then opened`() {
        var fleet = converged()
        fleet.change(1) { $0.process = .stopped }
        let plan = fleet.converge()
        #expect(plan.outline.hasPrefix("start 1, acknowledge 2, acknowledge 3 | open 1"), "\(plan.outline)")
        #expect(reasons(plan).contains("InstanceDown"))
    }

    @Test func `a lost configuration file is written again without a restart`() {
        var fleet = converged()
        fleet.change(2) { $0.configDigest = nil }
        let plan = fleet.converge()
        #expect(plan.outline == "configure 2" && reasons(plan) == ["ConfigurationDrift"])
    }

    @Test func `a value that the server reads back otherwise is not drift`() {
        var fleet = TestFleet()
        fleet.edit { $0.parameters["max_connections"] = "1000000" }
        fleet.converge()
        for ordinal in 1...3 { fleet.change(ordinal) { $0.database?.variables["max_connections"] = "100000" } }
        fleet.records.clusters["orders"]?.parameters["max_connections"]?.readBack = "100000"
        #expect(fleet.converge().outline == "")
    }

    @Test func `a silent host is waited for, not guessed about`() {
        var fleet = converged()
        fleet.now = fleet.now + .seconds(60)
        for host in TestFleet.hostNames where host != "hz-c-1" { fleet.observed[host]?.renewed = fleet.now }
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(!plan.waits.isEmpty)
        #expect(reasons(plan).contains("HostSilent"))
        #expect(!plan.outline.contains("restart"))
    }
}
