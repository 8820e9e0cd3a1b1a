import FleetModel

// The declared effect of each action on what is observed: what a rehearsal applies in place of the world.

extension ClusterSituation {
    /// Applies one task's effect, as if its attempt had succeeded, and returns the result that it would tell.
    mutating func apply(_ task: PlannedTask, _ configurations: ConfigurationCache) -> TaskResult {
        let result = applyAlone(task, configurations)
        if records.galera != nil { carryToGroup(task, configurations) }
        return result
    }

    private mutating func applyAlone(_ task: PlannedTask, _ configurations: ConfigurationCache) -> TaskResult {
        guard case .instance(let id, let host) = task.target, let place = observed.index(forKey: host) else {
            return TaskResult()
        }
        let source = source(of: task.action, notOn: host)
        releaseCommits(by: task.action)
        switch task.action {
        case .install(let blueprint):
            return Self.make(id, blueprint, copyOf: nil, at: &observed.values[place], configurations)
        case .clone(let blueprint, _):
            return Self.make(id, blueprint, copyOf: source, at: &observed.values[place], configurations)
        case .purge:
            observed.values[place].report.instances.removeAll { $0.id == id }
            return TaskResult()
        case .rejoin where records.galera != nil:
            // Moved aside: there is nothing to join a component with.
            observed.values[place].report.instances.removeAll { $0.id == id }
            return TaskResult()
        default:
            guard let index = observed.values[place].report.instances.firstIndex(where: { $0.id == id }) else {
                return TaskResult()
            }
            let change = change(task.action, source, configurations)
            return change.apply(to: &observed.values[place].report.instances[index])
        }
    }

    private func change(_ action: Action, _ source: DatabaseReport?, _ configurations: ConfigurationCache) -> InstanceChange {
        InstanceChange(
            action: action, source: source, version: records.engineVersion, parameters: records.parameters, configurations: configurations)
    }

    /// What is written on one member of a component is written on all; who comes and goes, all of it know.
    private mutating func carryToGroup(_ task: PlannedTask, _ configurations: ConfigurationCache) {
        guard case .instance(let id, _) = task.target else { return }
        let change = change(task.action, nil, configurations)
        alterGroup(but: id) { report in
            switch task.action {
            case .ensureDatabase, .dropDatabase, .ensureAccount, .dropAccount, .initialize: _ = change.apply(to: &report)
            case .joinComponent: report.database?.galera?.include(id.ordinal)
            case .fence, .retire, .rejoin: report.database?.galera?.exclude(id.ordinal)
            default: break
            }
        }
    }

    /// Commits wait no more where a replica acknowledges.
    private mutating func releaseCommits(by action: Action) {
        guard let source = action.acknowledgedSource,
            source.clusterUID.isEmpty,
            let index = observed[source.host]?.report.instances.firstIndex(where: {
                $0.id.ordinal == source.ordinal && $0.id.clusterUID == records.uid
            })
        else { return }
        observed[source.host]?.report.instances[index].database?.areCommitsWaiting = false
        observed[source.host]?.report.instances[index].database?.awaitsAcknowledgement = false
    }

    /// The database that an action copies or catches up with.
    private func source(of action: Action, notOn host: String) -> DatabaseReport? {
        let ordinal: Int?
        switch action {
        case .clone(_, let source), .replicate(let source, _), .rejoin(let source):
            if let upstream, source.clusterUID == upstream.records.uid { return upstream.database(of: source) }
            ordinal = source.ordinal
        case .open, .promote: ordinal = records.switchover?.from
        case .joinComponent(_, let stateUUID): return databaseInGroup(of: stateUUID, notOn: host)
        default: ordinal = nil
        }
        guard let ordinal, let member = records.member(ordinal), member.host != host, let seen = observed[member.host]
        else { return nil }
        return seen.report.instances.first { $0.id.ordinal == ordinal && $0.id.clusterUID == records.uid }?.database
    }

    private static func make(
        _ id: InstanceID, _ blueprint: InstanceBlueprint, copyOf source: DatabaseReport?, at seen: inout ObservedHost,
        _ configurations: ConfigurationCache
    ) -> TaskResult {
        seen.report.instances.removeAll { $0.id == id }
        var report = InstanceReport(id: id, clusterName: blueprint.clusterName, port: blueprint.port)
        report.configDigest = configurations.digest(of: blueprint.configuration)
        report.orderedDigest = report.configDigest
        let version = seen.report.engines.last { $0.version.isVersion(within: blueprint.engineVersion) }?.version
        // Not running yet; what its first start will find in the data directory.
        var database = DatabaseReport(version: version ?? "", serverID: blueprint.serverID, readOnly: true)
        if let source {
            database = source
            database.version = version ?? source.version
            database.serverID = blueprint.serverID
            database.readOnly = true
            database.replication = nil
            database.semiSyncPrimary = false
            database.semiSyncReplica = false
            database.galera = nil
            database.appliedPosition = source.binlogPosition
        }
        report.database = database
        let index = seen.report.instances.firstIndex { id < $0.id } ?? seen.report.instances.endIndex
        seen.report.instances.insert(report, at: index)
        return TaskResult(engineVersion: version)
    }

}

