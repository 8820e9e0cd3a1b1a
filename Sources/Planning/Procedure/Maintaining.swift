import FleetModel

// Maintenance: what people work on is left alone, until a moment. Only what keeps a second writer away, and a change of
// writer that has begun, goes on.

extension ClusterProcedure {
    /// The cluster's own, while it is in force.
    var maintenance: Maintenance? {
        guard let declared = cluster.maintenance, declared.isInForce(at: now) else { return nil }
        return declared
    }

    /// That of a member's host or zone, while it is in force.
    func maintenance(of view: MemberView) -> HostMaintenance? {
        guard !context.maintenance.isEmpty, let declared = context.maintenance[view.record.host], declared.isInForce(at: now)
        else { return nil }
        return declared
    }

    func isInMaintenance(_ view: MemberView) -> Bool { maintenance(of: view) != nil }

    /// Whether nothing is to be done to this member.
    func isLeftAlone(_ view: MemberView) -> Bool { maintenance != nil || isInMaintenance(view) }

    /// Whether a task is left for the end of a maintenance, and then waits for it. A second writer is closed all the same,
    /// and a change of writer is brought to its end.
    mutating func isHeldByMaintenance(_ action: Action, on view: MemberView, donor: MemberView?, _ summary: String) -> Bool {
        guard cluster.maintenance != nil || !context.maintenance.isEmpty else { return false }
        switch action {
        case .close, .fence: return false
        // What a change of writer took out of service is put back: a writer may have nobody else to acknowledge for it.
        case .replicate, .acknowledge: if records.returning.contains(view.ordinal) { return false }
        default: break
        }
        guard !isChangingWriter, let end = end(for: [view] + (donor.map { [$0] } ?? [])) else { return false }
        wait(.time(end.until), "the end of the \(end.text), for \(label(view)): \(summary)")
        return true
    }

    /// The maintenance that ends last of those that cover one of these.
    private func end(for views: [MemberView]) -> (until: Instant, text: String)? {
        var ends = views.compactMap(maintenance(of:)).map { (until: $0.maintenance.until, text: $0.text) }
        if let maintenance { ends.append((maintenance.until, "maintenance of \(context.name) \(maintenance.text)")) }
        return ends.max { $0.until < $1.until }
    }

    // MARK: The writer

    /// Whether a lost writer is waited for: it is worked on. A change of writer that has begun goes on.
    mutating func isLossOfMaintenance(_ primary: MemberView, _ loss: WriterLoss) -> Bool {
        guard records.failover == nil, let end = end(for: [primary]) else { return false }
        find(
            "MaintenanceHoldsFailover", label(primary), on: primary,
            "\(loss.text); nobody takes over during the \(end.text): writes wait, until the end or until the field is removed", drift: false)
        wait(.time(end.until), "the end of the \(end.text), before another takes over from \(label(primary))")
        return true
    }

    /// Moves the writer off a host that is worked on, also where other members are away already. True where it is on one.
    mutating func leaveMaintenance(_ primary: MemberView) -> Bool {
        guard maintenance == nil, let reason = maintenance(of: primary) else { return false }
        guard let to = candidates(for: primary).first(where: { !isInMaintenance($0) }) else {
            let who = "\(label(primary)), which is to leave before the work begins"
            wait(.fact("candidate"), "a replica outside the \(reason.text) that can take over from \(who)")
            return true
        }
        return begin(from: primary, to: to, reason.text)
    }

    /// While a member is away, or may be at any time, nothing else is taken out of service.
    mutating func holdDisruption(_ disrupt: (inout Self) -> Void) {
        guard let view = views.first(where: { $0.isActive && isInMaintenance($0) }), let end = end(for: [view]) else { return disrupt(&self) }
        var wouldBe = self
        disrupt(&wouldBe)
        for task in wouldBe.decision.tasks { wait(.time(end.until), "the end of the \(end.text), for: \(task.summary)") }
        if let switchover = wouldBe.records.switchover {
            wait(.time(end.until), "the end of the \(end.text), for a switchover to \(label(switchover.to))")
        }
    }

    // MARK: What is told

    /// Says what is left alone and until when; what is found of it is shown, and no alert.
    mutating func tellMaintenance() {
        guard cluster.maintenance != nil || !context.maintenance.isEmpty else { return }
        for view in views where view.isActive {
            guard let work = maintenance(of: view) else { continue }
            find("HostMaintenance", label(view), on: view, "it is left alone: \(work.text)", drift: false)
            wait(.retention(work.maintenance.until), "\(label(view)), as it is: \(work.text)")
        }
        for index in decision.findings.indices {
            let finding = decision.findings[index]
            let isOfHost = context.maintenance[finding.host]?.isInForce(at: now) ?? false
            decision.findings[index].isMuted = maintenance != nil || isOfHost && finding.reason != "MaintenanceHoldsFailover"
        }
        guard let maintenance else { return }
        find("Maintenance", context.name, on: nil, "nothing of it is started, failed over or changed \(maintenance.text)", drift: false)
        wait(.retention(maintenance.until), "\(context.name), as it is: maintenance \(maintenance.text)")
    }
}
