import FleetModel

// Keeping the replicas: each is there, replicates from whom it should, and acknowledges where it may.

extension PrimaryReplicaProcedure {
    mutating func keepReplica(_ view: MemberView, _ primary: MemberView) {
        if records.leftBehind.contains(view.ordinal) {
            if records.standby == nil { bringBack(view, primary) } else { bringBack(superseded: view) }
            return
        }
        if waitsForHost(view) || isLeftToAttempt(view) { return }
        if endRetired(view) { return }
        guard let report = view.report, report.directory == .ready else {
            if isSuspended {
                wait(.approval(Wait.resume), "`evenkeel resume \(context.name)`, for \(label(view)) on \(view.record.host): to be made")
            } else {
                copy(to: view, primary)
            }
            return
        }
        switch report.process {
        case .stopped:
            let isNew = !isKnown(view)
            if isNew {
                start(view, becausePlaced(in: view.record.zone))
            } else {
                restart(dead: view)
            }
        case .starting: wait(.fact(label(view)), "\(label(view)) to answer")
        case .unresponsive: reportUnresponsive(view)
        case .running: keepAttached(view, primary)
        }
    }

    /// A new instance is a copy of a healthy one: of a replica where there is one, to spare the writer.
    mutating func copy(to view: MemberView, _ primary: MemberView) {
        guard hasEngine(view), unknownParameters().isEmpty else { return }
        prepare(view, primary)
        if records.standby != nil { return copy(toStandby: view, primary) }
        let replicas = views.filter { isServing($0) && $0.ordinal != primary.ordinal && !isTaken($0.ordinal) && !isInMaintenance($0) }
        let mayGive = isServing(primary) || primary.isAnswering && !primary.isWritable && !isAwaitingAcker(primary)
        guard let donor = replicas.first ?? (mayGive && !isTaken(primary.ordinal) ? primary : nil) else {
            wait(.fact("donor"), "a healthy donor for \(label(view)) that is not busy")
            return
        }
        copy(to: view, from: donor)
    }

    mutating func copy(to view: MemberView, from donor: MemberView) {
        // The accounts of a standby's instances are made before the instances are.
        let isNew = records.standby != nil || !records.preparedReplicas.contains(view.ordinal) || view.report != nil
        let cause = isNew ? becausePlaced(in: view.record.zone) : .observation("\(label(view)) is gone from \(view.record.host)")
        if !isNew { find("InstanceLost", label(view), on: view, "its directory is gone", drift: true) }
        if closesToBeCopied(donor) { return }
        emit(
            .clone(blueprint(view), donor: peer(donor.record)), on: view, donor: donor, cause: cause, cloning(view, from: donor))
    }

