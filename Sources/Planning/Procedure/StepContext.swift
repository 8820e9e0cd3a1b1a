import FleetModel

/// What is the same in every step of one cluster's rehearsal, found once, and the views of its members, each kept until
/// something that it shows has changed.
///
/// One object for each rehearsal: what all clusters share is retained once a rehearsal and not once a step, which would
/// keep the processors waiting for each other. Not shared between threads.
final class StepContext {
    let name: String
    let unit: UnitID
    let uid: String
    let declared: Declared<Cluster>
    let cluster: Cluster
    let secrets: [String: String]
    let catalogs: [VariableCatalog]
    /// By host name, those that are to be empty.
    let drains: [String: HostDrain]
    /// By host name, where people work or are to work.
    let maintenance: [String: HostMaintenance]
    /// The fleet's failovers of late; the region of each zone.
    let failovers: FailoverLedger
    let regions: [String: String]
    /// Rendered configurations.
    let configurations: ConfigurationCache
    private let fieldPaths: FieldPaths
    private var causes: [(field: String, cause: Cause)] = []
    private var placementFields: [String?]
    private var labels: [(ordinal: Int, label: String)] = []
    private var views: [MemberView] = []
    private var settled: [(view: MemberView, parameters: [String: AppliedParameter])] = []

    /// Nil where no manifest declares the cluster.
    init?(_ situation: ClusterSituation, _ configurations: ConfigurationCache? = nil) {
        guard let declared = situation.desired else { return nil }
        name = situation.name
        unit = UnitID(.cluster, situation.name)
        uid = situation.records.uid
        self.declared = declared
        cluster = declared.value
        secrets = situation.secrets
        catalogs = situation.catalogs
        drains = situation.hosts.drains
        maintenance = situation.hosts.maintenance
        failovers = situation.failovers
        regions = situation.hosts.regions
        fieldPaths = situation.fieldPaths
        self.configurations = configurations ?? ConfigurationCache.of(situation)
        placementFields = Array(repeating: nil, count: declared.value.placement.count)
    }

    /// How people see an instance: `orders-3`.
    func label(_ ordinal: Int) -> String {
        if let known = labels.first(where: { $0.ordinal == ordinal }) { return known.label }
        let label = name + "-" + String(ordinal)
        labels.append((ordinal, label))
        return label
    }

    /// The field of the manifest, and where it stands.
    func cause(_ field: String) -> Cause {
        if let known = causes.first(where: { $0.field == field }) { return known.cause }
        let cause = Cause.manifest(
            revision: declared.revision, at: fieldPaths.position(of: field, in: declared), field: field)
        causes.append((field, cause))
        return cause
    }

    /// The field that declares how many instances a zone holds.
    func placementField(_ zone: String) -> String {
        guard let index = cluster.placement.firstIndex(where: { $0.zone == zone }) else { return "spec.placement" }
        if let known = placementFields[index] { return known }
        let field = "spec.placement[" + String(index) + "]"
        placementFields[index] = field
        return field
    }

    // MARK: Views

    /// The view of a member as it was made last, if the record is still the same and nobody works on the member.
    func view(of record: MemberRecord) -> MemberView? {
        // Of a record only the phase changes within a rehearsal.
        views.first { $0.ordinal == record.ordinal && !$0.isBusy && $0.record.phase == record.phase }
    }

    func keep(_ view: MemberView) {
        if let index = views.firstIndex(where: { $0.ordinal == view.ordinal }) {
            views[index] = view
        } else {
            views.append(view)
        }
    }

    /// Notes that a member asked for nothing, given what is recorded of parameters.
    func settle(_ view: MemberView, _ parameters: [String: AppliedParameter]) {
        settled.removeAll { $0.view.ordinal == view.ordinal }
        settled.append((view, parameters))
    }

    func isSettled(_ view: MemberView, _ parameters: [String: AppliedParameter]) -> Bool {
        settled.contains { $0.view === view && $0.parameters == parameters }
    }

    /// A task changes what is observed of this member.
    func forgetView(of ordinal: Int) { views.removeAll { $0.ordinal == ordinal } }

    /// Time passes, or hosts report.
    func forgetViews() { views = [] }
}