/// What a rehearsal calls the history that a founder makes: only the world can name it.
private let galeraHistorySymbol = "(known after)"

/// The effect of an action on an instance that is there.
private struct InstanceChange {
    let action: Action
    let source: DatabaseReport?
    /// The engine's, and what it made of parameters, as recorded.
    let version: String
    let parameters: [String: AppliedParameter]
    let configurations: ConfigurationCache

    func apply(to report: inout InstanceReport) -> TaskResult {
        // Taken out while it is changed, so that it is changed in place.
        var database = report.database.take() ?? DatabaseReport(version: "", serverID: 0, readOnly: true)
        var result = TaskResult()
        switch action {
        case .start, .restart, .upgrade:
            if case .upgrade(_, let upgraded) = action {
                database.version = upgraded
                report.origin?.engineVersion = upgraded
                result.engineVersion = upgraded
            }
            if case .start = action {} else { report.refusedStart = nil }
            start(&report, &database, &result)
        case .takeBack(let reason):
            // What it ran by before only its agent knows.
            start(&report, &database, &result)
            report.refusedStart = RefusedStart(configDigest: report.configDigest ?? "", engineVersion: database.version, message: reason)
        case .configure(let configuration):
            report.configDigest = configurations.digest(of: configuration)
            report.orderedDigest = report.configDigest
            report.refusedStart = nil
        case .initialize(let replicas):
            database.isInitialized = true
            database.replicationAccounts = replicas
        case .replicate(let source, let acknowledges): attach(&database, to: source, acknowledges: acknowledges)
        case .rejoin(let source):
            report.process = .running
            report.isWriter = false
            attach(&database, to: source, acknowledges: false)
        case .expel(let ordinal):
            database.replicationAccounts.removeAll { $0 == ordinal }
            result.position = database.binlogPosition
        case .revoke(let epoch):
            report.epoch = epoch
            result.position = database.replication?.receivedPosition ?? database.appliedPosition
            database.replication?.ioRunning = false
            database.semiSyncReplica = false
        case .fence(let epoch):
            report.epoch = epoch
            report.isWriter = false
            report.process = .stopped
            result.position = database.binlogPosition
        case .acknowledge: database.semiSyncReplica = true
        case .open(let epoch, let semiSync), .promote(let epoch, _, let semiSync, _, _):
            adopt(into: &database)
            if case .promote(_, let position, _, let refused, _) = action {
                database.replicationAccounts.removeAll { refused.contains($0) }
                database.binlogPosition = database.binlogPosition.merged(with: position)
            }
            report.epoch = epoch
            report.isWriter = true
            database.readOnly = false
            database.semiSyncPrimary = semiSync
            database.semiSyncReplica = false
            database.replication = nil
        case .close: database.readOnly = true
        case .setVariables(let values, let configuration):
            report.configDigest = configurations.digest(of: configuration)
            report.orderedDigest = report.configDigest
            report.refusedStart = nil
            for (name, value) in values {
                database.variables[name] = value
                result.readBack[name] = value
            }
            result.engineVersion = database.version
        case .demote:
            database.readOnly = true
            report.isWriter = false
            result.position = database.binlogPosition
            result.sequence = database.galera?.lastCommitted
        case .retire:
            report.directory = .retired
            report.process = .stopped
        case .ensureDatabase(let spec): spec.put(into: &database)
        case .dropDatabase(let name): database.databases.removeAll { $0.name == name }
        case .ensureAccount(let account, let fingerprint): account.put(into: &database, fingerprint)
        case .dropAccount(let name, let host): database.accounts.removeAll { $0.name == name && $0.host == host }
        case .prepareReplica(let ordinal, ""):
            database.replicationAccounts = Planner.union(database.replicationAccounts, [ordinal])
        case .prepareReplica(let ordinal, let cluster):
            database.standbyAccounts = Set(database.standbyAccounts).union([InstanceID(clusterUID: cluster, ordinal: ordinal)]).sorted()
        case .foundComponent(let epoch):
            begin(at: 0, of: galeraHistorySymbol, epoch, &report, &database, &result)
            result.recovered = RecoveredPosition(stateUUID: galeraHistorySymbol, sequence: 0)
        case .recoverComponent(let epoch, let stateUUID, let position):
            begin(at: position, of: stateUUID, epoch, &report, &database, &result)
        case .joinComponent(let epoch, _):
            report.epoch = max(report.epoch, epoch)
            // One that is in the component is left as it is.
            if report.process == .running { break }
            start(&report, &database, &result)
            adopt(into: &database)
            database.galera = source?.galera
            database.galera?.include(report.id.ordinal)
        case .readPosition:
            let seen = database.galera
            report.recovered = RecoveredPosition(stateUUID: seen?.stateUUID ?? "", sequence: seen?.lastCommitted ?? -1)
        // It is made where nobody is expected to acknowledge.
        case .probe: (database.areCommitsWaiting, database.awaitsAcknowledgement) = (true, true)
        // What the new one is its agent tells.
        case .renewCertificate: report.groupCertificate = nil
        case .install, .clone, .purge, .applyChannel: break
        }
        if report.resumes != nil, let resumption { report.resumes = resumption }
        if report.isSupervised != nil, let supervision { report.isSupervised = supervision }
        if database.runsEvents != nil { database.runsEvents = !database.readOnly }
        report.database = database
        return result
    }

