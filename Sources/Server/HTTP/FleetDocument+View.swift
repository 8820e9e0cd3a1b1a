import ControlAPI
import FleetModel
import MetadataStore
import Planning
import Reconciliation

// From what the loop knows to what people are shown.

extension FleetDocument {
    init(_ view: FleetView) {
        self.init()
        time = view.now
        server.version = ServerVersion.text
        server.storeID = view.records.storeID
        server.isLeader = view.isLeader
        server.term = view.term
        server.leaderURL = view.leaderURL ?? ""
        sources = view.sources.map(SourceDocument.init)
        let desired = view.desired
        regions = (desired?.regions ?? [:]).values.map(RegionDocument.init).sorted { $0.name < $1.name }
        zones = (desired?.zones ?? [:]).values.map(ZoneDocument.init).sorted { $0.name < $1.name }
        hosts = HostDocument.all(view)
        units = view.units.sorted.map { UnitDocument($0, in: view) }
    }
}

/// The version that the server tells.
package enum ServerVersion {
    package static let text = "0.1.0"
}

extension SourceDocument {
    init(_ source: SourceStatus) {
        self.init()
        name = source.name
        url = source.url
        branch = source.branch
        accepted = source.accepted
        seen = source.seen
        lastFetch = source.lastFetch
        problem = source.problem ?? ""
        approvalNeeded = source.approvalNeeded ?? ""
        diagnostics = source.diagnostics
    }
}

extension RegionDocument {
    init(_ declared: Declared<Region>) {
        self.init()
        name = declared.value.metadata.name
        displayName = declared.value.displayName
        locationCode = declared.value.locationCode
        isDefault = declared.value.isDefault
        position = declared.place
    }
}

extension ZoneDocument {
    init(_ declared: Declared<AvailabilityZone>) {
        self.init()
        name = declared.value.metadata.name
        region = declared.value.region
        rooms = declared.value.rooms
        isSchedulable = declared.value.takesInstances
        isDrained = declared.value.drain
        position = declared.place
    }
}

extension Declared {
    /// `file:line:1` of the document.
    fileprivate var place: String { SourcePosition(file: file, line: Int(line), column: 1).description }
}

extension HostDocument {
    /// Every host that is declared, placed on, or heard of.
    static func all(_ view: FleetView) -> [HostDocument] {
        let declared = view.desired?.hosts ?? [:]
        var placed: [String: [String]] = [:]
        var known: Set<InstanceID> = []
        for cluster in view.records.clusters.values.sorted(by: { $0.name < $1.name }) {
            for member in cluster.members where member.phase != .purged {
                placed[member.host, default: []].append("\(cluster.name)-\(member.ordinal)")
                known.insert(InstanceID(clusterUID: cluster.uid, ordinal: member.ordinal))
            }
        }
        let names = Set(declared.keys).union(view.agents.keys).union(placed.keys).union(view.observed.keys)
        return names.sorted().map { name in
            var host = HostDocument()
            host.name = name
            host.instances = placed[name] ?? []
            if let value = declared[name] { host.take(value, view.desired?.zones[value.value.zone]?.value) }
            host.take(view.observed[name], view.agents[name], known: known, now: view.now)
            return host
        }
    }

    private mutating func take(_ declared: Declared<Host>, _ zone: AvailabilityZone?) {
        self.zone = declared.value.zone
        room = declared.value.room
        address = declared.value.address
        isSchedulable = declared.value.takesInstances && zone?.takesInstances ?? true
        isDrained = declared.value.drain || zone?.drain ?? false
        position = declared.place
    }

    private mutating func take(_ observed: ObservedHost?, _ agent: AgentStatus?, known: Set<InstanceID>, now: Instant) {
        let isConnected = agent?.isConnected ?? false
        state = isConnected ? "connected" : (observed == nil && agent?.renewed == nil ? "unknown" : "silent")
        agentVersion = agent?.agentVersion ?? ""
        guard let observed else { return }
        age = now - observed.renewed
        engines = observed.report.engines.map { "\($0.type.rawValue) \($0.version)" }
        storageFreeBytes = observed.report.storageFreeBytes
        memoryTotalBytes = observed.report.memoryTotalBytes
        unmanaged = observed.report.instances.map(\.id).filter { !known.contains($0) }.map(\.description)
    }
}

extension UnitDocument {
    init(_ status: UnitStatus, in view: FleetView) {
        self.init()
        id = status.unit.description
        kind = status.unit.kind.rawValue
        name = status.unit.name
        revision = status.revision
        position = status.position?.description ?? ""
        isConverged = status.isConverged
        conditions = status.conditions
        findings = status.findings
        waits = status.waits.map(\.message)
        warnings = status.warnings
        let attempts = view.running[status.unit] ?? []
        running = attempts.map { RunningDocument($0, in: view) }
        pending = status.plan?.pending(besides: attempts) ?? []
        refusal = status.plan?.refusal ?? ""
        pass = status.pass
        if status.unit.kind == .cluster { cluster = ClusterDocument(named: status.unit.name, in: view) }
    }
}

extension RunningDocument {
    init(_ attempt: RunningAttempt, in view: FleetView) {
        self.init()
        id = attempt.id
        action = attempt.task.action.name
        target = attempt.task.targetName
        host = attempt.task.hostName
        summary = attempt.task.summary
        started = attempt.started
        progress = attempt.progress
    }
}

extension PlannedTask {
    /// `orders-2`; the unit names its cluster.
    var targetName: String {
        switch target {
        case .instance(let id, _): "\(unit.name)-\(id.ordinal)"
        case .server: "server"
        }
    }

    var hostName: String {
        switch target {
        case .instance(_, let host): host
        case .server: ""
        }
    }
}

extension TaskDocument {
    init(_ record: AttemptRecord, in view: FleetView?) {
        self.init()
        id = record.id
        unit = record.task.unit.description
        action = record.task.action.name
        target = record.task.targetName
        host = record.task.hostName
        summary = record.task.summary
        switch record.task.cause {
        case .manifest(_, let position, let field): cause = "\(position) \(field)"
        case .observation(let text): cause = text
        }
        revision = record.revision
        plan = record.plan
        started = record.started
        ended = record.ended
        (state, message) = TaskDocument.words(record.outcome)
    }

    private static func words(_ outcome: AttemptOutcome?) -> (String, String) {
        switch outcome {
        case nil: ("running", "")
        case .succeeded(let result): ("succeeded", result.note ?? (result.acted ? "" : "its effect was already there"))
        case .failed(let message): ("failed", message)
        case .cancelled: ("cancelled", "")
        case .refused(let message): ("refused", message)
        }
    }
}

extension RevisionDocument {
    init(_ record: RevisionRecord) {
        self.init()
        source = record.source
        revision = record.revision
        seen = record.seen
        accepted = record.accepted
        state = record.state.rawValue
        message = record.message
    }
}
