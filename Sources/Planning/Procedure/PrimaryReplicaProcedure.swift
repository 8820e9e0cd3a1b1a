import FleetModel

/// The procedure of the topologies `single` and `primaryReplica` on MariaDB: one step from observed towards desired.
///
/// Level-triggered: each step looks at everything anew and emits what can be done at once. What is down or wrong is
/// mended first, then what is missing is added, then settings and content follow, and only when all is well is anything
/// disrupted: one restart, one switchover or one removal at a time.
struct PrimaryReplicaProcedure: ClusterProcedure {
    let context: StepContext
    let now: Instant
    let running: [RunningAttempt]
    let budget: FailoverBudget
    let views: [MemberView]
    /// Whom it follows, or is to; nil where it leads and is to.
    let upstream: Upstream?
    let followers: [RelatedCluster]
    /// Of the records as they were before this step.
    let wasSemiSync: Bool
    let ackSetBefore: [Int]
    var decision: Decision
    var taken: [Int]
    var wantedFailures: Set<String> = []

    init(_ situation: ClusterSituation, _ context: StepContext) {
        self.context = context
        now = situation.now
        running = situation.running
        budget = situation.policy.failovers
        let views = situation.views(context)
        self.views = views
        upstream = situation.upstream.map { Upstream($0, of: situation.records, at: situation.now) }
        followers = situation.followers
        wasSemiSync = situation.records.isSemiSync
        ackSetBefore = situation.records.ackSet
        decision = Decision(records: situation.records)
        taken = []
        for view in views where view.isBusy { taken.append(view.ordinal) }
    }

    mutating func decide() {
        guard !records.members.isEmpty else {
            decision.waits.append(Wait(.fact("placement"), "no host could be found for any instance"))
            conclude()
            return
        }
        recordEngineVersion()
        refuseSeriesChange()
        yieldToNewLead()
        if isToFollow() {
            follow()
        } else if !records.isFounded {
            found()
        } else if records.failover != nil {
            continueFailover()
        } else if failOver() {
            // The intent is recorded and its first tasks are there.
        } else if records.switchover != nil {
            continueSwitchover()
        } else {
            stepDown()
            keep()
        }
        tellDataAtRisk()
        tellReplicas()
        conclude()
    }

    var isChangingWriter: Bool { records.switchover != nil || records.failover != nil }

    // MARK: Who may acknowledge, and who serves

    /// In a cluster of several zones only replicas outside the writer's zone acknowledge: the writer's zone may be lost
    /// with both of them.
    func mayAcknowledge(_ view: MemberView, for writer: MemberRecord) -> Bool {
        guard cluster.durability == .semiSync, view.ordinal != writer.ordinal, records.standby == nil else { return false }
        return records.isZoneOfAckers(view.record.zone, for: writer.zone)
    }

    /// Whether the writer is to wait for acknowledgements at all: where there is somebody to give them.
    func wantsSemiSync(_ writer: MemberRecord) -> Bool {
        views.contains { $0.isActive && mayAcknowledge($0, for: writer) }
    }

    func isServing(_ view: MemberView) -> Bool {
        if upstream?.id(of: view) != nil { return view.isWritable }
        guard let primary else { return false }
        if view.ordinal == primary.ordinal { return records.standby == nil ? view.isWritable : isFollowing(view) }
        guard view.isAttached(to: primary.record), !view.isWritable else { return false }
        return true
    }
}