    /// What its agent lets it go on with from then on; nil: as before.
    private var resumption: Resumption? {
        switch action {
        case .replicate(_, acknowledges: true), .acknowledge: .acknowledges
        case .replicate, .rejoin: .replicates
        case .open, .promote, .revoke, .fence, .retire: .nothing
        default: nil
        }
    }

    /// Whether its agent starts it again from then on; nil: as before.
    private var supervision: Bool? {
        switch action {
        case .start, .restart, .upgrade, .takeBack, .foundComponent, .joinComponent, .recoverComponent, .replicate, .acknowledge, .rejoin, .open, .promote: true
        case .fence, .retire: false
        default: nil
        }
    }

    /// A process of its own, closed.
    private func start(_ report: inout InstanceReport, _ database: inout DatabaseReport, _ result: inout TaskResult) {
        report.process = .running
        report.recovered = nil
        if database.version.isEmpty { database.version = report.origin?.engineVersion ?? version }
        database.readOnly = true
        database.semiSyncPrimary = false
        database.semiSyncReplica = false
        database.replication?.ioRunning = false
        database.replication?.sqlRunning = false
        report.startedParameters = configurations.byName
        result.readBack = readBack
        report.startedValues = result.readBack
        if database.variables.isEmpty {
            database.variables = result.readBack
        } else {
            for (name, value) in result.readBack { database.variables[name] = value }
        }
    }

    /// The first of a component: alone in it.
    private func begin(
        at sequence: Int64, of stateUUID: String, _ epoch: Int64, _ report: inout InstanceReport, _ database: inout DatabaseReport,
        _ result: inout TaskResult
    ) {
        start(&report, &database, &result)
        report.epoch = epoch
        database.galera = GaleraReport(
            isReady: true, isPrimaryComponent: true, state: .synced, stateUUID: stateUUID, size: 1, lastCommitted: sequence,
            members: [report.id.ordinal])
    }

    /// The parameters in force, as the server reads them back once it was started with them.
    private var readBack: [String: String] {
        if parameters.isEmpty { return configurations.byName }
        var values = configurations.byName
        for (name, value) in configurations.parameters {
            if let applied = parameters[name], applied.declared == value, applied.readBack != value {
                values[name] = applied.readBack
            }
        }
        return values
    }

    private func attach(_ database: inout DatabaseReport, to source: Peer, acknowledges: Bool) {
        database.replication = ReplicationReport(
            sourceHost: source.address, sourcePort: source.port, ioRunning: true, sqlRunning: true, lagSeconds: 0)
        database.semiSyncReplica = acknowledges
        database.semiSyncPrimary = false
        database.readOnly = true
        adopt(into: &database)
    }

    /// A replica that has caught up holds what its source holds.
    private func adopt(into database: inout DatabaseReport) {
        guard let source else { return }
        database.databases = source.databases
        database.accounts = source.accounts
        database.replicationAccounts = source.replicationAccounts
        database.isInitialized = source.isInitialized
        database.binlogPosition = source.binlogPosition
        database.appliedPosition = source.binlogPosition
    }
}

extension RelatedCluster {
    fileprivate func database(of peer: Peer) -> DatabaseReport? {
        let id = InstanceID(clusterUID: records.uid, ordinal: peer.ordinal)
        return observed[peer.host]?.report.instances.first { $0.id == id }?.database
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

extension Action {
    /// Whose commits it acknowledges.
    var acknowledgedSource: Peer? {
        switch self {
        case .acknowledge(let source), .replicate(let source, acknowledges: true): source
        default: nil
        }
    }
}
