import FleetModel

// A component that is begun again beside those who were the last one: what a view file must not bring back.

extension World {
    /// The writer is lost, the others are a component without it, and are killed before anybody has written to that: nobody is
    /// further than the writer. None of them starts for a while; should the writer begin again, it is cut off from the others.
    /// Where it does not, once more, so many times at most.
    func loseInTurn(tries: Int = 4) {
        guard faults.isActive, tries > 0 else { return }
        let inside = allInstances.filter { $0.instance.isInComponent && $0.instance.member?.seat?.state == .synced }
        if let writer = inside.first(where: { $0.instance.isWritable }), inside.count == writer.instance.member?.seat?.view?.members.count, inside.count > 2 {
            note("kill -9 of \(writer.instance.id), which does not start for a while")
            writer.host.startsFailUntil = now + World.apartMax
            endProcess(writer.instance, on: writer.host)
            killTogether(inside.filter { $0.instance !== writer.instance }, without: writer.instance, until: now + World.apartMax)
            after(.seconds(15)) { if self.leftApart != nil { self.loseInTurn(tries: tries - 1) } }
        } else {
            after(.milliseconds(500)) { self.loseInTurn(tries: tries) }
        }
    }

    private static let apartMax: Duration = .milliseconds(2500)

    /// As soon as they are a component by themselves.
    private func killTogether(_ others: [(host: ModelHost, instance: ModelInstance)], without writer: ModelInstance, until end: Instant) {
        guard faults.isActive else { return }
        leftApart = writer
        let view = others.first?.instance.member?.seat?.view
        let isFormed = view?.members.count == others.count && others.allSatisfy { $0.instance.isInComponent && $0.instance.member?.seat?.view === view }
        guard isFormed else {
            guard now < end else { return }
            return after(.milliseconds(50)) { self.killTogether(others, without: writer, until: end) }
        }
        for (host, instance) in others {
            note("kill -9 of \(instance.id), which does not start for a while")
            host.startsFailUntil = now + .seconds(3)
            endProcess(instance, on: host)
        }
    }

    /// An instance begins a component again.
    func begins(_ instance: ModelInstance) {
        guard faults.isActive, instance === leftApart, let host = host(at: instance.address) else { return }
        leftApart = nil
        host.replicationCutUntil = now + milliseconds(10_000...25_000)
        note("\(host.name) is cut off from the other databases for a while")
    }
}
