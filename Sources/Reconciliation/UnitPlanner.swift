package import FleetModel
package import Planning

/// The pure functions that the loop decides with, as one value, so that a test can put others in their place.
package protocol UnitPlanner: Sendable {
    func rehearse(_ situation: ClusterSituation) -> Rehearsal
    func absorb(
        _ outcome: AttemptOutcome, of task: PlannedTask, into records: ClusterRecords, at now: Instant, jitter: Double
    ) -> ClusterRecords
    func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation
    func admit(
        _ candidates: [PlannedTask], running: [RunningAttempt], policy: PlanningPolicy
    ) -> (admitted: [PlannedTask], held: [(task: PlannedTask, wait: Wait)])
    func key(of task: PlannedTask) -> String
    /// A plan as it is kept for people.
    func text(of plan: UnitPlan) -> String
}

/// The planner that the product runs with.
package struct StandardPlanner: UnitPlanner {
    private let foresees: Bool

    /// `foresees`: a rehearsal goes on to its end, and does not end with its first wave. What follows that wave is shown to
    /// people, and refused where it breaks an invariant; what a pass records and starts comes from the first step.
    package init(foresees: Bool = true) { self.foresees = foresees }

    package func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        foresees ? Planner.rehearse(situation) : Planner.rehearseFirstWave(situation)
    }

    package func absorb(
        _ outcome: AttemptOutcome, of task: PlannedTask, into records: ClusterRecords, at now: Instant, jitter: Double
    ) -> ClusterRecords {
        Planner.absorb(outcome, of: task, into: records, at: now, jitter: jitter)
    }

    package func allocate(
        _ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?
    ) -> Allocation {
        Planner.allocate(fleet, records, changed: changed, loads: loads)
    }

    package func admit(
        _ candidates: [PlannedTask], running: [RunningAttempt], policy: PlanningPolicy
    ) -> (admitted: [PlannedTask], held: [(task: PlannedTask, wait: Wait)]) {
        Planner.admit(candidates, running: running, policy: policy)
    }

    package func key(of task: PlannedTask) -> String { Planner.key(of: task) }

    package func text(of plan: UnitPlan) -> String { String(decoding: PlanText().unit(plan), as: UTF8.self) }
}
