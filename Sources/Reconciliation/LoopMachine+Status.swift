import ControlAPI
import FleetModel
import MetadataStore
import Planning

// What a pass leaves behind: changes for the store, a status for people, and afterwards the orders for agents.

extension LoopMachine {
    mutating func status(of unit: UnitID, _ change: (inout UnitStatus) -> Void) {
        var status = statuses[unit] ?? UnitStatus(unit: unit)
        change(&status)
        statuses[unit] = status
    }

    /// A status without what the step found: what the manifest and the loop itself have to say.
    func declaredStatus(_ unit: UnitID) -> UnitStatus {
        let place = desired?.place(of: unit)
        return UnitStatus(unit: unit, revision: place?.revision ?? "", position: place?.position)
    }

    func status(from rehearsal: Rehearsal, _ unit: UnitID, _ running: [RunningAttempt]) -> UnitStatus {
        var status = declaredStatus(unit)
        status.conditions = rehearsal.first?.conditions ?? rehearsal.conditions
        status.findings = rehearsal.first?.findings ?? rehearsal.findings
        status.waits = rehearsal.first?.waits ?? rehearsal.waits
        status.warnings = rehearsal.first?.warnings ?? rehearsal.warnings
        status.running = running
        status.plan = PlanOutline(rehearsal)
        if let refusal = rehearsal.refusal {
            status.stall("PlanRefused", refusal)
            status.findings.append(
                Finding(reason: "PlanRefused", subject: unit.name, message: refusal, isDrift: false))
        }
        return status
    }

    /// What holds a unit back beside its step.
    private func addLoopFindings(_ status: inout UnitStatus) {
        let unit = status.unit
        if let held = held[unit] {
            status.stall("InvalidManifest", held.message)
            status.findings.append(
                Finding(reason: "InvalidManifest", subject: unit.description, message: held.message, isDrift: false))
        }
        if let problem = allocationProblems[unit.name], unit.kind == .cluster {
            let message = "\(problem.field): \(problem.message). \(problem.help)"
            status.stall("NoPlace", message)
            status.findings.append(Finding(reason: "NoPlace", subject: unit.name, message: message, isDrift: false))
        }
        for problem in units[unit]?.secretProblems ?? [] {
            let finding = Finding(reason: "SecretMissing", subject: unit.name, message: problem, isDrift: false)
            if !status.findings.contains(where: { $0.reason == finding.reason }) { status.findings.append(finding) }
        }
        status.findings.sort()
    }

    // MARK: The end of a pass

    mutating func finishPass(_ unit: UnitID, _ draft: PassDraft) {
        var draft = draft
        complete(&draft.status)
        var changes: [StoreChange] = []
        var events = statusEvents(draft.status)
        for entry in draft.ended {
            changes.append(.endAttempt(id: entry.id, outcome: entry.outcome, at: entry.received))
            if let task = attempts[entry.id]?.record.task { events.append(event(of: entry, task)) }
        }
        let hasNewRecords = draft.records != draft.stored
        if hasNewRecords { changes.append(.putCluster(draft.records)) }
        if draft.isPlanNew, let plan = draft.plan {
            changes.append(.putPlan(PlanRecord(id: plan.id, unit: unit, revision: plan.revision, made: now, text: plan.text)))
        }
        for attempt in draft.opened {
            changes.append(.openAttempt(attempt.record))
            events.append(event("TaskStarted", unit, .info, attempt.record.task.label))
        }
        noteSilentStep(unit, draft)
        var pass = PassCommit(unit: unit, status: draft.status, decided: now)
        pass.records = hasNewRecords ? draft.records : nil
        pass.opened = draft.opened
        pass.ended = draft.ended
        pass.cancel = draft.cancel
        pass.plan = draft.plan
        pass.suspension = units[unit]?.suspension
        pass.requestedPrimary = units[unit]?.requestedPrimary
        pass.isFailoverRequested = units[unit]?.isFailoverRequested ?? false
        conclude(pass, changes, events)
    }

