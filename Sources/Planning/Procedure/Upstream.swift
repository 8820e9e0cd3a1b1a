import FleetModel

/// The cluster that this one follows, or is to, as its step sees it.
struct Upstream {
    let cluster: RelatedCluster
    let views: [MemberView]

    init(_ cluster: RelatedCluster, at now: Instant) {
        self.cluster = cluster
        views = cluster.views(at: now)
    }

    var uid: String { cluster.records.uid }
    var name: String { cluster.name }
    /// Whether it leads, or is to.
    var isLeading: Bool { cluster.records.standby == nil && cluster.records.isFounded }
    /// Its recorded writer, or head.
    var primary: MemberView? { cluster.records.primary.flatMap { ordinal in views.first { $0.ordinal == ordinal } } }

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
