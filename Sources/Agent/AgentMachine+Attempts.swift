import ControlAPI
import Engines
import FleetModel

// offered → accepted (on disk) → running → ended (on disk, told) → settled (forgotten).
//
// An attempt is open in the journal until its end is there. While it is open it is performing, unsaved (ended, not on
// disk yet), or interrupted: this process has not its order, because it was restarted.

/// An attempt that the driver carries out.
struct Performance: Sendable {
    var order: AttemptOrder
    var progress = AttemptProgress(phase: "begun")
    /// The phase that was last told, and when; a change of phase is told at once.
    var toldPhase: String?
    var toldAt: Instant?
    var isProgressUntold = false
    var isCancelling = false
    /// Where a clone waits for its donor, until the donor has ended.
    var copy: CopyEndpoint?
}

struct UnsavedEnd: Sendable {
    var outcome: AttemptOutcome
    /// Nil for one that was interrupted.
    var order: AttemptOrder?
}

/// An order that waits for what still works on its instance to end.
struct HeldOrder: Sendable {
    var order: AttemptOrder
    var since: Instant
}

extension AttemptOrder {
    /// The cluster's epoch or the action's own, whichever is larger.
    var effectiveEpoch: Int64 {
        switch action {
        case .open(let own, _), .demote(let own), .promote(let own, _, _, _, _), .revoke(let own), .fence(let own),
            .foundComponent(let own), .joinComponent(let own, _), .recoverComponent(let own, _, _):
            max(epoch, own)
        default: epoch
        }
    }

    /// Takes an instance out of play, whatever else goes on with it.
    package var isolates: Bool { waitMax != nil }

    /// Whether another that waits for the same instance gives way to it.
    func goesBefore(_ waiting: AttemptOrder) -> Bool {
        isolates && (!waiting.isolates || effectiveEpoch > waiting.effectiveEpoch)
    }

    /// How long it waits for what still works on its instance; nil: until that has ended. A kill waits for nothing; what
    /// goes on behind the back of either the driver stops, or makes harmless.
    var waitMax: Duration? {
        switch action {
        case .fence: .zero
        case .revoke: AgentLimits.revokeWaitMax
        default: nil
        }
    }
}

extension Action {
    /// A failover is not held up by a copy, whose receiver may be lost too.
    fileprivate var waitsForNoCopy: Bool {
        switch self {
        case .revoke, .fence, .promote: true
        default: false
        }
    }
}

extension InstanceJournal {
    /// What must be on disk before an action is begun: whatever may end the writer's right ends it now, whatever may
    /// stop the process is not to be undone by supervision.
    mutating func begin(_ action: Action, epoch promised: Int64) {
        let held = grant
        if promised > epoch { (epoch, grant, following) = (promised, nil, nil) }
        switch action {
        case .demote, .close: grant = nil
        case .replicate: (grant, following) = (nil, nil)
        // The writer is affirmed as such under this epoch: it never stops being the primary meanwhile.
        case .open: (grant, following) = (held, nil)
        case .promote: following = nil
        case .revoke: following = nil
        // What ran before is gone; its copy is started by an order, which for a galera member the store has to know of first.
        case .clone: shouldRun = false
        // A rejoin that is broken off is not to be followed by a plain start, which would keep for good what it cuts.
        case .fence, .retire, .purge, .rejoin: (grant, following, shouldRun) = (nil, nil, false)
        default: break
        }
    }

    /// What an action that succeeded leaves; nothing where an order of a higher epoch has overtaken it.
    mutating func finish(_ action: Action, _ result: TaskResult, epoch attempted: Int64, rivals: [Peer]) {
        guard attempted >= epoch else { return }
        switch action {
        case .start, .restart, .upgrade, .takeBack, .foundComponent, .joinComponent, .recoverComponent: shouldRun = true
        case .rejoin:
            // Without a position it was moved aside: there is nothing to run.
            shouldRun = result.position != nil
            following = shouldRun ? Following(acknowledges: false) : nil
        case .replicate, .acknowledge:
            shouldRun = true
            let acknowledges =
                switch action {
                case .replicate(_, let acknowledges): acknowledges
                default: true
                }
            following = Following(acknowledges: acknowledges)
        case .open(_, let semiSync), .promote(_, _, let semiSync, _, _):
            shouldRun = true
            grant = WriterGrant(semiSync: semiSync, rivals: rivals)
        default: break
        }
    }
}

extension AgentMachine {
    // MARK: offers

