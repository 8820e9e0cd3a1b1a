import FleetModel

// Planned switchover: the sequence of MARIADB-FACTS, part 2, as steps. The intent, with a new epoch, is in the store
// before anything is touched; until the new writer may have been opened it can be given up, and then the old writer is
// affirmed under a higher epoch still.

extension PrimaryReplicaProcedure {
    /// A switchover that has not got as far as to stop writes by then is given up.
    static let preparationMax: Duration = .seconds(60)
    static let switchoverKey = "switchover"

    /// Replicas that can become the writer, the best first: attached, caught up, acknowledging where the writer waits
    /// for acknowledgements.
    func candidates(for primary: MemberView) -> [MemberView] {
        views.filter { view in
            view.isActive && view.ordinal != primary.ordinal && view.isAttached(to: primary.record) && view.hasCaughtUp && isNear(view, primary)
                && !view.isBusy
                && (!wantsSemiSync(primary.record) || view.acknowledges && records.ackSet.contains(view.ordinal))
        }
        .sorted { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }
    }

    /// Records the intent and does the first of it; false where a failed one is to be let rest.
    mutating func begin(from: MemberView, to: MemberView, _ reason: String) -> Bool {
        wantedFailures.insert(Self.switchoverKey)
        if let failure = records.failures[Self.switchoverKey], failure.retryAt > now {
            wait(.time(failure.retryAt), "a switchover failed \(failure.count) times: \(failure.message)")
            return true
        }
        guard from.isFreshForWriter, to.isFreshForWriter else {
            wait(.host(from.isFreshForWriter ? to.record.host : from.record.host), "a report not older than 2 s, for a change of writer")
            return true
        }
        records.epoch += 1
        records.failures[Planner.heldUpKey] = nil
        records.switchover = SwitchoverIntent(
            from: from.ordinal, to: to.ordinal, epoch: records.epoch, began: now, reason: reason)
        continueSwitchover()
        return true
    }

    mutating func continueSwitchover() {
        guard let intent = records.switchover, let from = views.first(where: { $0.ordinal == intent.from }),
            let to = views.first(where: { $0.ordinal == intent.to })
        else { return }
        wantedFailures.insert(Self.switchoverKey)
        if to.isWritable && !to.isBusy && mayHaveTakenOver(intent, to) {
            finish(intent, to)
            return
        }
        let strays = views.filter { $0.isWritable && !$0.isBusy && $0.ordinal != from.ordinal && $0.ordinal != to.ordinal }
        guard strays.isEmpty else {
            for view in strays { close(view) }
            return
        }
        let targetIsLost = !intent.isPastReturn && isLost(to)
        if targetIsLost { decision.cancel.append(contentsOf: running.map(\.id)) }
        // What a third host that is lost was ordered would hold up the cluster for as long as that is away.
        guard !running.contains(where: isHeard) else {
            wait(.attempt(label(to)), "the running tasks of the switchover to \(label(to))")
            return
        }
        if targetIsLost {
            abandon(intent, "\(label(to)) is lost, which was to take over")
        } else if intent.position == nil || from.isWritable {
            // Writes after the position that the old writer told would be lost: it has to stop, and tell, again.
            records.switchover?.position = nil
            prepare(intent, from, to)
        } else {
            promote(intent, to)
        }
    }

    /// Nobody who was not to follow it is left without a source for its sake.
    private func isLost(_ to: MemberView) -> Bool {
        if to.silence.map({ $0 >= Self.silenceMin }) ?? true { return true }
        return to.knowledge == .fresh && (to.report?.directory != .ready || to.report?.process != .running)
    }

    /// Whether the candidate takes writes because it was promoted, and not because somebody opened it by hand.
    private func mayHaveTakenOver(_ intent: SwitchoverIntent, _ to: MemberView) -> Bool {
        intent.position != nil && (intent.isPastReturn || (to.report?.epoch ?? 0) >= intent.epoch)
    }

    private mutating func finish(_ intent: SwitchoverIntent, _ to: MemberView) {
        records.primary = intent.to
        records.switchover = nil
        if records.requestedPrimary == intent.to { records.requestedPrimary = nil }
        (records.failures[Self.switchoverKey], records.failures[Planner.heldUpKey]) = (nil, nil)
        keep()
    }

    /// Points the other replicas at the candidate while it still replicates, so that they acknowledge for it from its
    /// first write on; then stops writes on the old writer.
    private mutating func prepare(_ intent: SwitchoverIntent, _ from: MemberView, _ to: MemberView) {
        if let failure = records.failures.newest({ $0.contains("/demote/\(intent.epoch)") }) {
            abandon(intent, failure.value.message)
            return
        }
        if to.isWritable {
            close(to)
            return
        }
        guard to.isAttached(to: from.record), to.hasCaughtUp, isNear(to, from), from.isAnswering else {
            giveUpInTime(intent, "\(label(to)) is not attached to \(label(from)), or lags")
            return
        }
        for view in views where view.isActive && view.ordinal != from.ordinal && view.ordinal != to.ordinal {
            if view.knowledge == .fresh, view.isAnswering { follow(view, to) }
        }
        guard decision.tasks.isEmpty, !isHeldUp(intent, from) else { return }
        emit(
            .demote(epoch: intent.epoch), on: from, cause: .observation(intent.reason), "stop writes, for the switchover to \(label(to))")
    }

