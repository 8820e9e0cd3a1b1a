import FleetModel
import MetadataStore
import Planning

// A pass of a cluster: absorb what ended, rehearse, admit, write the records, and only then dispatch.

extension LoopMachine {
    mutating func pass(_ unit: UnitID) {
        units[unit]?.isDirty = false
        units[unit]?.due = nil
        switch unit.kind {
        case .cluster: passCluster(unit)
        case .alertChannel: passChannel(unit)
        case .host: passHost(unit)
        case .source: passSource(unit)
        case .region, .availabilityZone: passDeclared(unit)
        }
        // One that was forgotten gets none again.
        if units[unit] != nil { schedule(unit, at: LoopMachine.grain(now + generator.jittered(settings.unitInterval)), .due) }
    }

    /// A unit that is declared no more and of which nothing is left: what it found is over, and nobody waits for it.
    mutating func forget(_ unit: UnitID) {
        if let status = statuses[unit] {
            statuses[unit] = nil
            var last = UnitStatus(unit: unit)
            last.pass = now
            directives.append(.publish(last))
            if !status.conditions.isEmpty { housekeeping.append(.putConditions(unit, [])) }
        }
        units[unit] = nil
        directives.append(.changed(.unit(unit)))
    }

    /// Units that are due within so short a time share one moment to wake at: 100,000 of them would else ask for more than
    /// a thousand a second.
    private static func grain(_ moment: Instant) -> Instant {
        Instant(milliseconds: (moment.milliseconds / grainMilliseconds + 1) * grainMilliseconds)
    }

    private static let grainMilliseconds: Int64 = 100

    private mutating func passCluster(_ unit: UnitID) {
        guard let cluster = records.clusters[unit.name] else {
            passUnplaced(unit)
            return
        }
        let unheard = unheardHosts(cluster)
        if !unheard.isEmpty {
            showWaiting(unit, for: unheard)
            schedule(unit, at: graceEnd, .due)
            return
        }
        if isWaitingForSecrets(unit, cluster) { return }
        retryAllocation(unit)
        decide(unit, cluster)
    }

    /// A new leader lets a unit's agents say hello before it says that they are silent: those it waits for.
    /// The writer that a failover under way takes over from is not waited for.
    private func unheardHosts(_ cluster: ClusterRecords) -> [String] {
        guard isInGrace else { return [] }
        let lost = cluster.failover?.from
        return Set(cluster.members.filter { $0.phase != .purged && $0.ordinal != lost && observed[$0.host] == nil }.map(\.host)).sorted()
    }

    /// Nothing is judged yet and nothing told to alerts; conditions are those that the store had.
    private mutating func showWaiting(_ unit: UnitID, for hosts: [String]) {
        let waits = [Wait(.host(hosts[0]), "its agents' first report: \(hosts.joined(separator: ", "))")]
        guard statuses[unit]?.waits != waits else { return }
        let place = declaredStatus(unit)
        status(of: unit) { status in
            (status.revision, status.position) = (place.revision, place.position)
            status.waits = waits
        }
        directives.append(.changed(.unit(unit)))
    }

    /// Others may have left since: a cluster without a place is tried again, but no more often than at its interval.
    private mutating func retryAllocation(_ unit: UnitID) {
        guard allocationProblems[unit.name] != nil else { return }
        if let tried = units[unit]?.allocationTried, now - tried < settings.unitInterval { return }
        units[unit]?.allocationTried = now
        isAllocationDue = true
    }

    /// Declared, and there was no place for it.
    private mutating func passUnplaced(_ unit: UnitID) {
        retryAllocation(unit)
        passDeclared(unit)
    }

    // MARK: Secrets

    /// The expected fingerprints of accounts are asked for when a manifest is new and at every interval.
    private mutating func isWaitingForSecrets(_ unit: UnitID, _ cluster: ClusterRecords) -> Bool {
        guard let accounts = desired?.clusters[unit.name]?.value.accounts, !accounts.isEmpty else { return false }
        switch units[unit]?.secrets ?? .unknown {
        case .asked(let before):
            return before == nil
        case .known(let fingerprints, let moment):
            guard now - moment >= settings.unitInterval else { return false }
            askSecrets(unit, cluster, accounts, before: fingerprints)
            return false
        case .unknown:
            askSecrets(unit, cluster, accounts, before: nil)
            return true
        }
    }

    private mutating func askSecrets(
        _ unit: UnitID, _ cluster: ClusterRecords, _ accounts: [AccountSpec], before: [String: String]?
    ) {
        units[unit]?.secrets = .asked(before: before)
        resolving += 1
        directives.append(.resolve(unit, clusterUID: cluster.uid, accounts))
    }

