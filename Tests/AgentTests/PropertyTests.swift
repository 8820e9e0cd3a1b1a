import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

/// SplitMix64: the same numbers for the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func chance(_ one: Int, in many: Int) -> Bool { Int.random(in: 0..<many, using: &self) < one }
}

/// A host whose agent crashes, whose disk fails, whose server repeats, reorders its mind and loses its connection: and
/// what must hold all the while.
struct World {
    struct Database {
        var isRunning = false
        var readOnly = true
        var replicates = false
        var hasSource = false

        /// As a start leaves it.
        var startedClosed: Database { Database(isRunning: true, hasSource: hasSource) }
    }

    var random: SeededGenerator
    var now = Instant(milliseconds: 1_000_000)
    var machine = AgentMachine(host: "a1", agentVersion: "1", journal: JournalState())
    var disk = JournalState()
    var failsJournal = false

    // What is under way; a crash ends all of it.
    var performing: [String: AttemptOrder] = [:]
    /// Of these, those that an order which isolates has overtaken: the driver stops them.
    var overtaken: Set<String> = []
    /// Fenced, and nothing was ordered since that may start it.
    var fenced: Set<InstanceID> = []
    var operations: [InstanceID: AgentDirective] = [:]
    var looks: [AgentDirective] = []
    /// Writers whose rivals are being asked.
    var asked: [InstanceID] = []
    var selfFences = 0
    var isConnected = false
    var isWelcomed = false
    var connecting = false
    var sending: AgentMessage?
    var wakeAt: Instant?
    var copies: [CopyEndpoint] = []

    var databases: [InstanceID: Database] = [orders1: Database(), orders2: Database()]

    // The server.
    var term: Int64 = 1
    var epoch: Int64 = 1
    var offers: [String: AttemptOrder] = [:]
    var open: Set<String> = []
    var outcomes: [String: AttemptOutcome] = [:]
    var nextAttempt = 1

    // What was promised to the server, and what must not be forgotten.
    var promisedTerm: Int64 = 0
    var journalledEnds: [String: AttemptOutcome] = [:]
    var violations: [String] = []

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    mutating func require(_ holds: Bool, _ rule: @autoclosure () -> String) {
        if !holds { violations.append("\(now.milliseconds): \(rule())") }
    }

    // MARK: the shell

    mutating func handle(_ event: AgentEvent) {
        let before = machine
        var directives = machine.handle(event, now: now)
        for case .perform(let order) in directives where order.isolates {
            for other in performing.values where other.instance == order.instance { overtaken.insert(other.id) }
        }
        if case .journal(let entries) = directives.first {
            if failsJournal {
                machine = before
                directives = machine.handle(.journalFailed(reason: "full", event: event), now: now)
                if case .journal = directives.first { require(false, "the answer to a failed journal asks for it") }
            } else {
                write(entries)
                directives.removeFirst()
            }
        }
        for directive in directives { carryOut(directive) }
    }

    private mutating func write(_ entries: [JournalEntry]) {
        for entry in entries {
            let before = disk
            disk.apply(entry)
            require(disk.term >= before.term, "a promised term was forgotten")
            for (id, instance) in before.instances {
                require((disk.instances[id]?.epoch ?? 0) >= instance.epoch, "a promised epoch was forgotten")
            }
            switch entry {
            case .ended(let id, let outcome): journalledEnds[id] = outcome
            case .settled(let id): journalledEnds[id] = nil
            default: break
            }
        }
        for (id, outcome) in journalledEnds {
            require(disk.attempts[id]?.outcome == outcome, "the end of \(id) was lost before it was settled")
        }
        for order in performing.values where !overtaken.contains(order.id) {
            require(
                order.effectiveEpoch >= disk.instances[order.instance]?.epoch ?? 0,
                "\(order.id) of epoch \(order.effectiveEpoch) runs while a higher one is promised")
        }
        require(machine.journal == disk, "the machine and the disk differ")
    }

