import FleetModel

// Keeping: while there is a component. Who is dead joins it again; who cannot is made anew, from a copy, one at a time.

extension GaleraProcedure {
    mutating func keep() {
        guard let primary else {
            wait(.approval("primary"), "no writer is recorded")
            return
        }
        settleOwnActs()
        tellDisks()
        tellHaltedRollout()
        tellHeldBack()
        settleComponent()
        keepOpen(primary)
        for view in views where view.isActive { keepMember(view) }
        for view in views where view.record.phase == .leaving && view.ordinal != primary.ordinal && view.isWritable { close(view) }
        guard !isSuspended else { return tellUndone(primary) }
        configure()
        keepContent(primary)
        keepRetired()
        if decision.tasks.isEmpty && running.isEmpty { disrupt(primary) }
    }

    /// While suspended nothing is healed; what has drifted or was declared since is told all the same.
    private mutating func tellUndone(_ primary: MemberView) {
        let unchanged = records
        configure()
        keepContent(primary)
        records = unchanged
    }

    /// Who was stopped for good can be in no component any more, once the others have applied what it may have been alone with.
    private mutating func settleComponent() {
        for ordinal in galera.component {
            guard let member = records.member(ordinal) else { continue }
            let isGone: Bool
            switch member.phase {
            case .retired, .purged: isGone = true
            case .active, .leaving: isGone = false
            }
            guard isGone, inside.contains(where: { group(of: $0).map { Self.hasAppliedAll(of: ordinal, $0) } ?? false }) else { continue }
            galera.component.removeAll { $0 == ordinal }
        }
        galera.component = Planner.union(galera.component, inside.map(\.ordinal))
    }

    private mutating func tellHeldBack() {
        for view in inside {
            guard let group = group(of: view), group.receiveQueue >= Planner.queueMax else { continue }
            find(
                "HeldBack", label(view), on: view,
                "\(group.receiveQueue) write sets wait to be applied on it, and the writes of all wait for it: a lock there, or its disk", drift: false)
        }
    }

    // MARK: The writer

    private mutating func keepOpen(_ view: MemberView) {
        guard isInside(view), let report = view.report, let database = view.database, !isTaken(view.ordinal), !waitsForStray() else { return }
        guard database.isInitialized else {
            emit(.initialize(replicas: []), on: view, cause: because("spec"), "accounts of our own")
            return
        }
        if !view.isWritable {
            if records.isFounded, !isReturning(view) { find("WriterClosed", label(view), on: view, "the primary is read-only", drift: true) }
            let isOrdered = emit(
                .open(epoch: records.epoch, semiSync: false), on: view, isVoluntary: !records.isFounded,
                cause: records.isFounded ? .observation("\(label(view)) is read-only") : because("spec"), "open for writing")
            // From now on it may hold writes, also where the end of this is never heard of.
            if isOrdered { records.isFounded = true }
        } else if database.runsEvents == false {
            let message = "the event scheduler is off on the primary: events do not run"
            find("EventSchedulerDrift", label(view), on: view, message, drift: true)
            emit(
                .open(epoch: records.epoch, semiSync: false), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"),
                "event scheduler on")
        } else if !report.isWriter || report.epoch < records.epoch || report.isSupervised == false {
            emit(
                .open(epoch: records.epoch, semiSync: false), on: view, isVoluntary: false,
                cause: .observation("the agent of \(view.record.host) does not know \(label(view)) as the writer under epoch \(records.epoch)"),
                "affirm as the writer")
        }
        records.isFounded = records.isFounded || view.isWritable
    }

    // MARK: Members