    mutating func resolved(_ unit: UnitID, _ fingerprints: [String: String], _ problems: [String]) {
        resolving = max(resolving - 1, 0)
        guard case .asked(let before) = units[unit]?.secrets else { return }
        units[unit]?.secrets = .known(fingerprints, at: now)
        units[unit]?.secretProblems = problems
        if before != fingerprints { enqueue(unit) } else { directives.append(.changed(.unit(unit))) }
    }

    // MARK: Deciding

    private mutating func decide(_ unit: UnitID, _ stored: ClusterRecords) {
        var cluster = stored
        if let suspension = units[unit]?.suspension { cluster.suspended = suspension }
        if let ordinal = units[unit]?.requestedPrimary { cluster.requestedPrimary = ordinal }
        if units[unit]?.isFailoverRequested == true { cluster.isFailoverRequested = true }
        let ended = absorb(unit, into: &cluster)
        guard desired != nil else {
            finishPass(unit, PassDraft(stored: stored, records: cluster, ended: ended, status: statuses[unit] ?? UnitStatus(unit: unit)))
            return
        }
        tellStartHolds(cluster)
        tellRivals(cluster)
        let situation = situation(of: unit, cluster, without: ended)
        if ended.isEmpty, let unseen = units[unit]?.unseen, unseen.holds(for: situation) {
            finishPass(unit, PassDraft(stored: stored, records: unseen.records, status: unseen.status))
            return
        }
        let rehearsal = planner.rehearse(situation)
        var draft = PassDraft(
            stored: stored, records: rehearsal.first?.records ?? cluster, ended: ended,
            status: status(from: rehearsal, unit, situation.running))
        units[unit]?.unseen = UnseenPass(situation, rehearsal, draft.status)
        units[unit]?.configurations = rehearsal.first?.isConverged == false ? rehearsal.configurations : nil
        draft.cancel = rehearsal.first?.cancel ?? []
        noteRefusals(unit, ended)
        start(unit, rehearsal, situation.running, &draft)
        finishPass(unit, draft)
    }

    /// Takes what ended, and was looked at since, into the records.
    private mutating func absorb(_ unit: UnitID, into cluster: inout ClusterRecords) -> [EndedAttempt] {
        let ready = (units[unit]?.ended ?? []).filter { $0.isLookedAt || now - $0.received >= settings.lookMax }
        for entry in ready {
            guard let task = attempts[entry.id]?.record.task else { continue }
            cluster = planner.absorb(entry.outcome, of: task, into: cluster, at: now, jitter: generator.unit())
        }
        return ready
    }

    private func situation(
        of unit: UnitID, _ cluster: ClusterRecords, without ended: [EndedAttempt]
    ) -> ClusterSituation {
        var seen: [String: ObservedHost] = [:]
        for member in cluster.members where member.phase != .purged { seen[member.host] = observed[member.host] }
        var secrets: [String: String] = [:]
        switch units[unit]?.secrets {
        case .known(let fingerprints, _), .asked(let fingerprints?): secrets = fingerprints
        default: break
        }
        let running = running(of: unit).filter { attempt in !ended.contains { $0.id == attempt.id } }
        var situation = ClusterSituation(
            name: unit.name, desired: desired?.clusters[unit.name], fieldPaths: desired?.fieldPaths ?? FieldPaths(),
            hosts: directory, records: cluster, observed: seen, running: running, secrets: secrets, catalogs: catalogs,
            policy: settings.policy, failovers: failovers, now: now)
        situation.configurations = units[unit]?.configurations
        addRelations(to: &situation)
        return situation
    }

    func running(of unit: UnitID) -> [RunningAttempt] {
        attempts.values.filter { $0.record.task.unit == unit }.map { running($0) }.sorted { ($0.started, $0.id) < ($1.started, $1.id) }
    }

    /// A donor whose receiver's host is silent gives nothing any more; the copy's end may never be told.
    func running(_ attempt: OpenAttempt) -> RunningAttempt {
        guard attempt.record.task.alsoBusy != nil, isSilent(attempt.host) else { return attempt.running }
        return attempt.withoutDonor
    }

    // MARK: Starting