    /// The old writer is asked again until the switchover has taken too long, and then that is given up: a statement that
    /// never ends holds nothing else up.
    private mutating func isHeldUp(_ intent: SwitchoverIntent, _ from: MemberView) -> Bool {
        guard let held = records.failures[Planner.heldUpKey] else { return false }
        wantedFailures.insert(Planner.heldUpKey)
        if now - intent.began > Self.preparationMax {
            abandon(intent, held.message)
            return true
        }
        guard held.retryAt > now else { return false }
        wait(.time(held.retryAt), "\(label(from)) cannot stop taking writes yet: \(held.message)")
        return true
    }

    /// A candidate has applied what it has received but for so many transactions, and received what the writer has but for
    /// so many: the lag in seconds says little right after it was away.
    private static let unappliedMax: Int64 = 1_000
    private static let unreceivedMax: Int64 = 10_000

    func isNear(_ view: MemberView, _ writer: MemberView) -> Bool {
        guard let there = view.database, let here = writer.database else { return false }
        return there.appliedPosition.merged(with: there.binlogPosition).isWithin(Self.unappliedMax, of: view.received)
            && view.received.isWithin(Self.unreceivedMax, of: here.binlogPosition)
    }

    private mutating func follow(_ view: MemberView, _ to: MemberView) {
        let cause = Cause.observation("switchover to \(label(to))")
        records.returning = Planner.union(records.returning, [view.ordinal])
        if !view.isAttached(to: to.record) {
            emit(.replicate(source: peer(to.record)), on: view, cause: cause, "drain, then replicate from \(label(to))")
        } else if mayAcknowledge(view, for: to.record), !view.acknowledges {
            records.ackSet = Planner.union(records.ackSet, [view.ordinal])
            emit(.acknowledge(source: peer(to.record)), on: view, cause: cause, "acknowledge for \(label(to))")
        }
    }

    /// From here on writes are stopped: the candidate gets what is missing and is opened.
    private mutating func promote(_ intent: SwitchoverIntent, _ to: MemberView) {
        let failed = records.failures.newest { $0.contains("/promote/\(intent.epoch)@") }
        if let failed, !intent.isPastReturn {
            abandon(intent, failed.value.message)
            return
        }
        if waitsForHost(to) { return }
        if intent.isPastReturn, to.report?.process == .stopped {
            start(to, isVoluntary: false, .observation("\(label(to)) is not running"))
            return
        }
        if intent.isPastReturn, to.isAnswering, to.database?.replication == nil, (to.report?.epoch ?? 0) >= intent.epoch {
            // It took over, and was closed since.
            finish(intent, to)
            return
        }
        records.primary = intent.to
        records.switchover?.isPastReturn = true
        records.beginWriting(
            at: intent.position ?? GTIDSet(), ackers: views.filter { $0.ordinal != to.ordinal && $0.acknowledges }.map(\.ordinal))
        // Whoever cannot be asked now may be set up to acknowledge for the new writer.
        let unknown = views.filter { $0.ordinal != to.ordinal && !$0.isAnswering && !$0.isRetired }.map(\.ordinal)
        records.leftBehind = Planner.union(records.leftBehind, unknown)
        emit(
            .promote(
                epoch: intent.epoch, position: intent.position ?? GTIDSet(), semiSync: wantsSemiSync(to.record), refusing: unknown),
            on: to, cause: .observation(intent.reason), "take over writing from \(label(intent.from))")
    }

    private mutating func giveUpInTime(_ intent: SwitchoverIntent, _ why: String) {
        if now - intent.began > Self.preparationMax {
            abandon(intent, why)
        } else {
            wait(.time(intent.began + Self.preparationMax), why)
        }
    }

    /// Where the ack set was that of the candidate already: whoever may have acknowledged for the old writer, the candidate
    /// itself too, does so again as soon as that is open, whether it can be asked now or not.
    private mutating func restoreAckSet(_ intent: SwitchoverIntent) {
        guard records.primary == intent.to, let from = view(intent.from) else { return }
        let ackers = views.filter { view in
            let isThere = view.knowledge != .fresh || view.report?.directory == .ready
            return view.ordinal != intent.from && !view.isRetired && isThere && (view.acknowledges || mayAcknowledge(view, for: from.record))
        }
        records.ackSet = Planner.union(records.ackSet, ackers.map(\.ordinal)).filter { $0 != intent.from }
    }

    /// The old writer is affirmed under an epoch above the abandoned one, so that nothing of it can take effect later.
    private mutating func abandon(_ intent: SwitchoverIntent, _ why: String) {
        decision.cancel += running.map(\.id).filter { !decision.cancel.contains($0) }
        restoreAckSet(intent)
        records.epoch += 1
        records.primary = intent.from
        records.switchover = nil
        records.requestedPrimary = nil
        let count = (records.failures[Self.switchoverKey]?.count ?? 0) + 1
        let delay = min(Duration.seconds(5 << min(count, 6)), .seconds(300))
        records.failures = records.failures.filter { !$0.key.contains("/demote/") && !$0.key.contains("/promote/") && $0.key != Planner.heldUpKey }
        records.failures[Self.switchoverKey] = FailureRecord(
            count: count, last: now, message: why, retryAt: now + delay)
        find("SwitchoverAbandoned", context.name, on: nil, "the switchover to \(label(intent.to)) was given up: \(why)", drift: false)
        keep()
    }
}
