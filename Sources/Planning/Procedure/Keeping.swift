import FleetModel

// Keeping: a founded cluster. What is down or wrong first, then what is missing, then settings and content; disruption
// last and one at a time.

extension PrimaryReplicaProcedure {
    var isSuspended: Bool { cluster.suspend || records.suspended }

    mutating func keep() {
        guard let primary else {
            wait(.approval("primary"), "no writer is recorded")
            return
        }
        settleAckSet(primary)
        keepWriter(primary)
        for view in views where view.isActive && view.ordinal != primary.ordinal { keepReplica(view, primary) }
        for view in views where view.record.phase == .leaving && view.ordinal != primary.ordinal && view.isWritable { close(view) }
        guard !isSuspended else { return tellDrift(primary) }
        configure()
        keepContent(primary)
        keepRetired()
        let isQuiet = decision.tasks.isEmpty && running.isEmpty
        if isQuiet && isAllServing { disruptOne(primary) }
    }

    /// While suspended nothing is healed, and `conclude` takes the tasks out; what has drifted is told all the same.
    private mutating func tellDrift(_ primary: MemberView) {
        let unchanged = records
        configure()
        keepContent(primary)
        records = unchanged
    }

    /// Who has provably stopped acknowledging leaves the ack set; anything unknown stays in it.
    private mutating func settleAckSet(_ primary: MemberView) {
        for ordinal in records.ackSet {
            guard let view = views.first(where: { $0.ordinal == ordinal }), !view.isBusy else { continue }
            if ordinal == primary.ordinal {
                records.ackSet.removeAll { $0 == ordinal }
            } else if !mayAcknowledge(view, for: primary.record), view.isAnswering, !view.acknowledges {
                records.ackSet.removeAll { $0 == ordinal }
            }
        }
    }

    // MARK: The writer