    private mutating func keepAttached(_ view: MemberView, _ primary: MemberView) {
        if view.isWritable {
            close(view)
            return
        }
        if view.database?.runsEvents == true {
            let message = "the event scheduler is on at a replica: its events write there alone"
            find("EventSchedulerDrift", label(view), on: view, message, drift: true)
            emit(.close, on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"), "event scheduler off")
            return
        }
        guard primary.isAnswering else { return callBack(view, primary) }
        guard records.preparedReplicas.contains(view.ordinal) else {
            if records.standby == nil { prepare(view, primary) } else { waitForAccount(view) }
            return
        }
        attach(view, to: primary, cause: becausePlaced(in: view.record.zone))
    }

    /// Somebody opened it by hand: a second writer, whatever its place in the cluster.
    mutating func close(_ view: MemberView) {
        find("ReplicaWritable", label(view), on: view, "a replica is not read-only", drift: true)
        emit(
            .close, on: view, isVoluntary: false, cause: .observation("\(label(view)) is writable but is not the primary"), "make read-only")
    }

    /// Attaches a replica, asynchronously at first; makes it acknowledge once it has caught up. One whose acknowledgement
    /// the writer may be waiting for acknowledges from the first row on. The store knows it as a possible acker before
    /// it is one.
    mutating func attach(_ view: MemberView, to primary: MemberView, cause: Cause) {
        if isLeftToAttempt(view) { return }
        if mendErrant(view, primary) { return }
        guard view.isAttached(to: primary.record) else {
            detached(view, primary, cause)
            return
        }
        let isAcker = mayAcknowledge(view, for: primary.record)
        let acknowledges = view.acknowledges
        if let wrong = misattachment(view, primary) {
            find(wrong.reason, label(view), on: view, wrong.message, drift: true)
            emit(
                .replicate(source: peer(primary.record), acknowledges: acknowledges && isAcker), on: view, isVoluntary: false,
                cause: .observation("\(label(view)): \(wrong.message)"), wrong.summary)
            return
        }
        if affirm(replica: view, of: primary) { return }
        if isAcker && !acknowledges {
            guard view.hasCaughtUp else {
                wait(.fact(label(view)), "\(label(view)) to catch up with \(label(primary))")
                return
            }
            let wasAcker = ackSetBefore.contains(view.ordinal) && records.isFounded && primary.isWritable
                && !isReturning(view)
            // A founded writer that is closed may be closed for want of it, and one whose commits wait waits for it.
            let isAwaited = records.isFounded && (!primary.isWritable || primary.database?.areCommitsWaiting == true)
            if wasAcker { find("SemiSyncOff", label(view), on: view, "the replica does not acknowledge any more", drift: true) }
            records.ackSet = Planner.union(records.ackSet, [view.ordinal])
            emit(
                .acknowledge(source: peer(primary.record)), on: view, isVoluntary: !wasAcker && !isAwaited,
                cause: wasAcker ? .observation("\(label(view)) does not acknowledge") : cause, "acknowledge, semi-synchronously")
        } else if acknowledges && !isAcker && isSafeToStopAcknowledging(view, primary) {
            emit(
                .replicate(source: peer(primary.record)), on: view, cause: because("spec.durability"),
                "replicate asynchronously: it is in the primary's zone")
        } else if acknowledges && isAcker {
            // However it came to that, what it acknowledges from now on may be with it alone.
            if records.expelled[view.ordinal] == nil { records.ackSet = Planner.union(records.ackSet, [view.ordinal]) }
            releaseCommits(view, primary)
        }
    }

    /// An order that failed or was given up may leave a replica as it was, and its agent with nothing that it would go on
    /// with. What it does is ordered once more and finds itself done; without that it would stand still after its next end
    /// until a server orders otherwise. True where it was ordered.
    private mutating func affirm(replica view: MemberView, of primary: MemberView) -> Bool {
        guard records.isFounded, let resumes = view.report?.resumes else { return false }
        let (acknowledges, isAcker) = (view.acknowledges, mayAcknowledge(view, for: primary.record))
        guard resumes != (acknowledges ? .acknowledges : .replicates) || view.report?.isSupervised == false else { return false }
        // What follows changes the one or the other.
        if acknowledges && !isAcker || isAcker && !acknowledges && resumes != .nothing { return false }
        if acknowledges { records.ackSet = Planner.union(records.ackSet, [view.ordinal]) }
        let source = peer(primary.record)
        return emit(
            acknowledges ? .acknowledge(source: source) : .replicate(source: source), on: view, isVoluntary: false,
            cause: .observation("the agent of \(view.record.host) would not let \(label(view)) replicate on after its end"),
            "let it replicate on without a server")
    }

    /// What somebody set on a replica that replicates from the right source, and only attaching it again takes back.
    private func misattachment(_ view: MemberView, _ primary: MemberView) -> (reason: String, message: String, summary: String)? {
        if view.database?.semiSyncPrimary == true {
            return (
                "SemiSyncOnReplica", "semi-sync is on as on a primary: its applier waits for acknowledgements that never come",
                "semi-sync off as a primary, replicate from \(label(primary))")
        }
        if let delay = view.database?.replication?.delaySeconds, delay > 0 {
            return (
                "DelayedReplica", "it applies what it receives only after \(delay) s: as a writer it would come that much later",
                "replicate from \(label(primary)) without delay")
        }
        return nil
    }

    /// A replica that somebody wrote to: true where it is being compared and cloned, one at a time, and never the last that
    /// acknowledges while it still does.
    private mutating func mendErrant(_ view: MemberView, _ primary: MemberView) -> Bool {
        let own = view.rowsOfItsOwn
        guard records.isFounded, !own.isEmpty else { return false }
        let message = "somebody wrote to this replica: it holds up to \(own), which \(label(primary)) does not"
        find("ErrantGTID", label(view), on: view, message, drift: true)
        let isAlone = view.isAttached(to: primary.record) && !isSafeToStopAcknowledging(view, primary)
        let writer = writer(over: primary)
        guard isServing(writer), !isAlone, !decision.tasks.contains(where: { $0.action.name == "rejoin" }),
            !running.contains(where: { $0.task.action.name == "rejoin" })
        else { return false }
        return emit(
            .rejoin(source: peer(writer.record)), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"),
            "compare it with \(label(writer)); clone it again where its rows are others")
    }

    /// Whose rows those of a source are: a standby's are those of the primary that leads.
    private func writer(over source: MemberView) -> MemberView {
        records.standby == nil ? source : upstream?.primary ?? source
    }

    /// Whether its threads stopped because it holds, or lacks, what cannot be (errors 1236 and 1950): starting them again
    /// ends in the same.
    func hasDiverged(_ replication: ReplicationReport) -> Bool {
        !replication.ioError.isEmpty && replication.ioError.contains("error 1236")
            || !replication.sqlError.isEmpty && replication.sqlError.contains("out-of-order sequence number")
    }

    /// So often an applier that stopped by an error is started again before its member is compared and cloned.
    private static let appliesMax = 3

    /// Whether its applier stopped by an error, and again each time that it was started.
    private mutating func cannotApply(_ view: MemberView, _ replication: ReplicationReport) -> Bool {
        guard !replication.sqlError.isEmpty, let tried = failures(of: "replicate", on: view), tried.value.count >= Self.appliesMax else { return false }
        wantedFailures.insert(tried.key)
        return true
    }

    /// Whether a standby's replica was refused again and again, because it holds more than the head: only the primary that leads
    /// can tell whose rows those are.
    private mutating func isAheadOfHead(_ view: MemberView) -> Bool {
        guard records.standby != nil, let refused = failures(of: "replicate", on: view), refused.value.count >= Self.appliesMax,
            ["error 1236", "is behind it"].contains(where: refused.value.message.contains)
        else { return false }
        wantedFailures.insert(refused.key)
        return true
    }

    /// The last one that acknowledges never stops.
    private func isSafeToStopAcknowledging(_ view: MemberView, _ primary: MemberView) -> Bool {
        cluster.durability == .async || records.standby != nil || hasOtherAcker(than: view, for: primary)
    }

    private mutating func detached(_ view: MemberView, _ primary: MemberView, _ cause: Cause) {
        var cause = cause
        let replication = view.isAnswering ? view.report?.database?.replication : nil
        let isDrift = records.isFounded && ackSetBefore.contains(view.ordinal)
        if records.isFounded, replication != nil || ackSetBefore.contains(view.ordinal) {
            let why = [replication?.ioError ?? "", replication?.sqlError ?? ""].filter { !$0.isEmpty }.joined(separator: "; ")
            let message =
                replication == nil
                ? "no replication source is set" : view.points(to: primary.record) ? "replication is stopped" : "it replicates from another source"
            if isDrift && !isReturning(view) || !why.isEmpty && !records.returning.contains(primary.ordinal) {
                find("ReplicationBroken", label(view), on: view, message + (why.isEmpty ? "" : ": " + why), drift: true)
            }
            cause = .observation("\(label(view)): \(message)")
        }
        let writer = writer(over: primary)
        if let replication, hasDiverged(replication) || cannotApply(view, replication) || isAheadOfHead(view), isServing(writer) {
            if isOneOfManyToRejoin(view) { return }
            emit(
                .rejoin(source: peer(writer.record)), on: view, isVoluntary: false, cause: cause,
                "compare it with \(label(writer)); clone it again where its rows are others")
            return
        }
        let acknowledges = acknowledgesAtOnce(view, primary)
        if acknowledges { records.ackSet = Planner.union(records.ackSet, [view.ordinal]) }
        emit(
            .replicate(source: peer(primary.record), acknowledges: acknowledges), on: view, isVoluntary: !isDrift, cause: cause,
            "replicate from \(label(primary))" + (acknowledges ? ", acknowledging" : ""))
    }
}
