import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import SourceControl
import Testing

/// A store of a later day, being rebuilt, and the agent of the one host: what the loop says and does.
private struct Rebuild {
    var machine: LoopMachine
    var now = Instant(milliseconds: 1_000_000)
    let store = MemoryStore(storeID: "old")
    var sent: [ServerMessage] = []
    var verdicts: [Bool] = []
    var commits = 0
    /// So many directives more are carried out, then the server is killed; nil: it lives.
    var directivesLeft: Int?
    private var runs = 0
    private static let eventsMax = 2000

    static let uid = "0a1b2c3d4e"

    init() {
        store.beginRebuildNow(now: now)
        machine = Rebuild.newMachine()
    }

    private static func newMachine() -> LoopMachine {
        LoopMachine(
            settings: LoopSettings(sources: [SourceConfiguration(name: "fleet", url: "memory")], ownURL: "http://here"),
            credentials: Credentials(fleetKey: [1]), seed: 1)
    }

    mutating func handle(_ event: LoopEvent) {
        var events = [event]
        for _ in 0..<Rebuild.eventsMax {
            guard !events.isEmpty else { return }
            for directive in machine.handle(events.removeFirst(), now: now) {
                if let left = directivesLeft {
                    guard left > 0 else { return }
                    directivesLeft = left - 1
                }
                carryOut(directive, &events)
            }
        }
        Issue.record("events without end")
    }

    private mutating func carryOut(_ directive: LoopDirective, _ events: inout [LoopEvent]) {
        switch directive {
        case .load: events.append(.loaded(store.loadNow()))
        case .commit(let id, let changes, let term):
            commits += 1
            do throws(StoreError) {
                try store.commitNow(changes, term: term)
                events.append(.committed(id))
            } catch {
                events.append(.commitFailed(id, error))
            }
        case .send(let message, _, _): sent.append(message)
        case .offer(let order, _, _, _): sent.append(.offer(order))
        case .wake(let moment) where moment <= now: events.append(.woke)
        case .judged(_, _, let isAccepted): verdicts.append(isAccepted)
        default: break
        }
    }

    /// A server takes the lead: the first one, or after a kill another.
    mutating func lead() throws {
        machine = Rebuild.newMachine()
        directivesLeft = nil
        runs += 1
        now = now + .seconds(20)
        let lease = try store.acquireNow(holder: LeaseHolder(name: "server \(runs)", run: 1), duration: .seconds(15), now: now)
        handle(.leaseGained(term: lease.term, until: now + lease.duration))
    }

    static func report(bound: String = "old") -> HostReport {
        var report = HostReport(host: "host-1", storeID: bound)
        report.engines = [EngineBinary(type: .mariadb, version: "10.11.19", path: "/usr/sbin/mariadbd")]
        report.instances = [
            InstanceReport(
                id: InstanceID(clusterUID: uid, ordinal: 1), clusterName: "orders", port: 3306, process: .running, epoch: 4,
                isWriter: true,
                database: DatabaseReport(version: "10.11.19", serverID: 16_777_217, readOnly: false, isInitialized: true),
                origin: InstanceOrigin(address: "127.0.1.1", serverID: 16_777_217, gtidDomain: 16_777_217, engineVersion: "10.11.19"))
        ]
        return report
    }

    mutating func hello(connection: UInt64, term: Int64 = 41, bound: String = "old") {
        handle(.agentConnected(host: "host-1", connection: connection))
        let hello = AgentMessage.hello(
            version: agentProtocolVersion, term: term, attempts: [AttemptStatus(id: "40-x-1", state: .ended(.cancelled))],
            report: Rebuild.report(bound: bound), digest: "d", delay: .zero)
        handle(.agentMessage(hello, host: "host-1", connection: connection))
    }