    /// Opens attempts of the first wave: those whose agent can be told now, that nothing in their way works on, and
    /// that the budgets admit.
    private mutating func start(
        _ unit: UnitID, _ rehearsal: Rehearsal, _ running: [RunningAttempt], _ draft: inout PassDraft
    ) {
        heldByBudget.remove(unit)
        guard let first = rehearsal.first, !first.tasks.isEmpty else { return }
        if rehearsal.refusal != nil && rehearsal.waves.isEmpty { return }
        // What was refused before has nothing to do with a writer that is lost now.
        let isNewlyLost = draft.records.failover.map { $0.epoch != draft.stored.failover?.epoch } ?? false
        if let pause = units[unit]?.pause, pause > now, !isNewlyLost {
            schedule(unit, at: pause)
            return
        }
        var busy = Set(running.flatMap(\.task.participants))
        var candidates: [PlannedTask] = []
        for task in first.tasks where rehearsal.refusal == nil || !task.isVoluntary {
            guard case .instance(_, let host) = task.target, busy.isDisjoint(with: task.participants) else { continue }
            guard isUsable(host) else {
                draft.status.waits.append(Wait(.host(host), "the agent of \(host) to connect, for: \(task.summary)"))
                continue
            }
            busy.formUnion(task.participants)
            candidates.append(task)
        }
        guard !candidates.isEmpty else { return }
        let verdict = planner.admit(candidates, running: allRunning(without: draft.ended), policy: settings.policy)
        if !verdict.held.isEmpty { heldByBudget.insert(unit) }
        draft.status.waits += verdict.held.map(\.wait)
        open(verdict.admitted, unit, rehearsal, &draft)
    }

    /// Attempts that have not ended, and those whose opening is on its way to the store.
    private func allRunning(without ended: [EndedAttempt]) -> [RunningAttempt] {
        let over = Set(ended.map(\.id))
        var all = attempts.values.filter { !over.contains($0.record.id) }.map { running($0) }
        for case .pass(let pass) in commits.values { all += pass.opened.map(\.running) }
        return all.sorted { ($0.started, $0.id) < ($1.started, $1.id) }
    }

    private mutating func open(_ tasks: [PlannedTask], _ unit: UnitID, _ rehearsal: Rehearsal, _ draft: inout PassDraft) {
        guard !tasks.isEmpty else { return }
        let keys = tasks.map { planner.key(of: $0) }
        let revision = desired?.clusters[unit.name]?.revision ?? desired?.revision.commit ?? ""
        if let plan = units[unit]?.plan, plan.revision == revision, plan.keys.isSuperset(of: keys) {
            draft.plan = plan
        } else {
            draft.plan = newPlan(unit, rehearsal, draft.stored, revision)
            draft.isPlanNew = true
        }
        for (task, key) in zip(tasks, keys) {
            guard case .instance(let instance, let host) = task.target else { continue }
            lastAttempt += 1
            let record = AttemptRecord(
                id: attemptPrefix + String(lastAttempt), key: key, task: task, plan: draft.plan?.id ?? "",
                revision: revision, epoch: draft.records.epoch, started: now)
            draft.opened.append(OpenAttempt(record: record, instance: instance, host: host, phase: .unsent))
        }
    }

    private func newPlan(
        _ unit: UnitID, _ rehearsal: Rehearsal, _ records: ClusterRecords, _ revision: String
    ) -> CurrentPlan {
        let text = planner.text(
            of: UnitPlan(
                rehearsal, declared: desired?.clusters[unit.name], records: records,
                fieldPaths: desired?.fieldPaths ?? FieldPaths()))
        let id = String(SHA256.hex(unit.description + revision + String(now.milliseconds) + text).prefix(16))
        let keys = Set(rehearsal.waves.flatMap { $0.tasks.map { planner.key(of: $0) } })
        return CurrentPlan(id: id, revision: revision, keys: keys, text: text)
    }

    /// A refusal is no failure of the task, nor is an end without anything done: nothing else keeps the unit from asking
    /// again at once.
    private mutating func noteRefusals(_ unit: UnitID, _ ended: [EndedAttempt]) {
        let isIdle = ended.contains { entry in
            switch entry.outcome {
            case .refused: true
            case .succeeded(let result): !result.acted
            case .failed, .cancelled: false
            }
        }
        let isProgress = ended.contains { if case .succeeded(let result) = $0.outcome { result.acted } else { false } }
        if isProgress { units[unit]?.pauses = 0 }
        if isIdle { rest(unit) }
    }
}

/// What a pass wants to write and then do.
struct PassDraft: Sendable {
    var stored: ClusterRecords
    var records: ClusterRecords
    var ended: [EndedAttempt] = []
    var opened: [OpenAttempt] = []
    var cancel: [String] = []
    var plan: CurrentPlan?
    var isPlanNew = false
    var status: UnitStatus
}
