import Reconciliation
import FleetModel

/// What goes wrong, and how often. Everything is drawn from the world's one source of randomness.
struct Faults {
    /// The chance of a crash before any one directive of a state machine is carried out.
    var crashAtDirective = 0.0
    /// The chance that a commit takes seconds.
    var slowCommit = 0.0
    /// The mean time between two faults of the kinds below; nil: none.
    var interval: Duration?

    var isActive: Bool { interval != nil || crashAtDirective > 0 }

    static let none = Faults()
    static let hard = Faults(crashAtDirective: 0.0005, slowCommit: 0.01, interval: .seconds(3))

    func begin(_ world: World) { schedule(world) }

    private func schedule(_ world: World) {
        guard let interval else { return }
        let delay = Duration.milliseconds(Int64(Double(interval.milliseconds) * 2 * world.random.unit()))
        world.after(delay) {
            guard world.faults.interval != nil else { return }
            world.faults.strike(world)
            world.faults.schedule(world)
        }
    }

    func crashes(_ world: World, _ place: @autoclosure () -> String) -> Bool {
        guard world.chance(crashAtDirective) else { return false }
        world.note("crash: \(place())")
        return true
    }

    private func strike(_ world: World) {
        switch Int.random(in: 0..<14, using: &world.random) {
        case 0: world.servers.first { $0.isRunning }?.crash()
        case 1: world.pick(world.agents)?.crash()
        case 2, 3: killDatabase(world)
        case 4: world.pick(world.agents)?.drop()
        case 5: cut(world)
        case 6:
            world.storeDownUntil = world.now + world.milliseconds(200...5000)
            world.note("the store is down for a while")
        case 7: world.servers.first { $0.isRunning }?.pause(world.milliseconds(500...20_000))
        case 8:
            guard let host = world.pick(world.hosts) else { return }
            host.fullUntil = world.now + world.milliseconds(500...5000)
            world.note("the journal's disk of \(host.name) is full for a while")
        default: drift(world)
        }
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

    /// Somebody changes something by hand.
    private func drift(_ world: World) {
        guard let (host, instance) = world.pick(world.allInstances.filter { $0.instance.process != nil }) else { return }
        switch Int.random(in: 0..<7, using: &world.random) {
        case 0 where instance.isWritable && !instance.isMadeWritable:
            world.note("drift: the account is dropped on \(instance.id)")
            instance.append(.dropAccount("app@127.%"))
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
            guard let ordinal = instance.content.replicationAccounts.sorted().last else { return }
            world.note("drift: the replication account of \(ordinal) is dropped on \(instance.id)")
            instance.append(.dropReplicationAccount(ordinal))
        default: break
        }
        _ = host
    }
}