    /// A step that only changed records is followed by the next; one that does so again and again rests in between.
    private mutating func noteSilentStep(_ unit: UnitID, _ draft: PassDraft) {
        guard draft.opened.isEmpty, draft.records != draft.stored, desired != nil else {
            units[unit]?.silentSteps = 0
            return
        }
        units[unit]?.silentSteps += 1
        if let count = units[unit]?.silentSteps, count > LoopMachine.silentStepsMax { rest(unit) } else { units[unit]?.isDirty = true }
    }

    /// Commits where there is anything to commit; else the pass is over.
    mutating func conclude(_ pass: PassCommit, _ changes: [StoreChange], _ events: [Event]) {
        var changes = changes
        if pass.status.conditions != statuses[pass.unit]?.conditions ?? [] {
            changes.append(.putConditions(pass.unit, pass.status.conditions))
        }
        changes += events.map { .appendEvent($0) }
        guard !changes.isEmpty else {
            stored(pass)
            return
        }
        units[pass.unit]?.isCommitting = true
        commit(changes, .pass(pass))
    }

    /// A pass is in the store: now its orders may go out.
    mutating func stored(_ pass: PassCommit) {
        let unit = pass.unit
        units[unit]?.isCommitting = false
        if let cluster = pass.records {
            loads?.replace(records.clusters[unit.name], by: cluster)
            if let last = cluster.failovers.last, last != records.clusters[unit.name]?.failovers.last { failovers.note(last) }
            records.clusters[unit.name] = cluster
            index(cluster)
            enqueueRelatives(of: unit.name)
        }
        if let channel = pass.channel { records.channels[channel.name] = channel.digest }
        if let suspension = pass.suspension, units[unit]?.suspension == suspension { units[unit]?.suspension = nil }
        if let ordinal = pass.requestedPrimary, units[unit]?.requestedPrimary == ordinal { units[unit]?.requestedPrimary = nil }
        if pass.isFailoverRequested { units[unit]?.isFailoverRequested = false }
        settle(pass)
        let isLate = now - pass.decided > settings.dispatchDelayMax
        for attempt in pass.opened {
            attempts[attempt.record.id] = attempt
            if isLate { end(attempt.record.id, .refused("the store took too long: the facts are too old"), isLookedAt: true) }
        }
        for id in pass.cancel where attempts[id]?.isCancelled == false { cancel(id) }
        let current = pass.plan ?? (running(of: unit).isEmpty ? nil : units[unit]?.plan)
        units[unit]?.plan = current
        dispatch(unit)
        publish(pass)
        if units[unit]?.isDirty == true { enqueue(unit) }
    }

    /// Ends that are in the store: the agent may forget them, and what waited for room may be looked at again.
    private mutating func settle(_ pass: PassCommit) {
        guard !pass.ended.isEmpty else { return }
        let ids = Set(pass.ended.map(\.id))
        units[pass.unit]?.ended.removeAll { ids.contains($0.id) }
        for entry in pass.ended {
            guard let attempt = attempts.removeValue(forKey: entry.id) else { continue }
            if isUsable(attempt.host) { send(.settled(attempt: entry.id), to: attempt.host) }
        }
        for waiting in heldByBudget.sorted() { enqueue(waiting) }
    }

    private mutating func publish(_ pass: PassCommit) {
        var status = pass.status
        status.running = running(of: pass.unit)
        let isNews = pass.records != nil || pass.channel != nil || !(statuses[pass.unit]?.finds(theSameAs: status) ?? false)
        statuses[pass.unit] = status
        units[pass.unit]?.isChanged = false
        units[pass.unit]?.waitsForFacts = status.waits.contains(where: \.isForFacts) || !status.running.isEmpty
        for wait in status.waits {
            switch wait.reason {
            case .time(let moment), .retention(let moment): schedule(pass.unit, at: max(moment, now + LoopMachine.waitMin))
            case .host(let host): if isUsable(host) { look(at: host, for: pass.unit) }
            case .attempt, .approval, .budget, .fact: break
            }
        }
        directives.append(.publish(status))
        // Most passes find what the last one found, and nobody is to look because of that.
        if isNews { directives.append(.changed(.unit(pass.unit))) }
    }

