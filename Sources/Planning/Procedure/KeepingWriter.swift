import FleetModel

// Keeping the writer: it runs, is open, is known to its agent, and admits who may acknowledge.

extension PrimaryReplicaProcedure {
    mutating func keepWriter(_ view: MemberView) {
        if waitsForHost(view) || isLeftToAttempt(view) { return }
        guard let report = view.report, report.directory == .ready else {
            find("WriterLost", label(view), on: view, "the writer's directory is gone from \(view.record.host)", drift: true)
            wait(.approval(label(view)), "the writer's directory to be brought back: its rows may be only there")
            return
        }
        switch report.process {
        case .stopped: restart(dead: view)
        case .starting: wait(.fact(label(view)), "\(label(view)) to answer")
        case .unresponsive: reportUnresponsive(view)
        case .running: keepOpen(view)
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

    private func isTakingLead(_ report: InstanceReport) -> Bool {
        records.lead?.epoch == records.epoch && report.database?.replication != nil
    }

    /// One that led last and takes its demotion back is opened as any closed writer: who acknowledged for it then, and was not
    /// heard to have promised the present epoch, would do so again with nobody knowing. It is refused first, as a promotion
    /// refuses it. True where that is ordered. Not for every closed writer: one that has a source yet refuses nobody.
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
    mutating func learnAccounts(of writer: MemberView) {
        guard !writer.isWritable, let report = writer.report, isTakingLead(report), let there = writer.database?.replicationAccounts else { return }
        records.preparedReplicas = Planner.union(records.preparedReplicas, there)
    }

    /// The replication account of a replica is made on the writer before the replica needs it.
    mutating func prepare(_ view: MemberView, _ primary: MemberView) {
        guard !records.preparedReplicas.contains(view.ordinal), primary.isAnswering, records.standby == nil else { return }
        emit(
            .prepareReplica(ordinal: view.ordinal), on: primary, cause: becausePlaced(in: view.record.zone), "replication account for \(label(view))")
    }

    /// An account of ours that is gone from the writer is made again; without it a replica cannot connect once more.
    mutating func keepOwnAccounts(_ primary: MemberView) {
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

    /// Whether a member that could acknowledge for a closed writer runs, or is started, so that it is opened soon; else the
    /// writer waits for an acknowledgement that only a copy of it can give.
    func isAwaitingAcker(_ primary: MemberView) -> Bool {
        views.contains {
            $0.isActive && mayAcknowledge($0, for: primary.record) && $0.knowledge == .fresh && $0.report?.directory == .ready
                && $0.report?.process != .unresponsive && !records.leftBehind.contains($0.ordinal)
        }
    }
}
