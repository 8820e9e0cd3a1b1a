import ControlAPI
import FleetModel
import Planning

// What a writer's agent has to know while it hears nobody: who could be promoted in its place meanwhile.

extension LoopMachine {
    /// Nobody without semi-sync, or without anybody who acknowledges: then a lost writer's host is asked first.
    func rivals(of instance: InstanceID, in cluster: ClusterRecords) -> [Peer] {
        guard let spec = desired?.clusters[cluster.name]?.value, spec.topology == .primaryReplica,
            spec.durability == .semiSync, spec.failover == .automatic,
            !cluster.ackSet.isEmpty
        else { return [] }
        guard let writer = cluster.member(instance.ordinal) else { return [] }
        // Who cannot acknowledge for it is cut off with it: that one's answer would say nothing of those who could.
        return cluster.members
            .filter { $0.phase == .active && $0.ordinal != writer.ordinal && cluster.isZoneOfAckers($0.zone, for: writer.zone) }
            .map { Peer(ordinal: $0.ordinal, host: $0.host, address: $0.address, port: $0.port) }
    }

    /// Tells the writer's agent where it is not as the last order on the instance, or the last word on this connection,
    /// had it.
    mutating func tellRivals(_ cluster: ClusterRecords) {
        guard let primary = cluster.primary, let member = cluster.member(primary), isUsable(member.host),
            let session = agents[member.host], desired != nil
        else { return }
        let id = InstanceID(clusterUID: cluster.uid, ordinal: primary)
        let rivals = rivals(of: id, in: cluster)
        guard session.rivals[id] != rivals, session.report?.instances.contains(where: { $0.id == id && $0.isWriter }) ?? false
        else { return }
        agents[member.host]?.rivals[id] = rivals
        send(.rivals(id, rivals), to: member.host)
    }

    mutating func tellRivals(to host: String) {
        for name in (clustersByHost[host] ?? []).sorted() {
            if let cluster = records.clusters[name] { tellRivals(cluster) }
        }
    }
}
