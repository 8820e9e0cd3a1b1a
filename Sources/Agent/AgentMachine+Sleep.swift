import ControlAPI
import Engines
import FleetModel

// An agent that stood still, with its host or alone. A frozen galera writer wakes up open, and answers reads from before until it
// notices that the others went on without it: its agent, which was frozen with it, closes it at once, until a server says
// otherwise. Other writers need no such guard: what they acknowledge waits for others.

extension AgentMachine {
    /// Whether this event comes so much later than the agent wanted to be woken that it stood still. `before`: when the one before
    /// it was handled.
    mutating func noteSleep(since before: Instant) {
        guard let wakeAt, beganAt != nil, now >= max(wakeAt, before) + AgentLimits.sleptMin else { return }
        for (id, watch) in watches {
            guard journal.instances[id]?.grant != nil, let facts = watch.facts, facts.process == .running, facts.database?.galera != nil else { continue }
            tell(.warning, "the writer is closed: its agent stood still", ["instance": id.description])
            watches[id]?.selfCloseDue = now
        }
    }

    mutating func closeSlept() {
        for (id, watch) in watches {
            guard let due = watch.selfCloseDue else { continue }
            guard watch.facts?.process != .stopped, journal.instances[id]?.grant != nil else {
                watches[id]?.selfCloseDue = nil
                continue
            }
            guard now >= due, watch.operation == nil, !isWorkedOn(id) else { continue }
            watches[id]?.operation = .closingItself
            directives.append(.closeItself(id, clusterName: watch.facts?.clusterName ?? ""))
        }
    }

    mutating func selfCloseEnded(_ id: InstanceID, error: String?) {
        guard watches[id]?.operation == .closingItself else { return }
        if let error { tell(.error, "a writer whose agent stood still could not be closed", ["instance": id.description, "reason": error]) }
        if watches[id]?.selfCloseDue != nil { watches[id]?.selfCloseDue = error == nil ? nil : now + AgentLimits.selfCloseRetry }
        endOperation(id)
    }

    /// What a server orders after that it orders knowing who is open.
    mutating func heardAfterSleep(_ order: AttemptOrder) { watches[order.instance]?.selfCloseDue = nil }

    func noteSleepDeadlines(_ next: inout Earliest) {
        for (id, watch) in watches where watch.operation == nil && !isWorkedOn(id) { next.note(watch.selfCloseDue) }
    }
}