    private mutating func carryOut(_ directive: AgentDirective) {
        switch directive {
        case .journal: require(false, "a journal directive is not the first")
        case .reconnect: connecting = true
        case .disconnect: if isConnected { isConnected = false; isWelcomed = false; sending = nil; handle(.disconnected(reason: "asked", jitter: 0.5)) }
        case .send(let message):
            require(sending == nil && isConnected, "two messages at once")
            sending = message
        case .wake(let moment):
            require(moment > now, "a moment to wake at has passed")
            wakeAt = moment
        case .lookAtHost, .look: looks.append(directive)
        case .perform(let order): perform(order)
        case .cancelAttempt(let id): require(performing[id] != nil, "what does not run is cancelled")
        case .sendCopy(let endpoint, _): copies.append(endpoint)
        case .startClosed(let id):
            requireIdle(id, "started closed")
            require(!fenced.contains(id), "\(id) is started, and was fenced")
            require(disk.instances[id]?.shouldRun == true, "\(id) is started, and should not run")
            operations[id] = directive
        case .openByGrant(let id, _, _):
            requireIdle(id, "opened by its grant")
            require(disk.instances[id]?.grant != nil, "\(id) is opened without a grant")
            operations[id] = directive
        case .resumeReplication(let id, _):
            requireIdle(id, "made to replicate on")
            require(disk.instances[id]?.following != nil, "\(id) replicates on, and is no replica")
            operations[id] = directive
        case .fault: require(false, "a fault that nobody ordered")
        case .askPeers(let id, let peers, _):
            require(!peers.isEmpty, "nobody is asked for \(id), which nobody could replace")
            require(!asked.contains(id), "two questions at once for \(id)")
            asked.append(id)
        case .fenceItself(let id, _, _):
            require(failsJournal || disk.instances[id]?.grant == nil, "\(id) is killed, and may be opened again")
            fenced.insert(id)
            selfFences += 1
            operations[id] = directive
        case .closeItself: require(false, "a writer of no galera cluster is closed")
        case .copyEnded, .roleChanged, .tell: break
        }
    }

    private mutating func requireIdle(_ id: InstanceID, _ what: String) {
        require(operations[id] == nil, "\(id) is \(what) during another operation")
        require(!performing.values.contains { $0.instance == id }, "\(id) is \(what) while an attempt works on it")
    }

    private mutating func perform(_ order: AttemptOrder) {
        if !order.isolates { requireIdle(order.instance, "worked on") }
        let isFence = if case .fence = order.action { true } else { false }
        if isFence { fenced.insert(order.instance) } else { fenced.remove(order.instance) }
        if !isFence || !failsJournal {
            require(disk.attempts[order.id]?.outcome == nil && disk.attempts[order.id] != nil, "\(order.id) runs, not journalled")
        }
        require(order.term >= promisedTerm, "\(order.id) of a lower term runs")
        require(outcomes[order.id] == nil, "\(order.id) runs after its end was told")
        performing[order.id] = order
    }

    // MARK: the world's moves

    mutating func start() { handle(.started) }

    /// Everything in memory is gone; databases run on.
    mutating func crash() {
        (performing, operations, looks, copies, asked) = ([:], [:], [], [], [])
        // What only memory knew: it is started closed, and its writer's grant has nobody who follows it.
        fenced = fenced.filter { disk.instances[$0]?.shouldRun == false }
        overtaken = []
        (isConnected, isWelcomed, connecting, sending, wakeAt) = (false, false, false, nil, nil)
        machine = AgentMachine(host: "a1", agentVersion: "1", journal: disk)
        start()
    }

    mutating func answerLook() {
        guard let directive = looks.first else { return }
        looks.removeFirst()
        switch directive {
        case .lookAtHost: handle(.hostLooked(HostFacts(instances: databases.keys.sorted())))
        case .look(let id, _): handle(.looked(id, databases[id].map { report(id, $0) }))
        default: break
        }
    }

    mutating func answerPeers(_ answered: Bool) {
        guard !asked.isEmpty else { return }
        handle(.peersAsked(asked.removeFirst(), answered: answered))
    }

    private func report(_ id: InstanceID, _ database: Database) -> InstanceReport {
        database.isRunning
            ? running(id, readOnly: database.readOnly, replicates: database.replicates, hasSource: database.hasSource)
            : stopped(id)
    }

    mutating func endAttempt(well: Bool) {
        guard let id = performing.keys.sorted().randomElement(using: &random), let order = performing.removeValue(forKey: id)
        else { return }
        if overtaken.remove(id) != nil { return handle(.attemptEnded(attempt: id, well ? .cancelled : done)) }
        if well { apply(order) }
        handle(.attemptEnded(attempt: id, well ? ended(order.action) : .failed("no")))
    }

    private func ended(_ action: Action) -> AttemptOutcome {
        if case .rejoin = action { .succeeded(TaskResult(position: GTIDSet())) } else { done }
    }

