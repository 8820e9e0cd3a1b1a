import FleetModel

// Failover: the writer is lost and another member takes over. The sequence of MARIADB-FACTS, part 2, as steps: the intent
// with a new epoch is in the store before anything is touched; then nobody can acknowledge for the lost writer any more,
// it is killed where that can be done, and only what provably holds every acknowledged write is promoted.

extension PrimaryReplicaProcedure {
    /// A failover that cannot prove coverage for so long gives way to the lost writer, where that can be started again.
    static let holdMax: Duration = .seconds(30)
    static let failoverKey = "failover"

    /// Begins a failover where the writer is lost and another may take over; false where there is none to begin.
    mutating func failOver() -> Bool {
        guard let primary else { return false }
        guard let loss = diagnose(primary) else {
            // What it serves again nobody is to take over.
            if primary.isFreshForWriter, primary.isWritable { records.isFailoverRequested = false }
            holdForAlone(primary)
            probe(primary)
            return false
        }
        if isLossOfMaintenance(primary, loss) { return false }
        if isLeftToPeople(primary, loss) { return false }
        let ackers = possibleAckers(of: primary)
        let silent = ackers.filter { !mayBeAsked($0) }
        // Without all who could acknowledge only the lost writer's own binlog shows what was acknowledged.
        let hasTail = primary.isFreshForWriter && primary.report?.directory == .ready
        let hasOthers = views.contains { !$0.isRetired && $0.ordinal != primary.ordinal && $0.isAnswering && !isLeftBehind($0) }
        let canBeProved = isProtected && !ackers.isEmpty && silent.isEmpty
        guard hasTail && hasOthers || canBeProved || mayRisk(primary, ackers) else {
            if !ackers.isEmpty { hold(primary, loss.text, silent) }
            return false
        }
        wantedFailures.insert(Self.failoverKey)
        if let failure = records.failures[Self.failoverKey], failure.retryAt > now {
            wait(.time(failure.retryAt), "a failover was given up \(failure.count) times: \(failure.message)")
            return false
        }
        if !records.isFailoverRequested, isBudgetSpent(primary, loss) { return false }
        begin(loss, from: primary)
        return true
    }

    /// Whether its agent can revoke it and tell what it has received, also by its files where it does not run.
    func mayBeAsked(_ view: MemberView) -> Bool {
        guard view.isFreshForWriter, let report = view.report, report.directory == .ready else { return false }
        return view.isAnswering || report.process == .stopped
    }

    private mutating func begin(_ loss: WriterLoss, from primary: MemberView) {
        records.epoch += 1
        var ackers = possibleAckers(of: primary).map(\.ordinal)
        if let switchover = records.switchover, switchover.from != primary.ordinal {
            // The old writer of a switchover that was not over: nobody else need have its last rows.
            ackers = Planner.union(ackers, [switchover.from])
        }
        records.switchover = nil
        records.isFailoverRequested = false
        records.failover = FailoverIntent(
            from: primary.ordinal, epoch: records.epoch, began: now, reason: loss.text, ackers: ackers)
        continueFailover()
    }

    mutating func continueFailover() {
        guard let intent = records.failover, let from = view(intent.from) else { return }
        tell(intent)
        closeStrays(intent)
        if let ordinal = intent.to, let to = view(ordinal) {
            takeOver(intent, to)
        } else if isBack(from, intent) {
            abandon(intent, "\(label(from)) is back")
        } else {
            isolate(intent, from)
        }
    }

    /// Opened by hand, or the writer before last: nobody is promoted beside them.
    private mutating func closeStrays(_ intent: FailoverIntent) {
        for view in strays(intent) {
            if records.leftBehind.contains(view.ordinal) { fence(formerWriter: view) } else { close(view) }
        }
    }

    private func strays(_ intent: FailoverIntent) -> [MemberView] {
        views.filter { $0.isWritable && $0.ordinal != intent.from && $0.ordinal != intent.to }
    }

    private mutating func tell(_ intent: FailoverIntent) {
        var message = intent.reason
        if let ordinal = intent.to { message += "; \(label(ordinal)) \(view(ordinal).map { hasTakenOver($0, intent) } ?? false ? "took" : "takes") over" }
        find("Failover", label(intent.from), on: nil, message, drift: false)
    }

