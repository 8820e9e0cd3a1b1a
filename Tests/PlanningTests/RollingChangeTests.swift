import FleetModel
import Testing

@testable import Planning

private let old = "10.11.18"
private let new = "10.11.19"

extension TestFleet {
    /// Every host has these versions, side by side.
    fileprivate mutating func unpack(_ versions: [String], on hosts: [String] = TestFleet.hostNames) {
        for host in hosts {
            observed[host]?.report.engines = versions.map { EngineBinary(type: .mariadb, version: $0, path: "/engines/\($0)") }.sorted()
        }
    }

    /// Three instances that run the old version, on hosts that have the new one too.
    fileprivate static func running(_ version: String = old) -> TestFleet {
        var fleet = TestFleet()
        fleet.unpack([old, new])
        fleet.declareVersion(version)
        fleet.converge()
        return fleet
    }

    fileprivate mutating func declareVersion(_ version: String) {
        edit { $0.engine.version = version }
    }

    fileprivate var versions: [String?] {
        [1, 2, 3].map { ordinal in
            orders?.member(ordinal).flatMap { member in
                observed[member.host]?.report.instances.first { $0.id.ordinal == ordinal }?.database?.version
            }
        }
    }

    fileprivate func digest(_ ordinal: Int) -> String {
        let world = situation()
        guard let orders, let member = orders.member(ordinal) else { return "" }
        return ConfigurationCache(world.desired?.value).entry(member, of: orders).digest
    }

    /// As an agent tells of a start that came to nothing.
    fileprivate mutating func refuse(_ ordinal: Int, version: String) {
        let digest = digest(ordinal)
        change(ordinal) { report in
            report.refusedStart = RefusedStart(configDigest: digest, engineVersion: version, message: "[ERROR] no")
        }
    }
}

@Test func `another version comes to replicas first, and to the primary by a switchover`() {
    var fleet = TestFleet.running()
    #expect(fleet.versions == [old, old, old] && fleet.orders?.engineVersion == old)
    fleet.declareVersion(new)
    let plan = fleet.converge()
    #expect(
        plan.outline == """
            upgrade 2 | replicate 2 | upgrade 3 | replicate 3 | replicate 3 | acknowledge 3 | demote 1 | promote 2 | \
            replicate 1 | acknowledge 1 | upgrade 1 | replicate 1 | replicate 3 | acknowledge 3 | demote 2 | promote 1 | \
            replicate 2 | acknowledge 2
            """)
    #expect(fleet.versions == [new, new, new] && fleet.orders?.engineVersion == new && plan.refusal == nil)
    #expect(fleet.converge().outline == "")
    let causes = plan.waves.flatMap(\.tasks).filter { $0.action.name == "upgrade" }.map(\.cause)
    #expect(causes.allSatisfy { if case .manifest(_, _, "spec.engine.version") = $0 { true } else { false } })
}

@Test func `a version is never changed without a commit that names it`() {
    var fleet = TestFleet()
    fleet.unpack([old])
    fleet.converge()
    fleet.unpack([old, new])
    #expect(fleet.converge().outline == "" && fleet.orders?.engineVersion == old)
    // A package that was upgraded has replaced the binaries, and an instance was started by them since.
    for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.database?.version = new } }
    #expect(fleet.converge().outline == "" && fleet.orders?.engineVersion == new)
}

@Test func `no instance is touched before every host has the version, and it is said how it comes there`() throws {
    var fleet = TestFleet.running()
    fleet.unpack([old], on: ["hz-c-1", "hz-c-2"])
    fleet.declareVersion(new)
    let plan = fleet.converge()
    #expect(plan.outline == "" && fleet.versions == [old, old, old])
    let finding = try #require(plan.findings.first { $0.reason == "EngineMissing" })
    #expect(finding.message.contains("hz-c-") && finding.message.contains("engines/mariadb-10.11.19"))
    #expect(!plan.conditions.contains { $0.type == .ready && $0.isTrue })
    fleet.unpack([old, new])
    fleet.converge()
    #expect(fleet.versions == [new, new, new])
}