    private mutating func keepWriter(_ view: MemberView) {
        if waitsForHost(view) || waitsForAttempt(view) { return }
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

    /// Starts a stopped instance, closed; a missing configuration file is written first.
    mutating func start(_ view: MemberView, isVoluntary: Bool = true, _ cause: Cause) {
        if view.report?.configDigest == nil {
            emit(
                .configure(configuration: configuration(view).text), on: view, isVoluntary: isVoluntary, cause: cause,
                "write the configuration file again")
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
        if database.areCommitsWaiting {
            find("CommitsWaiting", label(view), on: view, "commits wait for a replica's acknowledgement", drift: false)
        }
        let wants = wantsSemiSync(view.record)
        let ackers = views.count {
            $0.isActive && mayAcknowledge($0, for: view.record) && $0.points(to: view.record)
                && $0.acknowledges
        }
        if !view.isWritable {
            find("WriterClosed", label(view), on: view, "the primary is read-only", drift: true)
            guard !wants || ackers > 0 else {
                wait(.fact("acknowledgement"), "a replica that can acknowledge, before \(label(view)) is opened")
                return
            }
            emit(
                .open(epoch: records.epoch, semiSync: wants), on: view, isVoluntary: false,
                cause: .observation("\(label(view)) is read-only"), wants ? "semi-sync on, then open for writing" : "open for writing")
        } else if wants && !isSemiSync && ackers > 0 {
            let isDrift = wasSemiSync
            if isDrift { find("SemiSyncOff", label(view), on: view, "semi-synchronous replication is off on the primary", drift: true) }
            emit(
                .open(epoch: records.epoch, semiSync: true), on: view, isVoluntary: false,
                cause: isDrift ? .observation("semi-sync is off on \(label(view))") : because("spec.durability"), "semi-sync on")
        } else if !wants && isSemiSync {
            emit(.open(epoch: records.epoch, semiSync: false), on: view, cause: because("spec.durability"), "semi-sync off: no replica is to acknowledge")
        } else if !report.isWriter || report.epoch < records.epoch {
            affirm(view, semiSync: isSemiSync)
        }
    }

    /// An open writer whose agent does not know it as the writer under this epoch (a switchover was given up, an end was
    /// lost) is not opened again after a crash, and the agent's health port does not call it the primary.
    private mutating func affirm(_ view: MemberView, semiSync: Bool) {
        emit(
            .open(epoch: records.epoch, semiSync: semiSync), on: view, isVoluntary: false,
            cause: .observation("the agent of \(view.record.host) does not know \(label(view)) as the writer under epoch \(records.epoch)"),
            "affirm as the writer")
    }

    // MARK: Replicas

    private mutating func keepReplica(_ view: MemberView, _ primary: MemberView) {
        if waitsForHost(view) || waitsForAttempt(view) { return }
        guard let report = view.report, report.directory != .halfMade else {
            if !isSuspended { copy(to: view, primary) }
            return
        }
        guard report.directory == .ready else { return }
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

    /// Whether it was a working part of the cluster before: then what is wrong with it now is drift, not building.
    private func isKnown(_ view: MemberView) -> Bool {
        records.ackSet.contains(view.ordinal) || view.isAnswering && view.report?.database?.replication != nil || view.report?.epoch ?? 0 > 0
    }

    /// A new instance is a copy of a healthy one: of a replica where there is one, to spare the writer.
    private mutating func copy(to view: MemberView, _ primary: MemberView) {
        guard hasEngine(view) else { return }
        prepare(view, primary)
        let replicas = views.filter { isServing($0) && $0.ordinal != primary.ordinal && !isTaken($0.ordinal) }
        guard let donor = replicas.first ?? (isServing(primary) && !isTaken(primary.ordinal) ? primary : nil) else {
            wait(.fact("donor"), "a healthy donor for \(label(view)) that is not busy")
            return
        }
        let isNew = !records.preparedReplicas.contains(view.ordinal) || view.report?.directory == .halfMade
        let cause = isNew ? becausePlaced(in: view.record.zone) : .observation("\(label(view)) is gone from \(view.record.host)")
        if !isNew { find("InstanceLost", label(view), on: view, "its directory is gone", drift: true) }
        emit(
            .clone(blueprint(view), donor: peer(donor.record)), on: view, donor: donor, cause: cause, "clone from \(label(donor))")
    }

    /// The replication account of a replica is made on the writer before the replica needs it.
    private mutating func prepare(_ view: MemberView, _ primary: MemberView) {
        guard !records.preparedReplicas.contains(view.ordinal), isServing(primary) else { return }
        emit(
            .prepareReplica(ordinal: view.ordinal), on: primary, cause: becausePlaced(in: view.record.zone), "replication account for \(label(view))")
    }

    private mutating func keepAttached(_ view: MemberView, _ primary: MemberView) {
        if view.isWritable {
            close(view)
            return
        }
        guard primary.isAnswering else { return }
        guard records.preparedReplicas.contains(view.ordinal) else {
            prepare(view, primary)
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
        if waitsForAttempt(view) { return }
        guard view.isAttached(to: primary.record) else {
            detached(view, primary, cause)
            return
        }
        let isAcker = mayAcknowledge(view, for: primary.record)
        let acknowledges = view.acknowledges
        if isAcker && !acknowledges {
            guard view.hasCaughtUp else {
                wait(.fact(label(view)), "\(label(view)) to catch up with \(label(primary))")
                return
            }
            let wasAcker = ackSetBefore.contains(view.ordinal) && records.isFounded && primary.isWritable
            if wasAcker { find("SemiSyncOff", label(view), on: view, "the replica does not acknowledge any more", drift: true) }
            records.ackSet = Planner.union(records.ackSet, [view.ordinal])
            emit(
                .acknowledge(source: peer(primary.record)), on: view,
                cause: wasAcker ? .observation("\(label(view)) does not acknowledge") : cause, "acknowledge, semi-synchronously")
        } else if acknowledges && !isAcker && isSafeToStopAcknowledging(view, primary) {
            emit(
                .replicate(source: peer(primary.record)), on: view, cause: because("spec.durability"),
                "replicate asynchronously: it is in the primary's zone")
        } else if acknowledges && isAcker {
            releaseCommits(view, primary)
        }
    }

    /// A row that came to a replica before it acknowledged, or whose acknowledgement was lost with a connection, is never
    /// acknowledged by itself: its commit would wait until another one comes.
    private mutating func releaseCommits(_ view: MemberView, _ primary: MemberView) {
        guard let writer = primary.database, writer.areCommitsWaiting, let database = view.database else { return }
        let held = database.replication?.receivedPosition.contains(writer.binlogPosition) == true
            || database.appliedPosition.contains(writer.binlogPosition)
        guard held else { return }
        emit(
            .acknowledge(source: peer(primary.record)), on: view, isVoluntary: false,
            cause: .observation("commits wait on \(label(primary)) for rows that \(label(view)) has"), "acknowledge what it has")
    }

    /// Where nobody else acknowledges, or this one may be what the writer waits for, rows that it got unacknowledged would
    /// hold up their commits.
    private func acknowledgesAtOnce(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard records.isFounded, primary.isWritable, primary.database?.semiSyncPrimary == true,
            mayAcknowledge(view, for: primary.record)
        else { return false }
        return records.ackSet.contains(view.ordinal)
            || !views.contains {
                $0.ordinal != view.ordinal && mayAcknowledge($0, for: primary.record)
                    && $0.isAttached(to: primary.record) && $0.database?.semiSyncReplica == true
            }
    }

    /// The last one that acknowledges never stops.
    private func isSafeToStopAcknowledging(_ view: MemberView, _ primary: MemberView) -> Bool {
        cluster.durability == .async
            || views.contains {
                $0.ordinal != view.ordinal && mayAcknowledge($0, for: primary.record)
                    && $0.isAttached(to: primary.record) && $0.acknowledges
            }
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
            if isDrift || !why.isEmpty {
                find("ReplicationBroken", label(view), on: view, message + (why.isEmpty ? "" : ": " + why), drift: true)
            }
            cause = .observation("\(label(view)): \(message)")
        }
        let acknowledges = acknowledgesAtOnce(view, primary)
        if acknowledges { records.ackSet = Planner.union(records.ackSet, [view.ordinal]) }
        emit(
            .replicate(source: peer(primary.record), acknowledges: acknowledges), on: view, isVoluntary: !isDrift, cause: cause,
            "replicate from \(label(primary))" + (acknowledges ? ", acknowledging" : ""))
    }
}
