import FleetModel

// Keeping: a founded cluster. What is down or wrong first, then what is missing, then settings and content; disruption
// last and one at a time.

extension PrimaryReplicaProcedure {
    mutating func keep() {
        guard let primary else {
            wait(.approval("primary"), "no writer is recorded")
            return
        }
        settleOwnActs()
        tellDisks()
        tellHaltedRollout()
        settleAckSet(primary)
        settleProtection(primary)
        tellLoss()
        tellUnprotected(primary)
        if !isLeftAlone(primary), !goOnAlone(primary) { expelSilent(primary) }
        learnAccounts(of: primary)
        keepWriter(primary)
        if !isLeftAlone(primary) {
            keepOwnAccounts(primary)
            admitStandbys(primary)
        }
        for view in views where view.isActive && view.ordinal != primary.ordinal { keepReplica(view, primary) }
        for view in views where view.record.phase == .leaving && view.ordinal != primary.ordinal && view.isWritable {
            if records.leftBehind.contains(view.ordinal) { fence(formerWriter: view) } else { close(view) }
        }
        guard !isSuspended else { return tellUndone(primary) }
        configure()
        keepContent(primary)
        keepRetired()
        if decision.tasks.isEmpty && running.isEmpty { disrupt(primary) }
    }

    /// While suspended nothing is healed, and `conclude` takes the tasks out; what has drifted or was declared since is
    /// told all the same. A disruption is no task yet where it is a switchover, so that it is told here.
    private mutating func tellUndone(_ primary: MemberView) {
        let unchanged = records
        configure()
        keepContent(primary)
        if decision.tasks.isEmpty && running.isEmpty { disrupt(primary) }
        if records.switchover != nil { wait(.approval(Wait.resume), "`evenkeel resume \(context.name)`, for a switchover from \(label(primary))") }
        records = unchanged
    }

    /// Who has provably stopped acknowledging leaves the ack set, once it can hold nothing alone; anything unknown stays in it.
    private mutating func settleAckSet(_ primary: MemberView) {
        for ordinal in records.ackSet {
            guard let view = views.first(where: { $0.ordinal == ordinal }), !view.isBusy else { continue }
            if ordinal == primary.ordinal {
                records.leaveAckSet(ordinal)
            } else if !mayAcknowledge(view, for: primary.record), view.isAnswering, !view.acknowledges {
                if leavesQuietly(view, primary) {
                    records.leaveAckSet(ordinal)
                } else {
                    wait(.fact(label(view)), "another replica to receive what \(label(view)) may have acknowledged, which does not any more")
                }
            } else {
                records.quiet[ordinal] = nil
            }
        }
    }

    /// Starts what has stopped without our doing.
    mutating func restart(dead view: MemberView) {
        let place = view.ordinal == records.primary ? "the primary" : "a replica"
        find("InstanceDown", label(view), on: view, "\(place) is not running", drift: true)
        let cause = Cause.observation("\(label(view)) is not running")
        start(view, isVoluntary: false, cause)
    }

    /// Starts a stopped instance, closed; a configuration file that is missing, or is not what is declared by now, is
    /// written first: by the old one it may not start at all.
    mutating func start(_ view: MemberView, isVoluntary: Bool = true, _ cause: Cause) {
        if configureToStart(view, isVoluntary: isVoluntary, cause) {
            return
        } else if let version = versionToStartBy(view) {
            emit(
                .upgrade(isPrimary: view.ordinal == records.primary, version: version), on: view, isVoluntary: isVoluntary, cause: cause,
                "start, closed, by \(version): by \(self.version(of: view) ?? "its own") it does not")
        } else {
            emit(.start, on: view, isVoluntary: isVoluntary, cause: cause, "start, closed")
        }
    }
}
