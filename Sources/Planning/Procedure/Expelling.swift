import FleetModel

// Members of the ack set that are silent, or are to leave. One of them may hold a row that nobody else has, so that a failover
// would have to wait for it, or lose it; the writer refuses it, and then the others make up for it.

extension PrimaryReplicaProcedure {
    /// A possible acker of which nothing is heard, and which is not connected to the writer either, leaves the ack set:
    /// first the writer refuses it, then another one has received all that was written until then. The last one never
    /// leaves. One that is connected may be healthy, and only its agent gone.
    mutating func expelSilent(_ primary: MemberView) {
        guard primary.isWritable, !primary.isBusy, wasSemiSync, let connected = primary.database?.connectedReplicas else { return }
        for ordinal in records.ackSet {
            guard let view = view(ordinal), ordinal != primary.ordinal, view.knowledge != .fresh,
                let other = views.first(where: { $0.ordinal != ordinal && acknowledges($0, for: primary) })
            else { continue }
            guard let position = records.expelled[ordinal] else {
                if connected.contains(ordinal) { continue }
                emit(
                    .expel(ordinal: ordinal), on: primary, isVoluntary: false,
                    cause: .observation("\(view.record.host) is silent"), "refuse \(label(view)), which may not acknowledge any more")
                return
            }
            _ = isMadeUpFor(view, refusedAt: position, by: other)
        }
    }

    private func acknowledges(_ view: MemberView, for primary: MemberView) -> Bool {
        view.isFreshForWriter && isAcker(view, of: primary)
    }

    private func isAcker(_ view: MemberView, of primary: MemberView) -> Bool {
        records.ackSet.contains(view.ordinal) && records.expelled[view.ordinal] == nil && view.acknowledges && view.isAttached(to: primary.record)
    }

    /// Before one that acknowledges is removed the writer refuses it, and another one has received all that was written until
    /// then: it may be alone with a row. False where that is ordered or waited for. The last one never leaves.
    mutating func mayLeave(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard records.isSemiSync, records.standby == nil, records.ackSet.contains(view.ordinal) else { return true }
        let others = views.filter { $0.ordinal != view.ordinal && isAcker($0, of: primary) }
        guard let first = others.first else {
            wait(.fact("acknowledgement"), "another replica to acknowledge, before \(label(view)) leaves")
            return false
        }
        guard let other = others.first(where: \.isFreshForWriter) else {
            wait(.host(first.record.host), "a report of \(first.record.host) not older than 2 s, before \(label(view)) leaves")
            return false
        }
        guard let position = records.expelled[view.ordinal] else {
            emit(
                .expel(ordinal: view.ordinal), on: primary, cause: becausePlaced(in: view.record.zone),
                "refuse \(label(view)), which is to leave")
            return false
        }
        return isMadeUpFor(view, refusedAt: position, by: other)
    }

    /// One that is refused leaves the ack set once another one has received all that the writer had then; false until that.
    private mutating func isMadeUpFor(_ view: MemberView, refusedAt position: GTIDSet, by other: MemberView) -> Bool {
        guard other.received.contains(position) else {
            wait(.fact(label(other)), "\(label(other)) to receive what was written while \(label(view)) could acknowledge")
            return false
        }
        records.leaveAckSet(view.ordinal)
        return true
    }

    /// Whether one that was seen to acknowledge no more leaves the ack set: what the writer held at that moment, or later,
    /// another one that acknowledges has received.
    mutating func leavesQuietly(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard records.isSemiSync, primary.isWritable else { return true }
        if records.quiet[view.ordinal] == nil, let seen = view.age, let asked = primary.age, asked <= seen {
            records.quiet[view.ordinal] = primary.database?.binlogPosition
        }
        guard let position = records.quiet[view.ordinal] else { return false }
        return views.contains { $0.ordinal != view.ordinal && isAcker($0, of: primary) && $0.received.contains(position) }
    }

    /// One that was refused and is heard again counts as a possible acker from before its account is made sure of. True
    /// where this was the case, or is to wait.
    mutating func readmit(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard records.expelled[view.ordinal] != nil else { return false }
        // One that a writer on its own refused may be seen, and down still.
        guard view.knowledge == .fresh, view.isAnswering || cluster.whenAlone == .wait else { return true }
        records.expelled[view.ordinal] = nil
        records.returning = Planner.union(records.returning, [view.ordinal])
        if mayAcknowledge(view, for: primary.record) { records.ackSet = Planner.union(records.ackSet, [view.ordinal]) }
        emit(
            .prepareReplica(ordinal: view.ordinal), on: primary, isVoluntary: false,
            cause: .observation("\(view.record.host) is heard again"), "let \(label(view)) replicate again")
        return true
    }
}
