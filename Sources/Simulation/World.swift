import FleetModel
import MetadataStore
import Reconciliation

/// A deterministic world: one clock, one source of randomness, one queue of what happens next. The same seed gives the
/// same history, event by event.
final class World {
    private(set) var now = Instant(milliseconds: 1_700_000_000_000)
    let beginning: Instant
    var random: SeededGenerator
    private var queue: [(at: Instant, number: UInt64, action: () -> Void)] = []
    private var number: UInt64 = 0
    private(set) var events = 0

    let store = MemoryStore()
    let hosts: [ModelHost]
    var agents: [SimulatedAgent] = []
    var servers: [SimulatedServer] = []
    let oracle = Oracle()
    var faults = Faults()
    var script: Script
    /// The store answers no commit until then.
    var storeDownUntil = Instant(milliseconds: 0)
    var trace: [String] = []
    private var writes = 0
    var areClientsGone = false
    var connectionsMade: UInt64 = 0

    init(seed: UInt64, script: Script) {
        random = SeededGenerator(seed: seed)
        beginning = now
        self.script = script
        hosts = Script.hosts.map { ModelHost(name: $0.name, address: $0.address) }
        agents = hosts.map { SimulatedAgent($0, self) }
        servers = [SimulatedServer("one", self)]
    }

    // MARK: Time

    func after(_ delay: Duration, _ action: @escaping () -> Void) {
        number += 1
        queue.append((now + max(delay, .zero), number, action))
        var child = queue.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard comesBefore(child, parent) else { break }
            queue.swapAt(child, parent)
            child = parent
        }
    }

    private func comesBefore(_ left: Int, _ right: Int) -> Bool {
        (queue[left].at, queue[left].number) < (queue[right].at, queue[right].number)
    }

    private func next() -> (at: Instant, number: UInt64, action: () -> Void)? {
        guard let first = queue.first else { return nil }
        let last = queue.removeLast()
        guard !queue.isEmpty else { return first }
        queue[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count && comesBefore(child, least) { least = child }
            if least == parent { return first }
            queue.swapAt(parent, least)
            parent = least
        }
    }

    /// Lets time pass until a condition holds (looked at once in every simulated 100 ms) or the time is over; answers
    /// whether it came to hold. Ends at once where a promise was broken.
    func run(for duration: Duration, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + duration
        var look = now
        while oracle.violation == nil, let first = queue.first, first.at <= end, let event = next() {
            now = event.at
            event.action()
            events += 1
            oracle.check(self)
            if now >= look {
                look = now + .milliseconds(100)
                if isDone() { return true }
            }
        }
        if queue.isEmpty || oracle.violation == nil { now = max(now, min(end, queue.first?.at ?? end)) }
        return isDone()
    }

    func stop() { queue = [] }

    // MARK: Chance

    func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(Int.random(in: range, using: &random)) }
    func chance(_ probability: Double) -> Bool { probability > 0 && random.unit() < probability }
    func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &random) }

    func note(_ text: @autoclosure () -> String) {
        trace.append("\((now - beginning).milliseconds) ms  \(text())")
        if trace.count > World.traceMax { trace.removeFirst(World.traceMax / 2) }
    }

    static let traceMax = 2000

    // MARK: Network

    func isCut(_ host: ModelHost) -> Bool { host.cutUntil > now }

    func host(at address: String) -> ModelHost? { hosts.first { $0.address == address } }

    func instance(at address: String, port: Int) -> ModelInstance? {
        host(at: address)?.sortedInstances.first { $0.port == port && $0.directory == .ready }
    }

    var allInstances: [(host: ModelHost, instance: ModelInstance)] {
        hosts.flatMap { host in host.sortedInstances.map { (host, $0) } }
    }

    // MARK: Databases that run by themselves

    func begin() {
        for agent in agents { agent.start() }
        for server in servers { server.start() }
        replicate()
        write()
        faults.begin(self)
    }

    /// Replication: each replica receives from its source and applies.
    private func replicate() {
        for (host, replica) in allInstances { replicate(host, replica) }
        after(.milliseconds(50)) { self.replicate() }
    }

    private func replicate(_ host: ModelHost, _ replica: ModelInstance) {
        guard var process = replica.process, let source = replica.source else { return }
        defer { replica.process = process }
        if process.sqlRunning {
            let count = min(process.relay.count, Int.random(in: 0...20, using: &random))
            for transaction in process.relay.prefix(count) { replica.append(received: transaction) }
            process.relay.removeFirst(count)
        }
        guard process.ioRunning, process.ioError.isEmpty else { return }
        guard let primary = instance(at: source.address, port: source.port), primary.process != nil,
            let primaryHost = self.host(at: source.address), !isCut(host), !isCut(primaryHost),
            primary.content.replicationAccounts.contains(replica.id.ordinal)
        else {
            process.isConnected = false
            return
        }
        let count = replica.binlog.count + process.relay.count
        let last = process.relay.last ?? replica.binlog.last
        guard count <= primary.binlog.count, count == 0 || primary.binlog[count - 1] == last else {
            process.ioError = "1236: the source has not what this replica has"
            process.isConnected = false
            return
        }
        process.isConnected = true
        let received = primary.binlog[count...].prefix(50)
        process.relay += received
        replica.process = process
        // What came before it acknowledged is acknowledged only with something that comes later.
        if process.isAcking, !received.isEmpty { acknowledge(primary, upTo: replica.receivedCount) }
    }

    private func acknowledge(_ primary: ModelInstance, upTo count: Int) {
        guard let waiting = primary.process?.unacknowledged, let first = waiting.first, first < count else { return }
        for place in waiting where place < count { oracle.acknowledged(primary, place, self) }
        primary.process?.unacknowledged = waiting.filter { $0 >= count }
        primary.process?.waitingSince = now
    }

    /// A replica that acknowledges tells its source what it has.
    func releaseCommits(of replica: ModelInstance) {
        guard replica.process?.isAcking == true, replica.process?.isConnected == true, let source = replica.source,
            let primary = instance(at: source.address, port: source.port)
        else { return }
        acknowledge(primary, upTo: replica.binlog.count)
    }

    /// Applications write wherever they can.
    private func write() {
        if areClientsGone { return }
        for (host, instance) in allInstances where instance.isWritable && !isCut(host) {
            guard let process = instance.process, process.unacknowledged.count < 3, !instance.isMadeWritable else { continue }
            writes += 1
            instance.append(.write(writes))
            let place = instance.binlog.count - 1
            if process.semiSyncPrimary {
                if process.unacknowledged.isEmpty { instance.process?.waitingSince = now }
                instance.process?.unacknowledged.append(place)
            } else {
                oracle.acknowledged(instance, place, self)
            }
        }
        after(milliseconds(100...400)) { self.write() }
    }

    /// The process of an instance ends, by whatever hand.
    func endProcess(_ instance: ModelInstance, on host: ModelHost) {
        guard instance.process != nil else { return }
        instance.process = nil
        instance.isMadeWritable = false
        agents.first { $0.host === host }?.exited(instance.id)
    }
}
