import Reconciliation
import FleetModel

/// What goes wrong, and how often. Everything is drawn from the world's one source of randomness.
struct Faults {
    /// The chance of a crash before any one directive of a state machine is carried out.
    var crashAtDirective = 0.0
    /// The chance that a commit takes seconds.
    var slowCommit = 0.0
    /// The chance that a server is killed while a commit is on its way.
    var crashInCommit = 0.0
    /// The chance that a server that was killed is followed by another one.
    var otherServer = 0.0
    /// The mean time between two faults of the kinds below; nil: none.
    var interval: Duration?

    /// Whether hosts are lost, hang or are cut off for long: what a failover is for.
    var loseWriters = true

    /// The chance that a fault takes every host but the writer's.
    var leaveAlone = 0.0

    var isActive: Bool { interval != nil || crashAtDirective > 0 }

    static let none = Faults()
    static let hard = Faults(crashAtDirective: 0.0005, slowCommit: 0.01, crashInCommit: 0.002, otherServer: 0.3, interval: .seconds(3))

    func begin(_ world: World) { schedule(world) }

    private func schedule(_ world: World) {
        guard let interval else { return }
        let delay = Duration.milliseconds(Int64(Double(interval.milliseconds) * 2 * world.random.unit()))
        world.after(delay) {
            guard world.faults.interval != nil else { return }
            if world.script.isGalera { world.faults.strikeGalera(world) } else { world.faults.strike(world) }
            world.faults.schedule(world)
        }
    }

    func crashes(_ world: World, _ place: @autoclosure () -> String) -> Bool {
        guard world.chance(crashAtDirective) else { return false }
        world.note("crash: \(place())")
        return true
    }

    func strike(_ world: World) {
        if world.chance(leaveAlone) { return loseOthers(world) }
        if world.script.isLeading, world.chance(Faults.ofRegion) { return cutRegion(world) }
        switch Int.random(in: 0..<20, using: &world.random) {
        case 0: server(world)?.crash()
        case 1: world.pick(world.agents)?.crash()
        case 2, 3: killDatabase(world)
        case 4: world.pick(world.agents)?.drop()
        case 5: cut(world)
        case 6:
            world.storeDownUntil = world.now + world.milliseconds(200...5000)
            world.note("the store is down for a while")
        case 7: server(world)?.pause(world.milliseconds(500...20_000))
        case 8:
            guard let host = world.pick(world.hosts) else { return }
            host.fullUntil = world.now + world.milliseconds(500...5000)
            world.note("the journal's disk of \(host.name) is full for a while")
        case 9 where loseWriters: loseHost(world)
        case 10 where loseWriters: breakStarts(world)
        case 11 where loseWriters: hang(world)
        case 12 where loseWriters: cutWriter(world)
        case 13 where loseWriters: cutReplication(world)
        case 14: cutFromServer(world)
        case 15: slowApplier(world)
        case 16 where loseWriters: loseWhileOthersLag(world)
        case 17: jump(world)
        default: drift(world)
        }
    }

    /// Of two more often than not the one that leads.
    private func server(_ world: World) -> SimulatedServer? {
        if world.servers.count == 1 { return world.servers.first(where: \.isRunning) }
        if let leading = world.leading, world.chance(0.7) { return leading }
        return world.pick(world.servers.filter(\.isRunning))
    }

    private func killDatabase(_ world: World) {
        guard let (host, instance) = world.pick(world.allInstances.filter { $0.instance.process != nil }) else { return }
        world.note("kill -9 of \(instance.id)")
        world.endProcess(instance, on: host)
    }

    private func cut(_ world: World) {
        guard let host = world.pick(world.hosts) else { return }
        host.cutUntil = world.now + world.milliseconds(200...15_000)
        world.note("\(host.name) is cut off for a while")
    }

    /// Of faults in a world of two regions: so often one region is cut off from the other and, half the time, the server.
    private static let ofRegion = 0.08