    private mutating func apply(_ order: AttemptOrder) {
        var database = databases[order.instance] ?? Database()
        switch order.action {
        case .start, .restart: database = database.startedClosed
        case .open, .promote: database = Database(isRunning: true, readOnly: false)
        case .replicate: database = Database(isRunning: true, replicates: true, hasSource: true)
        case .rejoin: database = Database(isRunning: true, replicates: true, hasSource: true)
        case .demote, .close: database.readOnly = true
        case .revoke: database.replicates = false
        case .retire, .fence: database.isRunning = false
        default: break
        }
        databases[order.instance] = database
    }

    mutating func endOperation(well: Bool) {
        guard let id = operations.keys.sorted().randomElement(using: &random), let operation = operations.removeValue(forKey: id)
        else { return }
        // The driver stops it, or it ended before.
        let well = well && !fenced.contains(id) && !performing.values.contains { $0.instance == id }
        if case .startClosed = operation {
            if well { databases[id] = databases[id]?.startedClosed }
            handle(.closedStartEnded(id, error: well ? nil : "no"))
        } else if case .fenceItself = operation {
            databases[id]?.isRunning = false
            handle(.selfFenceEnded(id, error: nil))
        } else if case .resumeReplication = operation {
            if well { databases[id]?.replicates = true }
            handle(.resumeEnded(id, resumed: well))
        } else {
            if well { databases[id]?.readOnly = false }
            handle(.grantEnded(id, opened: well))
        }
    }

    mutating func kill() {
        guard let id = databases.keys.sorted().randomElement(using: &random), databases[id]?.isRunning == true else { return }
        databases[id]?.isRunning = false
        handle(.processExited(id))
    }

    mutating func connectOrBreak() {
        if connecting {
            connecting = false
            isConnected = true
            handle(.connected)
        } else if isConnected {
            (isConnected, isWelcomed, sending) = (false, false, nil)
            handle(.disconnected(reason: "cut", jitter: 0.5))
        }
    }

    /// The message reaches the server, and its answers the agent.
    mutating func deliver() {
        guard let message = sending else { return }
        sending = nil
        switch message {
        case .hello(_, let promised, let attempts, _, _, _): greet(promised, attempts)
        case .promised(let promised):
            require(disk.term >= promised, "a term was promised that is not on disk")
            promisedTerm = max(promisedTerm, promised)
        case .attempt(let status): hear(status)
        case .report, .heartbeat, .copyReady, .copySent, .faulted: break
        }
        if isConnected { handle(.sent) }
    }

    private mutating func greet(_ promised: Int64, _ attempts: [AttemptStatus]) {
        require(promised >= promisedTerm, "a hello has a lower term than was promised")
        term = max(term, promised)
        handle(.received(.welcome(storeID: "s1", term: term, fingerprintKeys: [:], epochs: ["c1": epoch])))
        isWelcomed = isConnected
        for status in attempts { hear(status) }
        let running = Set(attempts.filter { if case .running = $0.state { true } else { false } }.map(\.id))
        for id in open.subtracting(running).sorted() { offer(id) }
    }

    private mutating func hear(_ status: AttemptStatus) {
        guard case .ended(let outcome) = status.state else { return }
        if let known = outcomes[status.id] {
            require(known == outcome, "\(status.id) ended twice: \(known), \(outcome)")
        } else {
            require(performing[status.id] == nil, "\(status.id) is told to have ended while it runs")
            outcomes[status.id] = outcome
            open.remove(status.id)
        }
        say(.settled(attempt: status.id))
    }

    mutating func say(_ message: ServerMessage) {
        if isConnected, isWelcomed { handle(.received(message)) }
    }

    private mutating func offer(_ id: String) {
        guard var order = offers[id] else { return }
        order.term = term
        say(.offer(order))
    }

    mutating func act() {
        switch Int.random(in: 0..<12, using: &random) {
        case 0..<5: offerNew()
        case 5: if let id = open.sorted().randomElement(using: &random) { offer(id) }
        case 6: if let id = open.sorted().randomElement(using: &random) { say(.cancel(attempt: id, term: term)) }
        case 7: term += 1
        case 8: say(.observe)
        case 9:
            // What its journal ever had may be repeated at any time.
            let known = (disk.settled + disk.attempts.keys).sorted()
            if let id = known.randomElement(using: &random), let old = offers[id] { say(.offer(old)) }
        case 10: say(.heartbeat())
        default:
            say(.sendCopy(
                CopyEndpoint(attempt: "c\(nextAttempt)", address: "", port: 1, token: "", certificateDigest: ""), donor: orders1))
        }
    }

