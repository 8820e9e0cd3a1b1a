import FleetModel

// Who is open for applications. Every member of the component is a writer to the group, so that nothing has to be proved, and
// no step is past return: what is recorded, and then done, only moves where applications write.

extension GaleraProcedure {
    static let switchoverKey = "switchover"

    // MARK: Loss

    /// Opens another one where the primary is not in the component that others are in. True where that was recorded now.
    mutating func replaceLostWriter() -> Bool {
        guard records.isFounded, let primary else { return false }
        guard let loss = loss(of: primary) else {
            if primary.isFreshForWriter, primary.isWritable { records.isFailoverRequested = false }
            return false
        }
        if isLossOfMaintenance(primary, loss) { return false }
        if isLeftToPeople(primary, loss) { return false }
        if waitsForStray() { return false }
        // The budget is against a role that goes back and forth: from one that is to leave it goes for good.
        if primary.isActive, !records.isFailoverRequested, isBudgetSpent(primary, loss) { return false }
        let able = views.filter { $0.isActive && isInside($0) && $0.isFreshForWriter && !$0.isBusy && $0.ordinal != primary.ordinal }
        guard let to = able.min(by: { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }) else {
            // A copy that the last one gives is not worth that nobody writes.
            for attempt in running where inside.contains(where: { attempt.task.alsoBusy == id($0.ordinal) }) { decision.cancel.append(attempt.id) }
            wait(.fact("candidate"), "another instance in the component that can be opened")
            return false
        }
        find("Failover", label(primary), on: nil, "\(loss.text); \(label(to)) takes over", drift: false)
        // What anybody was seen to have was received by all: the next one applies it before it is opened.
        let seen = views.compactMap { $0.report?.database?.galera }.filter { $0.stateUUID == galera.stateUUID }
        let sequence = seen.map(\.lastCommitted).max() ?? furthest
        records.epoch += 1
        records.switchover = nil
        records.isFailoverRequested = false
        noteFailover(from: primary.ordinal, loss: nil)
        records.primary = to.ordinal
        emit(
            .promote(epoch: records.epoch, position: GTIDSet(), semiSync: false, sequence: sequence), on: to, isVoluntary: false,
            cause: .observation(loss.text), "open for writing in place of \(label(primary))")
        return true
    }

    mutating func waitsForStray() -> Bool {
        guard let stray else { return false }
        wait(.fact(label(stray)), "\(label(stray)) to be killed, which takes writes with another history")
        return true
    }

    /// Nil where the primary is in the component, or nothing says that it is not. One that those inside do not count among
    /// them can commit nothing, whatever is known of it.
    private mutating func loss(of primary: MemberView) -> WriterLoss? {
        let isSilent = primary.silence.map { $0 >= PrimaryReplicaProcedure.silenceMin } ?? true
        // What works on it on a host that is gone does not end.
        guard !primary.isBusy || isSilent else { return nil }
        switch place(of: primary) {
        // What it said last may be over: the others are asked as soon as it is silent.
        case .inside, .silent:
            guard isSilent, isDropped(primary) else { return nil }
            return WriterLoss(code: .unreachablePrimary, evidence: "\(primary.record.host) is silent, and the others went on without it")
        case .dead: return WriterLoss(code: .deadPrimary, evidence: "\(label(primary)) is not running")
        case .missing: return WriterLoss(code: .deadPrimary, evidence: "the directory of \(label(primary)) is gone from \(primary.record.host)")
        case .inconsistent: return WriterLoss(code: .leftComponent, evidence: "\(label(primary)) was voted out by the others")
        case .foreign: return WriterLoss(code: .leftComponent, evidence: "\(label(primary)) runs with another history")
        case .joining: return WriterLoss(code: .leftComponent, evidence: "\(label(primary)) joins again, and takes no writes meanwhile")
        case .outside:
            guard isDropped(primary) else { return nil }
            return WriterLoss(code: .leftComponent, evidence: "\(label(primary)) is outside the component that the others are in")
        case .unresponsive:
            guard isDropped(primary) else { return nil }
            return WriterLoss(code: .hungPrimary, evidence: "\(label(primary)) runs and does not answer, and the others went on without it")
        }
    }

