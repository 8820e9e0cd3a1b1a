import FleetModel

/// The cluster that this one follows, or is to, as its step sees it.
struct Upstream {
    let cluster: RelatedCluster
    let views: [MemberView]

    /// Nobody leads, and its lead was the last one: the other side is to hold all that it ended with.
    let endedLast: Bool

    /// `own`: the records of who follows it.
    init(_ cluster: RelatedCluster, of own: ClusterRecords, at now: Instant) {
        self.cluster = cluster
        let isGivenTo = own.standby?.clusterUID == cluster.records.uid && cluster.records.standby?.clusterUID == own.uid
        endedLast = isGivenTo && cluster.records.demotion?.epoch ?? 0 > own.demotion?.epoch ?? 0
        views = cluster.views(at: now)
    }

    var uid: String { cluster.records.uid }
    var name: String { cluster.name }
    /// Whether it leads, or is to.
    var isLeading: Bool { cluster.records.standby == nil && cluster.records.isFounded }
    /// Its recorded writer, or head.
    var primary: MemberView? { cluster.records.primary.flatMap { ordinal in views.first { $0.ordinal == ordinal } } }

    /// Whether its writer is being changed: who replicates from whom changes with it.
    var isChangingWriter: Bool { cluster.records.switchover != nil || cluster.records.failover != nil }

    /// From whom a head replicates: from a replica that acknowledges, for what that has applied the next primary has too;
    /// from the primary where there is none. Who feeds it already goes on as long as it can.
    func source(for head: MemberView, of primary: MemberView) -> MemberView {
        let able = views.filter { view in
            view.isActive && cluster.records.ackSet.contains(view.ordinal) && view.isAttached(to: primary.record)
        }
        return able.first { head.points(to: $0.record) } ?? able.first(where: \.hasCaughtUp) ?? primary
    }

    /// Whether its rows are those of the writer, or are going to be.
    func mayFeed(_ ordinal: Int) -> Bool {
        !cluster.records.leftBehind.contains(ordinal) && views.contains { $0.ordinal == ordinal && $0.isActive }
    }

    /// Who can be copied: a replica that follows the writer, to spare it; else the writer.
    var donor: MemberView? {
        guard let primary, primary.isWritable else { return nil }
        return views.first { $0.isActive && $0.isAttached(to: primary.record) && $0.hasCaughtUp && !$0.isBusy } ?? (primary.isBusy ? nil : primary)
    }

    /// Nil where it is none of its members.
    func id(of view: MemberView) -> InstanceID? {
        views.contains { $0 === view } ? InstanceID(clusterUID: uid, ordinal: view.ordinal) : nil
    }

    func label(_ view: MemberView) -> String? { id(of: view).map { name + "-" + String($0.ordinal) } }

    /// The furthest that any of its members was seen to hold.
    var known: GTIDSet {
        views.reduce(GTIDSet()) { known, view in
            guard let database = view.report?.database else { return known }
            return known.merged(with: database.binlogPosition).merged(with: database.appliedPosition)
                .merged(with: database.replication?.receivedPosition ?? GTIDSet())
        }
    }
}

// Attempts that a change of source has overtaken.

extension PrimaryReplicaProcedure {
    /// What is to follow a former writer would be compared with the wrong one.
    func isUnwanted(_ action: Action) -> Bool {
        switch action {
        case .rejoin(let source): !isWriter(source)
        case .replicate(let source, _): !mayFeed(source) && !isChangingWriter
        default: false
        }
    }

    /// Whether it is the writer or head of this cluster, or of the one that it follows.
    private func isWriter(_ source: Peer) -> Bool {
        if source.clusterUID.isEmpty { return source.ordinal == records.primary }
        return records.standby?.clusterUID == source.clusterUID && upstream?.cluster.records.primary == source.ordinal
    }

    /// Whether it is the writer or head of this cluster, or any whose rows are those of the cluster that it follows.
    private func mayFeed(_ source: Peer) -> Bool {
        if source.clusterUID.isEmpty { return isWriter(source) }
        return records.standby?.clusterUID == source.clusterUID && upstream?.mayFeed(source.ordinal) == true
    }
}