@Test func `an older version of the series is taken with a warning, another series not at all`() throws {
    var fleet = TestFleet.running(new)
    fleet.declareVersion(old)
    let back = fleet.converge()
    #expect(fleet.versions == [old, old, old] && back.warnings.contains { $0.contains("downgrade") })
    fleet.unpack([old, new, "11.4.2"])
    fleet.declareVersion("11.4")
    let plan = fleet.converge()
    #expect(plan.outline == "" && fleet.versions == [old, old, old])
    #expect(plan.warnings.contains { $0.contains("10.11.18 is not changed to 11.4") })
    #expect(plan.conditions.contains { $0.type == .stalled && $0.reason == "UpgradeRefused" })
}

@Test func `a version and a parameter come with one restart`() {
    var fleet = TestFleet.running()
    fleet.edit {
        $0.engine.version = new
        $0.parameters["back_log"] = "200"
    }
    // The old version's list of variables; that of the new one is told by the first who runs it.
    let plan = fleet.converge()
    let starts = plan.waves.flatMap(\.tasks).filter { $0.action.name == "upgrade" || $0.action.name == "restart" }
    #expect(starts.count == 3 && fleet.versions == [new, new, new])
}

@Test(arguments: [true, false]) func `a rolling change stands at the first that does not start by it`(isVersion: Bool) throws {
    var fleet = TestFleet.running(isVersion ? old : new)
    fleet.edit { cluster in
        if isVersion { cluster.engine.version = new } else { cluster.parameters["back_log"] = "200" }
    }
    var first = Planner.step(fleet.situation())
    while first.tasks.contains(where: { $0.action.name == "configure" }) {
        for task in first.tasks { fleet.carryOut(task) }
        first = Planner.step(fleet.situation())
    }
    #expect(first.tasks.map(\.action.name) == [isVersion ? "upgrade" : "restart"])
    fleet.refuse(2, version: new)
    let plan = fleet.converge()
    #expect(plan.outline == "", "nobody else is touched")
    let finding = try #require(plan.findings.first { $0.reason == "RolloutHalted" })
    let field = isVersion ? "spec.engine.version" : "spec.parameters.back_log"
    #expect(finding.message.contains("orders-2") && finding.message.contains("[ERROR] no") && finding.message.contains(field))
    #expect(plan.conditions.contains { $0.type == .stalled && $0.reason == "RolloutHalted" })
    // What is told names the field also while it does not answer yet.
    var database: DatabaseReport?
    fleet.change(2) { report in
        report.origin = InstanceOrigin(address: "", serverID: 2, gtidDomain: 1, engineVersion: isVersion ? old : new)
        database = report.database.take()
    }
    let told = Planner.step(fleet.situation()).findings.first { $0.reason == "RolloutHalted" }?.message
    #expect(told?.contains(field) ?? isVersion)
    fleet.change(2) { $0.database = database }
    // What heals goes on meanwhile.
    fleet.change(3) { $0.process = .stopped }
    #expect(Planner.step(fleet.situation()).tasks.contains { $0.action.name == "start" })
    fleet.change(3) { $0.process = .running }
    // Taken back, it is forgotten; tried once more, it is tried.
    fleet.edit { cluster in
        if isVersion { cluster.engine.version = old } else { cluster.parameters["back_log"] = nil }
    }
    let back = fleet.converge()
    #expect(!back.outline.contains("upgrade") && !back.outline.contains("restart") && back.outline.contains("configure 2"))
    #expect(!Planner.step(fleet.situation()).findings.contains { $0.reason == "RolloutHalted" })
    fleet.edit { cluster in
        if isVersion { cluster.engine.version = new } else { cluster.parameters["back_log"] = "100" }
    }
    #expect(fleet.converge().outline.contains(isVersion ? "upgrade 2" : "restart 2"))
    #expect(fleet.versions == [new, new, new])
}

