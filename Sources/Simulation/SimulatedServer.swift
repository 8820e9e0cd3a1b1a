import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation

/// The shell of a real `LoopMachine`: lease, commits, sources and secrets of a model world.
final class SimulatedServer {
    private(set) var name: String
    unowned let world: World
    private var process: Process?
    var machine: LoopMachine? { process?.machine }
    private var keeper = LeaseKeeper(duration: SimulatedServer.leaseDuration)
    private var incarnation = 0
    private var timer = 0
    private var lease: Lease?
    private var connections: [UInt64: Connection] = [:]
    private var commits: [(id: UInt64, changes: [StoreChange], term: Int64)] = []
    private var isCommitting = false
    /// Which revision of the script the source has handed over, and whether the loop has judged it.
    private var read: Int?
    private var accepted: Int?
    private var isWatching = false
    /// It does nothing until then, and does not know.
    private var pausedUntil = Instant(milliseconds: 0)
    /// How far the time of its wall is off; asked once, when it starts.
    var wall: Duration = .zero
    private var skew: Duration = .zero
    /// By its own clock.
    var now: Instant { world.now + (world.planted == .wallClock ? wall : skew) }
    private var onItsWay: (changes: [StoreChange], term: Int64)?

    static let leaseDuration: Duration = .seconds(15)

    /// Shorter than what is configured for people: most of a world's time would else be a primary's wait until it may go back
    /// to its zone, or a budget's until it is full again.
    private static func settings(_ name: String) -> LoopSettings {
        var policy = PlanningPolicy()
        (policy.failovers.window, policy.failovers.coolDown) = (.seconds(60), .seconds(5))
        return LoopSettings(policy: policy, sources: [SourceConfiguration(name: Script.source, url: "file:///fleet")], ownURL: name)
    }
    static let credentials = Credentials(fleetKey: [UInt8](repeating: 7, count: 32))

    init(_ name: String, _ world: World) {
        self.name = name
        self.world = world
    }

    /// What a crash loses. An object of its own, because a machine is large, and is asked again and again.
    private final class Process {
        var machine: LoopMachine

        init(_ machine: LoopMachine) { self.machine = machine }
    }

    var isRunning: Bool { process != nil }
    /// Of the lease that it took last.
    var term: Int64 { lease?.term ?? 0 }
    var isLeader: Bool { process?.machine.leads() ?? false }

    /// Whether it is content with this revision.
    func isSettled(on revision: Revision) -> Bool { process?.machine.isAtRest(on: revision) ?? false }

    func start() {
        guard process == nil else { return }
        world.note("server \(name) starts")
        incarnation += 1
        skew = wall
        // Where there is one, it may be another that takes over, and has to wait for the lease to end.
        if world.servers.count == 1, world.chance(world.faults.otherServer) { name = name == "one" ? "two" : "one" }
        process = Process(
            LoopMachine(
                settings: SimulatedServer.settings(name),
                credentials: SimulatedServer.credentials, seed: world.random.next(),
                planner: StandardPlanner(foresees: world.foresees)))
        keeper = LeaseKeeper(duration: SimulatedServer.leaseDuration)
        keep(.started)
    }

    /// Killed, and started again after so long; nil: soon.
    func crash(for absence: Duration? = nil) {
        guard process != nil else { return }
        world.note("server \(name) is killed")
        process = nil
        incarnation += 1
        commits = []
        isCommitting = false
        isWatching = false
        lease = nil
        for connection in connections.values.sorted(by: { $0.number < $1.number }) { connection.serverEnds() }
        connections = [:]
        if let onItsWay { arriveLate(onItsWay) }
        onItsWay = nil
        world.after(absence ?? world.milliseconds(100...5000)) { self.start() }
    }

    /// The process stands still for a while, as under swapping or a suspended machine.
    func pause(_ duration: Duration) {
        world.note("server \(name) stands still for \(duration)")
        pausedUntil = max(pausedUntil, world.now + duration)
    }

    var stillness: Duration { max(pausedUntil - world.now, .zero) }

