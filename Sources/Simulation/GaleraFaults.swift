import FleetModel
import MetadataStore

// What goes wrong with galera clusters beside what goes wrong with all.

extension Faults {
    func strikeGalera(_ world: World) {
        switch Int.random(in: 0..<16, using: &world.random) {
        case 0: killSome(world, all: true)
        case 1: killSome(world, all: false)
        case 2: deafen(world)
        case 3: freeze(world)
        case 4: slow(world)
        case 5: splitWriter(world)
        case 6: writeAlone(world)
        case 7: loseDirectory(world)
        default: strike(world)
        }
    }

    /// One after the other, in whatever order, within what it takes others to notice, or more.
    private func killSome(_ world: World, all: Bool) {
        let running = world.allInstances.filter { $0.instance.process != nil && $0.instance.member != nil }.shuffled(using: &world.random)
        let spread = world.chance(0.5) ? 50 : 4000
        let slow = world.chance(0.5)
        for (host, instance) in all ? running[...] : running.prefix(2) {
            if slow, world.chance(0.6) { instance.slowUntil = world.now + world.milliseconds(2000...9000) }
            let delay = (slow ? Duration.milliseconds(2000) : .zero) + world.milliseconds(0...spread)
            world.after(delay) {
                guard world.faults.isActive else { return }
                world.note("kill -9 of \(instance.id)")
                world.endProcess(instance, on: host)
                if world.chance(0.3) { world.lose(host, for: world.milliseconds(2000...40_000)) }
            }
        }
    }

    /// Its word goes out, and nothing comes in.
    private func deafen(_ world: World) {
        guard let host = world.pick(world.hosts) else { return }
        host.deafUntil = world.now + world.milliseconds(500...15_000)
        world.note("\(host.name) hears no database for a while")
    }

    private func freeze(_ world: World) {
        let running = world.allInstances.filter { $0.instance.process != nil && $0.instance.member?.seat != nil }
        for (_, instance) in running.shuffled(using: &world.random).prefix(world.chance(0.3) ? 2 : 1) {
            let duration = world.milliseconds(500...20_000)
            instance.process?.hungUntil = world.now + duration
            instance.member?.seat?.sleepsUntil = world.now + duration + world.milliseconds(0...ModelSeat.noticeMax)
            world.note("\(instance.id) stands still for a while")
        }
    }

    /// A lock, a long statement, a busy disk: what is received is applied late.
    private func slow(_ world: World) {
        guard let (_, instance) = world.pick(world.allInstances.filter { $0.instance.process != nil }) else { return }
        instance.slowUntil = world.now + world.milliseconds(2000...15_000)
        world.note("\(instance.id) applies slowly for a while")
    }

    /// The writer is cut off from the others, and killed soon.
    private func splitWriter(_ world: World) {
        guard let (host, instance) = world.pick(world.allInstances.filter { $0.instance.isWritable && $0.instance.isInComponent }) else { return }
        host.replicationCutUntil = world.now + world.milliseconds(1000...10_000)
        world.note("\(host.name) is cut off from the other databases for a while")
        guard world.chance(0.5) else { return }
        world.after(world.milliseconds(50...2500)) { if world.faults.isActive { world.endProcess(instance, on: host) } }
    }

    /// Somebody writes with `wsrep_on=OFF`, on one of several that keep up.
    private func writeAlone(_ world: World) {
        let inside = world.allInstances.filter { $0.instance.isInComponent && $0.instance.member?.seat?.view?.members.count ?? 0 > 2 }
        guard !world.allInstances.contains(where: { $0.instance.member?.hasOwnRows == true }), let (_, instance) = world.pick(inside) else { return }
        world.note("drift: \(instance.id) is given a row of its own")
        instance.member?.hasOwnRows = true
    }

    /// A disk is lost whose rows are on two others.
    private func loseDirectory(_ world: World) {
        let inside = world.allInstances.filter { $0.instance.isInComponent && $0.instance.member?.seat?.state == .synced }
        guard let (host, instance) = world.pick(inside) else { return }
        guard inside.count(where: { $0.instance !== instance && $0.instance.binlog.count >= instance.binlog.count }) >= 2 else { return }
        world.note("the directory of \(instance.id) is lost")
        world.endProcess(instance, on: host)
        host.operations[instance.id]?.isCancelled = true
        host.instances[instance.id] = nil
    }
}

extension World {
    /// Somebody reads the findings: a loss is accepted only where whoever would be given up is gone for good, or holds nothing
    /// that could be compared.
    func acceptLossWhereHeld() {
        after(.seconds(5)) { self.acceptLossWhereHeld() }
        guard !faults.isActive, let held = heldRecovery, let records = store.loadNow().records.clusters["orders"], let galera = records.galera else {
            heldSince = nil
            return
        }
        let since = heldSince ?? now
        heldSince = since
        guard now - since > .seconds(30) else { return }
        let missing = galera.component.filter { ordinal in
            guard let instance = instance(records.uid, ordinal) else { return true }
            let isGone = host(at: instance.address)?.isGone ?? true
            return isGone || instance.member?.isInconsistent == true || instance.directory != .ready
        }
        let isReadable = galera.component.filter { !missing.contains($0) }.allSatisfy { ordinal in
            guard let instance = instance(records.uid, ordinal), let host = host(at: instance.address) else { return false }
            return !isLost(host) && !isCut(host)
        }
        guard !missing.isEmpty, missing.count < galera.component.count, isReadable else { return }
        script.acceptLoss(held)
        heldSince = nil
        note("pushed: accept the loss of \(missing), epoch \(held)")
        for server in servers { server.look() }
    }
}
