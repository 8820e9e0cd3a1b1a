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

    /// Whether writes wait while this replica is away: nobody else acknowledges them.
    func isOnlyAcker(_ view: MemberView) -> Bool {
        guard let primary, primary.database?.semiSyncPrimary == true, view.acknowledges else { return false }
        return !hasOtherAcker(than: view, for: primary)
    }
}
