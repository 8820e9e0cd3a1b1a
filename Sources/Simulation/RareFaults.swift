import FleetModel
import MetadataStore
import Reconciliation

/// What goes wrong in a share of the worlds alone: all others go through the history that they would have without it.
enum RareFaults: Int, CaseIterable {
    /// Who was refused by the writer is back before the server hears of it, the others fall behind, and the writer is lost.
    case refusals
    /// A host that is heard and hears nothing, by other databases or the server; one that hears the server and is not heard.
    case oneWay
    /// Disks of databases that are full, or on which no write ends.
    case disks
    /// What is sent twice, and what arrives of a connection that one end has left.
    case repeats

    /// In half of the worlds there are none.
    static func drawn(_ seed: UInt64) -> Set<RareFaults> {
        // Apart from the world's own source, from which all that happens there is drawn.
        var source = SeededGenerator(seed: seed ^ 0x7261_7265)
        switch Int.random(in: 0..<16, using: &source) {
        case 0, 1: return [.refusals]
        case 2, 3: return [.oneWay]
        case 4, 5: return [.disks]
        case 6: return [.repeats]
        case 7: return Set(allCases)
        default: return []
        }
    }
}

extension Faults {
    /// The mean time between two of them.
    private static let rareInterval: Duration = .seconds(8)

    func beginRare(_ world: World) {
        let kinds = world.rareFaults.subtracting([.repeats]).sorted { $0.rawValue < $1.rawValue }
        if isActive, !kinds.isEmpty { scheduleRare(world, kinds) }
    }

    private func scheduleRare(_ world: World, _ kinds: [RareFaults]) {
        let delay = Duration.milliseconds(Int64(Double(Faults.rareInterval.milliseconds) * 2 * world.random.unit()))
        world.after(delay) {
            guard world.faults.isActive else { return }
            switch world.pick(kinds) {
            case .refusals where loseWriters: loseAfterRefusal(world)
            case .oneWay: hearOneWay(world)
            case .disks where loseWriters: stallDisk(world)
            default: break
            }
            scheduleRare(world, kinds)
        }
    }

    // MARK: A refused replica

    /// A replica ends while the server does not hear its host: the writer refuses it, and its agent brings it back. When it is
    /// no possible acker any more, the others hear the writer no more, and that is lost: what a refused one acknowledges is
    /// nowhere else.
    private func loseAfterRefusal(_ world: World) {
        guard let writer = writer(world), writer.instance.member == nil else { return }
        let replicas = world.allInstances.filter { $0.instance.process?.isAcking == true && $0.instance.source?.address == writer.instance.address }
        guard replicas.count > 1, let refused = world.pick(replicas) else { return }
        refused.host.serverCutUntil = max(refused.host.serverCutUntil, world.now + Faults.refusalMax)
        world.note("\(refused.host.name) is cut off from the server for long")
        world.after(world.milliseconds(200...4000)) {
            guard world.faults.isActive else { return }
            world.note("kill -9 of \(refused.instance.id), which does not start for a while")
            refused.host.startsFailUntil = max(refused.host.startsFailUntil, world.now + Faults.refusedAfter)
            world.endProcess(refused.instance, on: refused.host)
            self.loseOnceRefused(writer, refused.instance, world, until: world.now + Faults.refusalMax)
        }
    }

    /// A host that is silent for less is not given up.
    private static let refusedAfter: Duration = ObservedHost.ageMax + .seconds(1)

    private static let refusalMax: Duration = .seconds(45)

    private func loseOnceRefused(_ writer: (host: ModelHost, instance: ModelInstance), _ refused: ModelInstance, _ world: World, until end: Instant) {
        guard world.faults.isActive, world.now < end, writer.instance.isWritable else { return }
        let records = world.store.loadNow().records.clusters.values.first { $0.uid == refused.id.clusterUID }
        guard let records, !records.ackSet.contains(refused.id.ordinal), refused.process?.ioRunning == true else {
            return world.after(.milliseconds(500)) { self.loseOnceRefused(writer, refused, world, until: end) }
        }
        for (host, _) in world.allInstances where host !== writer.host && host.address != refused.address {
            host.replicationCutUntil = max(host.replicationCutUntil, world.now + world.milliseconds(4000...8000))
        }
        world.note("the others are cut off from the databases for a while")
        world.after(world.milliseconds(1000...3000)) {
            if world.faults.isActive, writer.instance.isWritable { world.lose(writer.host, for: world.milliseconds(15_000...60_000)) }
        }
    }

    private func writer(_ world: World) -> (host: ModelHost, instance: ModelInstance)? {
        world.pick(world.allInstances.filter { $0.instance.isWritable && !$0.instance.isMadeWritable })
    }

    /// The writer's host half the time.
    private func rareVictim(_ world: World) -> ModelHost? {
        if world.chance(0.5), let writer = writer(world) { return writer.host }
        return world.pick(world.hosts)
    }

    // MARK: One way

    private func hearOneWay(_ world: World) {
        guard let host = rareVictim(world) else { return }
        let end = world.now + world.milliseconds(1000...20_000)
        switch Int.random(in: 0..<4, using: &world.random) {
        case 0 where loseWriters, 1 where loseWriters:
            host.deafUntil = max(host.deafUntil, end)
            world.note("\(host.name) hears no database for a while")
        case 2:
            host.serverDeafUntil = end
            world.note("\(host.name) hears no server for a while")
        default:
            host.serverMuteUntil = end
            world.note("no server hears \(host.name) for a while")
        }
    }

    // MARK: Disks

    /// Of a host's databases; half the time its journal is on it too.
    private func stallDisk(_ world: World) {
        guard !world.script.isGalera, let host = rareVictim(world) else { return }
        let trouble: DiskTrouble = world.chance(0.5) ? .full : .stalled
        let end = world.now + world.milliseconds(1000...30_000)
        host.disk = (trouble, world.now, end)
        let withJournal = world.chance(0.5)
        if withJournal { host.fullUntil = max(host.fullUntil, end) }
        world.note("the disk of \(host.name) is \(trouble.rawValue)\(withJournal ? ", its journal's too," : "") for a while")
    }
}
