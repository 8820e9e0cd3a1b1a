import FleetModel
import MetadataStore

// What is to be done next: the queue of units, the deadlines, and commits on their way.

extension LoopMachine {
    /// Whether there is something to do that no further event is needed for.
    var hasWork: Bool { isLeading && !isBarred && queueHead < queue.count && commits.count < settings.commitsMax }

    /// While a revision is being accepted no pass may begin: it would write records from before the allocation.
    var isBarred: Bool { accepting != nil || isAllocationDue || isAcceptanceInFlight }

    mutating func enqueue(_ unit: UnitID) {
        if units[unit] == nil { units[unit] = UnitState() }
        if units[unit]?.isCommitting == true {
            units[unit]?.isDirty = true
        } else if units[unit]?.isQueued == false {
            units[unit]?.isQueued = true
            queue.append(unit)
        }
    }

    private mutating func dequeue() -> UnitID? {
        guard queueHead < queue.count else { return nil }
        let unit = queue[queueHead]
        queueHead += 1
        if queueHead > 1024 || queueHead == queue.count {
            queue.removeFirst(queueHead)
            queueHead = 0
        }
        units[unit]?.isQueued = false
        return unit
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

    /// A pass of this unit no later than `instant`, whatever happens or does not.
    mutating func schedule(_ unit: UnitID, at instant: Instant) {
        let due = units[unit]?.due.map { min($0, instant) } ?? instant
        units[unit, default: UnitState()].due = due
        if let scheduled = units[unit]?.scheduled, scheduled <= due { return }
        units[unit]?.scheduled = due
        deadlines.insert(.unit(unit), at: due)
    }

    mutating func passDeadlines() {
        while let (_, subject) = deadlines.next(at: now) {
            switch subject {
            case .unit(let unit): unitDue(unit)
            case .host(let host): hostDue(host)
            case .pulse: pulse()
            case .lease, .acceptance: break
            case .reload: if case .loading = leadership { directives.append(.load) }
            }
        }
    }

    private mutating func unitDue(_ unit: UnitID) {
        guard let state = units[unit], let due = state.due else { return }
        units[unit]?.scheduled = nil
        if due <= now {
            units[unit]?.due = nil
            enqueue(unit)
        } else {
            units[unit]?.scheduled = due
            deadlines.insert(.unit(unit), at: due)
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
        case .conflict(let reason): reload(reason)
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
