import FleetModel
import JSONStream
import Planning
import Testing

/// A plan of a test fleet in one form, whole.
private func render(
    _ fleet: TestFleet, _ rendering: some PlanRendering, units: Set<UnitID>? = nil
) async throws -> (bytes: [UInt8], totals: PlanTotals) {
    var bytes: [UInt8] = []
    let totals = try await FleetPlanner.plan(fleet.request(units), as: rendering) { bytes += $0 }
    return (bytes, totals)
}

extension TestFleet {
    fileprivate func request(_ units: Set<UnitID>? = nil) -> FleetPlanRequest {
        FleetPlanRequest(fleet: fleet, snapshot: snapshot, now: now, units: units)
    }

    fileprivate var snapshot: Snapshot {
        Snapshot(
            taken: observed.isEmpty ? nil : now, records: records, observed: ObservedFacts(observed), secrets: ["orders": secrets],
            policy: policy, catalogs: situation().catalogs)
    }

    /// With lines of its own for every field that plans point to.
    fileprivate mutating func place(_ fields: [(String, UInt32)]) {
        var positions = FieldPositions()
        for (path, line) in fields {
            positions.entries.append(FieldPositions.Entry(path: fleet.fieldPaths.intern(path), line: line, column: 5))
        }
        guard let old = fleet.clusters["orders"] else { return }
        fleet.clusters["orders"] = Declared(
            value: old.value, file: old.file, line: old.line, fields: positions, revision: old.revision)
    }
}

/// The fleet of the tests below, in the states that a reader of plans meets.
private enum Scene: String, CaseIterable {
    case new, nothing, replica, parameters, restart, upgrade, content, drift, removed, unseen, unplaceable, channel, silent, galera, recovery, drained, asked

    var fleet: TestFleet {
        var fleet = self == .galera || self == .recovery ? TestFleet(GaleraTests.orders()) : TestFleet()
        fleet.fleet.revision = Revision(
            commit: "3f2c1e9d0c6a5b4e3f2c1e9d0c6a5b4e3f2c1e9d", subject: "orders: a replica in zone c", author: "Li Wei",
            time: Instant(milliseconds: 880_000))
        if ![.new, .unseen, .galera].contains(self) { fleet.converge() }
        alter(&fleet)
        return fleet
    }

    private func alter(_ fleet: inout TestFleet) {
        switch self {
        case .new, .nothing, .galera: break
        case .recovery:
            fleet.killAll([1: 100, 2: 124, 3: 117])
        case .unseen:
            fleet.observed = [:]
            fleet.secrets = [:]
        case .replica:
            fleet.edit { $0.placement[2].replicas = 2 }
            fleet.place([("spec.placement[2].replicas", 14)])
        case .parameters:
            fleet.edit { $0.parameters["max_connections"] = "400" }
            fleet.place([("spec.parameters.max_connections", 22)])
        case .restart:
            fleet.edit { $0.parameters["back_log"] = "200" }
            fleet.place([("spec.parameters.back_log", 23)])
        case .asked:
            fleet.edit { $0.restart = "2026-11-22 new OpenSSL" }
            fleet.place([("spec.restart", 24)])
        case .drained:
            let path = fleet.fleet.fieldPaths.intern("spec.drain")
            let fields = FieldPositions(entries: [FieldPositions.Entry(path: path, line: 7, column: 3)])
            guard var zone = fleet.fleet.zones["zone-a"]?.value else { return }
            zone.drain = true
            fleet.fleet.zones["zone-a"] = Declared(value: zone, file: "zones/a.yaml", line: 1, fields: fields, revision: "3f2c1e9")
        case .upgrade:
            for host in TestFleet.hostNames {
                fleet.observed[host]?.report.engines.append(EngineBinary(type: .mariadb, version: "10.11.20", path: "/engines/mariadbd"))
            }
            fleet.edit { $0.engine.version = "10.11.20" }
            fleet.place([("spec.engine.version", 8)])
        case .content:
            fleet.edit { cluster in
                cluster.databases.append(DatabaseSpec(name: "reports", collation: "utf8mb4_bin"))
                cluster.accounts[0].grants = [Grant(on: "orders.*", privileges: ["SELECT"])]
            }
            fleet.place([("spec.databases[1].name", 30), ("spec.accounts[0]", 33)])
        case .drift:
            fleet.change(2) { $0.process = .stopped }
            fleet.change(1) { $0.database?.variables["max_connections"] = "7\u{1B}[31m" }
        case .removed: fleet.fleet.clusters = [:]
        case .unplaceable: fleet.edit { $0.placement[0].replicas = 3 }
        case .channel:
            let target = ChannelTarget.webhook(url: "http://127.0.0.1:9093/", headers: ["Authorization": "s3cret"])
            let channel = AlertChannel(metadata: Metadata(name: "ops"), target: target)
            fleet.fleet.channels["ops"] = Declared(value: channel, file: "ops.yaml", line: 1, revision: "3f2c1e9")
            fleet.records.channels["old"] = "0123"
        case .silent: fleet.observed["hz-b-1"]?.renewed = Instant(milliseconds: 0)
        }
    }

