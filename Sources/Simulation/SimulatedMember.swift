import Agent
import FleetModel
import MetadataStore

// What an agent does with galera members without a server.

extension SimulatedAgent {
    /// A start that neither joins nor ends is given up, and its process left as it is.
    private static let joinMax: Duration = .seconds(60)

    /// It joins, or waits for those of its last view, for as long as it lives.
    func startMember(_ instance: ModelInstance, _ member: ModelMember, _ bars: Int?) {
        if instance.process == nil {
            guard instance.bars == bars else { return handle(.closedStartEnded(instance.id, error: "it was killed meanwhile")) }
            guard host.startsFailUntil <= world.now else { return handle(.closedStartEnded(instance.id, error: "it does not start")) }
            world.note("agent \(host.name) starts \(instance.id) by itself")
            if let outcome = world.launch(instance, member, .joining(of: nil), insists: false) {
                return handle(.closedStartEnded(instance.id, error: outcome.short))
            }
            if world.planted == .plainStart { world.forgetPosition(of: instance) }
        }
        awaitComponent(instance, until: world.now + SimulatedAgent.joinMax)
    }

    private func awaitComponent(_ instance: ModelInstance, until end: Instant) {
        later(.milliseconds(50)) {
            if instance.isInComponent { return self.handle(.closedStartEnded(instance.id, error: nil)) }
            if let member = instance.member, instance.process == nil, member.refusal != nil { member.recovered = self.world.read(instance, member) }
            guard instance.process != nil, self.world.now < end else { return self.handle(.closedStartEnded(instance.id, error: "it is in no component")) }
            self.awaitComponent(instance, until: end)
        }
    }
}

extension World {
    /// Where that is planted: it is told nothing of what its data come up to.
    func forgetPosition(of instance: ModelInstance) {
        guard let seat = instance.member?.seat else { return }
        var blind = ModelSeat(name: seat.name, delivered: seat.delivered, given: nil)
        blind.isStuck = seat.isStuck
        instance.member?.seat = blind
    }

    /// Where that is planted: the store keeps of a component only whose process runs.
    func withoutDead(_ change: StoreChange) -> StoreChange {
        guard case .putCluster(var cluster) = change, cluster.galera?.component.isEmpty == false else { return change }
        cluster.galera?.component.removeAll { instance(cluster.uid, $0)?.process == nil }
        return .putCluster(cluster)
    }
}