    /// `since`: when it was first offered, where it has waited.
    mutating func offered(_ order: AttemptOrder, since: Instant? = nil) {
        let since = since ?? now
        if journal.settled.contains(order.id) { return }
        if let known = journal.attempts[order.id] { return offeredAgain(order, known, since) }
        // The others: a fence that the journal does not know of.
        if wasRefused(order.id) || performing[order.id] != nil || unsaved[order.id] != nil { return outbox.add(.attempt(order.id)) }
        if let reason = reasonToRefuse(order) { return refuse(order.id, .refused(reason)) }
        let others = openAttempts(on: order.instance)
        if let other = others.first(where: { order.effectiveEpoch <= $0.epoch }) {
            return refuse(order.id, .refused("attempt \(other.id) (\(other.action)) works on \(order.instance)"))
        }
        let waits = !others.isEmpty && mayWait(order, since)
        if waits { hold(order, since) }
        for other in others { stop(other) }
        if !waits { acceptOrHold(order, since) }
    }

    mutating func offeredUnsupported(_ order: UnsupportedOrder) {
        if isServing, journal.attempts[order.attempt] == nil { refuse(order.attempt, .refused(order.reason)) }
    }

    /// The same order twice does nothing but have its state repeated; an interrupted attempt begins again with it.
    private mutating func offeredAgain(_ order: AttemptOrder, _ known: JournalledAttempt, _ since: Instant) {
        guard isInterrupted(known.id) else { return outbox.add(.attempt(known.id)) }
        guard order.term >= journal.term, order.instance == known.instance else {
            return tell(.warning, "a stale offer was passed over", ["attempt": known.id])
        }
        if let reason = staleEpoch(order) { return end(known.id, .refused(reason), order: nil) }
        acceptOrHold(order, since)
    }

    private func reasonToRefuse(_ order: AttemptOrder) -> String? {
        if order.term < journal.term {
            return "the order's term is \(order.term), and this agent has promised \(journal.term)"
        }
        if let reason = staleEpoch(order) { return reason }
        if case .applyChannel = order.action { return "Unsupported: an agent does not know the action applyChannel" }
        if let other = performing.values.first(where: { $0.order.instance == order.instance && journal.attempts[$0.order.id] == nil }) {
            return "attempt \(other.order.id) (\(other.order.action.name)) works on \(order.instance)"
        }
        if let waiting = held[order.instance]?.order, waiting.id != order.id, !order.goesBefore(waiting) {
            return "attempt \(waiting.id) waits for \(order.instance)"
        }
        if order.isolates { return nil }
        if !order.action.waitsForNoCopy, copies.contains(where: { $0.donor == order.instance && $0.isSending }) {
            return "\(order.instance) is the donor of a copy"
        }
        if performing.count >= AgentLimits.performingMax || journal.attempts.count >= AgentLimits.attemptsMax {
            return "this agent has \(performing.count) attempts running and \(journal.attempts.count) in its journal, "
                + "which is its limit"
        }
        return nil
    }

    private func staleEpoch(_ order: AttemptOrder) -> String? {
        let promised = journal.instances[order.instance]?.epoch ?? 0
        guard order.effectiveEpoch < promised else { return nil }
        return "the order's epoch is \(order.effectiveEpoch), and this agent has promised \(promised) "
            + "for \(order.instance)"
    }

    /// Accepts the order, at once or when a start or an opening by the grant is over.
    private mutating func acceptOrHold(_ order: AttemptOrder, _ since: Instant) {
        if watches[order.instance]?.operation != nil, mayWait(order, since) {
            hold(order, since)
        } else if isJournalWritable {
            accept(order)
        } else if journal.attempts[order.id] == nil {
            if case .fence = order.action { return fenceUnjournalled(order) }
            refuse(order.id, .refused("the agent's journal cannot be written: \(journalTrouble?.reason ?? "")"))
        }
    }

    private func mayWait(_ order: AttemptOrder, _ since: Instant) -> Bool { order.waitMax.map { now < since + $0 } ?? true }

    private mutating func hold(_ order: AttemptOrder, _ since: Instant) {
        let waiting = held[order.instance]
        if let waiting, waiting.order.id != order.id {
            refuse(waiting.order.id, .refused("attempt \(order.id) (\(order.action.name)) goes before it on \(order.instance)"))
        }
        held[order.instance] = HeldOrder(order: order, since: waiting?.order.id == order.id ? waiting?.since ?? since : since)
    }