    private func cutRegion(_ world: World) {
        guard let region = world.pick(Script.regions.map(\.metadata.name)) else { return }
        let end = world.now + world.milliseconds(1000...40_000)
        let withServer = world.chance(0.5)
        world.note("region \(region) is cut off\(withServer ? ", also from the server," : "") for a while")
        world.regionsCutUntil = end
        guard withServer else { return }
        for host in world.hosts where host.region == region { host.serverCutUntil = max(host.serverCutUntil, end) }
    }

    // MARK: What a failover is for

    /// More often than not the writer's.
    private func victim(_ world: World) -> ModelHost? {
        let writers = world.allInstances.filter { $0.instance.isWritable && !$0.instance.isMadeWritable }
        if let writer = world.pick(writers), world.chance(0.7) { return writer.host }
        return world.pick(world.hosts)
    }

    private func loseHost(_ world: World) {
        guard let host = victim(world) else { return }
        world.lose(host, for: world.milliseconds(2000...60_000))
    }

    private func loseOthers(_ world: World) {
        guard let writer = world.pick(world.allInstances.filter { $0.instance.isWritable && !$0.instance.isMadeWritable }) else { return }
        // Longer than the writer takes them for connected.
        let others = world.hosts.filter { $0 !== writer.host }.map { (host: $0, time: world.milliseconds(60_000...120_000)) }
        for other in others { world.lose(other.host, for: other.time) }
        // The moment to lose it too: somebody is back, and has not all of it yet.
        guard world.chance(0.5), let first = others.map(\.time).min() else { return }
        world.after(first + world.milliseconds(500...3000)) {
            guard world.faults.isActive else { return }
            world.lose(writer.host, for: world.milliseconds(5000...60_000))
        }
    }

    /// The database ends and does not come up again for a while.
    private func breakStarts(_ world: World) {
        guard let host = victim(world) else { return }
        host.startsFailUntil = world.now + world.milliseconds(1000...40_000)
        world.note("nothing starts on \(host.name) for a while")
        for instance in host.sortedInstances { world.endProcess(instance, on: host) }
    }

    private func hang(_ world: World) {
        guard let host = victim(world) else { return }
        for instance in host.sortedInstances where instance.process != nil {
            instance.process?.hungUntil = world.now + world.milliseconds(1000...30_000)
            world.note("\(instance.id) stands still for a while")
        }
    }

    private func cutWriter(_ world: World) {
        guard let host = victim(world) else { return }
        host.cutUntil = world.now + world.milliseconds(3000...60_000)
        world.note("\(host.name) is cut off for long")
    }

    private func cutReplication(_ world: World) {
        guard let host = victim(world) else { return }
        host.replicationCutUntil = world.now + world.milliseconds(1000...20_000)
        world.note("\(host.name) is cut off from the other databases for a while")
    }

    private func cutFromServer(_ world: World) {
        guard let host = victim(world) else { return }
        host.serverCutUntil = world.now + world.milliseconds(1000...30_000)
        world.note("\(host.name) is cut off from the server for a while")
    }

    /// What a replica receives is applied late: a long statement, a busy disk.
    private func slowApplier(_ world: World) {
        guard let (_, instance) = world.pick(world.allInstances.filter { $0.instance.source != nil }) else { return }
        instance.slowUntil = world.now + world.milliseconds(3000...20_000)
        world.note("the applier of \(instance.id) is slow for a while")
    }

    /// The writer is lost while all replicas but one have received much that they have not applied; mostly whoever takes over
    /// is lost as soon as it takes writes.
    private func loseWhileOthersLag(_ world: World) {
        let writers = world.allInstances.filter { $0.instance.isWritable && !$0.instance.isMadeWritable }
        guard let writer = world.pick(writers) else { return }
        let replicas = world.allInstances.filter { $0.instance.source?.address == writer.instance.address }.map(\.instance)
        guard let quick = world.pick(replicas) else { return }
        for lagging in replicas where lagging !== quick {
            lagging.slowUntil = world.now + world.milliseconds(10_000...30_000)
            world.note("the applier of \(lagging.id) is slow for long")
        }
        world.after(world.milliseconds(500...4000)) {
            guard world.faults.isActive, writer.instance.isWritable else { return }
            if world.chance(0.7) { world.losesNextWriter = true }
            world.lose(writer.host, for: world.milliseconds(10_000...60_000))
        }
    }