    /// Its revocation promised the epoch too: only its agent's journal tells a promotion from an opening by hand.
    private func hasTakenOver(_ to: MemberView, _ intent: FailoverIntent) -> Bool {
        to.isWritable && !to.isBusy && to.report?.isWriter == true && (to.report?.epoch ?? 0) >= intent.epoch
    }

    /// Before anything was done to it or to those who acknowledge for it, a writer that answers again stays the writer.
    private mutating func isBack(_ from: MemberView, _ intent: FailoverIntent) -> Bool {
        guard intent.revoked.isEmpty, !intent.isFenced, from.isFreshForWriter, from.isWritable else { return false }
        // One that answers and can commit nothing is not back.
        return blocked(from) == nil && !running.contains { $0.task.action.isIsolating }
    }

    // MARK: Isolation and coverage

    /// Nobody acknowledges for the lost writer any more; it is killed where its agent can be reached.
    private mutating func isolate(_ intent: FailoverIntent, _ from: MemberView) {
        cancelOthers(intent)
        let cause = Cause.observation(intent.reason)
        for ordinal in toRevoke(intent) {
            guard let view = view(ordinal), intent.revoked[ordinal] == nil || isDoubtful(intent, view) && view.isAnswering else { continue }
            guard view.isFreshForWriter else {
                wait(.host(view.record.host), "a report of \(view.record.host) not older than 2 s: \(label(view)) may hold what nobody else does")
                continue
            }
            emit(.revoke(epoch: intent.epoch), on: view, isVoluntary: false, cause: cause, "stop receiving from \(label(from))")
        }
        if !intent.isFenced, from.isFreshForWriter, from.report != nil {
            emit(.fence(epoch: intent.epoch), on: from, isVoluntary: false, cause: cause, "kill the lost writer")
        }
        for view in views where intent.revoked[view.ordinal] != nil && !view.isRetired && !view.isBusy {
            // It may be the one that holds all; closed, and with its revocation in its agent's journal, it follows nobody.
            guard view.isFreshForWriter, let report = view.report, report.directory == .ready, report.process == .stopped else { continue }
            start(view, isVoluntary: false, .observation("\(label(view)) is not running"))
        }
        let strays = strays(intent)
        if !strays.isEmpty {
            for view in strays { wait(.fact(label(view)), "\(label(view)) to be closed, which takes writes too") }
        } else if let candidate = candidate(intent) {
            promote(intent, candidate)
        } else if let risky = riskyCandidate(intent, from) {
            promote(intent, risky.view, loss: risky.loss)
        } else if decision.tasks.isEmpty, !running.contains(where: { $0.task.action.isIsolating }) {
            holdCoverage(intent, from)
        } else if now - intent.began >= Self.silenceMin {
            // It is tried again and again: the finding stays meanwhile.
            hold(from, intent.reason, unrevoked(intent))
        }
    }

    /// Who could acknowledge; where nobody had to, all that can be asked.
    private func toRevoke(_ intent: FailoverIntent) -> [Int] {
        guard intent.ackers.isEmpty else { return intent.ackers }
        return views.filter { $0.isActive && $0.ordinal != intent.from && $0.isAnswering && !isLeftBehind($0) }.map(\.ordinal)
    }

    /// What is under way on these members is not worth waiting for.
    private mutating func cancelOthers(_ intent: FailoverIntent) {
        let members = Planner.union(intent.ackers, [intent.from])
        for attempt in running {
            guard case .instance(let id, _) = attempt.task.target, !attempt.task.action.isIsolating, attempt.task.action != .close
            else { continue }
            // A revoked one that did not run is started, closed: it may be the one that holds all.
            if attempt.task.action == .start, intent.revoked[id.ordinal] != nil { continue }
            guard members.contains(id.ordinal) || attempt.task.alsoBusy.map({ members.contains($0.ordinal) }) ?? false else { continue }
            decision.cancel.append(attempt.id)
        }
    }