    private func later(_ delay: Duration, _ action: @escaping () -> Void) {
        let current = incarnation
        world.after(delay) {
            guard self.incarnation == current, self.process != nil else { return }
            if self.pausedUntil > self.world.now {
                self.later(self.pausedUntil - self.world.now, action)
            } else {
                action()
            }
        }
    }

    func handle(_ event: LoopEvent) {
        guard let directives = process?.machine.handle(event, now: now) else { return }
        for directive in directives where !directive.isForPeople {
            if world.faults.crashes(world, "server at \(directive.name)") { return crash() }
            carryOut(directive)
        }
    }

    private func carryOut(_ directive: LoopDirective) {
        switch directive {
        case .load: later(world.milliseconds(1...20)) { self.load() }
        case .commit(let id, let changes, let term):
            commits.append((id, changes, term))
            advanceCommits()
        case .send(let message, _, let connection):
            world.noteMessage(message, connections[connection]?.agent.host.name ?? "?")
            connections[connection]?.toAgent(message)
        case .offer(let order, let secrets, _, let connection): offer(order, secrets, connection)
        case .close(_, let connection): connections.removeValue(forKey: connection)?.closeAfterAll()
        case .resolve(let unit, let uid, let accounts):
            later(world.milliseconds(1...10)) { self.resolve(unit, uid, accounts) }
        case .watchSources(let revisions, _): watch(revisions)
        case .unwatchSources: isWatching = false
        case .judged(_, let commit, let isAccepted): judged(commit, isAccepted)
        case .look: look()
        case .wake(let moment):
            timer += 1
            let current = timer
            later(moment - now) { if self.timer == current { self.handle(.woke) } }
        case .publish, .changed: break
        case .stepDown:
            keep(.released)
            if let lease { world.store.releaseNow(lease) }
            lease = nil
        case .tell(let notice): world.note("server \(name): \(notice.message) \(notice.metadata)")
        }
    }

    // MARK: Lease

    private func keep(_ event: LeaseKeeper.Event) {
        for directive in keeper.handle(event, now: now) {
            switch directive {
            case .acquire(let duration): later(world.milliseconds(1...10)) { self.acquire(duration) }
            case .wake(let moment): later(moment - now) { self.keep(.woke) }
            case .tell(let event): handle(event)
            }
        }
    }

    private func acquire(_ duration: Duration) {
        do throws(StoreError) {
            guard world.storeDownUntil <= world.now else { throw .unavailable("the store is down") }
            let lease = try world.store.acquireNow(holder: LeaseHolder(name: name, run: Int64(incarnation)), duration: duration, now: world.now)
            self.lease = lease
            world.oracle.leased(lease.term)
            keep(.acquired(lease))
        } catch {
            keep(.failed(error))
        }
    }

    // MARK: Store

    private func load() {
        if world.storeDownUntil > world.now {
            handle(.loadFailed("the store is down"))
        } else {
            handle(.loaded(world.store.loadNow()))
        }
    }

    private func advanceCommits() {
        guard !isCommitting, !commits.isEmpty else { return }
        isCommitting = true
        let commit = commits.removeFirst()
        onItsWay = (commit.changes, commit.term)
        let delay = world.chance(world.faults.slowCommit) ? world.milliseconds(1000...4000) : world.milliseconds(1...15)
        if world.chance(world.faults.crashInCommit) { later(delay / 2) { self.crash() } }
        later(delay) {
            self.onItsWay = nil
            let answer = self.commit(commit.changes, commit.term)
            if self.world.faults.crashes(self.world, "server after a commit") { return self.crash() }
            self.later(self.world.milliseconds(1...3)) {
                self.isCommitting = false
                self.handle(answer.map { .commitFailed(commit.id, $0) } ?? .committed(commit.id))
                self.advanceCommits()
            }
        }
    }

    /// What was on its way when it was killed reaches the store, however late.
    private func arriveLate(_ commit: (changes: [StoreChange], term: Int64)) {
        world.after(world.milliseconds(10...40_000)) { _ = self.commit(commit.changes, commit.term) }
    }

