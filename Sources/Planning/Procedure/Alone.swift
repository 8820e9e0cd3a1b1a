import FleetModel

// A writer without anybody to acknowledge for it, where the manifest lets it go on: `durability.whenAlone: continue`.

extension PrimaryReplicaProcedure {
    /// Whether the writer may take writes that it alone has: nobody is left who could have acknowledged one, nor anybody
    /// who can. The ack set is empty only once each of them was refused by the writer, so that a failover later asks for
    /// the writer's own binlog.
    func isUnprotected(_ writer: MemberView) -> Bool {
        cluster.whenAlone == .continue && records.isFounded && records.ackSet.isEmpty && isLast(writer)
    }

    /// Whether every other member that could acknowledge is away: silent and not connected, or known not to run. One that
    /// is being started, or that an attempt works on, is not.
    private func isLast(_ writer: MemberView) -> Bool {
        let others = views.filter { $0.isActive && mayAcknowledge($0, for: writer.record) }
        return !others.isEmpty && others.allSatisfy { isAway($0, from: writer) }
    }

    private func isAway(_ view: MemberView, from writer: MemberView) -> Bool {
        guard !view.isBusy else { return false }
        guard view.knowledge == .fresh else {
            // Where the writer does not tell who is connected, only its own look would.
            return writer.database?.connectedReplicas?.contains(view.ordinal) == false
        }
        guard let report = view.report, report.directory == .ready else { return true }
        guard report.process == .stopped else { return false }
        let mark = "/" + id(view.ordinal).description + "/start"
        return records.failures.contains { $0.key.hasSuffix(mark) }
    }

    /// Lets an open writer whose commits wait, or a closed one that waits for an acknowledgement, go on alone: first it
    /// refuses each that could acknowledge, then semi-sync goes off. True where it is on the way there, or there.
    mutating func goOnAlone(_ writer: MemberView) -> Bool {
        guard cluster.whenAlone == .continue, records.isFounded, writer.isAnswering else { return false }
        tellUnprotected(writer)
        guard isLast(writer), !writer.isWritable || writer.database?.areCommitsWaiting == true || records.ackSet.isEmpty else { return false }
        if writer.isBusy { return true }
        for ordinal in records.ackSet where ordinal != writer.ordinal {
            guard records.expelled[ordinal] == nil else { continue }
            emit(
                .expel(ordinal: ordinal), on: writer, isVoluntary: false, cause: because("spec.durability.whenAlone"),
                "refuse \(label(ordinal)), which is away: it is not to acknowledge any more")
            return true
        }
        records.ackSet = []
        return true
    }

    private mutating func tellUnprotected(_ writer: MemberView) {
        guard writer.isWritable, writer.database?.semiSyncPrimary == false, wantsSemiSync(writer.record) else { return }
        find(
            "Unprotected", label(writer), on: writer,
            "commits are on \(label(writer)) alone until another instance acknowledges again (durability.whenAlone: continue)", drift: false)
    }
}
