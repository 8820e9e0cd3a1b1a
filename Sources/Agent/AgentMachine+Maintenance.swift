import FleetModel

// Maintenance: until a moment, on this host's clock, an instance is not started by its agent alone. On disk, because the
// host may be booted meanwhile. Orders are obeyed all the same; a process that runs keeps its role.

extension AgentMachine {
    /// The server's word: for so long from now on; zero: no longer.
    mutating func holdStart(_ id: InstanceID, lasting: Duration) {
        guard journal.instances[id] != nil, isJournalWritable else { return }
        let until = lasting > .zero ? now + lasting : nil
        guard until != nil || isStartHeld(id) else { return }
        updateInstance(id) { $0.startHeldUntil = until }
        tell(
            .info, until == nil ? "an instance is out of maintenance" : "an instance is in maintenance: it is not started",
            ["instance": id.description])
    }

    /// Whether it is not to be started now, other than by an order.
    func isStartHeld(_ id: InstanceID) -> Bool { journal.instances[id]?.startHeldUntil.map { now < $0 } ?? false }
}
