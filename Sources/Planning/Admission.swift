package import FleetModel

extension Planner {
    /// Which candidates may start now; the others wait, each with its reason.
    ///
    /// Involuntary tasks first, then in the order given (oldest unit first, then by name: the caller's). An involuntary
    /// task is only ever held by another attempt on its own instance.
    package static func admit(
        _ candidates: [PlannedTask], running: [RunningAttempt], policy: PlanningPolicy
    ) -> (admitted: [PlannedTask], held: [(task: PlannedTask, wait: Wait)]) {
        var load = AdmissionLoad(running)
        var admitted: [PlannedTask] = []
        var held: [(task: PlannedTask, wait: Wait)] = []
        for task in candidates.filter({ !$0.isVoluntary }) + candidates.filter(\.isVoluntary) {
            if let wait = load.obstacle(to: task, policy) {
                held.append((task, wait))
            } else {
                load.add(task)
                admitted.append(task)
            }
        }
        return (admitted, held)
    }
}

/// What runs or was just admitted, counted as the limits need it.
private struct AdmissionLoad {
    private var busy: Set<InstanceID> = []
    private var byHost: [String: Int] = [:]
    private var clonesByDonorHost: [String: Int] = [:]
    private var count = 0

    init(_ running: [RunningAttempt]) {
        for attempt in running { add(attempt.task) }
    }

    mutating func add(_ task: PlannedTask) {
        count += 1
        guard case .instance(let id, let host) = task.target else { return }
        busy.insert(id)
        byHost[host, default: 0] += 1
        if let donor = task.alsoBusy { busy.insert(donor) }
        if case .clone(_, let donor) = task.action { clonesByDonorHost[donor.host, default: 0] += 1 }
    }

    func obstacle(to task: PlannedTask, _ policy: PlanningPolicy) -> Wait? {
        guard case .instance(let id, let host) = task.target else { return nil }
        if let taken = [id, task.alsoBusy].compactMap({ $0 }).first(where: busy.contains) {
            return Wait(.attempt(taken.description), "another task works on \(taken)")
        }
        guard task.isVoluntary else { return nil }
        if count >= policy.attemptsMax { return Wait(.budget("fleet"), "\(policy.attemptsMax) tasks run in the fleet") }
        if byHost[host, default: 0] >= policy.attemptsPerHostMax {
            return Wait(.budget("host"), "\(policy.attemptsPerHostMax) tasks run on \(host)")
        }
        if case .clone(_, let donor) = task.action, clonesByDonorHost[donor.host, default: 0] >= policy.clonesPerDonorHostMax {
            return Wait(.budget("donor"), "\(policy.clonesPerDonorHostMax) copies run from \(donor.host)")
        }
        return nil
    }
}
