import FleetModel
import MetadataStore
import Reconciliation

/// A deterministic world: one clock, one source of randomness, one queue of what happens next. The same seed gives the
/// same history, event by event.
final class World {
    private(set) var now = Instant(milliseconds: 1_700_000_000_000)
    let beginning: Instant
    var random: SeededGenerator
    let planted: PlantedBug?
    /// Whether what happens is written down: only who looks at a failed seed reads it.
    let isTraced: Bool
    /// Whether every rehearsal goes on to its end, as a server makes it.
    let foresees: Bool
    private var queue = EventQueue()
    private(set) var events = 0

    let store = MemoryStore()
    let hosts: [ModelHost]
    var agents: [SimulatedAgent] = []
    var servers: [SimulatedServer] = []
    let oracle = Oracle()
    var faults = Faults()
    /// Which of those that not every world has.
    let rareFaults: Set<RareFaults>
    var script: Script
    /// The store answers no commit until then.
    var storeDownUntil = Instant(milliseconds: 0)
    /// No database hears one of the other region until then.
    var regionsCutUntil = Instant(milliseconds: 0)
    var trace: [String] = []
    private var writes = 0
    var areClientsGone = false
    var connectionsMade: UInt64 = 0
    /// Groups of galera members that agree on a view, by their names, and since when.
    var forming: [[String]: Instant] = [:]
    var seatsMade = 0
    /// Since when a recovery is held.
    var heldSince: Instant?
    /// Whoever takes writes next is lost soon afterwards.
    var losesNextWriter = false
    /// Whoever is to take over next is lost for good.
    var losesTakerForGood = false
    /// The others were the last galera component without it: should it begin the next one, it is cut off from them.
    var leftApart: ModelInstance?

    init(
        seed: UInt64, script: Script, planted: PlantedBug? = nil, isTraced: Bool = true, foresees: Bool = true, servers: Int = 1,
        rareFaults: Set<RareFaults> = []
    ) {
        self.foresees = foresees
        self.rareFaults = rareFaults
        self.planted = planted
        self.isTraced = isTraced
        random = SeededGenerator(seed: seed)
        beginning = now
        self.script = planted == .causeless ? script.withoutFiles : script
        hosts = script.hosts.map { ModelHost(name: $0.name, address: $0.address, region: Script.region(of: $0.zone)) }
        agents = hosts.map { SimulatedAgent($0, self) }
        self.servers = ["one", "two"].prefix(servers).map { SimulatedServer($0, self) }
    }

    // MARK: Time

    func after(_ delay: Duration, _ action: @escaping () -> Void) { queue.add(action, at: now + max(delay, .zero)) }

    /// Lets time pass until a condition holds (looked at once in every simulated 100 ms) or the time is over; answers
    /// whether it came to hold. Ends at once where a promise was broken.
    func run(for duration: Duration, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + duration
        var look = now
        while oracle.violation == nil, let event = queue.next(until: end) {
            now = event.at
            event.action()
            events += 1
            oracle.check(self)
            if now >= look {
                look = now + .milliseconds(100)
                if isDone() { return true }
            }
        }
        if queue.isEmpty || oracle.violation == nil { now = max(now, min(end, queue.earliest ?? end)) }
        return isDone()
    }

    func stop() { queue = EventQueue() }

    /// Who holds the lease, as far as anybody can know: one that stood still may believe that it does, too.
    var leading: SimulatedServer? { servers.filter(\.isLeader).max { $0.term < $1.term } }

    // MARK: Chance

    func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &random)) }
    func chance(_ probability: Double) -> Bool { probability > 0 && random.unit() < probability }
    func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &random) }

    func note(_ text: @autoclosure () -> String) {
        guard isTraced else { return }
        trace.append("\((now - beginning).milliseconds) ms  \(text())")
        if trace.count > World.traceMax { trace.removeFirst(World.traceMax / 2) }
    }

    static let traceMax = 20_000

    // MARK: Databases that run by themselves

    var allInstances: [(host: ModelHost, instance: ModelInstance)] {
        // Asked for at every turn, and changed by few tasks.
        let changes = hosts.reduce(0) { $0 + $1.changes }
        if known.changes != changes {
            known = (changes, hosts.flatMap { host in host.sortedInstances.map { (host, $0) } })
        }
        return known.instances
    }

    private var known: (changes: Int, instances: [(host: ModelHost, instance: ModelInstance)]) = (0, [])

    func begin() {
        for agent in agents { agent.start() }
        for server in servers { server.start() }
        if script.isGalera {
            communicate()
            acceptLossWhereHeld()
        } else {
            replicate()
        }
        write()
        faults.begin(self)
        faults.beginRare(self)
    }

    /// Applications write wherever they can, also on a host's own side of a broken network.
    private func write() {
        if areClientsGone { return }
        for (host, instance) in allInstances where instance.isWritable && !host.isStill(instance, at: now) {
            guard let waiting = instance.process?.unacknowledged.count, waiting < 3, !instance.isMadeWritable else { continue }
            if instance.member != nil {
                guard instance.isInComponent, instance.member?.seat?.own.count ?? 0 < 3 else { continue }
            }
            writeAnother(on: instance)
        }
        after(milliseconds(100...400)) { self.write() }
    }

    /// The next row of all.
    func writeAnother(on instance: ModelInstance) {
        writes += 1
        write(.write(writes), on: instance)
    }

    /// A client's statement: answered at once, or once it is acknowledged.
    func write(_ content: Transaction.Content, on instance: ModelInstance) {
        if instance.member != nil {
            submit(content, on: instance)
            return
        }
        guard let semiSync = instance.process?.semiSyncPrimary else { return }
        instance.append(content)
        let place = instance.binlog.count - 1
        if semiSync {
            if instance.process?.unacknowledged.isEmpty == true { instance.process?.waitingSince = now }
            instance.process?.unacknowledged.append(place)
        } else {
            oracle.acknowledged(instance, place, self)
        }
    }

    /// What waits for an acknowledgement is answered as if it had one: semi-sync switched off, a killed query.
    func answerWaiting(on instance: ModelInstance) {
        for place in instance.process?.unacknowledged ?? [] { oracle.acknowledged(instance, place, self) }
        instance.process?.unacknowledged = []
    }

    /// A writer was opened.
    func opened(_ instance: ModelInstance) {
        oracle.opened(instance, self)
        guard losesNextWriter, faults.isActive, let host = host(at: instance.address) else { return }
        losesNextWriter = false
        after(milliseconds(0...150)) {
            if self.faults.isActive { self.lose(host, for: self.milliseconds(10_000...60_000)) }
        }
    }

    /// An instance was started, closed, unless a bug is planted.
    func started(_ instance: ModelInstance) {
        if planted == .openStart || planted == .openRestart && instance.isDemoted { instance.process?.readOnly = false }
    }

    /// SIGTERM: commits what waits, and nobody is told.
    func stopInOrder(_ instance: ModelInstance, on host: ModelHost) {
        instance.process?.unacknowledged = []
        endProcess(instance, on: host)
    }

    /// The process of an instance ends, by whatever hand.
    func endProcess(_ instance: ModelInstance, on host: ModelHost) {
        guard instance.process != nil else { return }
        vacate(instance, inOrder: false)
        instance.crash(loss: Int.random(in: 0...2, using: &random))
        if planted == .relayPurge { instance.dropRelayLogs() }
        agents.first { $0.host === host }?.exited(instance.id)
    }
}