    /// A unit waits for a fresher report: asked for, but not again and again.
    private mutating func look(at host: String, for unit: UnitID) {
        guard let session = agents[host] else { return }
        if let asked = session.lastAsked, now - asked < LoopMachine.askMin {
            schedule(unit, at: asked + LoopMachine.askMin)
            return
        }
        agents[host]?.lastAsked = now
        send(.observe, to: host)
    }

    // MARK: Conditions and events

    /// Adds what the loop knows, and keeps the moment of each condition that stays as it was.
    mutating func complete(_ status: inout UnitStatus) {
        addLoopFindings(&status)
        let before = statuses[status.unit]?.conditions ?? []
        status.pass = now
        for index in status.conditions.indices {
            let condition = status.conditions[index]
            let same = before.first { $0.type == condition.type && $0.isTrue == condition.isTrue }
            status.conditions[index].lastTransition = same?.lastTransition ?? now
        }
        status.conditions.sort { $0.type.rank < $1.type.rank }
    }

    /// What changed since the last pass, for the history.
    func statusEvents(_ status: UnitStatus) -> [Event] {
        let before = statuses[status.unit]
        var events: [Event] = []
        let known = Set((before?.findings ?? []).map(\.key))
        for finding in status.findings where !known.contains(finding.key) {
            events.append(event(finding.reason, status.unit, .warning, "\(finding.subject): \(finding.message)"))
        }
        let present = Set(status.findings.map(\.key))
        for finding in before?.findings ?? [] where !present.contains(finding.key) {
            events.append(event(finding.reason + "Resolved", status.unit, .info, "\(finding.subject): it is over"))
        }
        for condition in status.conditions where condition.lastTransition == now && condition.isTrue {
            guard condition.type == .ready || condition.type == .stalled else { continue }
            let level: Event.Level = condition.type == .ready ? .info : .error
            events.append(event(condition.type.rawValue, status.unit, level, condition.message))
        }
        return events
    }

    private func event(_ reason: String, _ unit: UnitID, _ level: Event.Level, _ message: String) -> Event {
        Event(time: now, unit: unit, level: level, reason: reason, message: message)
    }

    private func event(of entry: EndedAttempt, _ task: PlannedTask) -> Event {
        switch entry.outcome {
        case .succeeded(let result):
            event(
                "TaskSucceeded", task.unit, result.note == nil ? .info : .warning,
                task.label + (result.acted ? "" : " (it was there already)") + (result.note.map { ": " + $0 } ?? ""))
        case .failed(let message): event("TaskFailed", task.unit, .warning, task.label + ": " + message)
        case .refused(let message): event("TaskRefused", task.unit, .info, task.label + ": " + message)
        case .cancelled: event("TaskCancelled", task.unit, .info, task.label)
        }
    }

    static let silentStepsMax = 10
    /// A wait whose moment has come is looked at again no sooner than this.
    static let waitMin: Duration = .milliseconds(50)
    /// A host is asked for a report no more often than this.
    static let askMin: Duration = .milliseconds(250)
}

extension Finding {
    /// What makes it one with the same finding of the next pass.
    var key: String { reason + "\u{0}" + subject }
}

extension Wait {
    var isForFacts: Bool {
        switch reason {
        case .host, .fact, .attempt: true
        case .time, .approval, .budget, .retention: false
        }
    }
}

extension ConditionType {
    var rank: Int { ConditionType.allCases.firstIndex(of: self) ?? 0 }
}

extension UnitStatus {
    /// Stalled, and therefore not ready.
    mutating func stall(_ reason: String, _ message: String) {
        conditions.removeAll { $0.type == .stalled || $0.type == .ready }
        conditions.append(Condition(.stalled, true, reason: reason, message: message))
        conditions.append(Condition(.ready, false, reason: reason, message: message))
    }
}

extension PlannedTask {
    /// `clone orders-3: clone from orders-2`.
    var label: String {
        switch target {
        case .instance(let id, _): "\(action.name) \(unit.name)-\(id.ordinal): \(summary)"
        case .server: "\(action.name) \(unit.name): \(summary)"
        }
    }
}