    /// The member that has received most, if what it has received is provably all that was ever acknowledged.
    private func candidate(_ intent: FailoverIntent) -> MemberView? {
        guard !intent.revoked.isEmpty else { return nil }
        var all = records.floor
        let doubtful = views.filter { isDoubtful(intent, $0) }.map(\.ordinal)
        for (ordinal, position) in intent.revoked where !doubtful.contains(ordinal) { all = all.merged(with: position) }
        let isCovered = !intent.ackers.isEmpty && isProtected
            && intent.ackers.allSatisfy { intent.revoked[$0] != nil && !doubtful.contains($0) }
        if !isCovered {
            guard intent.isFenced, let tail = intent.tail else { return nil }
            all = all.merged(with: tail)
        }
        let able = views.filter { mayTakeOver($0, intent) && intent.revoked[$0.ordinal]?.contains(all) ?? false }
        func rank(_ view: MemberView) -> (Int, Int, Int, Int) {
            (hardship(view), backlog(view, intent.revoked[view.ordinal] ?? view.received), zoneRank(view), view.ordinal)
        }
        return able.min { rank($0) < rank($1) }
    }

    /// How much of what it has received it has to apply before it can be opened, in steps: a wanted zone is worth no hours of that.
    /// Below the first step nobody sees a difference.
    private func backlog(_ view: MemberView, _ received: GTIDSet) -> Int {
        Self.backlogSteps.firstIndex { view.held.isWithin($0, of: received) } ?? Self.backlogSteps.count
    }

    /// In transactions, of a domain.
    private static let backlogSteps: [Int64] = [1_000, 10_000, 100_000, 1_000_000]

    /// Its files end with a row of its own number that no writer's history explains: somebody wrote to it while it was a
    /// replica, and what it really received can only be told by it when it runs.
    private func isDoubtful(_ intent: FailoverIntent, _ view: MemberView) -> Bool {
        guard let position = intent.revoked[view.ordinal] else { return false }
        guard !position.own(of: view.record.serverID, beyond: records.floor).isEmpty else { return false }
        return !view.isAnswering || !view.rowsOfItsOwn.isEmpty
    }

    /// What speaks against a candidate that holds all: what it holds besides goes to everybody, one that is to leave is
    /// moved away from again, and an applier that stands still may never come to it.
    private func hardship(_ view: MemberView) -> Int { (isStuck(view) ? 4 : 0) + (view.isActive ? 0 : 2) + (view.rowsOfItsOwn.isEmpty ? 0 : 1) }

    /// Whether it is there to be promoted, if it holds what it says.
    func mayTakeOver(_ view: MemberView, _ intent: FailoverIntent) -> Bool {
        !view.isRetired && view.isAnswering && view.isFreshForWriter && !view.isBusy && !isTaken(view.ordinal) && !isLeftBehind(view)
            && view.report?.disk == nil && !isDoubtful(intent, view)
    }

    /// Its applier has stopped by an error: it may not come to what it has received.
    func isStuck(_ view: MemberView) -> Bool { view.database?.replication?.sqlError.isEmpty == false }

    /// So often a promotion may be refused or fail before another one is promoted that holds as much.
    private static let promotionsMax = 2

    /// The recorded new writer cannot be opened, though it answers, and another revoked member holds all that it is to
    /// hold: that one takes over from it.
    private mutating func isReplaced(_ intent: FailoverIntent, _ to: MemberView) -> Bool {
        guard to.isAnswering, !to.isWritable, !to.isBusy, to.report?.isWriter != true,
            let failure = failures(of: "promote/\(intent.epoch)@", on: to)?.value, failure.count >= Self.promotionsMax
        else { return false }
        let others = possibleAckers(of: to)
        let isCovered = !others.isEmpty && others.allSatisfy { $0.isFreshForWriter && $0.isAnswering }
        guard isCovered, others.contains(where: { !isStuck($0) && !isLeftBehind($0) && $0.received.contains(records.floor) }) else { return false }
        begin(WriterLoss(code: .stuckCandidate, evidence: "\(label(to)) cannot take over: \(failure.message)"), from: to)
        return true
    }

    /// It may hold rows of its own, which comparing positions cannot see.
    func isLeftBehind(_ view: MemberView) -> Bool { records.leftBehind.contains(view.ordinal) }

    private func unrevoked(_ intent: FailoverIntent) -> [MemberView] {
        views.filter { intent.ackers.contains($0.ordinal) && intent.revoked[$0.ordinal] == nil }
    }

