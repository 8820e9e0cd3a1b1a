import FleetModel

// Coming back: who was restarted by a rolling change has so long to be in service again. Who is not is taken back to what it
// ran by before, as one that did not start is, and the change stands.

extension ClusterProcedure {
    /// Long enough to apply what was written meanwhile, and to be compared and copied where that is needed.
    static var returnMax: Duration { .seconds(600) }

    /// Looks after the member that was restarted last, until it is back. What is wrong with its host or its source is no
    /// fault of the change.
    mutating func followRolled() {
        guard let rolled = records.rolled else { return }
        guard let view = view(rolled.ordinal), view.isActive, view.knowledge != .stale, !isRefused(view), isSourceServing(of: view) else {
            records.rolled = nil
            return
        }
        guard view.knowledge == .fresh, !view.isBusy else { return }
        guard let lack = lack(of: view) else {
            records.rolled = nil
            return
        }
        let end = rolled.at + Self.returnMax
        guard now >= end else { return wait(.retention(end), "\(label(view)) to be back in service after its restart: \(lack)") }
        let why = "\(Planner.notBack) within \(Self.returnMax.short) after its restart: \(lack)"
        let message = "\(label(view)) \(why); no other instance is restarted: mend it, or commit what it ran by before"
        find("RolloutHalted", label(view), on: view, message, drift: false)
        wait(.approval("spec"), message)
        takeBack(view, why)
    }

    private func isSourceServing(of view: MemberView) -> Bool {
        guard let primary, primary.ordinal != view.ordinal else { return true }
        return isServing(primary)
    }

    /// What it lacks to be back; nil: it is.
    private func lack(of view: MemberView) -> String? {
        let replication = view.database?.replication
        if isServing(view), acknowledgesAsItShould(view) {
            guard let replication, let lag = replication.lagSeconds, !view.hasCaughtUp else { return nil }
            return lag > Planner.lagTold ? "it applies more than \(Planner.lagText(lag)) behind its source" : "it has not caught up"
        }
        guard view.isAnswering else { return "it does not answer" }
        let errors = [replication?.ioError ?? "", replication?.sqlError ?? ""].filter { !$0.isEmpty }
        return errors.isEmpty ? "it does not serve" : errors.joined(separator: "; ")
    }

    /// Tried once in a while: an agent may not know what the instance ran by before. Nobody's writes wait for it.
    private mutating func takeBack(_ view: MemberView, _ why: String) {
        guard records.galera == nil, view.ordinal != records.primary, !isOnlyAcker(view) else { return }
        if isServing(view), servingCount - 1 < availabilityMin { return }
        if let failed = failures(of: "takeBack", on: view) {
            wantedFailures.insert(failed.key)
            return
        }
        emit(.takeBack(reason: why), on: view, cause: .observation("\(label(view)) \(why)"), "restart by what it ran by before")
    }

    /// One that is away since its restart, and is to be started by something else by now: that takes nobody out of service, and
    /// may be what brings it back.
    mutating func rollAway() {
        guard let rolled = records.rolled, rolled.ordinal != records.primary, let view = view(rolled.ordinal), view.isActive, !isServing(view),
            views.allSatisfy({ !$0.isActive || $0.ordinal == view.ordinal || isServing($0) && !$0.isBusy })
        else { return }
        roll(away: view)
    }
}

extension Planner {
    /// How the reason of an instance that was taken back begins.
    static let notBack = "was not back in service"
}
