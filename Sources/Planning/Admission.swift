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
        for isVoluntary in [false, true] {
            for task in candidates where task.isVoluntary == isVoluntary {
                if let wait = load.obstacle(to: task, policy) {
                    held.append((task, wait))
                } else {
                    load.add(task)
                    admitted.append(task)
                }
            }
        }
        return (admitted, held)
    }
}

extension PlanningPolicy {
    /// Whether even the first task of an idle fleet might be held.
    var mayHoldAll: Bool { attemptsMax < 1 || attemptsPerHostMax < 1 || clonesPerDonorHostMax < 1 }
}

/// What runs or was just admitted, counted as the limits need it.
private struct AdmissionLoad {
    // Lists, since they are short: a fleet runs a few hundred attempts at most, a rehearsed wave has a few tasks.
    private var busy: [InstanceID] = []
    private var hosts: [String] = []
    private var donorHosts: [String] = []
    private var count = 0

    init(_ running: [RunningAttempt]) {
        for attempt in running { add(attempt.task) }
    }

    mutating func add(_ task: PlannedTask) {
        count += 1
        guard case .instance(let id, let host) = task.target else { return }
        busy.append(id)
        hosts.append(host)
        if let donor = task.alsoBusy { busy.append(donor) }
        if case .clone(_, let donor) = task.action { donorHosts.append(donor.host) }
    }

    func obstacle(to task: PlannedTask, _ policy: PlanningPolicy) -> Wait? {
        guard case .instance(let id, let host) = task.target else { return nil }
        let taken = busy.contains(id) ? id : task.alsoBusy.flatMap { busy.contains($0) ? $0 : nil }
        if let taken { return Wait(.attempt(taken.description), "another task works on \(taken)") }
        guard task.isVoluntary else { return nil }
        if count >= policy.attemptsMax { return Wait(.budget("fleet"), "\(policy.attemptsMax) tasks run in the fleet") }
        if hosts.count(where: { $0 == host }) >= policy.attemptsPerHostMax {
            return Wait(.budget("host"), "\(policy.attemptsPerHostMax) tasks run on \(host)")
        }
        if case .clone(_, let donor) = task.action, donorHosts.count(where: { $0 == donor.host }) >= policy.clonesPerDonorHostMax {
            return Wait(.budget("donor"), "\(policy.clonesPerDonorHostMax) copies run from \(donor.host)")
        }
        return nil
    }
}