    private mutating func holdCoverage(_ intent: FailoverIntent, _ from: MemberView) {
        if now - intent.began >= Self.holdMax, from.isFreshForWriter, from.report?.directory == .ready {
            abandon(intent, "no member provably holds every acknowledged write; \(label(from)) does")
            return
        }
        let missing = unrevoked(intent)
        hold(from, intent.reason, missing)
        if missing.isEmpty { wait(.fact("candidate"), "a member that answers and has received all that was acknowledged") }
        wait(.time(max(intent.began + Self.holdMax, now + Self.suspicionStep)), "the failover from \(label(from))")
    }

    /// Nobody is promoted while a row that was acknowledged may be only where nobody can look.
    mutating func hold(_ from: MemberView, _ why: String, _ missing: [MemberView]) {
        let who = missing.map { "\(label($0)) on \($0.record.host)" }.joined(separator: ", ")
        var held =
            switch (isProtected || cluster.durability == .async, who.isEmpty) {
            case (false, _): "\(label(from)) wrote without waiting for anybody, and may be alone with it; bring \(from.record.host) back"
            case (_, true): "no member is known to hold every acknowledged write"
            case (_, false): "\(who) may hold acknowledged rows that nobody else has; bring it or \(from.record.host) back"
            }
        if let risk = refusedRisk(from, missing) { held += "; " + risk }
        find("FailoverHeld", label(from), on: from, "\(why); nobody is promoted: \(held)", drift: false)
        for view in missing { wait(.host(view.record.host), "\(view.record.host) to come back: \(label(view)) may hold what nobody else does") }
    }

    // MARK: Promotion

    private mutating func promote(_ intent: FailoverIntent, _ to: MemberView, loss: FailoverMark.DataLoss? = nil) {
        let position = intent.revoked[to.ordinal] ?? GTIDSet()
        records.primary = to.ordinal
        let ackers = views.filter { $0.isActive && intent.revoked[$0.ordinal] != nil && mayAcknowledge($0, for: to.record) }
        records.beginWriting(at: position, ackers: ackers.map(\.ordinal))
        records.requestedPrimary = nil
        records.failover?.to = to.ordinal
        records.failover?.isPastReturn = true
        noteFailover(from: intent.from, loss: loss)
        let left = views.filter { $0.ordinal != to.ordinal && intent.revoked[$0.ordinal] == nil && !$0.isRetired }.map(\.ordinal)
        records.leftBehind = Planner.union(records.leftBehind.filter { $0 != to.ordinal }, Planner.union(left, [intent.from]))
        orderPromotion(intent, of: to)
        let cause = Cause.observation(intent.reason)
        for view in views where view.isActive && view.ordinal != to.ordinal && intent.revoked[view.ordinal] != nil && view.isAnswering {
            records.returning = Planner.union(records.returning, [view.ordinal])
            let acknowledges = mayAcknowledge(view, for: to.record)
            emit(
                .replicate(source: peer(to.record), acknowledges: acknowledges), on: view, isVoluntary: false, cause: cause,
                "drain, then replicate from \(label(to))" + (acknowledges ? ", acknowledging" : ""))
        }
    }

    /// The new writer is opened, or is tried again; where it is lost too, the next one takes over from it.
    private mutating func takeOver(_ intent: FailoverIntent, _ to: MemberView) {
        if hasTakenOver(to, intent) {
            records.failover = nil
            records.failures[Self.failoverKey] = nil
            keep()
            return
        }
        if failOver() || isReplaced(intent, to) { return }
        if waitsForHost(to) || waitsForAttempt(to) || !strays(intent).isEmpty { return }
        guard to.isAnswering else {
            if to.report?.process == .stopped {
                start(to, isVoluntary: false, .observation("\(label(to)) is not running"))
            } else {
                wait(.fact(label(to)), "\(label(to)) to answer")
            }
            return
        }
        orderPromotion(intent, of: to)
    }

    /// As recorded: the same order each time.
    private mutating func orderPromotion(_ intent: FailoverIntent, of to: MemberView) {
        emit(
            .promote(
                epoch: intent.epoch, position: records.floor, semiSync: wantsSemiSync(to.record), refusing: records.leftBehind),
            on: to, isVoluntary: false, cause: .observation(intent.reason), "take over writing from \(label(intent.from)), which is lost")
    }