    mutating func read() {
        var manifests = ManifestSet()
        let files = ["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)]
        let revision = Revision(commit: String(repeating: "c", count: 40))
        _ = manifests.apply(
            changed: files.sorted { $0.key < $1.key }.map { ManifestFile(path: $0.key, bytes: Array($0.value.utf8)) }, removed: [],
            revision: revision)
        let assembly = manifests.assemble(holdingRevisionOnError: false)
        handle(.revisionRead(RevisionRead(source: "fleet", revision: revision, assembly: assembly)))
    }

    var approval: RebuildApproval? {
        machine.rebuildView(RebuildChoices(), at: now).map {
            RebuildApproval(digest: $0.proposal.digest, choices: RebuildChoices(), by: "ada")
        }
    }

    /// Gathers all and approves.
    mutating func approve() throws {
        read()
        hello(connection: 1)
        handle(.request(.approveRebuild(try #require(approval))))
    }
}

@Suite struct RebuildingTests {
    @Test func `while a store is being rebuilt nothing is accepted, written, ordered or promised`() throws {
        var world = Rebuild()
        try world.lead()
        world.read()
        world.hello(connection: 1)
        world.handle(.agentMessage(.attempt(AttemptStatus(id: "40-x-1", state: .ended(.cancelled))), host: "host-1", connection: 1))
        world.handle(.agentMessage(.promised(term: 1), host: "host-1", connection: 1))
        world.handle(.request(.reconcile(nil, by: "ada")))
        world.now = world.now + .seconds(3)
        world.handle(.woke)
        #expect(world.commits == 0 && world.verdicts == [false])
        #expect(world.sent == [.gathering, .heartbeat(answers: 1)])
        let view = world.machine.view(at: world.now)
        #expect(view.isLeader && view.isRebuilding && view.units[UnitID(.cluster, "orders")]?.isStalled == true)
        #expect(view.observed["host-1"]?.report.instances.count == 1)
        #expect(world.store.loadNow().records.clusters.isEmpty)
    }

    @Test func `an approval is one transaction, under a term above every agent's, and the agents are adopted`() throws {
        var world = Rebuild()
        try world.lead()
        try world.approve()
        let state = world.store.loadNow()
        #expect(world.commits >= 1 && state.rebuilding == nil && state.adopts == ["old"])
        let cluster = try #require(state.records.clusters["orders"])
        #expect(cluster.uid == Rebuild.uid && cluster.epoch == 5 && cluster.primary == 1 && cluster.isFounded)
        #expect(state.revisions.map(\.revision.commit) == [String(repeating: "c", count: 40)])
        let view = world.machine.view(at: world.now)
        #expect(view.isLeader && !view.isRebuilding && view.term == 42)
        #expect(world.sent.last == .notLeader(url: "http://here"))
        world.hello(connection: 2)
        #expect(world.sent.contains { if case .welcome(let store, 42, _, ["old"], _) = $0 { store != "old" } else { false } })
        #expect(world.sent.contains(.settled(attempt: "40-x-1")))
    }

    @Test func `after an approval an undisturbed fleet is only affirmed`() throws {
        var world = Rebuild()
        try world.lead()
        try world.approve()
        world.read()
        world.hello(connection: 2)
        world.handle(.agentMessage(.promised(term: 42), host: "host-1", connection: 2))
        let orders = world.sent.compactMap { if case .offer(let order) = $0 { order } else { nil } }
        #expect(world.verdicts.last == true)
        #expect(orders.map(\.action.name) == ["open"] && orders.first?.epoch == 5)
    }

    @Test func `an agent of a store that is not adopted, or with a higher term, is refused after an approval`() throws {
        for (bound, term) in [("another", Int64(3)), ("old", 43)] {
            var world = Rebuild()
            try world.lead()
            try world.approve()
            world.hello(connection: 2, term: term, bound: bound)
            guard case .refused = world.sent.last else {
                Issue.record("\(bound), term \(term): \(world.sent)")
                continue
            }
        }
    }

    @Test func `a kill between any two steps of an approval leaves the store being rebuilt or rebuilt`() throws {
        var outcomes: Set<Bool> = []
        for count in 0..<12 {
            var world = Rebuild()
            try world.lead()
            world.read()
            world.hello(connection: 1)
            let approval = try #require(world.approval)
            world.directivesLeft = count
            world.handle(.request(.approveRebuild(approval)))
            let state = world.store.loadNow()
            let isRebuilt = state.rebuilding == nil
            outcomes.insert(isRebuilt)
            #expect(isRebuilt == (state.records.clusters["orders"] != nil) && isRebuilt == !state.adopts.isEmpty)
            try world.lead()
            let view = world.machine.view(at: world.now)
            #expect(view.isLeader && view.isRebuilding == !isRebuilt)
            if isRebuilt { #expect(view.term > 42) } else { try world.approve() }
            #expect(world.store.loadNow().records.clusters["orders"]?.uid == Rebuild.uid)
        }
        #expect(outcomes == [true, false])
    }

    @Test func `an approval of something else than what is seen changes nothing`() throws {
        var world = Rebuild()
        try world.lead()
        world.read()
        world.hello(connection: 1)
        var approval = try #require(world.approval)
        approval.digest = "0123456789ab"
        world.handle(.request(.approveRebuild(approval)))
        world.now = world.now + .seconds(11)
        approval = try #require(world.approval)
        world.handle(.request(.approveRebuild(approval)))
        #expect(world.commits == 0 && world.machine.isRebuilding)
    }

    @Test func `open attempts of a backup are ended, for the agents know better`() throws {
        var world = Rebuild()
        let instance = InstanceID(clusterUID: Rebuild.uid, ordinal: 1)
        let task = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(instance, host: "host-1"), action: .start,
            cause: .observation("it stopped"), summary: "start")
        let lease = try world.store.acquireNow(holder: LeaseHolder(name: "before", run: 1), duration: .seconds(1), now: world.now)
        try world.store.commitNow([.openAttempt(AttemptRecord(id: "3-a-1", key: "k", task: task, plan: "", revision: "", started: world.now))], term: lease.term)
        try world.lead()
        try world.approve()
        #expect(world.store.loadNow().openAttempts.filter { $0.id == "3-a-1" }.isEmpty)
    }

    @Test func `while a store is being rebuilt commands say so, and approvals say what is missing`() async throws {
        let bench = Bench()
        bench.store.beginRebuildNow(now: Instant(milliseconds: 1))
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            func kind(_ body: () async throws -> Void) async -> ReconcilerError.Kind? {
                do { try await body() } catch { return (error as? ReconcilerError)?.kind }
                return nil
            }
            let unit = UnitID(.cluster, "orders")
            #expect(await kind { try await bench.reconciler.reconcile(unit: nil, by: "ada") } == .rebuilding)
            #expect(await kind { try await bench.reconciler.suspend(unit: unit, by: "ada") } == .rebuilding)
            #expect(await kind { _ = try await bench.reconciler.plan(PlanRequest(base: .current)) } == .rebuilding)
            func approve(_ digest: String, _ choices: RebuildChoices = RebuildChoices()) async -> ReconcilerError.Kind? {
                await kind { try await bench.reconciler.approve(RebuildApproval(digest: digest, choices: choices, by: "ada")) }
            }
            try await bench.until { $0.desired != nil }
            #expect(await approve("0") == .refused)
            var choices = RebuildChoices()
            choices.without = ["host-9"]
            #expect(await approve("0", choices) == .invalid)
            choices.without = ["host-1"]
            choices.create = ["orders"]
            #expect(await approve("0", choices) == .stale)
            let digest = try await bench.reconciler.rebuild(choices).proposal.digest
            try await bench.reconciler.approve(RebuildApproval(digest: digest, choices: choices, by: "ada"))
            let view = await bench.reconciler.view()
            #expect(view.isLeader && !view.isRebuilding)
            #expect(await approve(digest) == .rebuilding)
        }
    }
}
