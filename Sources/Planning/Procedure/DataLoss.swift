import FleetModel

// Going on without proof: `failover.maxDataLoss`. Where nobody provably holds every acknowledged write, the one that has
// received most may take over after the hold time, if no more is known to be missing than the manifest accepts.

extension PrimaryReplicaProcedure {
    /// Whether a failover may begin though some who could acknowledge cannot be asked: the lost writer was away for the
    /// hold time, and somebody who could acknowledge is there and, as far as is known, lacks no more than is accepted.
    func mayRisk(_ writer: MemberView, _ ackers: [MemberView]) -> Bool {
        guard let limit = cluster.maxDataLoss, isProtected, isAwayLong(writer), let known = knownPosition(writer, ackers) else { return false }
        return ackers.contains {
            $0.isFreshForWriter && $0.isAnswering && !isLeftBehind($0) && known.commitsBeyond($0.received) <= limit
        }
    }

    private func isAwayLong(_ writer: MemberView) -> Bool {
        writer.knowledge != .fresh && (writer.silence.map { $0 >= Self.holdMax } ?? false)
    }

    /// Who takes over without proof, and what is known to be lost by it; nil where that is not accepted, cannot be counted,
    /// or the hold time is not over.
    func riskyCandidate(_ intent: FailoverIntent, _ from: MemberView) -> (view: MemberView, loss: FailoverMark.DataLoss)? {
        let ackers = views.filter { intent.ackers.contains($0.ordinal) }
        guard let limit = cluster.maxDataLoss, !intent.revoked.isEmpty, !running.contains(where: { $0.task.action.isIsolating }),
            isGone(from, intent), let known = knownPosition(from, ackers, intent)
        else { return nil }
        let able = views.filter { intent.revoked[$0.ordinal] != nil && mayTakeOver($0, intent) }
        let losses = able.map { (view: $0, known: known.commitsBeyond(intent.revoked[$0.ordinal] ?? GTIDSet())) }
        let least = losses.min {
            ($0.known, isStuck($0.view) ? 1 : 0, zoneRank($0.view), $0.view.ordinal)
                < ($1.known, isStuck($1.view) ? 1 : 0, zoneRank($1.view), $1.view.ordinal)
        }
        guard let least, least.known <= limit else { return nil }
        if now - intent.began < Self.holdMax {
            // Who can be asked is asked first, and who holds more and does not run yet is started.
            let best = intent.revoked.values.map { known.commitsBeyond($0) }.min()
            guard isAwayLong(from), best == least.known, !ackers.contains(where: { mayBeAsked($0) && intent.revoked[$0.ordinal] == nil })
            else { return nil }
        }
        return (least.view, FailoverMark.DataLoss(known: least.known, isAll: intent.tail != nil))
    }

    /// Whether nothing better than going on is left. A lost writer that can be killed is killed first, and one that can be
    /// started again holds everything; one that nobody can ask may go on only with those who acknowledge for it.
    private func isGone(_ from: MemberView, _ intent: FailoverIntent) -> Bool {
        if from.knowledge == .fresh { return intent.isFenced && (from.report?.directory != .ready || isDead(from)) }
        return intent.isFenced || isProtected && !intent.ackers.isEmpty
    }

    /// The furthest that anybody was seen to hold, also who cannot be asked any more. Nil where the lost writer never said
    /// what it had: then there is nothing to count by.
    private func knownPosition(_ from: MemberView, _ ackers: [MemberView], _ intent: FailoverIntent? = nil) -> GTIDSet? {
        guard intent?.tail != nil || from.report?.database != nil else { return nil }
        var known = records.floor.merged(with: intent?.tail ?? GTIDSet())
        for (_, position) in intent?.revoked ?? [:] { known = known.merged(with: position) }
        for view in [from] + ackers {
            guard let database = view.report?.database else { continue }
            known = known.merged(with: database.binlogPosition).merged(with: database.appliedPosition)
                .merged(with: database.replication?.receivedPosition ?? GTIDSet())
        }
        return known
    }

    /// Why a failover is held though losses are accepted, for people; nil where none are.
    func refusedRisk(_ from: MemberView, _ missing: [MemberView]) -> String? {
        guard let limit = cluster.maxDataLoss, isProtected else { return nil }
        let ackers = possibleAckers(of: from)
        guard let known = knownPosition(from, ackers, records.failover) else {
            return "failover.maxDataLoss is \(limit), but \(label(from)) was not heard since the server began, and nothing can be counted"
        }
        let there = ackers.filter { view in view.isAnswering && !missing.contains { $0.ordinal == view.ordinal } }
        guard let least = there.map({ known.commitsBeyond($0.received) }).min() else { return nil }
        return least <= limit
            ? "failover.maxDataLoss is \(limit): it goes on \(Self.holdMax.short) after the loss, where no more is known to be missing"
            : "\(least) commits that were seen are missing, failover.maxDataLoss is \(limit)"
    }

    /// What was given up stays told as long as the failover is remembered.
    mutating func tellDataAtRisk() {
        for mark in records.failovers where now - mark.at < Self.failoverRemembered {
            guard let loss = mark.loss else { continue }
            let more = loss.isAll ? "" : "; what the lost primary wrote after its last report is unknown and comes on top"
            find(
                "DataAtRisk", context.name, on: nil,
                "the failover of \(mark.at.rfc3339) had no proof: \(loss.known) commits that were seen are missing\(more)", drift: false)
        }
    }
}

extension GTIDSet {
    /// How many commits this position is beyond another, over all domains.
    func commitsBeyond(_ other: GTIDSet) -> Int64 {
        domains.reduce(0) { $0 + max($1.value.sequence - (other.domains[$1.key]?.sequence ?? 0), 0) }
    }
}
