import FleetModel
import MetadataStore
import Reconciliation

// Hosts that do not come back: who is left goes on, or says whom it waits for.

extension World {
    func loseWriterForGood() {
        let writers = allInstances.filter { $0.instance.isWritable && !$0.instance.isMadeWritable }
        guard let host = pick(writers)?.host ?? pick(hosts) else { return }
        loseForGood(host)
        guard script.isGalera, chance(0.5) else { return }
        // All at once: what the lost one had alone nobody can know.
        for (other, instance) in allInstances where instance.process != nil { endProcess(instance, on: other) }
    }

    /// The writer's host, while its replicas have received what they have not applied; and that of whoever is to take over, in
    /// the middle of it. What was acknowledged is then with those who were to follow it, or nowhere.
    func loseWritersForGood() {
        let replicas = allInstances.map(\.instance).filter { $0.source != nil }
        for lagging in replicas {
            lagging.slowUntil = now + milliseconds(10_000...30_000)
            note("the applier of \(lagging.id) is slow for long")
        }
        // The last two have to be enough for a writer whose writes are acknowledged.
        losesTakerForGood = replicas.count >= 3
        after(milliseconds(500...4000)) {
            self.loseWriterForGood()
            self.oracle.hostIsGone(self)
        }
    }

    /// An instance begins to take over.
    func takesOver(_ instance: ModelInstance) {
        guard losesTakerForGood, faults.isActive, let host = host(at: instance.address), hosts.contains(where: \.isGone) else { return }
        losesTakerForGood = false
        after(milliseconds(0...50)) { self.loseForGood(host) }
    }

    private func loseForGood(_ host: ModelHost) {
        host.isGone = true
        host.lostUntil = now
        lose(host, for: World.forEver)
    }

    private static let forEver: Duration = .seconds(1_000_000)

    /// With hosts lost for good: nil where the recorded writer takes writes that are acknowledged and has all that were,
    /// or where the loop says that it holds a failover, or where two are lost and nobody is left to acknowledge.
    var problemWithoutHost: String? {
        // What was never founded waits for the host that it is to be founded on.
        guard store.loadNow().records.clusters["orders"]?.isFounded == true else { return nil }
        let before = oracle.acknowledgedCount
        let goesOn = run(for: Simulation.settleMax) {
            self.oracle.acknowledgedCount >= before + World.writesToShow && self.recordedWriter?.isWritable == true
        }
        oracle.requireKept(self)
        if let violation = oracle.violation { return violation }
        guard goesOn, let writer = recordedWriter else { return isHeld || isAlone || isUnknown ? nil : "nobody takes writes: \(unsettled)" }
        oracle.requireAll(writer, "goes on")
        return nil
    }

    private static let writesToShow = 5

    private var recordedWriter: ModelInstance? {
        guard let records = store.loadNow().records.clusters["orders"] else { return nil }
        return instance(records.uid, records.primary)
    }

    private var isHeld: Bool {
        leaderView?.units[UnitID(.cluster, "orders")]?.findings.contains { $0.reason == "FailoverHeld" } ?? false
    }

    /// Whoever may have acknowledged for the recorded writer is gone with it: what became of the two nobody can say, and
    /// nothing is concluded. Both are told as silent.
    private var isUnknown: Bool {
        let gone = hosts.filter(\.isGone).map(\.name)
        guard gone.count > 1, let records = store.loadNow().records.clusters["orders"] else { return false }
        let asked = records.members.filter { $0.ordinal == records.primary || records.ackSet.contains($0.ordinal) }
        let view = leaderView
        return asked.allSatisfy { gone.contains($0.host) }
            && gone.allSatisfy { host in view?.units[UnitID(.host, host)]?.findings.contains { $0.reason == "HostSilent" } ?? false }
    }

    /// By what is declared nobody who is left may acknowledge for the writer: all who stay are of its zone.
    private var isAlone: Bool {
        let gone = hosts.filter(\.isGone).map(\.name)
        guard gone.count > 1, let records = store.loadNow().records.clusters["orders"] else { return false }
        guard let writer = records.members.first(where: { $0.ordinal == records.primary }) else { return false }
        return records.members.allSatisfy { $0.phase != .active || gone.contains($0.host) || $0.zone == writer.zone }
    }
}
