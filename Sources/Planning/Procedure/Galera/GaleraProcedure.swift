import FleetModel

/// The procedure of the topology `galera`: the group itself decides who is in the primary component; what is decided here is
/// who founds it, who joins it, which one of it is open for applications, and who begins it again where it was lost.
///
/// The way of it is `manifests/galera.md`. Like every procedure it is level-triggered; all that is not about the group is
/// shared (`ClusterProcedure`).
struct GaleraProcedure: ClusterProcedure {
    let context: StepContext
    let now: Instant
    let running: [RunningAttempt]
    let budget: FailoverBudget
    let views: [MemberView]
    /// A galera cluster is no standby.
    let upstream: Upstream? = nil
    var decision: Decision
    var taken: [Int]
    var wantedFailures: Set<String> = []

    init(_ situation: ClusterSituation, _ context: StepContext) {
        self.context = context
        now = situation.now
        running = situation.running
        budget = situation.policy.failovers
        views = situation.views(context)
        decision = Decision(records: situation.records)
        taken = views.filter(\.isBusy).map(\.ordinal)
    }

    var galera: GaleraRecords {
        get { records.galera ?? GaleraRecords() }
        set { records.galera = newValue }
    }

    mutating func decide() {
        guard !records.members.isEmpty else {
            decision.waits.append(Wait(.fact("placement"), "no host could be found for any instance"))
            conclude()
            return
        }
        recordEngineVersion()
        refuseSeriesChange()
        tellZones()
        learnHistory()
        learnAuthority()
        noteInconsistent()
        forgetPurged()
        if galera.stateUUID.isEmpty {
            found()
        } else if galera.recovery?.from != nil || inside.isEmpty {
            recover()
        } else {
            galera.recovery = nil
            serve()
        }
        conclude()
    }

    /// What is done while there is a component.
    mutating func serve() {
        if replaceLostWriter() {
            keep()
        } else if records.switchover != nil {
            continueSwitchover()
        } else {
            keep()
        }
    }

    /// Its loss stops the cluster, whatever else is well.
    private mutating func tellZones() {
        let active = views.filter(\.isActive)
        for zone in Set(active.map(\.record.zone)).sorted() {
            let count = active.count { $0.record.zone == zone }
            guard count * 2 > active.count else { continue }
            let message = "\(count) of \(active.count) instances are in zone \(zone): its loss stops all writes; place them over three zones"
            find("MajorityInZone", zone, on: nil, message, drift: false)
            decision.warnings.append(message)
        }
    }

    /// Records that were put back may be from before somebody was given up: the members are of the later authority.
    private mutating func learnAuthority() {
        galera.authority = views.compactMap { $0.report?.groupCertificate?.authority }.reduce(galera.authority, max)
    }

    private mutating func noteInconsistent() {
        for view in views {
            guard case .inconsistent = place(of: view) else { continue }
            galera.inconsistent = Planner.union(galera.inconsistent, [view.ordinal])
        }
    }

    /// Nothing is left of who was voted out, or given up after it was taken out of service.
    private mutating func forgetPurged() {
        let purged = records.members.filter { $0.phase == .purged }.map(\.ordinal)
        guard !purged.isEmpty else { return }
        galera.inconsistent.removeAll { purged.contains($0) }
        records.leftBehind.removeAll { purged.contains($0) }
    }

    // MARK: What the shared parts ask

    var isChangingWriter: Bool { records.switchover != nil || (galera.recovery?.epoch ?? 0) > 0 }

    /// The primary serves where it is open.
    func isServing(_ view: MemberView) -> Bool { isInside(view) && (view.ordinal != records.primary || view.isWritable) }

    func acknowledgesAsItShould(_ view: MemberView) -> Bool { true }

    mutating func canCommit(_ primary: MemberView, _ database: DatabaseReport) -> Bool {
        if isInside(primary) { return true }
        wait(.fact("component"), "\(label(primary)) to be in the component")
        return false
    }

    /// What is seen on one member was received by all of its component.
    func isKept(_ primary: MemberView, _ database: DatabaseReport) -> Bool { !primary.isBusy && isInside(primary) }

    func candidates(for primary: MemberView) -> [MemberView] {
        views.filter { view in
            view.isActive && view.ordinal != primary.ordinal && !view.isBusy && group(of: view)?.state == .synced && isNear(view)
        }
        .sorted { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }
    }

    mutating func isHealthy(but view: MemberView, _ primary: MemberView) -> Bool {
        for other in views where other.isActive && other.ordinal != view.ordinal {
            guard group(of: other)?.state == .synced, isNear(other) else {
                wait(.fact(label(other)), "\(label(other)) to be in the component and near the others, before \(label(view)) is restarted")
                return false
            }
        }
        return true
    }

    func isOnlyAcker(_ view: MemberView) -> Bool { false }

    mutating func mayLeave(_ view: MemberView, _ primary: MemberView) -> Bool {
        guard isInside(view), inside.count <= Self.leftMin else { return true }
        wait(.fact("component"), "\(Self.leftMin + 1) instances in the component, before \(label(view)) leaves")
        return false
    }

    /// So many stay in the component where another one is to leave: of two the loss of either stops all.
    static let leftMin = 2

    func isUnwanted(_ action: Action) -> Bool { false }
}