    private mutating func keepMember(_ view: MemberView) {
        if waitsForHost(view) || isLeftToAttempt(view) || endRetired(view) { return }
        if records.leftBehind.contains(view.ordinal) { return bringBack(view) }
        switch place(of: view) {
        case .silent: break
        case .inside:
            keepClosed(view)
            keepCertificate(view)
            affirm(view)
        case .joining: wait(.fact(label(view)), "\(label(view)) to be in the component, and to have what it missed")
        case .unresponsive: reportUnresponsive(view)
        case .missing: make(view)
        case .outside:
            find("NodeOutside", label(view), on: view, "it runs, and is not in the component that the others are in: the network between them; it joins by itself", drift: true)
            wait(.fact(label(view)), "\(label(view)) to reach the others")
            keepClosed(view)
        case .inconsistent:
            let message = "its rows differ, and the others voted it out"
            find("Inconsistent", label(view), on: view, message, drift: true)
            makeAnew(view, message)
        case .foreign:
            let message = "it runs with another history than the cluster's: somebody started it by hand"
            find("ForeignComponent", label(view), on: view, message, drift: true)
            emit(.fence(epoch: records.epoch), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"), "kill it")
        case .dead(let read): revive(view, read)
        }
    }

    /// It came into the component although its agent was to start it no more: a start that counted as failed went on, or its
    /// agent had begun one when it left a former primary to the servers. It is ordered to join once more, and is there; without
    /// that it would stay down after its next end until a server starts it.
    private mutating func affirm(_ view: MemberView) {
        guard view.ordinal != records.primary, view.report?.isSupervised == false else { return }
        emit(
            .joinComponent(epoch: records.epoch, stateUUID: galera.stateUUID), on: view, isVoluntary: false,
            cause: .observation("the agent of \(view.record.host) would not start \(label(view)) again after its end"),
            "let its agent start it again without a server")
    }

    /// A second open member is no second writer, for both are of one order; it is closed, so that clients do not see each
    /// other's commits as deadlocks.
    private mutating func keepClosed(_ view: MemberView) {
        guard view.ordinal != records.primary, view.isFreshForWriter else { return }
        if view.isWritable {
            close(view)
        } else if view.database?.runsEvents == true {
            let message = "the event scheduler is on at a replica: its events run there too"
            find("EventSchedulerDrift", label(view), on: view, message, drift: true)
            emit(.close, on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"), "event scheduler off")
        }
    }

    private mutating func close(_ view: MemberView) {
        find("ReplicaWritable", label(view), on: view, "a replica is not read-only", drift: true)
        emit(
            .close, on: view, isVoluntary: false, cause: .observation("\(label(view)) is writable but is not the primary"), "make read-only")
    }

    /// What is left of a certificate when it is renewed: so long a server may be away, and everybody is let in all the same.
    static let certificateLeftMin: Duration = .seconds(60 * 24 * 3600)
    /// With less than this somebody has to look why it is not renewed.
    static let certificateTellMax: Duration = .seconds(14 * 24 * 3600)

    /// While it runs, so that it is never restarted for it; one that is dead gets a new one with the order to join.
    private mutating func keepCertificate(_ view: MemberView) {
        guard let certificate = view.report?.groupCertificate else { return }
        let left = certificate.ends - now
        guard left < Self.certificateLeftMin || certificate.authority != galera.authority else { return }
        if left < Self.certificateTellMax {
            let days = max(0, left.milliseconds / 86_400_000)
            find("CertificateEnds", label(view), on: view, "its certificate of the group's traffic is good for \(days) days, and no member lets it in without one", drift: false)
        }
        emit(
            .renewCertificate, on: view, isVoluntary: false, cause: .observation("the certificate of \(label(view)) is to be renewed"),
            "renew the certificate of its group traffic")
    }

    /// So often a start may end without a reason that is known, before the instance is made anew.
    private static let joinsMax = 2

    private mutating func revive(_ view: MemberView, _ read: RecoveredPosition?) {
        if isKnown(view), !isReturning(view) { find("InstanceDown", label(view), on: view, "it is not running", drift: true) }
        if let read, Self.isHistory(read.stateUUID), read.stateUUID != galera.stateUUID {
            let message = "its data belong to another history than the cluster's"
            find("ForeignComponent", label(view), on: view, message, drift: true)
            return makeAnew(view, message)
        }
        // One that nobody can give what it missed is not started: being refused it would hold the writes of the others up.
        if read == nil, isKnown(view) {
            guard let failed = failures(of: "readPosition", on: view) else {
                emit(
                    .readPosition, on: view, isVoluntary: false, cause: .observation("\(label(view)) is not running"),
                    "read how far its data come up, and whether somebody has what it missed")
                return
            }
            wantedFailures.insert(failed.key)
        }
        if let read, isTooFarBehind(read) {
            let message = "nobody has what it missed since write set \(read.sequence) any more; more resources.storage keeps more"
            find("HistoryTooShort", label(view), on: view, message, drift: true)
            return makeAnew(view, message)
        }
        if let refused = failures(of: "joinComponent", on: view), refused.value.count >= Self.joinsMax {
            wantedFailures.insert(refused.key)
            let message = "it was started \(refused.value.count) times and did not join: \(refused.value.message)"
            find("JoinRefused", label(view), on: view, message, drift: true)
            return makeAnew(view, message)
        }
        join(view)
    }

    /// Whether it is started as it is, and not made anew.
    private func isToJoin(_ view: MemberView, _ read: RecoveredPosition?) -> Bool {
        guard !records.leftBehind.contains(view.ordinal), failures(of: "joinComponent", on: view) == nil else { return false }
        return read.map { $0.stateUUID == galera.stateUUID && !isTooFarBehind($0) } ?? true
    }

    /// Whether nobody can give it what it missed.
    private func isTooFarBehind(_ read: RecoveredPosition) -> Bool {
        let groups = views.compactMap { group(of: $0) }
        return read.sequence >= 0 && !groups.isEmpty && groups.allSatisfy { $0.lastCommitted > read.sequence && $0.cachedDownTo > read.sequence + 1 }
    }

    private mutating func join(_ view: MemberView) {
        let isNew = !isKnown(view)
        let cause = isNew ? becausePlaced(in: view.record.zone) : .observation("\(label(view)) is not running")
        if configureToStart(view, isVoluntary: isNew, cause) { return }
        let isOrdered = emit(
            .joinComponent(epoch: records.epoch, stateUUID: galera.stateUUID), on: view, isVoluntary: isNew, cause: cause, "start, closed, and join the component")
        // The store names it before it can be in the component.
        if isOrdered { galera.component = Planner.union(galera.component, [view.ordinal]) }
    }

    // MARK: Copies

    /// A new instance is a copy of one in the component.
    private mutating func make(_ view: MemberView) {
        guard !isSuspended else {
            return wait(.approval(Wait.resume), "`evenkeel resume \(context.name)`, for \(label(view)) on \(view.record.host): to be made")
        }
        guard hasEngine(view), unknownParameters().isEmpty else { return }
        guard isMadeUpFor(view) else { return waitForOthers(view) }
        let isLost = view.report == nil && galera.component.contains(view.ordinal) && !records.returning.contains(view.ordinal)
        if isLost { find("InstanceLost", label(view), on: view, "its directory is gone", drift: true) }
        guard let donor = donor(for: view) else {
            return wait(.fact("donor"), "a donor for \(label(view)) that is in the component and not busy")
        }
        let isOrdered = emit(
            .clone(blueprint(view), donor: peer(donor.record)), on: view, donor: donor,
            cause: isLost ? .observation("\(label(view)) is gone from \(view.record.host)") : becausePlaced(in: view.record.zone),
            cloning(view, from: donor))
        // Without a directory in service it is in no component, and the others have applied what it may have been alone with.
        if isOrdered { galera.component.removeAll { $0 == view.ordinal } }
    }

    private mutating func waitForOthers(_ view: MemberView) {
        wait(.fact(label(view)), "another instance to apply what \(label(view)) may have alone")
    }

    /// A copy stops its donor's commits for a moment: the writer gives one only where nobody else can, or soon will.
    private func donor(for view: MemberView) -> MemberView? {
        let able = inside.filter { !isTaken($0.ordinal) && !isInMaintenance($0) && group(of: $0)?.state == .synced }
        if let replica = able.first(where: { $0.ordinal != records.primary }) { return replica }
        let isAnotherNear = views.contains { other in
            guard other.isActive, other.ordinal != view.ordinal, other.ordinal != records.primary, !isInMaintenance(other) else { return false }
            switch place(of: other) {
            case .inside, .joining: return true
            case .dead(let read): return isToJoin(other, read)
            case .missing: return isTaken(other.ordinal)
            case .outside, .inconsistent, .foreign, .unresponsive, .silent: return false
            }
        }
        return isAnotherNear ? nil : able.first
    }

    /// Moves a directory aside, where it is kept; the copy that takes its place comes with the steps that follow.
    private mutating func makeAnew(_ view: MemberView, _ why: String) {
        guard let donor = inside.first(where: { $0.ordinal != view.ordinal }) else { return }
        guard isMadeUpFor(view) else { return waitForOthers(view) }
        let isOther = { (task: PlannedTask) in task.action.name == "rejoin" }
        guard !decision.tasks.contains(where: isOther), !running.contains(where: { isOther($0.task) }),
            !views.contains(where: { $0.isActive && $0.ordinal != view.ordinal && isBeingMade($0) })
        else {
            return wait(.fact(label(view)), "the others to be well, before \(label(view)) is made anew")
        }
        emit(
            .rejoin(source: peer(donor.record)), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(why)"),
            "move its directory aside and keep it; a copy takes its place")
    }

    private func isBeingMade(_ view: MemberView) -> Bool {
        if case .missing = place(of: view) { return true }
        return !isKnown(view)
    }

    /// It was given up with whatever it has alone: it may be further than the history that goes on, and would join it silently
    /// once that is as far. It is never started again: killed, moved aside and kept, and made anew.
    private mutating func bringBack(_ view: MemberView) {
        let message = "it was given up by recovery.acceptLoss: what it holds alone is kept aside"
        find("LeftBehind", label(view), on: view, message, drift: true)
        if case .missing = place(of: view) { return make(view) }
        // One that is stopped may be started by its agent at this moment, and tries to join for an hour.
        guard view.report?.process == .stopped, (view.report?.epoch ?? 0) >= records.epoch else {
            emit(.fence(epoch: records.epoch), on: view, isVoluntary: false, cause: .observation("\(label(view)): \(message)"), "kill it")
            return
        }
        makeAnew(view, message)
    }
}

extension Planner {
    /// So many write sets that wait on one member of a galera cluster stop the writes of all.
    package static let queueMax: Int64 = 100
}