    private mutating func offerNew() {
        let id = "t\(nextAttempt)"
        nextAttempt += 1
        if random.chance(1, in: 6) { epoch += 1 }
        let instance = [orders1, orders2].randomElement(using: &random) ?? orders1
        let source = Peer(ordinal: 9, host: "b", address: "127.0.2.1", port: 3306)
        let actions: [Action] = [
            .start, .start, .restart(isPrimary: true), .open(epoch: epoch, semiSync: true), .close, .demote(epoch: epoch),
            .promote(epoch: epoch, position: GTIDSet(), semiSync: true), .replicate(source: source), .retire,
            .fence(epoch: epoch), .fence(epoch: epoch), .revoke(epoch: epoch), .rejoin(source: source),
        ]
        let isStale = random.chance(1, in: 8)
        var made = AttemptOrder(
            id: id, term: isStale ? term - 1 : term, epoch: isStale ? max(0, epoch - 1) : epoch, instance: instance,
            clusterName: "orders", action: actions.randomElement(using: &random) ?? .start, secrets: ["p": "s"])
        if random.chance(3, in: 4) { made.rivals = [source] }
        offers[id] = made
        open.insert(id)
        say(.offer(made))
    }

    mutating func pass(_ delay: Duration) {
        now = now + delay
        guard let moment = wakeAt, moment <= now else { return }
        wakeAt = nil
        handle(.woke)
    }

    /// No server and no other member is heard for longer than a writer's agent bears.
    private mutating func cutOff() {
        if isConnected { connectOrBreak() }
        for _ in 0..<50 {
            answerLook()
            answerPeers(false)
            pass(.milliseconds(100))
        }
    }

    mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20: answerLook()
        case 20..<40: deliver()
        case 40..<55: act()
        case 55..<67: endAttempt(well: random.chance(3, in: 4))
        case 67..<77: endOperation(well: random.chance(3, in: 4))
        case 77..<80: connectOrBreak()
        case 80..<82: if connecting { connectOrBreak() }
        case 82..<84: kill()
        case 84: crash()
        case 85: failsJournal.toggle()
        case 86..<90: answerPeers(random.chance(1, in: 2))
        case 90: if random.chance(1, in: 4) { cutOff() }
        default: pass(.milliseconds(Int.random(in: 0..<1500, using: &random)))
        }
    }

    /// No more faults: everything that is under way comes to its end.
    mutating func calm() {
        failsJournal = false
        for _ in 0..<2000 {
            if connecting { connectOrBreak() }
            answerLook()
            answerPeers(true)
            endAttempt(well: true)
            endOperation(well: true)
            deliver()
            pass(.milliseconds(50))
        }
    }
}

@Suite struct `Properties` {
    @Test(arguments: 0..<60)
    func `no crash, repetition, cut or full disk breaks a promise, and calm ends everything`(seed: Int) {
        var world = World(seed: UInt64(seed))
        world.start()
        for _ in 0..<400 where world.violations.isEmpty { world.step() }
        world.calm()
        #expect(world.violations == [], "seed \(seed)")
        #expect(world.open.isEmpty, "seed \(seed): these attempts never ended: \(world.open.sorted())")
        #expect(world.machine.journal.attempts.isEmpty, "seed \(seed): these were never settled")
        for (id, kept) in world.machine.journal.instances where kept.shouldRun {
            #expect(world.databases[id]?.isRunning == true, "seed \(seed): \(id) should run")
            #expect(kept.grant == nil || world.databases[id]?.readOnly == false, "seed \(seed): \(id) should be open")
            #expect(kept.following == nil || world.databases[id]?.replicates == true, "seed \(seed): \(id) should replicate")
        }
    }

    @Test func `the search itself reaches every kind of end`() {
        var kinds: Set<String> = []
        var selfFences = 0
        for seed in 0..<20 {
            var world = World(seed: UInt64(1000 + seed))
            world.start()
            for _ in 0..<400 { world.step() }
            world.calm()
            selfFences += world.selfFences
            for outcome in world.outcomes.values {
                switch outcome {
                case .succeeded: kinds.insert("succeeded")
                case .failed(let reason): kinds.insert(reason == "no" ? "failed" : "interrupted")
                case .cancelled: kinds.insert("cancelled")
                case .refused(let reason): kinds.insert(reason.prefix(18).description)
                }
            }
        }
        #expect(selfFences > 0)
        #expect(kinds.isSuperset(of: ["succeeded", "failed", "cancelled", "the order's term i", "the order's epoch ", "the agent's journa"]))
    }
}
