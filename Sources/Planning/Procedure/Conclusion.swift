import FleetModel

// The end of a step: the barrier between waves, old failures, and the conditions that sum up.

extension ClusterProcedure {
    /// A failure that nothing asks for any more is forgotten after this time.
    static var failureKept: Duration { .seconds(600) }

    mutating func conclude() {
        holdAtBarrier()
        if isSuspended { holdSuspended() }
        cancelUnwanted()
        forgetFailures()
        tellFlapping()
        tellLagging()
        tellDrains()
        tellMaintenance()
        if decision.findings.count > 1 { decision.findings.sort() }
    }

    /// Adds the conditions that sum the decision up.
    mutating func sumUp() { decision.conditions = conditions() }

    /// Voluntary tasks wait until the running wave has ended; restart and fence do not.
    private mutating func holdAtBarrier() {
        guard decision.tasks.contains(where: \.isVoluntary), running.contains(where: { $0.task.isVoluntary && isHeard($0) }) else { return }
        decision.tasks.removeAll(where: \.isVoluntary)
        wait(.attempt(context.name), "the end of the running wave")
    }

    /// The end of an attempt on a host that is silent may never be told.
    func isHeard(_ attempt: RunningAttempt) -> Bool {
        guard case .instance(let id, _) = attempt.task.target else { return true }
        return views.first { $0.ordinal == id.ordinal }?.knowledge == .fresh
    }

    /// What is left undone is waited for by name, so that nobody takes a suspended cluster for a converged one.
    private mutating func holdSuspended() {
        guard !isChangingWriter else { return }
        let held = decision.tasks.filter(isHeldWhileSuspended)
        decision.tasks.removeAll(where: isHeldWhileSuspended)
        for task in held { waitForResume(task.summary, on: task.target) }
    }

    private func isHeldWhileSuspended(_ task: PlannedTask) -> Bool {
        switch task.action {
        case .start, .open, .close, .fence, .joinComponent, .readPosition, .recoverComponent, .renewCertificate: task.isVoluntary
        // Of a galera cluster it may be a failover.
        case .promote: task.isVoluntary || records.galera == nil
        default: true
        }
    }

    private mutating func waitForResume(_ summary: String, on target: TaskTarget) {
        var subject = context.name
        if case .instance(let id, _) = target { subject = label(id.ordinal) }
        wait(.approval(Wait.resume), "`evenkeel resume \(context.name)`, for \(subject): \(summary)")
    }

    /// Making an instance that is wanted no more is not worth its end.
    private mutating func cancelUnwanted() {
        for attempt in running {
            guard case .instance(let id, _) = attempt.task.target else { continue }
            let isUnwanted =
                switch attempt.task.action {
                case .install, .clone: records.member(id.ordinal)?.phase != .active
                default: isUnwanted(attempt.task.action)
                }
            if isUnwanted { decision.cancel.append(attempt.id) }
        }
    }

    /// What is old, and starts that failed of what has come up since, whoever brought it up: its next end is another matter.
    private mutating func forgetFailures() {
        guard !records.failures.isEmpty else { return }
        let up = views.filter { $0.isAnswering && !$0.isBusy }.map { startMark(of: $0) }
        records.failures = records.failures.filter { failure in
            now - failure.value.last < Self.failureKept && !up.contains { failure.key.hasSuffix($0) }
        }
    }

    private func conditions() -> [Condition] {
        var conditions: [Condition] = []
        let active = views.count(where: \.isActive)
        let serving = servingCount
        let stalled = stallingFailure()
        let isReady = decision.isConverged && serving == active && running.isEmpty
        if isSuspended { conditions.append(Condition(.suspended, true, reason: "Suspended", message: "voluntary work and healing are suspended")) }
        if let maintenance {
            conditions.append(Condition(.maintenance, true, reason: "Maintenance", message: "left alone \(maintenance.text)"))
        }
        let stalling: Set<String> = ["ParameterUnknown", "UpgradeRefused", "RolloutHalted"]
        if let unknown = decision.findings.first(where: { stalling.contains($0.reason) }) {
            conditions.append(Condition(.stalled, true, reason: unknown.reason, message: unknown.message))
        } else if let stalled {
            conditions.append(Condition(.stalled, true, reason: "TaskFailing", message: stalled.message))
        }
        if let drift = decision.findings.first(where: \.isDrift) {
            conditions.append(Condition(.drifted, true, reason: drift.reason, message: "\(drift.subject): \(drift.message)"))
        }
        if serving < active && records.isFounded {
            conditions.append(Condition(.degraded, true, reason: "InstancesMissing", message: "\(serving) of \(active) instances serve"))
        }
        if !decision.tasks.isEmpty || !running.isEmpty {
            conditions.append(Condition(.reconciling, true, reason: "Progressing", message: progress()))
        }
        let clamped = clampedValues().map { "; " + $0 }.joined()
        let doing = records.standby.map { "follow \($0.name)" } ?? "serve"
        let message = isReady ? "\(serving) of \(active) instances \(doing)" + clamped : decision.waits.first?.message ?? progress()
        conditions.append(Condition(.ready, isReady, reason: isReady ? "Converged" : "NotConverged", message: message))
        return conditions
    }

    /// The newest failure that keeps the unit from its end. One whose task nothing asks for any more does not: it is only
    /// kept to space out tries, should the task be wanted again.
    private func stallingFailure() -> FailureRecord? {
        let stalling = records.failures.filter { $0.value.count >= FailureRecord.stalledAfter }
        guard !stalling.isEmpty else { return nil }
        let wanted = wantedFailures.union(running.map { Planner.key(of: $0.task) })
        return stalling.newest { wanted.contains($0) }?.value
    }

    private func progress() -> String {
        let doing = decision.tasks.first?.summary ?? running.first?.task.summary ?? ""
        let count = decision.tasks.count + running.count
        return count > 1 ? "\(doing), and \(count - 1) more" : doing
    }
}

extension [String: FailureRecord] {
    /// The newest of those with such a key; of some that are as new, the last by key: the order of a dictionary differs from
    /// run to run, and a decision must not.
    func newest(_ isMeant: (String) -> Bool) -> Element? {
        var newest: Element?
        for failure in self where isMeant(failure.key) {
            if let known = newest, (known.value.last, known.key) > (failure.value.last, failure.key) { continue }
            newest = failure
        }
        return newest
    }
}
