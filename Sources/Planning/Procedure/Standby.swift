import FleetModel

// A standby: closed copies of another cluster. One member, the head, replicates from a replica of the primary that leads
// (from that itself where nobody acknowledges for it), the others from the head. Nobody waits for it, so that who is the head
// is changed without ado.

extension PrimaryReplicaProcedure {
    /// Whether the cluster is a standby, and stays one in this step.
    mutating func isToFollow() -> Bool {
        if records.standby == nil, !records.isFounded, let leading = cluster.standbyOf {
            // From its beginning: every instance is a copy.
            guard let upstream, upstream.isLeading else {
                wait(.fact(leading), "\(leading) to lead, before \(context.name) follows it")
                return true
            }
            records.standby = StandbyRole(clusterUID: upstream.uid, name: upstream.name)
            records.isFounded = true
            records.epoch = max(records.epoch, 1)
        }
        guard records.standby != nil else { return false }
        forgetDemotion()
        if cluster.standbyOf == nil { return isSuperseded || !mayLead() }
        records.standby?.isSuperseded = false
        if let upstream, upstream.name == cluster.standbyOf, records.standby?.clusterUID != upstream.uid {
            records.standby = StandbyRole(clusterUID: upstream.uid, name: upstream.name)
            records.demotion = nil
        }
        return true
    }

    /// Once another cluster has led since, its own lead cannot be taken back.
    private mutating func forgetDemotion() {
        guard let own = records.demotion, let lead = upstream?.cluster.records.lead, lead.epoch > own.epoch else { return }
        records.demotion = nil
    }

    /// One step of a standby.
    mutating func follow() {
        guard records.standby != nil else { return }
        settleOwnActs()
        tellDisks()
        tellHaltedRollout()
        learnAccounts()
        chooseHead()
        for view in views where view.isWritable {
            if records.leftBehind.contains(view.ordinal) { fence(formerWriter: view) } else { close(view) }
        }
        guard let head = primary else { return }
        keepHead(head)
        readmit(at: head)
        for view in views where view.isActive && view.ordinal != head.ordinal { keepReplica(view, head) }
        guard !isSuspended else { return }
        configure()
        keepRetired()
        if decision.tasks.isEmpty, running.isEmpty, maintenance == nil, isAllServing { holdDisruption { $0.disruptStandby(head) } }
    }

    /// Their accounts are made on the primary that leads, and come with the rows.
    private mutating func learnAccounts() {
        guard let upstream, upstream.isLeading, let there = upstream.primary?.database?.standbyAccounts else { return }
        records.preparedReplicas = there.filter { $0.clusterUID == context.uid }.map(\.ordinal).sorted()
    }

    /// Whom it refused as a writer, on itself alone, the head lets in again.
    private mutating func readmit(at head: MemberView) {
        guard head.isAnswering, !head.isWritable, head.hasCaughtUp, isFollowing(head), let there = head.database?.replicationAccounts else { return }
        guard let refused = views.first(where: {
            $0.isActive && $0.ordinal != head.ordinal && records.preparedReplicas.contains($0.ordinal) && !there.contains($0.ordinal)
        }) else { return }
        emit(
            .prepareReplica(ordinal: refused.ordinal), on: head, isVoluntary: false,
            cause: .observation("\(label(head)) refuses \(label(refused))"), "let \(label(refused)) replicate again")
    }

    mutating func waitForAccount(_ view: MemberView) {
        wait(.fact("account"), "the replication account of \(label(view)) on the primary that leads")
    }

    // MARK: The head

    /// The head stays as long as it can be had; else whoever has received most.
    private mutating func chooseHead() {
        if let head = primary {
            if head.isActive, !isLostHead(head), !isInMaintenance(head) {
                if let next = successor(ofDrained: head) { records.primary = next.ordinal }
                return
            }
            stopTurning(to: head)
        }
        let able = views.filter {
            $0.isActive && $0.isAnswering && !$0.isBusy && !isInMaintenance($0) && !records.leftBehind.contains($0.ordinal) && !isDiverged($0)
        }
        let best = able.min { left, right in
            let (ahead, behind) = (left.received.commitsBeyond(right.received), right.received.commitsBeyond(left.received))
            return (behind, zoneRank(left), left.ordinal) < (ahead, zoneRank(right), right.ordinal)
        }
        if let best {
            records.primary = best.ordinal
        } else if records.primary == nil {
            records.primary = views.filter(\.isActive).min { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }?.ordinal
        }
    }

    /// Who is the head in place of one on a host that is to be empty: nobody waits for either, so that it is changed when all is
    /// quiet.
    private func successor(ofDrained head: MemberView) -> MemberView? {
        guard isDrained(head), running.isEmpty, isAllServing, !isSuspended, maintenance == nil else { return nil }
        return views.filter { view in
            view.isActive && view.ordinal != head.ordinal && view.hasCaughtUp && isNear(view, head)
                && !isDrained(view) && !isInMaintenance(view)
        }
        .min { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }
    }

    /// Who waits for it to be reached could be the head itself.
    private mutating func stopTurning(to head: MemberView) {
        for attempt in running {
            if case .replicate(let source, _) = attempt.task.action, source.clusterUID.isEmpty, source.ordinal == head.ordinal {
                decision.cancel.append(attempt.id)
            }
        }
    }