    private func commit(_ changes: [StoreChange], _ term: Int64) -> StoreError? {
        do throws(StoreError) {
            guard world.storeDownUntil <= world.now else { throw .unavailable("the store is down") }
            let changes = world.planted == .componentTooSmall ? changes.map(world.withoutDead) : changes
            try world.store.commitNow(changes, term: world.planted == .lenientStore ? world.oracle.highestTerm : term)
            for change in changes { world.noteChange(change) }
            world.oracle.stored(changes, by: term)
            return nil
        } catch {
            if case .conflict(let reason) = error { world.note("conflict: \(reason)") }
            return error
        }
    }

    // MARK: Secrets

    private func offer(_ order: AttemptOrder, _ needs: OfferSecrets, _ connection: UInt64) {
        let password = needs.account.map { Secrets.password($0.passwordFrom) }
        world.note("offers \(order.id) \(order.action.name) on \(order.instance), epoch \(order.epoch)")
        connections[connection]?.toAgent(.offer(order.with(needs, SimulatedServer.credentials, accountPassword: password)))
    }

    private func resolve(_ unit: UnitID, _ uid: String, _ accounts: [AccountSpec]) {
        let key = SimulatedServer.credentials.fingerprintKey(clusterUID: uid)
        var fingerprints: [String: String] = [:]
        for account in accounts {
            let authentication = Secrets.authentication(Secrets.password(account.passwordFrom))
            fingerprints[account.key] = Fingerprint.account(authentication, key: key)
        }
        handle(.resolved(unit, fingerprints: fingerprints, problems: []))
    }

    // MARK: Source

    private func watch(_ revisions: [RevisionRecord]) {
        isWatching = true
        read = nil
        accepted = nil
        if let known = revisions.first, let index = world.script.index(of: known.revision.commit) {
            later(world.milliseconds(5...50)) { self.hand(index, isResumed: true) }
        } else {
            look()
        }
    }

    /// A new revision was pushed.
    func look() {
        later(world.milliseconds(5...50)) {
            guard self.isWatching, self.read == nil else { return }
            if self.accepted != self.world.script.newest { self.hand(self.world.script.newest, isResumed: false) }
        }
    }

    private func hand(_ index: Int, isResumed: Bool) {
        guard isWatching else { return }
        read = index
        let fleet = world.script.fleets[index]
        var assembly = Assembly(fleet: fleet)
        assembly.changed = fleet.units(differingFrom: accepted.map { world.script.fleets[$0] })
        handle(
            .revisionRead(
                RevisionRead(source: Script.source, revision: fleet.revision, assembly: assembly, isResumed: isResumed)))
    }

    private func judged(_ commit: String, _ isAccepted: Bool) {
        guard let read, world.script.fleets[read].revision.commit == commit else { return }
        self.read = nil
        if isAccepted { accepted = read }
        look()
    }

    // MARK: Agents

    func connected(_ connection: Connection) {
        later(.zero) {
            guard connection.isOpen else { return }
            self.connections[connection.number] = connection
            self.handle(.agentConnected(host: connection.agent.host.name, connection: connection.number))
        }
    }

    func received(_ message: AgentMessage, _ connection: Connection) {
        later(.zero) {
            guard self.connections[connection.number] != nil else { return }
            self.handle(.agentMessage(message, host: connection.agent.host.name, connection: connection.number))
        }
    }

    func lost(_ connection: Connection) {
        later(.zero) {
            guard self.connections.removeValue(forKey: connection.number) != nil else { return }
            self.handle(.agentDisconnected(host: connection.agent.host.name, connection: connection.number))
        }
    }
}

// Both change nothing. As if they did, they are asked where the machine is, and not of a copy of all that it holds.
extension LoopMachine {
    fileprivate mutating func leads() -> Bool { isLeader }

    fileprivate mutating func isAtRest(on revision: Revision) -> Bool {
        // What is waited for is put into words only where nothing seems to be.
        guard self.revision == revision, !isUnsettled(nil), case .converged = settled(nil) else { return false }
        return true
    }
}

