import FleetModel

// The declared effect of each action on what is observed: what a rehearsal applies in place of the world.

extension ClusterSituation {
    /// Applies one task's effect, as if its attempt had succeeded, and returns the result that it would tell.
    mutating func apply(_ task: PlannedTask, _ configurations: ConfigurationCache) -> TaskResult {
        guard case .instance(let id, let host) = task.target else { return TaskResult() }
        // Taken out while it is changed, so that it is changed in place.
        guard var seen = observed.removeValue(forKey: host) else { return TaskResult() }
        defer { observed[host] = seen }
        var result = TaskResult()
        switch task.action {
        case .install(let blueprint): result = make(id, blueprint, copyOf: nil, at: &seen, configurations)
        case .clone(let blueprint, let donor):
            let source = database(of: donor.ordinal)
            result = make(id, blueprint, copyOf: source, at: &seen, configurations)
        case .purge: seen.report.instances.removeAll { $0.id == id }
        default:
            guard let index = seen.report.instances.firstIndex(where: { $0.id == id }) else { return result }
            result = change(&seen.report.instances[index], by: task.action, configurations)
        }
        return result
    }

    private func database(of ordinal: Int) -> DatabaseReport? {
        guard let member = records.member(ordinal), let seen = observed[member.host] else { return nil }
        return seen.report.instances.first { $0.id.ordinal == ordinal && $0.id.clusterUID == records.uid }?.database
    }

    private func make(
        _ id: InstanceID, _ blueprint: InstanceBlueprint, copyOf source: DatabaseReport?, at seen: inout ObservedHost,
        _ configurations: ConfigurationCache
    ) -> TaskResult {
        seen.report.instances.removeAll { $0.id == id }
        var report = InstanceReport(id: id, clusterName: blueprint.clusterName, port: blueprint.port)
        report.configDigest = configurations.digest(of: blueprint.configuration)
        // Not running yet; what its first start will find in the data directory.
        var database = DatabaseReport(version: "", serverID: blueprint.serverID, readOnly: true)
        if let source {
            database = source
            database.serverID = blueprint.serverID
            database.readOnly = true
            database.replication = nil
            database.semiSyncPrimary = false
            database.semiSyncReplica = false
            database.appliedPosition = source.binlogPosition
        }
        report.database = database
        let index = seen.report.instances.firstIndex { id < $0.id } ?? seen.report.instances.endIndex
        seen.report.instances.insert(report, at: index)
        let version = seen.report.engines.last { $0.version.isVersion(within: blueprint.engineVersion) }?.version
        return TaskResult(engineVersion: version)
    }

    private func change(_ report: inout InstanceReport, by action: Action, _ configurations: ConfigurationCache) -> TaskResult {
        var database = report.database ?? DatabaseReport(version: "", serverID: 0, readOnly: true)
        report.database = nil
        var result = TaskResult()
        switch action {
        case .start, .restart:
            report.process = .running
            database.readOnly = true
            database.semiSyncPrimary = false
            database.semiSyncReplica = false
            database.replication?.ioRunning = false
            database.replication?.sqlRunning = false
            database.version = records.engineVersion
            for (name, value) in configurations.parameters {
                report.startedParameters[name] = value
                database.variables[name] = records.parameters[name].flatMap { $0.declared == value ? $0.readBack : nil } ?? value
                result.readBack[name] = database.variables[name]
            }
            report.startedParameters = report.startedParameters.filter { name, _ in configurations.byName[name] != nil }
        case .configure(let configuration): report.configDigest = configurations.digest(of: configuration)
        case .initialize: database.isInitialized = true
        case .replicate(let source):
            database.replication = ReplicationReport(
                sourceHost: source.address, sourcePort: source.port, ioRunning: true, sqlRunning: true, lagSeconds: 0)
            database.semiSyncReplica = false
            database.semiSyncPrimary = false
            database.readOnly = true
            adopt(source.ordinal, into: &database)
        case .acknowledge: database.semiSyncReplica = true
        case .open(let epoch, let semiSync), .promote(let epoch, _, let semiSync):
            if let from = records.switchover?.from { adopt(from, into: &database) }
            report.epoch = epoch
            report.isWriter = true
            database.readOnly = false
            database.semiSyncPrimary = semiSync
            database.semiSyncReplica = false
            database.replication = nil
        case .close: database.readOnly = true
        case .setVariables(let values, let configuration):
            report.configDigest = configurations.digest(of: configuration)
            for (name, value) in values {
                database.variables[name] = value
                result.readBack[name] = value
            }
        case .demote:
            database.readOnly = true
            report.isWriter = false
            result.position = database.binlogPosition
        case .retire:
            report.directory = .retired
            report.process = .stopped
        case .ensureDatabase(let spec): spec.put(into: &database)
        case .dropDatabase(let name): database.databases.removeAll { $0.name == name }
        case .ensureAccount(let account, let fingerprint): account.put(into: &database, fingerprint)
        case .dropAccount(let name, let host): database.accounts.removeAll { $0.name == name && $0.host == host }
        case .prepareReplica, .install, .clone, .purge, .applyChannel: break
        }
        report.database = database
        return result
    }

    /// A replica that has caught up holds what its source holds.
    private func adopt(_ source: Int, into database: inout DatabaseReport) {
        guard let source = self.database(of: source) else { return }
        database.databases = source.databases
        database.accounts = source.accounts
        database.isInitialized = source.isInitialized
        database.binlogPosition = source.binlogPosition
        database.appliedPosition = source.binlogPosition
    }
}

extension DatabaseSpec {
    fileprivate func put(into report: inout DatabaseReport) {
        report.databases.removeAll { $0.name == name }
        let facts = DatabaseFacts(name: name, characterSet: characterSet, collation: collation ?? "")
        let index = report.databases.firstIndex { name < $0.name } ?? report.databases.endIndex
        report.databases.insert(facts, at: index)
    }
}

extension AccountSpec {
    fileprivate func put(into report: inout DatabaseReport, _ fingerprint: String) {
        report.accounts.removeAll { $0.key == key }
        let facts = AccountFacts(name: name, host: host, fingerprint: fingerprint, grants: grants)
        let index = report.accounts.firstIndex { key < $0.key } ?? report.accounts.endIndex
        report.accounts.insert(facts, at: index)
    }
}

extension String {
    /// Whether this exact version (`10.11.19`) is one of `declared` (`10.11`, `10.11.19`), compared by parts.
    package func isVersion(within declared: String) -> Bool {
        self == declared || hasPrefix(declared + ".")
    }
}