    private mutating func accept(_ order: AttemptOrder) {
        saveFence(order.instance)
        promise(order.term)
        let epoch = order.effectiveEpoch
        updateInstance(order.instance) { instance in
            instance.begin(order.action, epoch: epoch)
            instance.grant?.rivals = order.rivals
        }
        write(
            .accepted(
                JournalledAttempt(id: order.id, instance: order.instance, action: order.action.name, epoch: epoch)))
        performing[order.id] = Performance(order: order)
        outbox.add(.attempt(order.id))
        directives.append(.perform(order))
        heardAfterSleep(order)
    }

    /// Looks again at an order that waited for its instance.
    mutating func resumeHeld(_ instance: InstanceID) {
        guard let waiting = held.removeValue(forKey: instance) else { return }
        offered(waiting.order, since: waiting.since)
    }

    /// An order that isolates goes first when it has waited for its time.
    mutating func overtake() {
        for (instance, waiting) in held.sorted(by: { $0.key < $1.key }) {
            if let limit = waiting.order.waitMax, now >= waiting.since + limit { resumeHeld(instance) }
        }
    }

    // MARK: fencing without a journal

    /// The journal may be on the very disk that hangs. A writer is killed all the same: what the journal would add, that
    /// nothing starts it again, is kept in memory and written when the disk allows. Until then the kill proves nothing, and its
    /// end is not told: were the agent to end before, the writer could be opened by its grant for a member that follows it under
    /// its epoch. The revocation of all who may acknowledge for it needs no such proof.
    private mutating func fenceUnjournalled(_ order: AttemptOrder) {
        tell(.warning, "an instance is killed before the journal knows of it", ["instance": order.instance.description])
        unsavedFences[order.instance] = max(order.effectiveEpoch, unsavedFences[order.instance] ?? 0)
        performing[order.id] = Performance(order: order)
        outbox.add(.attempt(order.id))
        directives.append(.perform(order))
    }

    /// Only where the journal is writable.
    private mutating func saveFence(_ instance: InstanceID) {
        guard let epoch = unsavedFences.removeValue(forKey: instance) else { return }
        updateInstance(instance) { $0.begin(.fence(epoch: epoch), epoch: epoch) }
    }

    private mutating func refuse(_ id: String, _ outcome: AttemptOutcome) {
        if !wasRefused(id) { refusals.append((id, outcome)) }
        if refusals.count > AgentLimits.refusalsMax { refusals.removeFirst() }
        outbox.add(.attempt(id))
    }

    private func wasRefused(_ id: String) -> Bool { refusals.contains { $0.id == id } }

    // MARK: ends

    mutating func cancel(_ id: String, term: Int64) {
        guard term >= journal.term else {
            return tell(.warning, "a stale request to cancel was passed over", ["attempt": id])
        }
        if let (instance, _) = held.first(where: { $0.value.order.id == id }) { held[instance] = nil }
        if performing[id] != nil, journal.attempts[id] == nil { return }
        if let attempt = journal.attempts[id] { return stop(attempt) }
        if !journal.settled.contains(id) { refuse(id, .cancelled) }
    }

    /// Asks the driver to stop an attempt; one that was interrupted ends here and now.
    private mutating func stop(_ attempt: JournalledAttempt) {
        if performing[attempt.id]?.isCancelling == false {
            performing[attempt.id]?.isCancelling = true
            directives.append(.cancelAttempt(attempt.id))
        } else if isInterrupted(attempt.id) {
            end(attempt.id, .cancelled, order: nil)
        } else if attempt.outcome != nil {
            outbox.add(.attempt(attempt.id))
        }
    }

    mutating func attemptEnded(_ id: String, _ outcome: AttemptOutcome) {
        guard let performance = performing.removeValue(forKey: id) else { return }
        lookAfterChange(performance.order.instance)
        untoldEnds[id] = performance.order.instance
        end(id, outcome, order: performance.order)
    }

    /// The end goes to disk, then to the server; where the disk refuses, it is tried again.
    private mutating func end(_ id: String, _ outcome: AttemptOutcome, order: AttemptOrder?) {
        guard let attempt = journal.attempts[id] else { return endUnjournalled(id, outcome, order) }
        guard attempt.outcome == nil else { return }
        guard isJournalWritable else {
            unsaved[id] = UnsavedEnd(outcome: outcome, order: order)
            return
        }
        unsaved[id] = nil
        if let order, case .succeeded(let result) = outcome {
            updateInstance(attempt.instance) { $0.finish(order.action, result, epoch: attempt.epoch, rivals: order.rivals) }
        }
        write(.ended(attempt: id, outcome))
        outbox.add(.attempt(id))
        reconsiderRole(attempt.instance, after: AgentLimits.serverFirst)
        resumeHeld(attempt.instance)
    }