extension LoopDirective {
    /// How much there is to tell depends on how far plans were rehearsed, which must not change a history.
    fileprivate var isForPeople: Bool {
        switch self {
        case .publish, .changed: true
        default: false
        }
    }

    var name: String {
        switch self {
        case .load: "load"
        case .commit: "commit"
        case .send(let message, _, _): "send \(message.short)"
        case .offer: "offer"
        case .close: "close"
        case .resolve: "resolve"
        case .watchSources: "watchSources"
        case .unwatchSources: "unwatchSources"
        case .judged: "judged"
        case .look: "look"
        case .wake: "wake"
        case .publish: "publish"
        case .changed: "changed"
        case .stepDown: "stepDown"
        case .tell: "tell"
        }
    }
}

extension ServerMessage {
    var short: String {
        switch self {
        case .welcome(_, let term, _, _, _): "welcome, term \(term)"
        case .gathering: "gathering"
        case .fingerprintKeys: "fingerprintKeys"
        case .notLeader: "notLeader"
        case .refused(let reason): "refused: \(reason)"
        case .offer(let order): "offer \(order.id)"
        case .cancel(let attempt, _): "cancel \(attempt)"
        case .heartbeat: "heartbeat"
        case .settled(let attempt): "settled \(attempt)"
        case .sendCopy(let endpoint, let donor): "sendCopy \(endpoint.attempt) from \(donor)"
        case .copySent(let attempt, let error): "copySent \(attempt) \(error ?? "well")"
        case .observe: "observe"
        case .holdStart(let id, _): "holdStart \(id)"
        case .fault(let order): "fault \(order.kind)"
        case .rivals(let id, let rivals): "rivals of \(id): \(rivals.map(\.ordinal))"
        }
    }
}

extension World {
    func noteMessage(_ message: ServerMessage, _ host: @autoclosure () -> String) {
        if case .heartbeat = message { return }
        note("server to \(host()): \(message.short)")
    }

    func noteChange(_ change: StoreChange) {
        guard isTraced else { return }
        switch change {
        case .openAttempt(let attempt): note("store: opens \(attempt.id) \(attempt.task.action.name): \(attempt.task.summary)")
        case .endAttempt(let id, let outcome, _): note("store: ends \(id) \(outcome.short)")
        case .putCluster(let cluster):
            let phases = cluster.members.map { "\($0.ordinal)@\($0.host) \($0.phase)" }.joined(separator: ", ")
            note(
                "store: \(cluster.name) epoch \(cluster.epoch) primary \(cluster.primary ?? 0) acks \(cluster.ackSet) founded \(cluster.isFounded) switchover \(cluster.switchover.map { "\($0.from)→\($0.to) \($0.position?.description ?? "-") past \($0.isPastReturn)" } ?? "none") \(cluster.failoverText)\(cluster.galeraText); \(phases)")
        case .putRevision(let record): note("store: revision \(record.revision.commit) \(record.state)")
        case .appendEvent(let event): note("event: \(event.unit) \(event.reason) \(event.message)")
        default: break
        }
    }
}

extension ClusterRecords {
    fileprivate var galeraText: String {
        guard let galera else { return "" }
        let recovery = galera.recovery.map { "epoch \($0.epoch) from \($0.from ?? 0) at \($0.position ?? -1)" }
        return " component \(galera.component) inconsistent \(galera.inconsistent) recovery \(recovery ?? "none")"
    }

    fileprivate var failoverText: String {
        var text = leftBehind.isEmpty ? "" : "left behind \(leftBehind) "
        guard let failover else { return text + "failover none" }
        let revoked = failover.revoked.sorted { $0.key < $1.key }.map { "\($0.key) at \($0.value)" }
        text += "failover \(failover.from)→\(failover.to.map(String.init) ?? "?") epoch \(failover.epoch) ackers \(failover.ackers)"
        text += " revoked \(revoked) fenced \(failover.isFenced) tail \(failover.tail?.description ?? "-") past \(failover.isPastReturn)"
        return text
    }
}
