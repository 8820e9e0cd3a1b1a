import FleetModel
import JSONStream
import Testing

/// Checks that a value survives JSON, that equal values give equal bytes, that each stored property is written, and
/// that the text cut off anywhere, or with an unknown key, is refused or read as it should be.
private func check<Value: JSONCodable & Equatable>(_ value: Value, _ place: SourceLocation = #_sourceLocation) throws {
    let bytes = value.jsonBytes
    let again = try Value(json: bytes)
    #expect(again == value, sourceLocation: place)
    #expect(again.jsonBytes == bytes, sourceLocation: place)
    // A number cut off is another number.
    let isNumber = Int64(value.jsonText) != nil
    for length in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 300)) where !isNumber {
        #expect(throws: JSONError.self, sourceLocation: place) { try Value(json: bytes[..<length]) }
    }
    guard bytes.first == UInt8(ascii: "{") else { return }
    let mirror = Mirror(reflecting: value)
    if mirror.displayStyle == .struct, Value.self != Wait.self {
        var keys: Set<String> = []
        try JSONReader.readAll(bytes) { reader in
            try reader.object { reader, key in
                keys.insert(key.text)
                try reader.skip()
            }
        }
        for label in mirror.children.compactMap(\.label) {
            #expect(keys.contains(label), "\(Value.self).\(label) is not in JSON, or empty in this test", sourceLocation: place)
        }
    }
    let extended = Array(#"{"fromTheFuture":{"a":[1,null]},"#.utf8) + bytes.dropFirst()
    if bytes.count > 2 { #expect(try Value(json: extended) == value, sourceLocation: place) }
}

@Test func `a failover that a store kept as its moment alone is read still`() throws {
    #expect(try FailoverMark(json: Instant(milliseconds: 7).jsonBytes) == FailoverMark(at: Instant(milliseconds: 7), zone: ""))
}

@Test func `identifiers survive JSON`() throws {
    for kind in Kind.allCases { try check(UnitID(kind, "orders")) }
    try check(InstanceID(clusterUID: "c1-x", ordinal: 12))
    try check(Instant(milliseconds: -5))
    try check(Duration.milliseconds(1500))
    try check(Revision(commit: "abc", subject: "say \"hi\"", author: "李", time: Instant(milliseconds: 1)))
    try check(SourcePosition(file: "a/b.yaml", line: 3, column: 9))
}

@Test(arguments: ["", "0-1-500", "0-1-500,7-3-12", "4294967295-4294967295-9223372036854775807", "0-1-999999999999999999"])
func `positions survive JSON`(_ text: String) throws {
    let position = try #require(GTIDSet(text))
    try check(position)
    #expect(position.jsonText == "\"\(text)\"")
}

@Test(arguments: ["0-1", "0-1-", "-1-2", "a-b-c", "0-1-2-3"])
func `what is no position is refused`(_ text: String) {
    #expect(throws: JSONError.self) { try GTIDSet(jsonText: "\"\(text)\"") }
}

private let metadata = Metadata(name: "orders", labels: ["team": "checkout", "a": "b"], annotations: ["n": "o"])
private let grant = Grant(on: "orders.*", privileges: ["INSERT", "SELECT"], withGrantOption: true)
private let database = DatabaseSpec(name: "orders", characterSet: "utf8mb4", collation: "utf8mb4_bin", deletionPolicy: .delete)
private let account = AccountSpec(name: "app", host: "127.%", passwordFrom: .file("orders-app"), grants: [grant])
private let token = DemotionToken(clusterUID: "u2", epoch: 7, position: GTIDSet("3-1-5,7-2-9") ?? GTIDSet())
private let moment = Instant(milliseconds: 1_700_000_000_123)
private let maintenance = Maintenance(until: moment, reason: "disks")

@Test func `declarations survive JSON`() throws {
    try check(Region(metadata: metadata, displayName: "杭州", locationCode: 3, isDefault: true))
    try check(AvailabilityZone(metadata: metadata, region: "cn", rooms: ["r1", "r2"], schedulable: false, drain: true, maintenance: maintenance))
    try check(HostCapacity(memoryBytes: 1, storageBytes: 2, instances: 3))
    try check(Host(metadata: metadata, zone: "z", room: "r", address: "127.0.1.1", capacity: HostCapacity(instances: 1), schedulable: false, drain: true, maintenance: maintenance))
    let script = ChannelTarget.script(name: "page", timeout: .seconds(5))
    try check(script)
    try check(AlertChannel(metadata: metadata, target: script, matchers: ["a": "b"], repeatInterval: .seconds(7), sendResolved: false))
    try check(ChannelTarget.webhook(url: "http://127.0.0.1/", headers: ["X": "y"]))
    try check(
        Cluster(
            metadata: metadata, engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .primaryReplica,
            placement: [Placement(zone: "a", replicas: 2)], port: 3307,
            resources: ClusterResources(memoryBytes: 1, storageBytes: 2), parameters: ["max_connections": "200"], restart: "new OpenSSL",
            durability: .async, whenAlone: .continue, relaySync: .always, availabilityMin: 1, preferredZones: ["a"], databases: [database], accounts: [account],
            retainFor: .seconds(60), deletionPolicy: .delete, suspend: true, failover: .manual, maxDataLoss: 7, maintenance: maintenance,
            gameDay: .allowed, standbyOf: "stock", promotionToken: token, acceptLoss: 4, recoveryAcceptLoss: 5))
}

private let galera = GaleraReport(
    isReady: true, isPrimaryComponent: true, state: .synced, stateUUID: "6f-1", size: 3, viewNumber: 4, lastCommitted: 9, cachedDownTo: 2,
    flowControlPaused: 3, receiveQueue: 1, members: [1, 2, 3])
private let recovered = RecoveredPosition(
    stateUUID: "6f-1", sequence: 9, view: ComponentView(number: 3, maker: "a", own: "b", members: ["a", "b"]), leftInOrder: true,
    leftLast: true, wasInconsistent: true)

private let instance: InstanceReport = {
    var report = InstanceReport(
        id: InstanceID(clusterUID: "u", ordinal: 1), clusterName: "orders", port: 3306, directory: .retired,
        process: .running, configDigest: "ab", startedParameters: ["a": "1"], epoch: 4, isWriter: true, usedBytes: 9,
        database: DatabaseReport(
            version: "10.11.19", serverID: 7, readOnly: false, binlogPosition: GTIDSet("0-1-5") ?? GTIDSet(),
            appliedPosition: GTIDSet("0-1-4") ?? GTIDSet(),
            replication: ReplicationReport(
                sourceHost: "127.0.1.1", sourcePort: 3306, ioRunning: true, sqlRunning: true,
                receivedPosition: GTIDSet("0-1-5") ?? GTIDSet(), lagSeconds: 0, ioError: "x", sqlError: "y"),
            semiSyncPrimary: true, semiSyncReplica: true, semiSyncClients: 2, variables: ["b": "2"],
            databases: [DatabaseFacts(name: "orders", characterSet: "utf8mb4", collation: "utf8mb4_bin")],
            accounts: [AccountFacts(name: "app", host: "%", fingerprint: "f", grants: [grant])], isInitialized: true,
            replicationAccounts: [1, 3]),
        origin: InstanceOrigin(address: "127.0.1.1", serverID: 7, gtidDomain: 16_777_217, engineVersion: "10.11.19"))
    report.orderedDigest = "cd"
    report.isStartHeld = true
    report.resumes = .acknowledges
    report.isSupervised = false
    report.startedValues = ["a": "2"]
    report.refusedStart = RefusedStart(configDigest: "ef", engineVersion: "10.11.18", message: "no\nand no")
    report.database?.areCommitsWaiting = true
    report.database?.awaitsAcknowledgement = true
    report.database?.runsEvents = true
    report.database?.replication?.ioConnecting = true
    report.database?.replication?.delaySeconds = 60
    report.database?.replication?.ioErrorCode = 2003
    report.database?.connectedReplicas = [2]
    report.database?.standbyAccounts = [InstanceID(clusterUID: "u2", ordinal: 1)]
    report.disk = .full
    report.database?.galera = galera
    report.recovered = recovered
    report.isInconsistent = true
    report.groupCertificate = GroupCertificate(ends: moment, authority: 4)
    return report
}()

@Test func `observed state survives JSON`() throws {
    try check(instance)
    if let database = instance.database {
        try check(database)
        if let replication = database.replication { try check(replication) }
        for account in database.accounts { try check(account) }
        if let galera = database.galera { try check(galera) }
    }
    try check(recovered)
    if let view = recovered.view { try check(view) }
    for state in GaleraState.allCases { try check(state) }
    #expect(throws: JSONError.self) { try RecoveredPosition(jsonText: #"{"stateUUID":"6f-1"}"#) }
    for process in [InstanceProcess.stopped, .starting, .running, .unresponsive] { try check(process) }
    for directory in InstanceDirectory.allCases { try check(directory) }
    let report = HostReport(
        host: "h", agentVersion: "1", storeID: "s", engines: [EngineBinary(type: .mariadb, version: "10.11.19", path: "/usr", galeraProvider: "/lib")],
        storageFreeBytes: 1, memoryTotalBytes: 2, instances: [instance],
        catalogs: [VariableCatalog(type: .mariadb, version: "10.11.19", dynamic: ["a", "b"], fixed: ["c"])])
    try check(report)
    try check(maintenance)
    try check(ObservedHost(report: report, renewed: moment, heard: moment + .seconds(1)))
}

@Test func `records survive JSON`() throws {
    for phase in [MemberPhase.active, .leaving, .retired(until: moment), .purged] {
        try check(phase)
        let member = MemberRecord(ordinal: 2, host: "h", zone: "z", address: "a", port: 1, serverID: 5, phase: phase, groupPort: 2, transferPort: 3)
        #expect(try MemberRecord(json: member.jsonBytes) == member)
    }
    var records = ClusterRecords(uid: "u", name: "orders", gtidDomain: 3)
    records.engineVersion = "10.11.19"
    records.members = [MemberRecord(ordinal: 1, host: "h", zone: "z", address: "a", port: 1, serverID: 5, phase: .leaving)]
    records.epoch = 2
    records.primary = 1
    records.isFounded = true
    records.ackSet = [2, 3]
    records.failover = FailoverIntent(
        from: 1, epoch: 6, began: Instant(milliseconds: 9), reason: "DeadPrimary: it does not start", ackers: [2, 3],
        revoked: [2: GTIDSet("7-1-5") ?? GTIDSet()], isFenced: true, tail: GTIDSet("7-1-6"), to: 2, isPastReturn: true)
    records.failovers = [FailoverMark(at: Instant(milliseconds: 9), zone: "z", loss: .init(known: 3, isAll: true))]
    records.requestedPrimary = 2
    records.isFailoverRequested = true
    records.leftBehind = [1, 3]
    records.expelled = [3: GTIDSet("7-1-9") ?? GTIDSet()]
    records.quiet = [2: GTIDSet("7-1-8") ?? GTIDSet()]
    records.floor = GTIDSet("7-1-4") ?? GTIDSet()
    records.switchover = SwitchoverIntent(
        from: 1, to: 2, epoch: 3, began: moment, reason: "move", position: GTIDSet("0-1-5"), isPastReturn: true, sequence: 5)
    records.parameters = ["a": AppliedParameter(declared: "1", readBack: "2", version: "10.11.19")]
    records.databases = ["orders": .delete]
    records.accounts = ["app@%": AppliedAccount(fingerprint: "f", grants: [grant])]
    records.preparedReplicas = [2]
    (records.joining, records.returning) = ([4], [3])
    records.rolled = RolledInstance(ordinal: 2, at: moment)
    records.isSemiSync = true
    records.isUnprotected = true
    records.failures = ["k": FailureRecord(count: 1, last: moment, message: "no", retryAt: moment)]
    records.suspended = true
    records.standby = StandbyRole(clusterUID: "u2", name: "stock", isSuperseded: true)
    records.steppingDown = StepDown(to: StandbyRole(clusterUID: "u2", name: "stock"), epoch: 8)
    records.demotion = token
    records.lead = LeadTaken(from: "u2", epoch: 9, position: token.position, loss: 3)
    let recovery = RecoveryIntent(epoch: 4, began: moment, from: 2, position: 9, acceptsLoss: true, isPastReturn: true)
    records.galera = GaleraRecords(stateUUID: "6f-1", component: [1, 2], recovery: recovery, inconsistent: [2], authority: 4)
    try check(records)
    try check(recovery)
    if let galera = records.galera { try check(galera) }
    if let switchover = records.switchover { try check(switchover) }
    if let failover = records.failover { try check(failover) }
    if let lead = records.lead { try check(lead) }
    if let steppingDown = records.steppingDown { try check(steppingDown) }
    if let standby = records.standby { try check(standby) }
    #expect(DemotionToken(token.description) == token)
    #expect(DemotionToken(String(token.description.dropLast())) == nil)
    var fleet = FleetRecords(storeID: "s")
    fleet.clusters = ["orders": records]
    (fleet.nextServerNumber, fleet.nextDomainNumber, fleet.clustersMade) = (4, 5, 6)
    fleet.channels = ["ops": "d"]
    let again = try FleetRecords(json: fleet.jsonBytes)
    #expect(again.clusters == fleet.clusters && again.channels == fleet.channels && again.storeID == "s")
    #expect(again.jsonBytes == fleet.jsonBytes)
    #expect((again.nextServerNumber, again.nextDomainNumber, again.clustersMade) == (4, 5, 6))
}

private let peer = Peer(ordinal: 2, host: "h", address: "127.0.1.1", port: 3306)
private let blueprint = InstanceBlueprint(
    clusterName: "orders", port: 3306, address: "127.0.1.1", serverID: 9, gtidDomain: 3, engineVersion: "10.11",
    configuration: "[mariadbd]\nport=3306\n", storageBytes: 5)

/// One of each; a new action is added here, which the switch below asks for.
private let actions: [Action] = [
    .install(blueprint), .clone(blueprint, donor: peer), .start, .configure(configuration: "c"), .restart(isPrimary: true), .upgrade(isPrimary: false, version: "10.11.19"), .takeBack(reason: "no"),
    .initialize(replicas: [1, 2]), .prepareReplica(ordinal: 2), .replicate(source: peer), .replicate(source: peer, acknowledges: true),
    .acknowledge(source: peer), .probe,
    .open(epoch: 3, semiSync: true), .close, .setVariables(values: ["a": nil, "b": "1"], configuration: "c"),
    .ensureDatabase(database), .dropDatabase(name: "old"), .ensureAccount(account, fingerprint: "f"),
    .dropAccount(name: "app", host: "%"), .demote(epoch: 3),
    .promote(epoch: 4, position: GTIDSet("0-1-5") ?? GTIDSet(), semiSync: false), .promote(epoch: 4, position: GTIDSet(), semiSync: true, refusing: [1, 3]), .expel(ordinal: 3), .revoke(epoch: 4), .fence(epoch: 4), .rejoin(source: peer), .retire, .purge,
    .promote(epoch: 4, position: GTIDSet(), semiSync: false, sequence: 7), .foundComponent(epoch: 1), .joinComponent(epoch: 1, stateUUID: "6f-1"),
    .readPosition, .recoverComponent(epoch: 2, stateUUID: "6f-1", position: 9), .renewCertificate,
    .applyChannel(digest: "d"), .applyChannel(digest: nil),
]

@Test(arguments: actions) func `every action survives JSON`(_ action: Action) throws {
    try check(action)
    #expect(action.jsonText.hasPrefix("{\"name\":\"\(action.name)\""))
}

@Test func `no action is left out of these tests`() {
    // Fails to build when an action is added: then add it above too.
    func index(_ action: Action) -> Int {
        switch action {
        case .install: 0
        case .clone: 1
        case .start: 2
        case .configure: 3
        case .restart: 4
        case .initialize: 5
        case .prepareReplica: 6
        case .replicate: 7
        case .acknowledge: 8
        case .open: 9
        case .close: 10
        case .setVariables: 11
        case .ensureDatabase: 12
        case .dropDatabase: 13
        case .ensureAccount: 14
        case .dropAccount: 15
        case .demote: 16
        case .promote: 17
        case .retire: 18
        case .purge: 19
        case .applyChannel: 20
        case .revoke: 21
        case .fence: 22
        case .rejoin: 23
        case .expel: 24
        case .upgrade: 25
        case .foundComponent: 26
        case .joinComponent: 27
        case .readPosition: 28
        case .recoverComponent: 29
        case .renewCertificate: 30
        case .probe: 31
        case .takeBack: 32
        }
    }
    #expect(Set(actions.map(index)) == Set(0...32))
}

@Test func `an unknown action is told by its name`() {
    let error = #expect(throws: JSONError.self) { try Action(jsonText: #"{"level":9,"name":"levitate"}"#) }
    #expect(error?.kind == .unknownCase(type: "Action", name: "levitate"))
}

@Test(arguments: [#"{"name":"open","epoch":1}"#, #"{"name":"demote"}"#, #"{"name":"clone"}"#, #"{}"#, #"{"name":1}"#, "[]"])
func `an action without what it needs is refused`(_ json: String) {
    #expect(throws: JSONError.self) { try Action(jsonText: json) }
}

@Test func `tasks and their ends survive JSON`() throws {
    let place = SourcePosition(file: "a.yaml", line: 3, column: 4)
    let task = PlannedTask(
        unit: UnitID(.cluster, "orders"), target: .instance(InstanceID(clusterUID: "u", ordinal: 1), host: "h"),
        action: .clone(blueprint, donor: peer), alsoBusy: InstanceID(clusterUID: "u", ordinal: 2), isVoluntary: false,
        cause: .manifest(revision: "r", at: place, field: "spec.port"), summary: "clone from orders-2")
    try check(task)
    try check(TaskTarget.server)
    try check(task.cause)
    try check(Cause.observation("orders-1 stopped"))
    try check(RunningAttempt(id: "7", task: task, started: moment, progress: "copying"))
    let result = TaskResult(acted: false, readBack: ["a": "1"], position: GTIDSet("0-1-5"), engineVersion: "10.11.19", note: "two rows", sequence: 9, recovered: recovered)
    try check(result)
    for outcome in [AttemptOutcome.succeeded(result), .failed("no"), .cancelled, .refused("term")] { try check(outcome) }
}

@Test func `conditions, events, findings and waits survive JSON`() throws {
    for type in ConditionType.allCases { try check(Condition(type, true, reason: "R", message: "m", lastTransition: moment)) }
    for level in Event.Level.allCases {
        try check(Event(time: moment, unit: UnitID(.host, "h"), level: level, reason: "R", message: "m"))
    }
    var finding = Finding(reason: "InstanceDown", subject: "orders-1", host: "h", message: "m", isDrift: true)
    finding.isMuted = true
    try check(finding)
    let reasons: [Wait.Reason] = [
        .time(moment), .host("h"), .attempt("a"), .approval("p"), .budget("b"), .retention(moment), .fact("f"),
    ]
    for reason in reasons { try check(Wait(reason, "m")) }
}

@Test func `a required key that is missing is named`() {
    let error = #expect(throws: JSONError.self) { try HostReport(jsonText: #"{"agentVersion":"1"}"#) }
    #expect(error?.kind == .missing)
    #expect(error?.description.contains("\"host\"") == true)
}
