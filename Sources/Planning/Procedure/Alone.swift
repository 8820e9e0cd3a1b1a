import FleetModel

// A writer without anybody to acknowledge for it, where the manifest lets it go on: `durability.whenAlone: continue`.

extension PrimaryReplicaProcedure {
    /// Whether all that was acknowledged is with the members of the ack set: only then do they prove it.
    var isProtected: Bool { wasSemiSync && !records.isUnprotected }

    /// Whether the writer takes writes that it alone has: nobody is left who could have acknowledged one, nor anybody who
    /// can. The ack set is empty only once each of them was refused by the writer, so that a failover later asks for the
    /// writer's own binlog.
    func goesOnAlone(_ writer: MemberView) -> Bool {
        cluster.whenAlone == .continue && records.isFounded && records.ackSet.isEmpty && isLast(writer)
    }

    /// Whether every other member that could acknowledge, or may be set up to, is away.
    private func isLast(_ writer: MemberView) -> Bool {
        let others = views.filter {
            $0.ordinal != writer.ordinal && ($0.isActive && mayAcknowledge($0, for: writer.record) || records.ackSet.contains($0.ordinal))
        }
        return !others.isEmpty && others.allSatisfy { isAway($0, from: writer) }
    }

    /// Silent and not connected, or known not to run. One that is being started, or that an attempt works on, is not.
    private func isAway(_ view: MemberView, from writer: MemberView) -> Bool {
        guard !view.isBusy else { return false }
        guard view.knowledge == .fresh else {
            // Where the writer does not tell who is connected, only its own look would.
            return writer.database?.connectedReplicas?.contains(view.ordinal) == false
        }
        guard let report = view.report, report.directory == .ready else { return true }
        guard report.process == .stopped else { return false }
        // Nobody starts it while its host is worked on.
        if isInMaintenance(view) { return true }
        return records.failures.contains { $0.key.hasSuffix(startMark(of: view)) }
    }

    /// Lets an open writer whose commits wait, or a closed one that waits for an acknowledgement, go on alone: first it
    /// refuses each that could acknowledge, then semi-sync goes off. True where it is on the way there, or there.
    mutating func goOnAlone(_ writer: MemberView) -> Bool {
        guard cluster.whenAlone == .continue, records.isFounded, writer.isAnswering, isLast(writer) else { return false }
        guard !writer.isWritable || writer.database?.areCommitsWaiting == true || records.ackSet.isEmpty else { return false }
        if writer.isBusy { return true }
        for ordinal in records.ackSet where ordinal != writer.ordinal && records.expelled[ordinal] == nil {
            emit(
                .expel(ordinal: ordinal), on: writer, isVoluntary: false, cause: because("spec.durability.whenAlone"),
                "refuse \(label(ordinal)), which is away: it is not to acknowledge any more")
            return true
        }
        records.ackSet = []
        // In the store before semi-sync goes off: whoever comes back proves nothing, also where the end of that is not heard.
        records.isSemiSync = false
        return true
    }

    /// A copy waits for commits under way, and those wait for an acknowledgement that only the copy could give. Nobody was told
    /// of them: the writer is killed, which alone ends them unanswered, and copied closed. True where that is ordered.
    mutating func closesToBeCopied(_ donor: MemberView) -> Bool {
        guard records.standby == nil, donor.ordinal == records.primary, donor.isWritable, donor.database?.areCommitsWaiting == true,
            !isAwaitingAcker(donor), !goesOnAlone(donor)
        else { return false }
        emit(
            .fence(epoch: records.epoch), on: donor, isVoluntary: false,
            cause: .observation("commits wait on \(label(donor)) for an acknowledgement, and nobody is left who could give it"),
            "end what waits: it is copied closed, and opened when the copy acknowledges")
        return true
    }

    /// Writes that the writer has alone are proven by it alone until a member of the ack set has all that the writer had
    /// while it waited for acknowledgements: what came since was acknowledged.
    mutating func settleProtection(_ writer: MemberView) {
        guard records.isUnprotected, wasSemiSync, writer.isWritable, !writer.isBusy, let database = writer.database, database.semiSyncPrimary
        else { return }
        let all = database.binlogPosition.merged(with: database.appliedPosition)
        // One that is to acknowledge no more leaves the ack set, and its proof with it.
        records.isUnprotected = !possibleAckers(of: writer).contains {
            $0.isActive && mayAcknowledge($0, for: writer.record) && $0.received.contains(all)
        }
    }

    /// Tells that commits are on the writer alone, by whatever cause.
    mutating func tellUnprotected(_ writer: MemberView) {
        guard writer.isWritable, let database = writer.database, wantsSemiSync(writer.record) else { return }
        guard !database.semiSyncPrimary || !isProtected else { return }
        // Turned off by hand it is drift, and turned on at once where somebody acknowledges.
        if isProtected, isAcknowledged(writer) { return }
        find(
            "Unprotected", label(writer), on: writer,
            database.semiSyncPrimary
                ? "what \(label(writer)) wrote without waiting is not known to be with another instance yet"
                : "commits are on \(label(writer)) alone until another instance acknowledges", drift: false)
    }

    private func isAcknowledged(_ writer: MemberView) -> Bool {
        views.contains { $0.isActive && mayAcknowledge($0, for: writer.record) && $0.points(to: writer.record) && $0.acknowledges }
    }

    /// A writer that is lost while it was alone is waited for: nobody can say what it had.
    mutating func holdForAlone(_ writer: MemberView) {
        guard cluster.failover == .automatic, records.isFounded, records.ackSet.isEmpty, writer.knowledge != .fresh, wantsSemiSync(writer.record)
        else { return }
        hold(writer, "\(writer.record.host) is silent", [])
    }
}