@Test func `who was restarted last has caught up before the next one is restarted`() throws {
    var fleet = TestFleet.running()
    fleet.declareVersion(new)
    for expected in ["upgrade", "replicate"] {
        let task = try #require(Planner.step(fleet.situation()).tasks.first)
        #expect(task.action.name == expected)
        fleet.carryOut(task)
    }
    fleet.change(2) { $0.database?.replication?.lagSeconds = 60 }
    let step = Planner.step(fleet.situation())
    #expect(step.tasks.isEmpty && step.waits.contains { $0.message.contains("orders-2 to catch up") })
    fleet.change(2) { $0.database?.replication?.lagSeconds = 0 }
    fleet.converge()
    #expect(fleet.versions == [new, new, new])
}

@Test func `values that were set while versions differ are set once`() {
    var fleet = TestFleet.running()
    fleet.change(2) { $0.database?.version = new }
    fleet.edit { $0.parameters["max_connections"] = "300" }
    // Both versions are known.
    var situation = fleet.situation()
    situation.catalogs.append(VariableCatalog(type: .mariadb, version: old, dynamic: ["max_connections"], fixed: ["back_log"]))
    let (rehearsal, end) = Planner.rehearseToEnd(situation)
    #expect(rehearsal.refusal == nil)
    #expect(rehearsal.waves.flatMap(\.tasks).filter { $0.action.name == "setVariables" }.count == 3)
    #expect(Planner.rehearse(end).waves.isEmpty)
}

@Test func `one instance alone is brought to another version in place`() {
    var cluster = TestFleet.orders([1])
    cluster.topology = .single
    cluster.durability = .async
    var fleet = TestFleet(cluster)
    fleet.unpack([old, new])
    fleet.declareVersion(old)
    fleet.converge()
    fleet.declareVersion(new)
    #expect(fleet.converge().outline == "upgrade 1 | open 1")
}

@Test func `a new instance is made by what others start by, and one that was made by another version is started by what is declared`() throws {
    var fleet = TestFleet.running()
    fleet.declareVersion(new)
    let host = try #require(fleet.orders?.member(3)?.host)
    fleet.observed[host]?.report.instances = []
    let clone = try #require(Planner.step(fleet.situation()).tasks.first { $0.action.name == "clone" })
    guard case .clone(let blueprint, _) = clone.action else { return }
    #expect(blueprint.engineVersion == old)
    fleet.carryOut(clone)
    // As where the host had had nothing else.
    fleet.change(3) { $0.origin = InstanceOrigin(address: "", serverID: 3, gtidDomain: 1, engineVersion: "10.11.17") }
    let start = try #require(Planner.step(fleet.situation()).tasks.first { $0.action == .start })
    let records = try #require(fleet.orders)
    fleet.records.clusters["orders"] = Planner.absorb(.failed("no"), of: start, into: records, at: fleet.now, jitter: 0)
    #expect(Planner.step(fleet.situation()).tasks.contains { $0.action == .upgrade(isPrimary: false, version: new) })
    // Also one that a failover left behind.
    var left = fleet
    left.records.clusters["orders"]?.leftBehind = [3]
    #expect(Planner.step(left.situation()).tasks.contains { $0.action == .upgrade(isPrimary: false, version: new) })
    left.records.clusters["orders"]?.failures = [:]
    let rejoin = try #require(Planner.step(left.situation()).tasks.first { $0.action.name == "rejoin" })
    for _ in 0..<FailureRecord.stalledAfter {
        left.records.clusters["orders"] = Planner.absorb(.failed("no"), of: rejoin, into: try #require(left.orders), at: left.now, jitter: 0)
    }
    #expect(Planner.step(left.situation()).tasks.contains { $0.action == .upgrade(isPrimary: false, version: new) })
    // What another directory did not start by says nothing of a copy in its place.
    var copied = fleet
    copied.carryOut(clone)
    copied.change(3) { $0.origin = InstanceOrigin(address: "", serverID: 3, gtidDomain: 1, engineVersion: "10.11.17") }
    #expect(Planner.step(copied.situation()).tasks.contains { $0.action == .start })
    // Nothing that is stopped tells its version, and its file may have to be written first.
    fleet.change(3) { ($0.database, $0.configDigest) = (nil, "stale") }
    let plan = fleet.converge()
    #expect(plan.refusal == nil && plan.outline.hasPrefix("configure 3"))
    #expect(fleet.versions == [new, new, new])
}
