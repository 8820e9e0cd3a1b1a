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

    // MARK: The writer

    private mutating func keepWriter(_ view: MemberView) {
        if waitsForHost(view) || isLeftToAttempt(view) { return }
        guard let report = view.report, report.directory == .ready else {
            find("WriterLost", label(view), on: view, "the writer's directory is gone from \(view.record.host)", drift: true)
            wait(.approval(label(view)), "an operator: the writer's directory is gone, and its data may be only there")
            return
        }
        switch report.process {
        case .stopped: restart(dead: view)
        case .starting: wait(.fact(label(view)), "\(label(view)) to answer")
        case .unresponsive: reportUnresponsive(view)
        case .running: keepOpen(view)
        }
    }

    /// Starts what has stopped without our doing.
    private mutating func restart(dead view: MemberView) {
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

    private mutating func keepOpen(_ view: MemberView) {
        guard view.isAnswering, let report = view.report else { return }
        let isSemiSync = report.database?.semiSyncPrimary ?? false
        if let other = views.first(where: { $0.ordinal != view.ordinal && $0.isWritable }) {
            // Opening what is open, or setting its roles, is an opening too: the other one is closed first.
            wait(.fact(label(other)), "\(label(other)) to be closed, which takes writes too")
            return
        }
        if view.database?.areCommitsWaiting == true {
            find("CommitsWaiting", label(view), on: view, "commits wait for a replica's acknowledgement", drift: false)
        }
        let wants = wantsSemiSync(view.record) && !goesOnAlone(view)
        // One that is to leave acknowledges until another one does.
        let ackers = views.count {
            ($0.isActive || records.ackSet.contains($0.ordinal)) && mayAcknowledge($0, for: view.record) && $0.points(to: view.record)
                && $0.acknowledges
        }
        if !view.isWritable {
            if !isReturning(view) { find("WriterClosed", label(view), on: view, "the primary is read-only", drift: true) }
            guard !wants || ackers > 0 || isTakingLead(report) && !mayGetAcker(view) else {
                wait(.fact("acknowledgement"), "a replica that can acknowledge, before \(label(view)) is opened")
                return
            }
            if let lead = records.lead, isTakingLead(report) {
                takeLead(view, lead, semiSync: wants)
                return
            }
            if wants, refusesUnheard(view) { return }
            let isOrdered = emit(
                .open(epoch: records.epoch, semiSync: wants), on: view, isVoluntary: false,
                cause: .observation("\(label(view)) is read-only"), wants ? "semi-sync on, then open for writing" : "open for writing")
            if isOrdered, !wants { records.isSemiSync = false }
        } else if let replication = report.database?.replication {
            stopReplicating(view, replication, semiSync: isSemiSync)
        } else if wants && !isSemiSync && ackers > 0 {
            let isDrift = wasSemiSync && !isReturning(view)
            if isDrift { find("SemiSyncOff", label(view), on: view, "semi-synchronous replication is off on the primary", drift: true) }
            emit(
                .open(epoch: records.epoch, semiSync: true), on: view, isVoluntary: false,
                cause: isDrift ? .observation("semi-sync is off on \(label(view))") : because("spec.durability"), "semi-sync on")
        } else if !wants && isSemiSync {
            stopWaiting(view)
        } else if wants && isSemiSync && !wasSemiSync {
            // Turned on by hand, or its end was not heard: it proves something once the writer's agent knows it too.
            affirm(view, semiSync: true, "semi-sync is on at \(label(view)), and its agent was not told")
        } else if report.database?.runsEvents == false {
            let message = "the event scheduler is off on the primary: events do not run"
            find("EventSchedulerDrift", label(view), on: view, message, drift: true)
            emit(
                .open(epoch: records.epoch, semiSync: isSemiSync), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"),
                "event scheduler on")
        } else if !report.isWriter || report.epoch < records.epoch {
            affirm(
                view, semiSync: isSemiSync,
                "the agent of \(view.record.host) does not know \(label(view)) as the writer under epoch \(records.epoch)")
        }
    }

    /// That nobody acknowledges is in the store before it is so: an end that is not heard would leave a proof that is none.
    private mutating func stopWaiting(_ view: MemberView) {
        let isAlone = goesOnAlone(view)
        let isOrdered = emit(
            .open(epoch: records.epoch, semiSync: false), on: view, isVoluntary: !isAlone,
            cause: because(isAlone ? "spec.durability.whenAlone" : "spec.durability"),
            isAlone ? "semi-sync off: it goes on alone" : "semi-sync off: no replica is to acknowledge")
        if isOrdered, isAlone || !isSuspended { records.isSemiSync = false }
    }

    /// By hand: with an account that fits it would take rows from a replica.
    private mutating func stopReplicating(_ view: MemberView, _ replication: ReplicationReport, semiSync: Bool) {
        let message = "the primary is set to replicate from \(replication.sourceHost):\(replication.sourcePort)"
        find("WrongSource", label(view), on: view, message, drift: true)
        emit(
            .promote(epoch: records.epoch, position: GTIDSet(), semiSync: semiSync), on: view, isVoluntary: false,
            cause: .observation(message), "stop replicating: it is the primary")
    }

    /// An open writer whose agent does not know it as the writer under this epoch (a switchover was given up, an end was
    /// lost) is not opened again after a crash, and the agent's health port does not call it the primary.
    private mutating func affirm(_ view: MemberView, semiSync: Bool, _ why: String) {
        emit(
            .open(epoch: records.epoch, semiSync: semiSync), on: view, isVoluntary: false, cause: .observation(why), "affirm as the writer")
    }

    // MARK: Replicas

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

    private func isTakingLead(_ report: InstanceReport) -> Bool {
        records.lead?.epoch == records.epoch && report.database?.replication != nil
    }

    /// One that led last and takes its demotion back is opened as any closed writer: who acknowledged for it then, and was not
    /// heard to have promised the present epoch, would do so again with nobody knowing. It is refused first, as a promotion
    /// refuses it. True where that is ordered.
    private mutating func refusesUnheard(_ writer: MemberView) -> Bool {
        guard records.lead?.epoch == records.epoch else { return false }
        for ordinal in records.leftBehind where writer.database?.replicationAccounts.contains(ordinal) == true {
            guard (view(ordinal)?.report?.epoch ?? 0) < records.epoch else { continue }
            let isOrdered = emit(
                .expel(ordinal: ordinal), on: writer, isVoluntary: false, cause: .observation("\(label(ordinal)) was not heard since the lead was taken"),
                "refuse \(label(ordinal)), which may be set up to acknowledge")
            if isOrdered { records.preparedReplicas.removeAll { $0 == ordinal } }
            return true
        }
        return false
    }

    /// Accounts are made, and members with other rows compared, only where the writer is open: where nobody else could begin
    /// to acknowledge it is opened without, and its commits wait until then.
    private func mayGetAcker(_ writer: MemberView) -> Bool {
        let there = writer.database?.replicationAccounts ?? []
        // Whoever was left behind comes back once the writer holds what it begins with: one that was started again meanwhile
        // applies what it has received only when it is opened.
        let comesToAll = writer.held.contains(records.floor) || writer.database?.replication?.sqlRunning == true
        return views.contains {
            $0.isActive && mayAcknowledge($0, for: writer.record) && there.contains($0.ordinal)
                && (comesToAll || !records.leftBehind.contains($0.ordinal))
                && !($0.database?.replication.map(hasDiverged) ?? false)
        }
    }

    /// What a head had received and not applied yet when it took the lead may hold the accounts of its replicas.
    private mutating func learnAccounts(of writer: MemberView) {
        guard !writer.isWritable, let report = writer.report, isTakingLead(report), let there = writer.database?.replicationAccounts else { return }
        records.preparedReplicas = Planner.union(records.preparedReplicas, there)
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

    /// Whether a member that could acknowledge for a closed writer runs, or is started, so that it is opened soon; else the
    /// writer waits for an acknowledgement that only a copy of it can give.
    func isAwaitingAcker(_ primary: MemberView) -> Bool {
        views.contains {
            $0.isActive && mayAcknowledge($0, for: primary.record) && $0.knowledge == .fresh && $0.report?.directory == .ready
                && $0.report?.process != .unresponsive && !records.leftBehind.contains($0.ordinal)
        }
    }

    /// The replication account of a replica is made on the writer before the replica needs it.
    mutating func prepare(_ view: MemberView, _ primary: MemberView) {
        guard !records.preparedReplicas.contains(view.ordinal), primary.isAnswering, records.standby == nil else { return }
        emit(
            .prepareReplica(ordinal: view.ordinal), on: primary, cause: becausePlaced(in: view.record.zone), "replication account for \(label(view))")
    }

    /// An account of ours that is gone from the writer is made again; without it a replica cannot connect once more.
    private mutating func keepOwnAccounts(_ primary: MemberView) {
        guard !primary.isBusy, let there = primary.database?.replicationAccounts else { return }
        for view in views where view.isActive && records.preparedReplicas.contains(view.ordinal) && !there.contains(view.ordinal) {
            if readmit(view, primary) { continue }
            let message = "the replication account of \(label(view)) is gone"
            find("AccountDrift", label(view), on: primary, message, drift: true)
            emit(
                .prepareReplica(ordinal: view.ordinal), on: primary, isVoluntary: false, cause: .observation(message),
                "replication account for \(label(view))")
        }
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