    /// The time of the wall on one host, or on the server's, is minutes off from now on.
    private func jump(_ world: World) {
        let amount: Duration = .seconds(Int64.random(in: -1800...1800, using: &world.random))
        if world.chance(0.3) {
            // A moment that is stored, as the end of a cool-down, is off by as much after a restart.
            let amount = amount / 10
            (server(world) ?? world.servers.first)?.wall = amount
            return world.note("the server's clock jumps to \(amount) off")
        }
        guard let host = world.pick(world.hosts) else { return }
        host.wall = amount
        world.note("the clock of \(host.name) jumps to \(amount) off")
        // A new process begins with the time that it finds.
        if world.chance(0.5) { world.agents.first { $0.host === host }?.crash() }
    }

    // MARK: Drift

    /// Somebody changes something by hand.
    private func drift(_ world: World) {
        let able = world.allInstances.filter { $0.instance.process != nil && !$0.host.isStill($0.instance, at: world.now) }
        guard let (_, instance) = world.pick(able) else { return }
        switch Int.random(in: 0..<8, using: &world.random) {
        case 0 where instance.isWritable && !instance.isMadeWritable:
            world.note("drift: the account is dropped on \(instance.id)")
            world.change(.dropAccount("app@127.%"), on: instance)
        case 1:
            world.note("drift: a variable is set on \(instance.id)")
            instance.process?.variables["max_connections"] = "17"
        case 2 where instance.source != nil:
            world.note("drift: replication is stopped on \(instance.id)")
            instance.stopReplicating()
        case 3 where instance.source != nil && instance.process?.readOnly == true:
            world.note("drift: \(instance.id) is made writable")
            instance.isMadeWritable = true
            instance.process?.readOnly = false
        case 4:
            world.note("drift: the configuration file of \(instance.id) is deleted")
            instance.configuration = nil
        case 5 where instance.isWritable && !instance.isMadeWritable && instance.process?.unacknowledged.isEmpty == true:
            world.note("drift: the writer \(instance.id) is made read-only")
            instance.process?.readOnly = true
        case 6 where instance.isWritable && !instance.isMadeWritable:
            guard let replica = instance.content.replicationAccounts.sorted().last else { return }
            world.note("drift: the replication account of \(replica) is dropped on \(instance.id)")
            instance.append(.dropReplicationAccount(replica))
        case 7 where instance.isWritable && !instance.isMadeWritable:
            world.note("somebody makes an account on \(instance.id)")
            world.change(.account(Oracle.stranger, authentication: "*"), on: instance)
        default: break
        }
    }
}

extension World {
    /// By hand, on the writer.
    func change(_ content: Transaction.Content, on instance: ModelInstance) {
        if instance.member == nil { instance.append(content) } else { submit(content, on: instance) }
    }

    /// The host loses its power: agent and databases are gone, and nobody is told.
    func lose(_ host: ModelHost, for duration: Duration) {
        guard !isLost(host) else { return }
        note("\(host.name) is lost")
        host.lostUntil = now + duration
        host.cutUntil = max(host.cutUntil, host.lostUntil)
        agents.first { $0.host === host }?.crash()
        for instance in host.sortedInstances {
            endProcess(instance, on: host)
            if planted == .unsyncedBinlog { instance.dropLast(3) }
        }
        after(duration) { self.recover(host) }
    }

    /// It boots, if its time has come.
    func recover(_ host: ModelHost) {
        guard !isLost(host), let agent = agents.first(where: { $0.host === host }), !agent.isRunning else { return }
        note("\(host.name) is back")
        agent.start()
    }
}
