import FleetModel

// Acknowledging: so that no commit waits for a replica that has its row.

extension PrimaryReplicaProcedure {
    /// A row that came to a replica before it acknowledged, or whose acknowledgement was lost with a connection, is never
    /// acknowledged by itself: its commit would wait until another one comes.
    mutating func releaseCommits(_ view: MemberView, _ primary: MemberView) {
        guard primary.isFreshForWriter, let writer = primary.database, writer.areCommitsWaiting, let database = view.database else { return }
        let held = database.replication?.receivedPosition.contains(writer.binlogPosition) == true
            || database.appliedPosition.contains(writer.binlogPosition)
        guard held else { return }
        emit(
            .acknowledge(source: peer(primary.record)), on: view, isVoluntary: false,
            cause: .observation("commits wait on \(label(primary)) for rows that \(label(view)) has"), "acknowledge what it has")
    }

    /// A primary that is started again is opened once somebody acknowledges, and a replica calls it again only every second:
    /// it is told to do so as soon as the primary answers.
    mutating func callBack(_ view: MemberView, _ primary: MemberView) {
        guard records.standby == nil, !primary.isBusy, primary.knowledge == .fresh, primary.report?.directory == .ready,
            primary.report?.process == .stopped || primary.report?.process == .starting
        else { return }
        guard records.ackSet.contains(view.ordinal), records.expelled[view.ordinal] == nil, view.acknowledges,
            view.points(to: primary.record), view.database?.replication?.sqlRunning == true
        else { return }
        emit(
            .acknowledge(source: peer(primary.record)), on: view, isVoluntary: false,
            cause: .observation("\(label(primary)) is not running"), "acknowledge as soon as \(label(primary)) answers again")
    }

    /// Where nobody else acknowledges, or this one may be what the writer waits for, rows that it got unacknowledged would
    /// hold up their commits.
    func acknowledgesAtOnce(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard records.isFounded, primary.isWritable, primary.database?.semiSyncPrimary == true,
            mayAcknowledge(view, for: primary.record)
        else { return false }
        return records.ackSet.contains(view.ordinal) || !hasOtherAcker(than: view, for: primary)
    }

    /// Whether another member acknowledges for the writer.
    func hasOtherAcker(than view: MemberView, for primary: MemberView) -> Bool {
        views.contains {
            $0.ordinal != view.ordinal && mayAcknowledge($0, for: primary.record) && $0.isAttached(to: primary.record)
                && $0.acknowledges
        }
    }

    func acknowledgesAsItShould(_ view: MemberView) -> Bool {
        guard let primary, view.ordinal != primary.ordinal, mayAcknowledge(view, for: primary.record) else { return true }
        return view.acknowledges
    }

    /// Whether writes wait while this replica is away: nobody else acknowledges them.
    func isOnlyAcker(_ view: MemberView) -> Bool {
        guard let primary, primary.database?.semiSyncPrimary == true, view.acknowledges else { return false }
        return !hasOtherAcker(than: view, for: primary)
    }

    /// Whether every replica but this one has caught up and acknowledges where it is to: what was restarted last counts
    /// as back only then.
    mutating func isHealthy(but view: MemberView, _ primary: MemberView) -> Bool {
        for other in views where other.isActive && other.ordinal != view.ordinal && other.ordinal != primary.ordinal {
            guard other.hasCaughtUp, isNear(other, primary), acknowledgesAsItShould(other) else {
                wait(.fact(label(other)), "\(label(other)) to catch up with \(label(primary)), before \(label(view)) is restarted")
                return false
            }
        }
        return true
    }

    /// A statement of ours would wait like any other, and one on accounts would let nobody log in meanwhile.
    mutating func canCommit(_ primary: MemberView, _ database: DatabaseReport) -> Bool {
        if !database.semiSyncPrimary || hasOtherAcker(than: primary, for: primary) { return true }
        wait(.fact("acknowledgement"), "a replica that acknowledges what is written on \(label(primary))")
        return false
    }

    /// A drop that nobody has acknowledged is seen on the writer, and would be undone by losing it.
    func isKept(_ primary: MemberView, _ database: DatabaseReport) -> Bool {
        guard !primary.isBusy else { return false }
        return !wasSemiSync || views.contains { records.ackSet.contains($0.ordinal) && $0.received.contains(database.binlogPosition) }
    }
}
