import FleetModel

/// The manifest's fields that a cluster's plan brings into force, found from its tasks: what a person changed, beside
/// what is done about it. Drift is not among them; it is told as findings.
struct FieldChanges {
    private let cluster: Cluster
    private let declared: Declared<Cluster>
    private let records: ClusterRecords
    private let paths: FieldPaths
    private let findings: [Finding]
    private(set) var all: [FieldChange] = []

    /// At most so many are found for one cluster; a new cluster is one.
    static let countMax = 1000

    init(_ rehearsal: Rehearsal, _ declared: Declared<Cluster>, _ records: ClusterRecords, _ paths: FieldPaths) {
        self.declared = declared
        cluster = declared.value
        self.records = records
        self.paths = paths
        findings = rehearsal.findings
        let tasks = rehearsal.waves.flatMap(\.tasks)
        guard !tasks.isEmpty else { return }
        guard records.isFounded else {
            addWhole()
            return
        }
        addVersion(tasks)
        addPlacement(tasks)
        addParameters(tasks)
        addContent(tasks)
        all = Array(all.prefix(Self.countMax))
    }

    private mutating func add(_ label: String, _ field: String, _ before: String?, _ after: String?, note: String = "") {
        let change = FieldChange(
            label: label, field: field, before: before, after: after, note: note,
            position: paths.position(of: field, in: declared))
        if !all.contains(change) { all.append(change) }
    }

    private mutating func addWhole() {
        let count = cluster.replicas
        let zones = cluster.placement.map(\.zone).joined(separator: ", ")
        all.append(
            FieldChange(
                label: "cluster", field: "spec", before: nil,
                after: "\(cluster.engine.type.rawValue) \(cluster.engine.version), \(count) \(count == 1 ? "instance" : "instances") in \(zones)",
                position: SourcePosition(file: declared.file, line: declared.line, column: 1)))
    }

    private mutating func addVersion(_ tasks: [PlannedTask]) {
        for task in tasks {
            guard case .upgrade(_, let version) = task.action else { continue }
            return add("engine.version", "spec.engine.version", records.engineVersion, version, note: "needs a restart")
        }
    }

    // MARK: Placement

    private mutating func addPlacement(_ tasks: [PlannedTask]) {
        var arrivals: [String: Int] = [:]
        for task in tasks {
            guard case .manifest = task.cause, case .instance(let id, _) = task.target else { continue }
            guard let zone = records.member(id.ordinal)?.zone else { continue }
            switch task.action {
            case .install, .clone: arrivals[zone, default: 0] += 1
            case .retire: arrivals[zone, default: 0] -= 1
            default: break
            }
        }
        for (zone, arrived) in arrivals.sorted(by: { $0.key < $1.key }) where arrived != 0 {
            let index = cluster.placement.firstIndex { $0.zone == zone }
            let after = index.map { cluster.placement[$0].replicas } ?? 0
            let field = index.map { "spec.placement[\($0)].replicas" } ?? "spec.placement"
            add("placement[\(zone)].replicas", field, String(after - arrived), String(after))
        }
    }

    // MARK: Parameters

    private mutating func addParameters(_ tasks: [PlannedTask]) {
        var dynamic: Set<String> = []
        var isConfigured = false
        for task in tasks {
            guard case .manifest = task.cause else { continue }
            switch task.action {
            case .setVariables(let values, _):
                dynamic.formUnion(values.keys)
                isConfigured = true
            case .configure, .restart, .upgrade: isConfigured = true
            default: break
            }
        }
        guard isConfigured else { return }
        let wanted = MariaDBConfiguration.parameters(of: cluster)
        for (name, value) in wanted where records.parameters[name]?.declared != value {
            addParameter(name, records.parameters[name]?.declared, value, isDynamic: dynamic.contains(name))
        }
        for name in records.parameters.keys.sorted() where !wanted.contains(where: { $0.0 == name }) {
            addParameter(name, records.parameters[name]?.declared, nil, isDynamic: dynamic.contains(name))
        }
    }

    private mutating func addParameter(_ name: String, _ before: String?, _ after: String?, isDynamic: Bool) {
        let note = isDynamic ? "dynamic" : "needs a restart"
        if name == "sync_relay_log" {
            let (os, always) = (RelaySync.os.rawValue, RelaySync.always.rawValue)
            add("durability.relaySync", "spec.durability.relaySync", before == nil ? os : always, after == nil ? os : always, note: note)
            return
        }
        if name == MariaDBConfiguration.restartMark {
            add("restart", "spec.restart", before, after, note: after == nil ? "restarts nothing" : "restarts every instance once")
            return
        }
        let isDerived = cluster.parameters[name] == nil && name == "innodb_buffer_pool_size"
        add(
            "parameters.\(name)", isDerived ? "spec.resources.memory" : "spec.parameters.\(name)", before, after,
            note: note)
    }

    // MARK: Content

    private mutating func addContent(_ tasks: [PlannedTask]) {
        for task in tasks {
            guard case .manifest(_, _, let field) = task.cause else { continue }
            switch task.action {
            case .ensureDatabase(let database):
                let after = database.characterSet + (database.collation.map { " " + $0 } ?? "")
                add("databases[\(database.name)]", field, records.databases[database.name].map { _ in "another character set" }, after)
            case .dropDatabase(let name): add("databases[\(name)]", field, "there", nil, note: "deletionPolicy Delete")
            case .ensureAccount(let account, let fingerprint): addAccount(account, fingerprint, field)
            case .dropAccount(let name, let host):
                let key = name + "@" + host
                add("accounts[\(key)]", field, records.accounts[key].map { text($0.grants) }, nil)
            default: break
            }
        }
    }

    private mutating func addAccount(_ account: AccountSpec, _ fingerprint: String, _ field: String) {
        let known = records.accounts[account.key]
        let note = known.map { $0.fingerprint == fingerprint ? "" : "new password" } ?? ""
        add("accounts[\(account.key)]", field, known.map { text($0.grants) }, text(account.grants), note: note)
    }

    private func text(_ grants: [Grant]) -> String {
        grants.isEmpty ? "no grants" : grants.map(\.text).joined(separator: "; ")
    }
}
