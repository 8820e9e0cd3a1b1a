import FleetModel

extension Planner {
    /// One step of one cluster: what to record, what to start, what to wait for.
    package static func step(_ situation: ClusterSituation) -> Decision {
        guard let context = StepContext(situation) else { return undeclared(situation) }
        var procedure = PrimaryReplicaProcedure(situation, context)
        procedure.decide()
        procedure.sumUp()
        return procedure.decision
    }

    /// A cluster whose manifest is gone is left as it is.
    static func undeclared(_ situation: ClusterSituation) -> Decision {
        var decision = Decision(records: situation.records)
        decision.conditions = [
            Condition(
                .ready, false, reason: "NotDeclared",
                message: "no manifest declares this cluster any more; it is left as it is")
        ]
        return decision
    }
}

/// The procedure of the topologies `single` and `primaryReplica` on MariaDB: one step from observed towards desired.
///
/// Level-triggered: each step looks at everything anew and emits what can be done at once. What is down or wrong is
/// mended first, then what is missing is added, then settings and content follow, and only when all is well is anything
/// disrupted: one restart, one switchover or one removal at a time.
struct PrimaryReplicaProcedure {
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
    /// Its records are those that will be written.
    var decision: Decision
    /// Ordinals that have a task in this step, or are busy.
    private var taken: [Int]
    /// Keys of failures whose task this step wants: only those keep a unit from its end.
    var wantedFailures: Set<String> = []
    /// Whether the active members are in more than one zone.
    private let isOverZones: Bool

    init(_ situation: ClusterSituation, _ context: StepContext) {
        self.context = context
        now = situation.now
        running = situation.running
        budget = situation.policy.failovers
        let views = situation.views(context)
        self.views = views
        upstream = situation.upstream.map { Upstream($0, at: situation.now) }
        followers = situation.followers
        let firstZone = views.first(where: \.isActive)?.record.zone
        isOverZones = views.contains { $0.isActive && $0.record.zone != firstZone }
        wasSemiSync = situation.records.isSemiSync
        ackSetBefore = situation.records.ackSet
        decision = Decision(records: situation.records)
        taken = []
        for view in views where view.isBusy { taken.append(view.ordinal) }
    }

