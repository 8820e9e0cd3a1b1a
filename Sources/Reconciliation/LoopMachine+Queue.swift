import FleetModel
import MetadataStore

// What is to be done next: the queue of units, the deadlines, and commits on their way.

extension LoopMachine {
    /// Whether there is something to do that no further event is needed for.
    var hasWork: Bool { isLeading && !isBarred && !queue.isEmpty(takesDue: takesDue) && commits.count < settings.commitsMax }

    /// What is only due leaves room for the secrets of what has changed.
    private var takesDue: Bool { resolving < settings.resolvesMax }

    /// While a revision is being accepted no pass may begin: it would write records from before the allocation.
    var isBarred: Bool { accepting != nil || isAllocationDue || isAcceptanceInFlight }

    /// Asks for a pass. One that waits for its turn among what is due goes ahead when something happens to it.
    mutating func enqueue(_ unit: UnitID, _ lane: UnitQueue.Lane = .changed) {
        var state = units[unit] ?? UnitState()
        if state.isCommitting {
            if state.isDirty { return }
            state.isDirty = true
        } else {
            if let present = state.lane, present <= lane { return }
            state.lane = lane
            queue.append(unit, lane)
        }
        units[unit] = state
    }

    private mutating func dequeue() -> UnitID? {
        while let (unit, lane) = queue.next(takesDue: takesDue) {
            // An entry that its unit has left for the other lane, or that is from before it was forgotten.
            guard units[unit]?.lane == lane else { continue }
            units[unit]?.lane = nil
            return unit
        }
        return nil
    }

    mutating func work() {
        guard isLeading else { return }
        acceptIfDue()
        if isBarred { return }
        flushHousekeeping()
        var passes = 0
        while passes < settings.passesPerEventMax, commits.count < settings.commitsMax, !isBarred, let unit = dequeue() {
            pass(unit)
            passes += 1
        }
        acceptIfDue()
    }

    /// What is to be accepted waits for all commits on their way; the end of the last of them brings us here again.
    private mutating func acceptIfDue() {
        if commits.isEmpty && (accepting != nil || isAllocationDue) { accept() }
    }

    /// A pass of this unit no later than `instant`, whatever happens or does not; it stands in `lane` then.
    mutating func schedule(_ unit: UnitID, at instant: Instant, _ lane: UnitQueue.Lane = .changed) {
        var state = units[unit] ?? UnitState()
        if let due = state.due, due.at <= instant { return }
        state.due = UnitState.Due(at: instant, lane: lane)
        if state.scheduled.map({ $0 > instant }) ?? true {
            state.scheduled = instant
            deadlines.insert(.unit(unit), at: instant)
        }
        units[unit] = state
    }

    mutating func passDeadlines() {
        while let (_, subject) = deadlines.next(at: now) {
            switch subject {
            case .unit(let unit): unitDue(unit)
            case .host(let host): hostDue(host)
            case .stale(let host): hostStale(host)
            case .pulse: pulse()
            case .lease, .acceptance: break
            case .reload: if case .loading = leadership { directives.append(.load) }
            }
        }
    }

    private mutating func unitDue(_ unit: UnitID) {
        guard let state = units[unit], let due = state.due else { return }
        units[unit]?.scheduled = nil
        if due.at <= now {
            units[unit]?.due = nil
            enqueue(unit, due.lane)
        } else {
            units[unit]?.scheduled = due.at
            deadlines.insert(.unit(unit), at: due.at)
        }
    }

    // MARK: Commits

    mutating func commit(_ changes: [StoreChange], _ pending: PendingCommit) {
        guard let term = leadership.term else { return }
        lastCommit += 1
        commits[lastCommit] = pending
        directives.append(.commit(id: lastCommit, changes, term: term))
    }

    /// Changes that belong to no unit's pass go together, one commit at a time.
    private mutating func flushHousekeeping() {
        guard !housekeeping.isEmpty else { return }
        let isOnItsWay = commits.values.contains { if case .housekeeping = $0 { true } else { false } }
        guard !isOnItsWay else { return }
        commit(housekeeping, .housekeeping(housekeeping))
        housekeeping = []
    }

    mutating func committed(_ id: UInt64) {
        guard let pending = commits.removeValue(forKey: id) else { return }
        switch pending {
        case .pass(let pass): stored(pass)
        case .acceptance(let acceptance): accepted(acceptance)
        case .housekeeping: break
        case .rebuild(let rebuild): rebuilt(rebuild)
        }
    }

    mutating func commitFailed(_ id: UInt64, _ error: StoreError) {
        guard let pending = commits.removeValue(forKey: id) else { return }
        if case .rebuild = pending { rebuildFailed(error.sentence) }
        switch error {
        case .leaseLost: becomeFollower(leaderURL: nil)
        case .conflict(let reason), .uncertain(let reason): reload(reason)
        case .inUse(let reason), .unavailable(let reason): tryAgain(pending, reason)
        }
    }

    private mutating func tryAgain(_ pending: PendingCommit, _ reason: String) {
        directives.append(.tell(LoopNotice(.error, "a commit to the store failed and is tried again", ["reason": reason])))
        switch pending {
        case .pass(let pass):
            units[pass.unit]?.isCommitting = false
            rest(pass.unit)
        case .acceptance(let acceptance):
            if let read = acceptance.read { accepting = read } else { isAllocationDue = true }
            acceptancePause = now + settings.pauseFirst
            isAcceptanceInFlight = false
            deadlines.insert(.acceptance, at: now + settings.pauseFirst)
        case .housekeeping(let changes):
            housekeeping = Array((changes + housekeeping).suffix(LoopMachine.housekeepingMax))
        case .rebuild: break
        }
    }

    /// Lets a unit rest before its next pass, longer each time in a row.
    mutating func rest(_ unit: UnitID) {
        let count = units[unit]?.pauses ?? 0
        var pause = settings.pauseFirst
        for _ in 0..<min(count, 16) where pause < settings.pauseLimit { pause = pause * 2 }
        let until = now + generator.jittered(min(pause, settings.pauseLimit))
        units[unit]?.pauses = count + 1
        units[unit]?.pause = until
        schedule(unit, at: until)
    }

    /// Events and catalogs that wait while the store does not answer; the oldest are dropped beyond it.
    static let housekeepingMax = 1000
}
