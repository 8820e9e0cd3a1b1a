import FleetModel

// Our own acts: what they take away for a while is no drift.

extension ClusterProcedure {
    /// Notes who is about to be made or taken out of service, before the task is.
    mutating func noteOwnAct(_ action: Action, on ordinal: Int) {
        switch action {
        case .install, .clone: records.joining = Planner.union(records.joining, [ordinal])
        case .restart, .upgrade, .takeBack, .demote, .rejoin: records.returning = Planner.union(records.returning, [ordinal])
        default: break
        }
    }

    /// Who serves again is judged again.
    mutating func settleOwnActs() {
        guard !records.joining.isEmpty || !records.returning.isEmpty else { return }
        let away = views.filter { $0.isActive && !(isServing($0) && !$0.isBusy && acknowledgesAsItShould($0)) }.map(\.ordinal)
        records.joining.removeAll { !away.contains($0) }
        records.returning.removeAll { !away.contains($0) }
    }

    /// Whether it was a working part of the cluster before: then what is wrong with it now is drift, not building.
    func isKnown(_ view: MemberView) -> Bool { !records.joining.contains(view.ordinal) }

    /// Whether it, or the writer that it depends on, is away by an act of ours.
    func isReturning(_ view: MemberView) -> Bool {
        records.returning.contains(view.ordinal) || records.joining.contains(view.ordinal)
            || records.primary.map { records.returning.contains($0) } ?? false
    }

    /// Waits for an attempt that works on a member; true where nothing is to be judged meanwhile. What an attempt is
    /// mending stays found until it is mended: otherwise each try would tell its end and its beginning.
    mutating func isLeftToAttempt(_ view: MemberView) -> Bool {
        guard waitsForAttempt(view) else { return false }
        return !running.contains { attempt in
            guard case .instance(let id, _) = attempt.task.target else { return false }
            return id.ordinal == view.ordinal && !attempt.task.isVoluntary
        }
    }
}
