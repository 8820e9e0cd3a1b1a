import FleetModel

// Budgets: how often another member takes over by itself.

extension ClusterProcedure {
    /// A failover of so long ago spaces out the return to a wanted zone no more, and is told no more. It is a span of its own,
    /// whatever the budget's window is: who limits failovers by the day, or by the minute, wants no other pause after one.
    static var failoverRemembered: Duration { .seconds(3600) }

    /// Whether a failover has to wait, since there were as many as there may be; says which limit it is.
    mutating func isBudgetSpent(_ primary: MemberView, _ loss: WriterLoss) -> Bool {
        // Game days lose primaries on purpose, one after another.
        guard cluster.gameDay == .forbidden, let (limit, until) = spentBudget(primary) else { return false }
        find(
            "FailoverBudgetSpent", label(primary), on: primary,
            "\(loss.text); \(limit) within \(budget.window.short) are the limit: the next begins at \(until.rfc3339)", drift: false)
        wait(.time(until), "the failover budget: \(limit) within \(budget.window.short)")
        return true
    }

    /// Whether it is declared that nobody takes over by itself, and nobody has asked for it; says so.
    mutating func isLeftToPeople(_ primary: MemberView, _ loss: WriterLoss) -> Bool {
        guard cluster.failover == .manual, !records.isFailoverRequested else { return false }
        find(
            "FailoverManual", label(primary), on: primary,
            "\(loss.text); failover is manual: bring it back, or `evenkeel failover \(context.name)`", drift: false)
        return true
    }

    private func spentBudget(_ primary: MemberView) -> (limit: String, until: Instant)? {
        let recent = records.failovers.map(\.at).filter { now - $0 < budget.window }
        if recent.count >= budget.perCluster {
            return ("\(budget.perCluster) failovers of \(context.name)", recent[recent.count - budget.perCluster] + budget.window)
        }
        let zone = primary.record.zone
        if let until = context.failovers.spentUntil([zone], max: budget.perZone, window: budget.window, now: now) {
            return ("\(budget.perZone) incidents with failovers away from zone \(zone)", until)
        }
        guard let region = context.regions[zone] else { return nil }
        let zones = context.regions.filter { $0.value == region }.map(\.key)
        guard let until = context.failovers.spentUntil(zones, max: budget.perRegion, window: budget.window, now: now) else { return nil }
        return ("\(budget.perRegion) incidents with failovers in region \(region)", until)
    }

    /// Takes down that the writer is taken from its zone now.
    mutating func noteFailover(from ordinal: Int, loss: FailoverMark.DataLoss?) {
        let kept = max(budget.window, Self.failoverRemembered)
        // What a game day does says nothing of the zone.
        let zone = cluster.gameDay == .forbidden ? records.member(ordinal)?.zone ?? "" : ""
        let mark = FailoverMark(at: now, zone: zone, loss: loss)
        records.failovers = (records.failovers.filter { now - $0.at < kept } + [mark]).suffix(max(budget.perCluster, 3) * 2)
    }

    /// When the writer may be moved by choice again; nil where it may now.
    func coolsDownUntil() -> Instant? {
        guard let last = records.failovers.last?.at else { return nil }
        let count = records.failovers.count { now - $0.at < Self.failoverRemembered }
        let end = last + budget.coolDown * (1 << max(min(count, 6) - 1, 0))
        return now < end ? end : nil
    }
}
