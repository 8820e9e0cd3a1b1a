import FleetModel

// What is found of a cluster as a whole. It is only told: what follows is done by what each member lacks.

extension ClusterProcedure {
    /// So many failovers of the last hour are no bad luck any more.
    private static var flappingMin: Int { 2 }

    /// Tells that the writer is lost again and again. Where game days are allowed it is lost on purpose.
    mutating func tellFlapping() {
        guard cluster.gameDay == .forbidden, records.failovers.count >= Self.flappingMin else { return }
        let recent = records.failovers.filter { now - $0.at < Self.failoverRemembered }
        guard recent.count >= Self.flappingMin, let last = recent.last else { return }
        let message = "\(context.name) lost its primary \(recent.count) times within \(Self.failoverRemembered.short), the last time at \(last.at.rfc3339)"
        find("PrimaryFlapping", context.name, on: nil, message, drift: false)
    }

    /// Tells which members apply far behind. Not of those that we make or took out of service: they are to catch up.
    mutating func tellLagging() {
        for view in views where view.isActive {
            guard let replication = view.database?.replication, replication.ioRunning, replication.sqlRunning,
                let lag = replication.lagSeconds, lag > Planner.lagTold, !isReturning(view)
            else { continue }
            find("ReplicaLagging", label(view), on: view, "it applies more than \(Planner.lagText(lag)) behind its source", drift: false)
        }
    }
}

extension PrimaryReplicaProcedure {
    /// Tells that an open writer has replicas, and none of them replicates. A single one's own finding says as much. Where one is away by
    /// an act of ours, or was never heard, nothing is concluded.
    mutating func tellReplicas() {
        guard records.isFounded, records.standby == nil, !isChangingWriter, let primary, primary.isWritable else { return }
        let replicas = views.filter { $0.isActive && $0.ordinal != primary.ordinal }
        guard replicas.count > 1, replicas.contains(where: { $0.knowledge == .fresh }) else { return }
        let areAway = replicas.allSatisfy { !$0.isAttached(to: primary.record) && $0.knowledge != .unknown && !isReturning($0) }
        guard areAway else { return }
        let who = replicas.map { label($0) }.joined(separator: ", ")
        find("AllReplicasNotReplicating", context.name, on: nil, "\(label(primary)) takes writes, and none of \(who) replicates from it", drift: false)
    }
}

extension Planner {
    /// A replica that applies further behind is told, in seconds.
    package static let lagTold: Int64 = 60

    /// In steps, so that what is told does not change with every second.
    static func lagText(_ seconds: Int64) -> String {
        let steps: [(seconds: Int64, text: String)] = [
            (86_400, "a day"), (21_600, "6 h"), (3_600, "1 h"), (900, "15 min"), (300, "5 min"),
        ]
        return steps.first { seconds > $0.seconds }?.text ?? "1 min"
    }
}