    private func isLostHead(_ head: MemberView) -> Bool {
        guard head.knowledge == .fresh else { return head.silence.map { $0 >= Self.silenceMin } ?? true }
        return head.report?.directory != .ready || head.report?.process == .unresponsive || isDead(head) || isDiverged(head)
    }

    /// Nobody is to have its rows.
    private func isDiverged(_ view: MemberView) -> Bool { view.database?.replication.map(hasDiverged) ?? false }

    private mutating func keepHead(_ view: MemberView) {
        if records.leftBehind.contains(view.ordinal) { return bringBack(superseded: view) }
        if waitsForHost(view) || isLeftToAttempt(view) { return }
        if endRetired(view) { return }
        guard let report = view.report, report.directory == .ready else { return copy(to: view, view) }
        switch report.process {
        case .stopped: start(view, isVoluntary: false, .observation("\(label(view)) is not running"))
        case .starting: wait(.fact(label(view)), "\(label(view)) to answer")
        case .unresponsive: reportUnresponsive(view)
        case .running: attachHead(view)
        }
    }

    private mutating func attachHead(_ view: MemberView) {
        guard !view.isWritable, view.isAnswering else { return }
        if upstream?.isLeading != true { wait(.fact("lead"), "\(records.standby?.name ?? context.name), or another cluster, to lead") }
        // What the last lead ended with is still to come from there, also where that takes attaching to it once more.
        guard let upstream, upstream.isLeading || upstream.endedLast && !isFollowing(view) else { return }
        guard let lead = upstream.primary, lead.isAnswering else {
            if !isFollowing(view) { wait(.fact("lead"), "the primary of \(upstream.name) to answer") }
            return
        }
        guard records.preparedReplicas.contains(view.ordinal) else { return waitForAccount(view) }
        if upstream.isChangingWriter, upstream.views.contains(where: { view.isAttached(to: $0.record) }) {
            return wait(.fact("lead"), "the end of the change of primary of \(upstream.name), before \(label(view)) follows another one")
        }
        attach(view, to: upstream.source(for: view, of: lead), cause: because("spec.standbyOf.cluster"))
    }

    /// Whether the head follows the primary that leads.
    func isFollowing(_ view: MemberView) -> Bool {
        guard let upstream, let lead = upstream.primary, !view.isWritable else { return false }
        return view.follows(lead, among: upstream.views)
    }

    // MARK: Copies

    /// From its own side where that can be had: no byte goes twice between the regions.
    mutating func copy(toStandby view: MemberView, _ head: MemberView) {
        let near = views.first { $0.isActive && isServing($0) && !$0.isBusy && !isTaken($0.ordinal) && $0.ordinal != head.ordinal }
            ?? (view.ordinal != head.ordinal && isServing(head) && !head.isBusy && !isTaken(head.ordinal) ? head : nil)
        // One that holds what the lead does not waits for this one.
        if near == nil, view.ordinal != head.ordinal, head.knowledge == .fresh, !isDiverged(head) {
            wait(.fact("donor"), "\(label(head)) to follow \(records.standby?.name ?? ""), to copy it to \(label(view))")
            return
        }
        guard let donor = near ?? upstream?.donor else {
            wait(.fact("donor"), "an instance of \(records.standby?.name ?? "") that can be copied")
            return
        }
        copy(to: view, from: donor)
    }

    /// What came after the lead was taken is with this member alone: it is compared with the new lead once the manifest says
    /// that it follows.
    mutating func bringBack(superseded view: MemberView) {
        if waitsForHost(view) || waitsForAttempt(view) { return }
        guard let report = view.report, report.directory == .ready else {
            records.leftBehind.removeAll { $0 == view.ordinal }
            records.joining = Planner.union(records.joining, [view.ordinal])
            return
        }
        guard !view.isWritable else { return fence(formerWriter: view) }
        guard cluster.standbyOf != nil, let upstream, upstream.isLeading, let lead = upstream.primary, lead.isWritable else {
            wait(.fact("lead"), "\(records.standby?.name ?? "the new lead") to lead, before \(label(view)) is compared with it")
            return
        }
        guard records.preparedReplicas.contains(view.ordinal) else { return waitForAccount(view) }
        // Attached to a former writer of its own side it is compared with nothing.
        if view.isAttached(to: lead.record) {
            records.leftBehind.removeAll { $0 == view.ordinal }
            return
        }
        emit(
            .rejoin(source: peer(lead.record)), on: view, isVoluntary: false,
            cause: .observation("\(upstream.name) leads since \(context.name) was given up"), "come back as a copy of \(label(lead))")
    }

    /// What the primary that leads sent and nobody acknowledged may be with all of a standby when another one takes over:
    /// they are compared, and may be cloned, one after the other, so that a copy is on this side all the time.
    mutating func isOneOfManyToRejoin(_ view: MemberView) -> Bool {
        guard records.standby != nil else { return false }
        let other = views.first { other in
            other.isActive && other.ordinal != view.ordinal
                && (other.isBusy || isTaken(other.ordinal) || other.knowledge == .fresh && other.report?.directory != .ready)
        }
        guard let other else { return false }
        wait(.fact(label(other)), "\(label(other)) to be a copy again, before \(label(view)) is compared with the primary that leads")
        return true
    }

    // MARK: Disruption

    /// Nothing is taken out of anybody's service: the head is restarted, and removed, after the others.
    private mutating func disruptStandby(_ head: MemberView) {
        if rollOne(head) { return }
        _ = retireOne(but: head)
    }
}