    /// The lost writer stays the writer, affirmed under an epoch above the abandoned one.
    private mutating func abandon(_ intent: FailoverIntent, _ why: String) {
        records.epoch += 1
        records.failover = nil
        let count = (records.failures[Self.failoverKey]?.count ?? 0) + 1
        records.failures[Self.failoverKey] = FailureRecord(
            count: count, last: now, message: why, retryAt: now + min(Self.giveUpFirst * (1 << min(count, 6)), Self.giveUpMax))
        find("FailoverAbandoned", context.name, on: nil, "the failover from \(label(intent.from)) was given up: \(why)", drift: false)
        keep()
    }

    private static let giveUpFirst: Duration = .seconds(5)
    private static let giveUpMax: Duration = .seconds(300)

    // MARK: Afterwards

    /// A member that a failover left behind comes back as a replica, or as a clone where it holds what the writer does not.
    mutating func bringBack(_ view: MemberView, _ primary: MemberView) {
        if waitsForHost(view) || waitsForAttempt(view) { return }
        guard let report = view.report, report.directory == .ready else {
            records.leftBehind.removeAll { $0 == view.ordinal }
            records.joining = Planner.union(records.joining, [view.ordinal])
            return
        }
        let why = Cause.observation("\(label(view)) was left behind by a failover")
        if view.isWritable || report.process == .unresponsive {
            fence(formerWriter: view)
        } else if report.process == .starting {
            wait(.fact(label(view)), "\(label(view)) to answer")
        } else if !records.preparedReplicas.contains(view.ordinal) {
            letIn(view, primary, why)
        } else if view.isAttached(to: primary.record) {
            records.leftBehind.removeAll { $0 == view.ordinal }
        } else if !view.isRunning, configureToStart(view, isVoluntary: false, why) {
            return
        } else if !view.isRunning, versionToStartBy(view) != nil {
            // Nothing can be cut by a version that starts nothing; what a plain start keeps is compared afterwards.
            start(view, isVoluntary: false, why)
        } else if primary.isAnswering, !primary.isBusy, primary.held.contains(records.floor) {
            // Closed or open: it may be closed because nobody is there to acknowledge for it. One that takes the lead and has
            // not applied yet what it begins with lacks rows that it has.
            emit(
                .rejoin(source: peer(primary.record)), on: view, isVoluntary: false, cause: why,
                "come back as a replica of \(label(primary))")
        } else {
            wait(.fact(label(primary)), "\(label(primary)) to answer with all that it began with, before \(label(view)) comes back")
        }
    }

    /// It may be set up to acknowledge for the writer, from an earlier life of both: the writer refuses it until it has
    /// promised the present epoch, under which it does not by itself.
    private mutating func letIn(_ view: MemberView, _ primary: MemberView, _ why: Cause) {
        let isQuiet = (view.report?.epoch ?? 0) >= records.epoch && !view.acknowledges && view.database?.replication?.ioRunning != true
        if !isQuiet {
            emit(.revoke(epoch: records.epoch), on: view, isVoluntary: false, cause: why, "stop receiving from a former writer")
        } else if primary.isAnswering {
            emit(
                .prepareReplica(ordinal: view.ordinal), on: primary, isVoluntary: false, cause: why,
                "let \(label(view)) replicate again")
        } else {
            wait(.fact(label(primary)), "\(label(primary)) to answer, before \(label(view)) comes back")
        }
    }

    /// Closing it hangs behind commits that wait for an acknowledgement which never comes.
    mutating func fence(formerWriter view: MemberView) {
        find("FormerWriterOpen", label(view), on: view, "it was the writer before the failover, and is not closed", drift: true)
        emit(
            .fence(epoch: records.epoch), on: view, isVoluntary: false,
            cause: .observation("\(label(view)) was left behind by a failover"), "kill the former writer")
    }
}

extension Action {
    /// Takes a lost writer, or who acknowledges for it, out of the way.
    var isIsolating: Bool {
        switch self {
        case .revoke, .fence: true
        default: false
        }
    }
}