    private mutating func endUnjournalled(_ id: String, _ outcome: AttemptOutcome, _ order: AttemptOrder?) {
        if let order, case .succeeded = outcome, unsavedFences[order.instance] != nil {
            unsaved[id] = UnsavedEnd(outcome: outcome, order: order)
            return outbox.add(.attempt(id))
        }
        unsaved[id] = nil
        refuse(id, outcome)
    }

    mutating func saveUnsavedEnds() {
        for instance in unsavedFences.keys.sorted() where isJournalWritable { saveFence(instance) }
        for (id, unsavedEnd) in unsaved.sorted(by: { $0.key < $1.key }) where isJournalWritable {
            end(id, unsavedEnd.outcome, order: unsavedEnd.order)
        }
        for id in unsettled.sorted() where isJournalWritable { settle(id) }
    }

    mutating func settle(_ id: String) {
        unsettled.remove(id)
        guard let attempt = journal.attempts[id], attempt.outcome != nil else { return }
        guard isJournalWritable else {
            unsettled.insert(id)
            return
        }
        write(.settled(attempt: id))
        untoldEnds[id] = nil
    }

    /// What a restart interrupted and no leader offers again is wanted by nobody, and must not hold its instance.
    mutating func giveUpInterruptedAttempts() {
        guard case .serving(let service) = connection, now >= service.reofferBy, isJournalWritable else { return }
        for id in journal.attempts.keys.sorted() where isInterrupted(id) {
            end(id, .failed("the agent was restarted during this attempt, and it was not offered again"), order: nil)
        }
    }

    // MARK: progress and state

    mutating func progressed(_ id: String, _ progress: EngineProgress) {
        performing[id]?.progress = AttemptProgress(phase: progress.phase, done: progress.done, total: progress.total)
        performing[id]?.isProgressUntold = true
    }

    mutating func tellProgress() {
        for (id, performance) in performing.sorted(by: { $0.key < $1.key }) where performance.isProgressUntold {
            let isNewPhase = performance.toldPhase != performance.progress.phase
            guard isNewPhase || now >= nextProgress(performance) else { continue }
            performing[id]?.isProgressUntold = false
            performing[id]?.toldPhase = performance.progress.phase
            performing[id]?.toldAt = now
            outbox.add(.attempt(id))
        }
    }

    private func nextProgress(_ performance: Performance) -> Instant {
        performance.toldAt.map { $0 + AgentLimits.progressSpacing } ?? now
    }

    func noteAttemptDeadlines(_ next: inout Earliest) {
        for performance in performing.values where performance.isProgressUntold { next.note(nextProgress(performance)) }
        for waiting in held.values { next.note(waiting.order.waitMax.map { waiting.since + $0 }) }
        if let trouble = journalTrouble, !unsaved.isEmpty || !unsettled.isEmpty || !unsavedFences.isEmpty { next.note(trouble.retryAt) }
        if case .serving(let service) = connection, journal.attempts.keys.contains(where: { isInterrupted($0) }) {
            next.note(max(service.reofferBy, journalTrouble?.retryAt ?? service.reofferBy))
        }
    }

    /// By id. More than one only while an order that isolates has overtaken another.
    func openAttempts(on instance: InstanceID) -> [JournalledAttempt] {
        journal.attempts.values.filter { $0.instance == instance && $0.outcome == nil }.sorted { $0.id < $1.id }
    }

    /// Whether the driver carries out an order on the instance now.
    func isWorkedOn(_ instance: InstanceID) -> Bool { performing.values.contains { $0.order.instance == instance } }

    /// Open in the journal, but its order is not in this process.
    func isInterrupted(_ id: String) -> Bool {
        guard let attempt = journal.attempts[id], attempt.outcome == nil else { return false }
        return performing[id] == nil && unsaved[id] == nil
    }

    /// Of an attempt in the journal.
    func state(of id: String) -> AttemptState {
        if let outcome = journal.attempts[id]?.outcome { return .ended(outcome) }
        if let performance = performing[id] { return .running(performance.progress) }
        return unsaved[id] == nil ? .accepted : .running(AttemptProgress(phase: "waiting for the agent's journal"))
    }

    mutating func attemptMessage(_ id: String) -> AgentMessage? {
        if untoldEnds[id] != nil { return nil }
        if journal.attempts[id] != nil || performing[id] != nil || unsaved[id] != nil { return .attempt(AttemptStatus(id: id, state: state(of: id))) }
        guard let outcome = refusals.first(where: { $0.id == id })?.outcome else { return nil }
        return .attempt(AttemptStatus(id: id, state: .ended(outcome)))
    }
}
