import ControlAPI
import FleetModel
import Reconciliation

extension ClusterDocument {
    init(named name: String, in view: FleetView) {
        self.init()
        if let declared = view.desired?.clusters[name]?.value { take(declared) }
        guard let records = view.records.clusters[name] else { return }
        uid = records.uid
        version = records.engineVersion
        epoch = records.epoch
        isSuspended = isSuspended || records.suspended
        let writer = records.primary.map { "\(name)-\($0)" } ?? ""
        (primary, head) = records.standby == nil ? (writer, "") : ("", writer)
        standbyOf = records.standby?.name ?? ""
        demotionToken = records.demotion?.description ?? ""
        ackSet = records.ackSet.map { "\(name)-\($0)" }
        instances = records.members.filter { $0.phase != .purged }.map { InstanceDocument($0, of: records, in: view) }
    }

    private mutating func take(_ cluster: Cluster) {
        engine = "\(cluster.engine.type.rawValue) \(cluster.engine.version)"
        topology = cluster.topology.rawValue
        durability = cluster.durability.rawValue
        wanted = cluster.replicas
        isSuspended = cluster.suspend
        databases = cluster.databases.map(\.name)
        parameters = cluster.parameters
        accounts = cluster.accounts.map { account in
            var document = AccountDocument()
            document.name = account.name
            document.host = account.host
            document.passwordFrom = account.passwordFrom.description
            return document
        }
    }
}

extension InstanceDocument {
    init(_ member: MemberRecord, of records: ClusterRecords, in view: FleetView) {
        self.init()
        name = "\(records.name)-\(member.ordinal)"
        cluster = records.name
        ordinal = member.ordinal
        host = member.host
        zone = member.zone
        address = member.address
        port = member.port
        serverID = member.serverID
        take(member.phase)
        role = records.primary == member.ordinal && records.isFounded ? records.standby == nil ? "primary" : "head" : ""
        take(
            view.observed[member.host], InstanceID(clusterUID: records.uid, ordinal: member.ordinal), of: records.galera?.stateUUID ?? "", now: view.now)
    }

    private mutating func take(_ memberPhase: MemberPhase) {
        switch memberPhase {
        case .active: phase = "active"
        case .leaving: phase = "leaving"
        case .retired(let until):
            phase = "retired"
            retainedUntil = until
        case .purged: phase = "purged"
        }
    }

    /// `history`: of a galera cluster's one component.
    private mutating func take(_ host: ObservedHost?, _ id: InstanceID, of history: String, now: Instant) {
        guard let host else { return state = "unknown" }
        age = now - host.renewed
        isStale = !host.isFresh(at: now)
        guard let report = host.report.instances.first(where: { $0.id == id }) else { return state = "absent" }
        usedBytes = report.usedBytes
        state = InstanceDocument.word(report)
        guard let database = report.database else { return }
        take(database)
        let isHealthy = state == "running" && !isStale && phase == "active"
        if let group = database.galera {
            if role.isEmpty { role = "replica" }
            isServing = isHealthy && group.isInComponent(of: history) && (role == "replica" || !database.readOnly)
        } else if role == "primary" {
            isServing = isHealthy && !database.readOnly
            isSemiSync = database.semiSyncPrimary
        } else if let replication = database.replication {
            if role.isEmpty { role = "replica" }
            isServing = isHealthy && replication.ioRunning && replication.sqlRunning
            isSemiSync = database.semiSyncReplica
        }
    }

    private mutating func take(_ database: DatabaseReport) {
        version = database.version
        isReadOnly = database.readOnly
        lagSeconds = database.replication?.lagSeconds
        let applied = database.replication == nil ? database.binlogPosition : database.appliedPosition
        position = applied.description
        problem = [database.replication?.ioError, database.replication?.sqlError].compactMap { $0 }
            .filter { !$0.isEmpty }.joined(separator: "; ")
    }

    static func word(_ report: InstanceReport) -> String {
        switch report.directory {
        case .halfMade: return "halfMade"
        case .retired: return "retired"
        case .ready: break
        }
        switch report.process {
        case .stopped: return "stopped"
        case .starting: return "starting"
        case .running: return "running"
        case .unresponsive: return "unresponsive"
        }
    }
}
