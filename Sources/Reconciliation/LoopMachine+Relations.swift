import FleetModel
import MetadataStore
import Planning

// Clusters that follow each other: the steps of each see the other one, and what one records or shows is looked at by both.

extension LoopMachine {
    /// Keeps who follows whom. From records by the uid, from manifests by the name; what is over stays, and does no harm.
    mutating func relate(_ cluster: ClusterRecords) {
        for name in RelatedCluster.followed(by: cluster, desired?.clusters[cluster.name]?.value, name: { clusterNames[$0] }) {
            followers[name, default: []].insert(cluster.name)
        }
    }

    /// Those whose steps see this cluster, sorted.
    private func relatives(of name: String) -> [String] {
        guard !followers.isEmpty else { return [] }
        var names = followers[name] ?? []
        if let upstream = upstream(of: name) { names.insert(upstream) }
        return names.sorted()
    }

    private func upstream(of name: String) -> String? {
        records.clusters[name].flatMap { RelatedCluster.upstream(of: $0, desired?.clusters[name]?.value) }
    }

    mutating func enqueueRelatives(of name: String) {
        for relative in relatives(of: name) { enqueue(UnitID(.cluster, relative)) }
    }

    func addRelations(to situation: inout ClusterSituation) {
        guard !followers.isEmpty else { return }
        let (uid, name) = (situation.records.uid, situation.name)
        situation.upstream = upstream(of: name).flatMap { related($0) }
        situation.followers = (followers[name] ?? []).sorted().compactMap { related($0) }.filter { $0.isFollower(of: uid, named: name) }
        let copied = attempts.values.compactMap { attempt -> InstanceID? in
            attempt.record.task.unit.name == name ? nil : running(attempt).task.alsoBusy
        }
        situation.donating = Set(copied.filter { $0.clusterUID == uid }.map(\.ordinal))
    }

    private func related(_ name: String) -> RelatedCluster? {
        guard let cluster = records.clusters[name] else { return nil }
        var seen: [String: ObservedHost] = [:]
        for member in cluster.members where member.phase != .purged { seen[member.host] = observed[member.host] }
        let busy = attempts.values.flatMap { running($0).task.participants }.filter { $0.clusterUID == cluster.uid }
        return RelatedCluster(
            name: name, standbyOf: desired?.clusters[name]?.value.standbyOf, records: cluster, observed: seen,
            busy: Set(busy.map(\.ordinal)), isChanging: units[UnitID(.cluster, name)]?.isCommitting ?? false)
    }
}