    var exitStatus: Int {
        switch self {
        case .nothing, .removed: 0
        case .drift: 6
        case .unplaceable: 1
        case .silent: 8
        default: 2
        }
    }
}

@Test(arguments: Scene.allCases) private func `golden: a plan reads as it was agreed`(_ scene: Scene) async throws {
    let (text, totals) = try await render(scene.fleet, PlanText())
    try expectGolden("\(scene.rawValue).txt", text)
    #expect(totals.exitStatus == scene.exitStatus)
    let (json, again) = try await render(scene.fleet, PlanJSON())
    try expectGolden("\(scene.rawValue).json", json)
    #expect(again == totals)
    #expect(throws: Never.self) { try JSONReader.readAll(json) { try $0.skip() } }
    let (dot, drawn) = try await render(scene.fleet, PlanDot())
    try expectGolden("\(scene.rawValue).dot", dot)
    #expect(drawn == totals)
    let (page, _) = try await render(scene.fleet, PlanMarkdown())
    #expect(page == Array("### Evenkeel plan\n\n```text\n".utf8) + text + Array("```\n".utf8))
}

@Test private func `golden: a narrow terminal gets folded lines and asked-for colours`() async throws {
    let (text, _) = try await render(Scene.content.fleet, PlanText(width: 60, isColored: true))
    try expectGolden("content-60.txt", text)
    let (plain, _) = try await render(Scene.content.fleet, PlanText(width: 60))
    for line in String(decoding: plain, as: UTF8.self).split(separator: "\n") { #expect(line.count <= 60) }
    #expect(!plain.contains(0x1B))
}

@Test(arguments: Scene.allCases) private func `no plan tells a secret or moves the cursor`(_ scene: Scene) async throws {
    for form in PlanForm.allCases {
        var bytes: [UInt8] = []
        _ = try await FleetPlanner.plan(scene.fleet.request(), in: form) { bytes += $0 }
        #expect(!String(decoding: bytes, as: UTF8.self).contains("s3cret"))
        #expect(!bytes.contains(0x1B))
    }
}

@Test private func `the same inputs give the same bytes and digest, others another digest`() async throws {
    let first = try await render(Scene.replica.fleet, PlanJSON())
    let second = try await render(Scene.replica.fleet, PlanJSON())
    #expect(first.bytes == second.bytes)
    var other = Scene.replica.fleet
    other.policy.attemptsMax = 7
    #expect(try await render(other, PlanJSON()).totals.digest != first.totals.digest)
    var moved = Scene.replica.fleet
    moved.change(3) { $0.usedBytes += 1 }
    #expect(try await render(moved, PlanJSON()).totals.digest != first.totals.digest)
}

@Test private func `a plan from a snapshot file is the plan from memory`() async throws {
    for scene in Scene.allCases {
        let fleet = scene.fleet
        let bytes = try fleet.snapshot.json()
        var request = fleet.request()
        request.snapshot = try Snapshot(json: bytes)
        #expect(try request.snapshot.json() == bytes)
        var fromFile: [UInt8] = []
        _ = try await FleetPlanner.plan(request, as: PlanJSON()) { fromFile += $0 }
        #expect(try await fromFile == render(fleet, PlanJSON()).bytes)
    }
}

@Test private func `a unit can be planned alone`() async throws {
    let totals = try await render(Scene.channel.fleet, PlanText(), units: [UnitID(.alertChannel, "ops")]).totals
    #expect(totals.units == 1)
    #expect(totals.counts.create == 1)
}

@Test private func `a converged fleet has nothing to do`() async throws {
    var request = Scene.channel.fleet.request()
    request.snapshot = try FleetPlanner.converged(request)
    request.snapshot = try Snapshot(json: request.snapshot.json())
    let totals = try await FleetPlanner.plan(request, as: PlanText()) { _ in }
    #expect(totals.exitStatus == 0)
    #expect(totals.unchanged == totals.units)
}

@Test private func `many units come in order, whatever is ready first`() async throws {
    var fleet = TestFleet()
    guard let orders = fleet.fleet.clusters["orders"] else { return }
    for number in 0..<500 {
        var cluster = orders.value
        cluster.metadata.name = "c\(1000 + number)"
        cluster.port = nil
        fleet.fleet.clusters[cluster.metadata.name] = Declared(value: cluster, file: "c.yaml", line: 1, revision: "r")
    }
    fleet.fleet.clusters["orders"] = nil
    var names: [String] = []
    let (bytes, totals) = try await render(fleet, PlanJSON())
    try JSONReader.readAll(bytes) { reader in
        try reader.object { reader, key in
            guard key == "units" else { return try reader.skip() }
            try reader.array { reader in
                names.append(try reader.tag("unit"))
                try reader.skip()
            }
        }
    }
    #expect(totals.units == 500 && names.count == 500)
    #expect(names == names.sorted())
}

@Test private func `a sink that fails ends the plan`() async {
    struct Full: Error {}
    await #expect(throws: Full.self) {
        try await FleetPlanner.plan(Scene.replica.fleet.request(), as: PlanText()) { _ in throw Full() }
    }
}

