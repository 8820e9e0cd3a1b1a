import FleetModel

// Going on without proof: `failover.maxDataLoss`. Where nobody provably holds every acknowledged write, the one that has
// received most may take over after the hold time, if no more is known to be missing than the manifest accepts.

extension PrimaryReplicaProcedure {
    /// Whether a failover may begin though some who could acknowledge cannot be asked: the lost writer was away for the
    /// hold time, and somebody who could acknowledge is there.
    func mayRisk(_ writer: MemberView, _ ackers: [MemberView]) -> Bool {
        guard cluster.maxDataLoss != nil, ackers.contains(where: { $0.isFreshForWriter && $0.isAnswering }) else { return false }
        return writer.age.map { $0 >= Self.holdMax } ?? true
    }

    /// Who takes over without proof, and how many commits are known that it lacks; nil where that is not accepted, or the
    /// hold time is not over.
    func riskyCandidate(_ intent: FailoverIntent, _ from: MemberView) -> (view: MemberView, atRisk: Int64)? {
        guard let limit = cluster.maxDataLoss, !intent.revoked.isEmpty, !running.contains(where: { $0.task.action.isIsolating }) else { return nil }
        let isHeldLong = now - intent.began >= Self.holdMax || !from.isFreshForWriter && (from.age.map { $0 >= Self.holdMax } ?? true)
        // A lost writer that can be killed is killed first: it is not to go on beside the new one.
        guard isHeldLong, intent.isFenced || !from.isFreshForWriter else { return nil }
        let known = knownPosition(intent, from)
        let able = views.filter { view in
            view.isActive && view.isAnswering && view.isFreshForWriter && !view.isBusy && !isTaken(view.ordinal) && intent.revoked[view.ordinal] != nil
                && !records.leftBehind.contains(view.ordinal)
        }
        let risks = able.map { (view: $0, atRisk: known.commitsBeyond(intent.revoked[$0.ordinal] ?? GTIDSet())) }
        let least = risks.min { ($0.atRisk, zoneRank($0.view), $0.view.ordinal) < ($1.atRisk, zoneRank($1.view), $1.view.ordinal) }
        return least.flatMap { $0.atRisk <= limit ? $0 : nil }
    }

    /// The furthest that anybody was seen to hold, also who cannot be asked any more.
    private func knownPosition(_ intent: FailoverIntent, _ from: MemberView) -> GTIDSet {
        var known = records.floor.merged(with: intent.tail ?? GTIDSet())
        for (_, position) in intent.revoked { known = known.merged(with: position) }
        for view in views where view.ordinal == from.ordinal || intent.ackers.contains(view.ordinal) {
            guard let database = view.report?.database else { continue }
            known = known.merged(with: database.binlogPosition).merged(with: database.appliedPosition)
                .merged(with: database.replication?.receivedPosition ?? GTIDSet())
        }
        return known
    }

    /// What was given up stays told as long as the failover is remembered.
    mutating func tellDataAtRisk() {
        for mark in records.failovers where now - mark.at < Self.failoverRemembered {
            guard let atRisk = mark.atRisk else { continue }
            find(
                "DataAtRisk", context.name, on: nil,
                "the failover of \(mark.at.rfc3339) had no proof: \(atRisk) commits that were seen are missing, and what was written after the last report of who could not be asked",
                drift: false)
        }
    }
}

extension GTIDSet {
    /// How many commits this position is beyond another, over all domains.
    func commitsBeyond(_ other: GTIDSet) -> Int64 {
        domains.reduce(0) { $0 + max($1.value.sequence - (other.domains[$1.key]?.sequence ?? 0), 0) }
    }
}
