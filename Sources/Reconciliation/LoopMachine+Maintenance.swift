import ControlAPI
import FleetModel
import Planning

// Maintenance beside the step: what hosts and zones say of it, and that agents start nothing meanwhile.

extension LoopMachine {
    /// Tells the agents of a cluster's members until when they are not to start them; what each was told is kept with its
    /// stream, so that nothing is said twice.
    mutating func tellStartHolds(_ cluster: ClusterRecords) {
        for member in cluster.members where member.phase != .purged { tellStartHold(member, of: cluster) }
    }

    /// An agent that connects may have missed what was said before.
    mutating func tellStartHolds(to host: String) {
        for name in (clustersByHost[host] ?? []).sorted() {
            guard let cluster = records.clusters[name] else { continue }
            for member in cluster.members where member.host == host && member.phase != .purged {
                tellStartHold(member, of: cluster, isFirst: true)
            }
        }
    }

    private mutating func tellStartHold(_ member: MemberRecord, of cluster: ClusterRecords, isFirst: Bool = false) {
        guard isUsable(member.host), let session = agents[member.host], let desired else { return }
        let id = InstanceID(clusterUID: cluster.uid, ordinal: member.ordinal)
        let until = directory.startHeldUntil(desired.clusters[cluster.name]?.value, on: member.host, at: now)
        // The end of one that is over by itself is known to the agent.
        let told = session.startHolds[id].flatMap { $0 > now ? $0 : nil }
        guard isFirst || until != told else { return }
        if isFirst, until == nil, !(session.report?.instances.contains { $0.id == id && $0.isStartHeld } ?? false) { return }
        agents[member.host]?.startHolds[id] = until
        send(.holdStart(id, lasting: until.map { $0 - now } ?? .zero), to: member.host)
    }

    // MARK: Hosts and zones

    /// Of a host: whoever looks for it there, its silence included, is told why.
    mutating func noteMaintenance(ofHost host: String, _ status: inout UnitStatus) {
        guard let work = directory.maintenance[host], work.isInForce(at: now) else { return }
        for index in status.findings.indices { status.findings[index].isMuted = true }
        note(work.maintenance, isOwn: desired?.hosts[host]?.value.maintenance == work.maintenance, host: host, &status)
    }

    mutating func noteMaintenance(ofZone zone: String, _ status: inout UnitStatus) {
        guard let work = desired?.zones[zone]?.value.maintenance, work.isInForce(at: now) else { return }
        note(work, isOwn: true, host: "", &status)
    }

    /// Told once, by what it is declared of; it ends without a change of anything.
    private mutating func note(_ work: Maintenance, isOwn: Bool, host: String, _ status: inout UnitStatus) {
        let message = "its instances are left alone \(work.text)"
        status.conditions.append(Condition(.maintenance, true, reason: "Maintenance", message: message))
        if isOwn {
            status.findings.append(
                Finding(reason: "Maintenance", subject: status.unit.name, host: host, message: message, isDrift: false))
        }
        schedule(status.unit, at: work.until)
    }
}
