import FleetModel

extension Planner {
    /// The rehearsal of one cluster to its end: the same step as the loop's, each task's declared effect in place of the
    /// world. Tasks that run already are taken as if they end well; hosts that were never seen as if they report empty.
    package static func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        rehearseToEnd(situation).rehearsal
    }

    /// The rehearsal and the state that it ends in.
    package static func rehearseToEnd(_ situation: ClusterSituation) -> (rehearsal: Rehearsal, end: ClusterSituation) {
        let configurations = ConfigurationCache.of(situation)
        var ended = rehearseToEnd(situation, configurations)
        ended.rehearsal.configurations = configurations
        if !ended.rehearsal.waves.isEmpty { ended.rehearsal.rendered = configurations.rendered }
        return ended
    }

    /// The rehearsal of the first step alone: its decision and its wave, checked like any other, without what follows.
    package static func rehearseFirstWave(_ situation: ClusterSituation) -> Rehearsal {
        var rehearsal = Rehearsal(unit: UnitID(.cluster, situation.name))
        let configurations = ConfigurationCache.of(situation)
        rehearsal.configurations = configurations
        let decision = decide(situation, StepContext(situation, configurations), isFirst: true)
        note(decision, &rehearsal)
        (rehearsal.waits, rehearsal.conditions) = (decision.waits, decision.conditions)
        guard !decision.tasks.isEmpty else { return rehearsal }
        let admitted = admit(decision.tasks, running: situation.running, policy: situation.policy).admitted
        var world = situation
        world.records = decision.records
        rehearsal.refusal = Invariants.violation(admitted, in: world)
        guard rehearsal.refusal == nil, !admitted.isEmpty else { return rehearsal }
        rehearsal.waves = [Rehearsal.Wave(tasks: admitted)]
        rehearsal.rendered = configurations.rendered
        return rehearsal
    }

    private static func rehearseToEnd(
        _ situation: ClusterSituation, _ configurations: ConfigurationCache
    ) -> (rehearsal: Rehearsal, end: ClusterSituation) {
        var world = situation
        var rehearsal = Rehearsal(unit: UnitID(.cluster, situation.name))
        var waited: [Wait] = []
        var before: (passed: [String], decision: Decision)?
        let context = StepContext(situation, configurations)
        for _ in 0..<situation.policy.rehearsalStepsMax {
            let decision = decide(world, context, isFirst: rehearsal.first == nil)
            note(decision, &rehearsal)
            let recordsChanged = decision.tasks.isEmpty && decision.records != world.records
            world.records = decision.records
            if !decision.tasks.isEmpty {
                let admitted = admit(decision.tasks, running: world.running, policy: world.policy).admitted
                if let refusal = Invariants.violation(admitted, in: world) {
                    rehearsal.refusal = refusal
                    return (rehearsal, world)
                }
                if !admitted.isEmpty {
                    for task in admitted { world.carryOut(task, configurations, context) }
                    rehearsal.waves.append(Rehearsal.Wave(tasks: admitted, waited: waited))
                    waited = []
                    before = nil
                    continue
                }
            }
            if let passed = world.pass(decision.waits, configurations, context) {
                let messages = passed.map(\.message)
                if !recordsChanged, let before, before.passed == messages {
                    // A moment that was waited for brought nothing but the next: what is looked at again and again, such
                    // as a silent host, only the world can end.
                    rehearsal.waits = before.decision.waits
                    rehearsal.conditions = before.decision.conditions
                    return (rehearsal, world)
                }
                before = recordsChanged ? nil : (messages, decision)
                waited += passed
            } else if !recordsChanged {
                rehearsal.waits = decision.waits
                rehearsal.conditions = decision.conditions
                return (rehearsal, world)
            }
        }
        rehearsal.refusal = "the plan did not end within \(situation.policy.rehearsalStepsMax) steps"
        return (rehearsal, world)
    }

    /// One step. Conditions are summed up where they may be told: of the first step, and of one from which nothing is
    /// admitted, which may be the last.
    private static func decide(_ world: ClusterSituation, _ context: StepContext?, isFirst: Bool) -> Decision {
        guard let context else { return undeclared(world) }
        let mayHoldAll = !world.running.isEmpty || world.policy.mayHoldAll
        return decide(world, context) { isFirst || $0.tasks.isEmpty || mayHoldAll }
    }

    /// What is told of the state as it is now comes from the first step; what follows is only supposed.
    private static func note(_ decision: Decision, _ rehearsal: inout Rehearsal) {
        if rehearsal.first == nil {
            rehearsal.first = decision
            rehearsal.findings = decision.findings
        }
        for warning in decision.warnings where !rehearsal.warnings.contains(warning) { rehearsal.warnings.append(warning) }
    }
}

extension ClusterSituation {
    /// A task's effect and what the records learn from it.
    fileprivate mutating func carryOut(
        _ task: PlannedTask, _ configurations: ConfigurationCache, _ context: StepContext?
    ) {
        if case .instance(let id, _) = task.target { context?.forgetView(of: id.ordinal) }
        if let source = task.action.acknowledgedSource { context?.forgetView(of: source.ordinal) }
        // What is done to one member of a galera cluster others show too.
        if records.galera != nil { context?.forgetViews() }
        let result = apply(task, configurations)
        Planner.absorbSuccess(result, task, &records)
    }

    /// Lets the waits pass whose outcome is declared; nil where none is: then only the world can go on.
    fileprivate mutating func pass(
        _ waits: [Wait], _ configurations: ConfigurationCache, _ context: StepContext?
    ) -> [Wait]? {
        context?.forgetViews()
        if !running.isEmpty {
            let ended = running
            running = []
            for attempt in ended { carryOut(attempt.task, configurations, context) }
            return ended.map { Wait(.attempt($0.id), "the running task: \($0.task.summary)") }
        }
        var passed: [Wait] = []
        for wait in waits {
            guard case .host(let name) = wait.reason else { continue }
            let seen = [observed[name], upstream?.observed[name]].compactMap { $0 }
            if !seen.isEmpty {
                // Fresh, and only not fresh enough for a change of writer: its next look is under way.
                guard seen.contains(where: { $0.isFresh(at: now) && $0.renewed < now }) else { continue }
                observed[name]?.renewed = now
                upstream?.observed[name]?.renewed = now
            } else {
                observed[name] = ObservedHost(report: assumedReport(name), renewed: now)
            }
            passed.append(wait)
        }
        if passed.isEmpty, let next = earliestTime(waits) {
            let ahead = next.moment - now
            now = next.moment
            for name in observed.keys where observed[name].map({ $0.isFresh(at: now - ahead) }) ?? false {
                observed[name]?.renewed = now
            }
            for name in upstream.map({ Array($0.observed.keys) }) ?? [] where upstream?.observed[name]?.isFresh(at: now - ahead) == true {
                upstream?.observed[name]?.renewed = now
            }
            passed.append(next.wait)
        }
        return passed.isEmpty ? nil : passed
    }

    private func earliestTime(_ waits: [Wait]) -> (moment: Instant, wait: Wait)? {
        let times = waits.compactMap { wait -> (moment: Instant, wait: Wait)? in
            if case .time(let moment) = wait.reason { return (moment, wait) }
            return nil
        }
        return times.min { $0.moment < $1.moment }
    }

    /// A host that nobody has seen is taken to be empty and to have the engine; the plan says that it waits for it.
    private func assumedReport(_ name: String) -> HostReport {
        var report = HostReport(host: name)
        if let engine = desired?.value.engine {
            report.engines = [EngineBinary(type: engine.type, version: engine.version, path: "", galeraProvider: "")]
        }
        return report
    }
}
