import FleetModel

extension Planner {
    /// One step of one cluster: what to record, what to start, what to wait for.
    package static func step(_ situation: ClusterSituation) -> Decision {
        guard let context = StepContext(situation) else { return undeclared(situation) }
        return decide(situation, context) { _ in true }
    }

    /// By the procedure of the cluster's topology. `sumsUp`: whether conditions are to be told of what was decided.
    static func decide(_ situation: ClusterSituation, _ context: StepContext, sumsUp: (Decision) -> Bool) -> Decision {
        let isGalera = context.cluster.topology == .galera
        if situation.records.isFounded, isGalera != (situation.records.galera != nil) { return otherTopology(situation) }
        return isGalera ? decide(by: GaleraProcedure(situation, context), sumsUp) : decide(by: PrimaryReplicaProcedure(situation, context), sumsUp)
    }

    private static func decide(by procedure: some ClusterProcedure, _ sumsUp: (Decision) -> Bool) -> Decision {
        var procedure = procedure
        procedure.decide()
        if sumsUp(procedure.decision) { procedure.sumUp() }
        return procedure.decision
    }

    /// Its instances are made for the one kind of replication, and cannot be kept by the other.
    private static func otherTopology(_ situation: ClusterSituation) -> Decision {
        let message = "a cluster that holds data is not turned into galera, nor back: restore `topology`, or move the data to a new cluster"
        var decision = Decision(records: situation.records)
        decision.conditions = [Condition(.ready, false, reason: "TopologyRefused", message: message)]
        decision.waits = [Wait(.approval("spec.topology"), message)]
        return decision
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

/// What the procedures of all topologies share: the parts of a step, and what is the same whoever copies rows to whom
/// (content, settings, maintenance, versions, removal, the end of a step).
protocol ClusterProcedure {
    var context: StepContext { get }
    var now: Instant { get }
    var running: [RunningAttempt] { get }
    var budget: FailoverBudget { get }
    var views: [MemberView] { get }
    /// Whom it follows, or is to; nil where it leads and is to.
    var upstream: Upstream? { get }
    /// Its records are those that will be written.
    var decision: Decision { get set }
    /// Ordinals that have a task in this step, or are busy.
    var taken: [Int] { get set }
    /// Keys of failures whose task this step wants: only those keep a unit from its end.
    var wantedFailures: Set<String> { get set }

    init(_ situation: ClusterSituation, _ context: StepContext)

    mutating func decide()

    /// A change of writer has begun and not ended.
    var isChangingWriter: Bool { get }
    func isServing(_ view: MemberView) -> Bool
    func acknowledgesAsItShould(_ view: MemberView) -> Bool
    /// Whether statements of ours would not wait for ever on the writer; says what is waited for where they would.
    mutating func canCommit(_ primary: MemberView, _ database: DatabaseReport) -> Bool
    /// Whether what the writer holds is there after its loss too.
    func isKept(_ primary: MemberView, _ database: DatabaseReport) -> Bool
    /// Members that can become the writer, the best first.
    func candidates(for primary: MemberView) -> [MemberView]
    /// Records the intent of a planned change of writer and does the first of it. True: nothing else may be disrupted.
    mutating func begin(from: MemberView, to: MemberView, _ reason: String) -> Bool
    /// Whether nobody but this one is away: what was restarted last is back.
    mutating func isHealthy(but view: MemberView, _ primary: MemberView) -> Bool
    /// Whether writes wait while this one is away.
    func isOnlyAcker(_ view: MemberView) -> Bool
    /// Whether one that is to leave can be stopped now; says what is waited for, or orders it, where not.
    mutating func mayLeave(_ view: MemberView, _ primary: MemberView) -> Bool
    /// Whether an attempt of such an action is not worth its end any more.
    func isUnwanted(_ action: Action) -> Bool
}

extension ClusterProcedure {
    var records: ClusterRecords {
        _read { yield decision.records }
        _modify { yield &decision.records }
    }
    var cluster: Cluster { _read { yield context.cluster } }
    var configurations: ConfigurationCache { context.configurations }
    /// Values in force by name, sorted by name.
    var parameters: [(String, String)] { _read { yield context.configurations.parameters } }

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
        guard !records.failures.isEmpty else { return nil }
        let mark = "/\(id(view.ordinal))/\(action)"
        return records.failures.newest { $0.contains(mark) }
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
        configurations.entry(view.record, of: records)
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
                if let drain = drain(of: view), !drain.isOfZone { return drain.cause }
            }
        }
        return because(placementField(zone))
    }

    /// The field that declares how many instances a zone holds.
    func placementField(_ zone: String) -> String { context.placementField(zone) }

    // MARK: Who serves

    var isAllServing: Bool { views.allSatisfy { !$0.isActive || (isServing($0) && !$0.isBusy) } }
    var servingCount: Int { views.count { $0.isActive && isServing($0) } }

    /// What voluntary tasks leave in service.
    var availabilityMin: Int {
        cluster.availabilityMin ?? max(views.count(where: \.isActive) - 1, 0)
    }
}