    /// Whether a member of the component says, just now, that the primary is not in it.
    private mutating func isDropped(_ primary: MemberView) -> Bool {
        let witnesses = inside.filter { $0.ordinal != primary.ordinal }
        if witnesses.contains(where: { $0.isFreshForWriter && group(of: $0).map { !$0.members.contains(primary.ordinal) } ?? false }) { return true }
        for view in witnesses where !view.isFreshForWriter {
            wait(.host(view.record.host), "what \(label(view)) says of \(label(primary)), which is not seen in the component")
        }
        wait(.time(now + PrimaryReplicaProcedure.suspicionStep), "the others to go on without \(label(primary)), or with it")
        return false
    }

    // MARK: Planned moves

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
        records.switchover = SwitchoverIntent(from: from.ordinal, to: to.ordinal, epoch: records.epoch, began: now, reason: reason)
        continueSwitchover()
        return true
    }

    /// The old one is closed and tells how far it is; the next one is opened once it has applied that.
    mutating func continueSwitchover() {
        guard let intent = records.switchover, let from = view(intent.from), let to = view(intent.to) else {
            records.switchover = nil
            return keep()
        }
        wantedFailures.insert(Self.switchoverKey)
        if to.isWritable, isInside(to), !to.isBusy, intent.sequence != nil, intent.isPastReturn || (to.report?.epoch ?? 0) >= intent.epoch {
            return finish(intent)
        }
        guard running.isEmpty else {
            return wait(.attempt(label(to)), "the running tasks of the switchover to \(label(to))")
        }
        let failed = records.failures.newest { $0.contains("/demote/\(intent.epoch)") || $0.contains("/promote/\(intent.epoch)@") }
        if let failed { return abandon(intent, failed.value.message) }
        if waitsForHost(to) || waitsForHost(from) { return }
        guard stray == nil else { return abandon(intent, "an instance takes writes with another history") }
        guard isInside(to), isInside(from) else {
            return abandon(intent, "\(label(isInside(to) ? from : to)) is not in the component")
        }
        guard let sequence = intent.sequence, !from.isWritable else {
            // What it takes after it told its last is not waited for: it has to stop, and tell, again.
            records.switchover?.sequence = nil
            emit(
                .demote(epoch: intent.epoch), on: from, cause: .observation(intent.reason), "stop writes, for the switchover to \(label(to))")
            return
        }
        records.primary = intent.to
        records.switchover?.isPastReturn = true
        emit(
            .promote(epoch: intent.epoch, position: GTIDSet(), semiSync: false, sequence: sequence), on: to, cause: .observation(intent.reason),
            "take over writing from \(label(from))")
    }

    private mutating func finish(_ intent: SwitchoverIntent) {
        records.primary = intent.to
        records.switchover = nil
        if records.requestedPrimary == intent.to { records.requestedPrimary = nil }
        records.failures[Self.switchoverKey] = nil
        keep()
    }

    /// The old one is opened again, under an epoch above the abandoned one.
    private mutating func abandon(_ intent: SwitchoverIntent, _ why: String) {
        records.epoch += 1
        records.primary = intent.from
        records.switchover = nil
        records.requestedPrimary = nil
        let count = (records.failures[Self.switchoverKey]?.count ?? 0) + 1
        records.failures = records.failures.filter { !$0.key.contains("/demote/") && !$0.key.contains("/promote/") }
        records.failures[Self.switchoverKey] = FailureRecord(
            count: count, last: now, message: why, retryAt: now + min(Duration.seconds(5 << min(count, 6)), .seconds(300)))
        find("SwitchoverAbandoned", context.name, on: nil, "the switchover to \(label(intent.to)) was given up: \(why)", drift: false)
        keep()
    }
}