// MARK: Rehearsals made by hand: what no fleet of these tests comes to

private func handMade() -> UnitPlan {
    var rehearsal = Rehearsal(unit: UnitID(.cluster, "orders"))
    let place = SourcePosition(file: "clusters/orders.yaml", line: 9, column: 7)
    func task(_ ordinal: Int, _ action: Action, _ summary: String) -> PlannedTask {
        PlannedTask(
            unit: rehearsal.unit, target: .instance(InstanceID(clusterUID: "u", ordinal: ordinal), host: "h\(ordinal)"), action: action,
            cause: .manifest(revision: "3f2c1e9", at: place, field: "spec.placement[1]"), summary: summary)
    }
    let waited = [Wait(.time(Instant(milliseconds: 90_000)), "a retry"), Wait(.attempt("7"), "the running task: start")]
    rehearsal.waves = [
        Rehearsal.Wave(tasks: [task(2, .retire, "stop, keep its directory for 24h")]),
        Rehearsal.Wave(tasks: [5, 1, 2, 3].map { task($0, .purge, "delete its directory") }, waited: waited),
        Rehearsal.Wave(tasks: [task(1, .dropDatabase(name: "old"), "drop database old (deletionPolicy Delete)")]),
    ]
    rehearsal.waits = [
        Wait(.retention(Instant(milliseconds: 86_400_000)), "orders-2 is removed; its directory on h2 is kept"),
        Wait(.approval("orders-1"), "an operator: the writer's directory is gone"),
    ]
    rehearsal.findings = [
        Finding(reason: "WriterLost", subject: "orders-1", host: "h1", message: "\u{1B}]0;owned\u{7}杭州", isDrift: true),
        Finding(reason: "SecretMissing", subject: "app@%", message: "cannot be read", isDrift: false),
    ]
    rehearsal.warnings = ["max_connections: declared 1000000, the server uses 100000"]
    rehearsal.refusal = "only 1 instances would serve; availability.min is 2"
    var records = ClusterRecords(uid: "u", name: "orders", gtidDomain: 0)
    records.isFounded = true
    return UnitPlan(rehearsal, declared: nil, records: records)
}

@Test func `golden: refusals, waits and findings are told with their reasons`() throws {
    try expectGolden("hand-made.txt", PlanText().unit(handMade()))
    try expectGolden("hand-made-50.txt", PlanText(width: 50).unit(handMade()))
    try expectGolden("hand-made.json", PlanJSON().unit(handMade()))
    try expectGolden("hand-made.dot", PlanDot().unit(handMade()))
    #expect(!PlanText(isColored: true).unit(handMade()).contains(0x07))
}

@Test func `each thing counts once, whatever is done to it`() {
    let counts = handMade().counts
    #expect((counts.create, counts.change, counts.remove) == (0, 0, 5))
    #expect((counts.tasks, counts.waves, counts.destroyed) == (6, 3, 5))
}

@Test func `the first of several exit codes applies`() {
    var totals = PlanTotals()
    #expect(totals.exitStatus == 0)
    totals.waiting = 1
    #expect(totals.exitStatus == 4)
    (totals.drifted, totals.driftOnly, totals.changing) = (1, 1, 1)
    #expect(totals.exitStatus == 6)
    totals.changing = 2
    #expect(totals.exitStatus == 2)
    totals.silentHosts = ["h"]
    #expect(totals.exitStatus == 8)
    totals.refused = 1
    #expect(totals.exitStatus == 3)
    totals.problems = 1
    #expect(totals.exitStatus == 1)
}
