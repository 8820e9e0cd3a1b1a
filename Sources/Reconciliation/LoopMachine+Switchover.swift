import FleetModel
import Planning

// Whether another primary that somebody asks for can be had, before it is taken down.

/// Why a request is not taken.
struct RequestObjection: Error, Hashable {
    var sentence: String
}

extension LoopMachine {
    /// The ordinal that is to be the writer: the one asked for, or the best there is. Throws what is in the way.
    func switchoverTarget(_ unit: UnitID, to asked: Int?) throws(RequestObjection) -> Int {
        let (cluster, primary) = try changeablePrimary(unit)
        let declared = desired?.clusters[unit.name]?.value
        func rank(_ member: MemberRecord) -> Int {
            // Who is not declared any more is wanted nowhere more than elsewhere.
            declared?.primaryRank(
                zone: member.zone, isInMaintenance: isInMaintenance(member), isDrained: directory.drains[member.host] != nil) ?? 0
        }
        let others = cluster.members.filter { $0.phase == .active && $0.ordinal != primary.ordinal }
        if asked == primary.ordinal { throw RequestObjection(sentence: "\(unit.name)-\(primary.ordinal) is the primary already.") }
        let fitting = others.filter { asked == nil || $0.ordinal == asked }
        guard let best = fitting.min(by: { (rank($0), $0.ordinal) < (rank($1), $1.ordinal) }) else {
            let known = others.map { "\(unit.name)-\($0.ordinal)" }.joined(separator: ", ")
            let choice = known.isEmpty ? "it has no other instance" : "its other instances are \(known)"
            throw RequestObjection(sentence: "\(unit) has no such instance to take over: \(choice).")
        }
        if isInMaintenance(best), let work = directory.maintenance[best.host] {
            throw RequestObjection(sentence: "\(unit.name)-\(best.ordinal) is on a host that is left alone: \(work.text).")
        }
        guard rank(best) <= rank(primary) else {
            if let drain = directory.drains[best.host] {
                throw RequestObjection(sentence: "\(drain.text): the primary would be moved off \(unit.name)-\(best.ordinal) at once.")
            }
            throw RequestObjection(
                sentence: "\(unit.name)-\(best.ordinal) is in \(best.zone), and `spec.primary.preferredZones` wants \(primary.zone) more: the primary would be moved back at once. Commit another order of zones instead.")
        }
        return best.ordinal
    }

    /// The ordinal of the lost primary that another one is to take over from. Throws what is in the way; also where it is not
    /// known to be lost, or another one takes over by itself.
    func failoverSource(_ unit: UnitID) throws(RequestObjection) -> Int {
        let (_, primary) = try changeablePrimary(unit)
        let findings = statuses[unit]?.findings ?? []
        if findings.contains(where: { LoopMachine.askedFor.contains($0.reason) }) { return primary.ordinal }
        if let held = findings.first(where: { $0.reason == "FailoverHeld" }) {
            throw RequestObjection(sentence: "A failover of \(unit) waits for proof, and goes on by itself: \(held.message).")
        }
        throw RequestObjection(
            sentence: "\(unit.name)-\(primary.ordinal) is not known to be lost: nobody takes over from it. `evenkeel switchover \(unit.name)` moves a primary that serves, and `evenkeel describe \(unit)` shows what is known of it.")
    }

    /// What keeps a failover waiting until somebody asks for it.
    private static let askedFor: Set<String> = ["FailoverManual", "FailoverBudgetSpent"]

    private func isInMaintenance(_ member: MemberRecord) -> Bool { directory.maintenance[member.host]?.isInForce(at: now) ?? false }

    /// The cluster and its primary, where it may be changed by command. Throws what is in the way.
    private func changeablePrimary(_ unit: UnitID) throws(RequestObjection) -> (ClusterRecords, MemberRecord) {
        guard let cluster = records.clusters[unit.name], cluster.isFounded, let primary = cluster.primary.flatMap(cluster.member) else {
            throw RequestObjection(sentence: "\(unit) has no primary yet.")
        }
        if let standby = cluster.standby {
            throw RequestObjection(sentence: "\(unit) is a standby of \(standby.name): none of its instances takes writes. To move the lead here, see `evenkeel describe \(unit)`.")
        }
        if cluster.suspended || desired?.clusters[unit.name]?.value.suspend == true {
            throw RequestObjection(sentence: "\(unit) is suspended: `evenkeel resume \(unit)` first.")
        }
        if let work = desired?.clusters[unit.name]?.value.maintenance, work.isInForce(at: now) {
            throw RequestObjection(sentence: "\(unit) is in maintenance \(work.text): remove `spec.maintenance` first.")
        }
        if cluster.failover != nil || cluster.switchover != nil {
            throw RequestObjection(sentence: "The primary of \(unit) is being changed already; `evenkeel describe \(unit)` shows how far it is.")
        }
        return (cluster, primary)
    }
}