    var records: ClusterRecords {
        _read { yield decision.records }
        _modify { yield &decision.records }
    }
    var cluster: Cluster { _read { yield context.cluster } }
    var configurations: ConfigurationCache { context.configurations }
    /// Values in force by name, sorted by name.
    var parameters: [(String, String)] { _read { yield context.configurations.parameters } }

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
        conclude()
    }

    // MARK: What a step is made of

    func id(_ ordinal: Int) -> InstanceID { InstanceID(clusterUID: context.uid, ordinal: ordinal) }
    func label(_ ordinal: Int) -> String { context.label(ordinal) }
    func label(_ view: MemberView) -> String { upstream?.label(view) ?? context.label(view.ordinal) }

    /// By its server id, which is unique in the fleet, it is known for another cluster's.
    func peer(_ record: MemberRecord) -> Peer {
        let isForeign = upstream?.views.contains { $0.record.serverID == record.serverID } ?? false
        return Peer(
            ordinal: record.ordinal, host: record.host, address: record.address, port: record.port,
            clusterUID: isForeign ? upstream?.cluster.records.uid ?? "" : "")
    }

    var primary: MemberView? { records.primary.flatMap(view) }

    func view(_ ordinal: Int) -> MemberView? { views.first { $0.ordinal == ordinal } }

    func isTaken(_ ordinal: Int) -> Bool { taken.contains(ordinal) }

    /// Why a task is there: the field of the manifest.
    func because(_ field: String) -> Cause { context.cause(field) }

    /// Puts a task into this step's wave unless its target or donor is taken, or it failed and is to be tried later.
    /// True where it was put.
    @discardableResult
    mutating func emit(
        _ action: Action, on view: MemberView, donor: MemberView? = nil, isVoluntary: Bool = true, cause: Cause,
        _ summary: String
    ) -> Bool {
        if isHeldByMaintenance(action, on: view, donor: donor, summary) { return false }
        let foreign = donor.flatMap { upstream?.id(of: $0) }
        let own = foreign == nil ? donor : nil
        let isFree = !taken.contains(view.ordinal) && (own.map { !taken.contains($0.ordinal) } ?? true)
        // A task that failed is wanted also while something else is done to its target.
        guard isFree || !records.failures.isEmpty else { return false }
        let task = PlannedTask(
            unit: context.unit, target: .instance(id(view.ordinal), host: view.record.host),
            action: action, alsoBusy: foreign ?? own.map { id($0.ordinal) }, isVoluntary: isVoluntary, cause: cause,
            summary: summary)
        let failure = failure(of: task)
        guard isFree else { return false }
        if let failure, failure.retryAt > now {
            decision.waits.append(
                Wait(.time(failure.retryAt), "\(label(view)): \(action.name) failed \(failure.count) times: \(failure.message)"))
            return false
        }
        noteOwnAct(action, on: view.ordinal)
        taken.append(view.ordinal)
        if let own { taken.append(own.ordinal) }
        decision.tasks.append(task)
        return true
    }

    /// How a task that is wanted now failed before.
    private mutating func failure(of task: PlannedTask) -> FailureRecord? {
        guard !records.failures.isEmpty else { return nil }
        let key = Planner.key(of: task)
        guard let failure = records.failures[key] else { return nil }
        wantedFailures.insert(key)
        return failure
    }

    /// The failures of tasks on a member whose action, with the first of its arguments, begins so.
    func failures(of action: String, on view: MemberView) -> (key: String, value: FailureRecord)? {
        records.failures.first { $0.key.contains("/\(id(view.ordinal))/\(action)") }
    }

    mutating func wait(_ reason: Wait.Reason, _ message: String) {
        let wait = Wait(reason, message)
        if !decision.waits.contains(wait) { decision.waits.append(wait) }
    }

    mutating func find(_ reason: String, _ subject: String, on view: MemberView?, _ message: String, drift: Bool) {
        decision.findings.append(
            Finding(reason: reason, subject: subject, host: view?.record.host ?? "", message: message, isDrift: drift))
    }

    /// Waits for a host whose facts cannot be relied on; false where they can.
    mutating func waitsForHost(_ view: MemberView) -> Bool {
        switch view.knowledge {
        case .fresh: return false
        case .unknown:
            wait(.host(view.record.host), "the first report of \(view.record.host) (\(label(view)))")
        case .stale:
            wait(.host(view.record.host), "a new report of \(view.record.host) (\(label(view)))")
            find("HostSilent", view.record.host, on: view, "its agent has not reported for more than 10 s", drift: false)
        }
        return true
    }

    /// Waits for an attempt that works on a member; false where none does.
    mutating func waitsForAttempt(_ view: MemberView) -> Bool {
        guard view.isBusy else { return false }
        wait(.attempt(label(view)), "the running task on \(label(view))")
        return true
    }

    func configuration(_ view: MemberView) -> ConfigurationCache.Entry {
        configurations.entry(view.record, gtidDomain: records.gtidDomain)
    }

    func blueprint(_ view: MemberView) -> InstanceBlueprint {
        InstanceBlueprint(
            clusterName: context.name, port: view.record.port, address: view.record.address,
            serverID: view.record.serverID, gtidDomain: records.gtidDomain, engineVersion: engine(of: view)?.version ?? wantedVersion,
            configuration: configuration(view).text, storageBytes: cluster.resources.storageBytes)
    }

    /// Why instances come to a zone or leave it: a host there that is drained, else what the placement declares.
    func becausePlaced(in zone: String) -> Cause {
        if !context.drains.isEmpty {
            for view in views where view.record.zone == zone && view.record.phase == .leaving {
                if let cause = context.drains[view.record.host] { return cause }
            }
        }
        return because(placementField(zone))
    }

    /// The field that declares how many instances a zone holds.
    func placementField(_ zone: String) -> String { context.placementField(zone) }

    // MARK: Who may acknowledge, and who serves

    /// In a cluster of several zones only replicas outside the writer's zone acknowledge: the writer's zone may be lost
    /// with both of them.
    func mayAcknowledge(_ view: MemberView, for writer: MemberRecord) -> Bool {
        guard cluster.durability == .semiSync, view.ordinal != writer.ordinal, records.standby == nil else { return false }
        return !isOverZones || view.record.zone != writer.zone
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

    var isAllServing: Bool { views.allSatisfy { !$0.isActive || (isServing($0) && !$0.isBusy) } }
    var servingCount: Int { views.count { $0.isActive && isServing($0) } }

    /// What voluntary tasks leave in service.
    var availabilityMin: Int {
        cluster.availabilityMin ?? max(views.count(where: \.isActive) - 1, 0)
    }
}
