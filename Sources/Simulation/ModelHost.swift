import Agent
import FleetModel

/// A host: what its disk keeps over any crash of agent and databases.
final class ModelHost {
    /// The newest on every host, and all of them, side by side.
    static let engineVersion = "10.11.19"
    static let engineVersions = [ModelSetting.brokenVersion, "10.11.18", engineVersion]

    let name: String
    let address: String
    let region: String
    var journal = JournalState()
    var instances: [InstanceID: ModelInstance] = [:] {
        didSet {
            sortedInstances = instances.values.sorted { $0.id < $1.id }
            changes += 1
        }
    }
    /// How often an instance came or went.
    private(set) var changes = 0
    private(set) var sortedInstances: [ModelInstance] = []
    /// What works on an instance now: never more than one.
    var operations: [InstanceID: Operation] = [:]
    /// Directories that a rejoin moved aside, with what they held.
    var movedAside: [ModelInstance] = []
    /// Instances that are being copied from.
    var sending: [InstanceID: Int] = [:]
    /// Receivers of clones that wait for their donor, by token.
    var receivers: [String: Operation] = [:]
    /// Cut off from everybody until then.
    var cutUntil = Instant(milliseconds: 0)
    /// Cut off from the server alone, and from other databases alone.
    var serverCutUntil = Instant(milliseconds: 0)
    var replicationCutUntil = Instant(milliseconds: 0)
    /// It hears no other database until then, and is heard.
    var deafUntil = Instant(milliseconds: 0)
    /// It hears no server until then, and is heard; and the other way round.
    var serverDeafUntil = Instant(milliseconds: 0)
    var serverMuteUntil = Instant(milliseconds: 0)
    /// The disk of its databases is in trouble from then, until then.
    var disk: (trouble: DiskTrouble, since: Instant, until: Instant)?
    /// Without power until then: no agent, no database, no word to anybody.
    var lostUntil = Instant(milliseconds: 0)
    /// How far the time of its wall is off.
    var wall: Duration = .zero
    /// Lost for good.
    var isGone = false
    /// No database starts here until then.
    var startsFailUntil = Instant(milliseconds: 0)
    /// The journal's disk is full until then.
    var fullUntil = Instant(milliseconds: 0)

    init(name: String, address: String, region: String) {
        self.name = name
        self.address = address
        self.region = region
    }

    /// Whether the disk of its databases takes no writes.
    func isDiskStuck(at now: Instant) -> Bool { disk.map { $0.until > now } ?? false }

    /// Whether a database of it writes nothing: it hangs, or its disk takes no writes.
    func isStill(_ instance: ModelInstance, at now: Instant) -> Bool { instance.isHung(at: now) || isDiskStuck(at: now) }

    /// Whether it does not answer: it hangs, or writes what it receives to a disk that takes none. Its replication cannot be
    /// asked about, or stopped, then.
    func isMute(_ instance: ModelInstance, at now: Instant) -> Bool {
        instance.isHung(at: now) || instance.process?.ioRunning == true && isDiskStuck(at: now)
    }

    /// As its agent finds it by writing: a write counts as one that hangs only after some time.
    func diskTrouble(at now: Instant) -> DiskTrouble? {
        guard let disk, disk.until > now, disk.trouble == .full || now - disk.since >= ModelHost.stallMin else { return nil }
        return disk.trouble
    }

    private static let stallMin: Duration = .seconds(3)

    var facts: HostFacts {
        HostFacts(
            engines: ModelHost.engines,
            storageFreeBytes: 50 << 30, memoryTotalBytes: 8 << 30, instances: sortedInstances.map(\.id), catalogs: catalogs)
    }

    private static let engines = engineVersions.map { EngineBinary(type: .mariadb, version: $0, path: "/engines/\($0)/mariadbd", galeraProvider: "/usr/lib/galera/libgalera_smm.so") }

    /// Known once an instance ran here.
    var catalogs: [VariableCatalog] {
        ModelHost.allCatalogs.filter { catalog in sortedInstances.contains { $0.process?.version == catalog.version } }
    }

    /// Sorted by version.
    private static let allCatalogs = engineVersions.sorted().map { version in
        VariableCatalog(
            type: .mariadb, version: version,
            dynamic: [
                "binlog_expire_logs_seconds", "character_set_server", "innodb_buffer_pool_size", "long_query_time",
                "max_binlog_size", "max_connections",
            ], fixed: ["back_log", "innodb_log_file_size"])
    }
}

/// What an agent's driver carries out: a few steps, each after a delay. A crash of the agent leaves what the steps so
/// far have done.
final class Operation {
    let attempt: String
    let instance: InstanceID
    var isDead = false
    var isCancelled = false
    /// Past it a request to cancel changes nothing.
    var isPastReturn = false
    /// What the donor sent.
    var copied: [Transaction]?
    /// Of a galera member, the history that it belongs to, and how far its GTIDs are off.
    var copiedHistory: (stateUUID: String, shift: Int64)?
    /// The donor's end, as the server told it; nil inside: success.
    var copyEnd: String??
    var began: Instant
    /// Its statement's place in the binlog of a process.
    var written: (process: UInt64, place: Int)?
    /// On its way to all members of a component.
    var writeSet: ModelWriteSet?
    var hasActed = false
    var tries = 0
    /// Since when the database does not answer the operation.
    var hungSince: Instant?

    init(attempt: String, instance: InstanceID, began: Instant) {
        self.attempt = attempt
        self.instance = instance
        self.began = began
    }
}
