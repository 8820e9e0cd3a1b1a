// Observed state: what agents last reported. An agent reports what it saw and concludes nothing.

/// All that one agent sees of its host, as one value; it is sent whole on connect and whenever something changed.
package struct HostReport: Sendable, Hashable {
    package var host: String
    package var agentVersion: String
    /// The store that the agent is bound to; empty before its first.
    package var storeID: String
    /// Engine binaries found on the host, sorted.
    package var engines: [EngineBinary]
    /// Bytes free where instances are made.
    package var storageFreeBytes: Int64
    package var memoryTotalBytes: Int64
    /// Sorted by id.
    package var instances: [InstanceReport]
    /// What the servers of each engine version said of their variables; sent with the first report of a connection and
    /// whenever a version is new to the agent.
    package var catalogs: [VariableCatalog]

    package init(
        host: String, agentVersion: String = "", storeID: String = "", engines: [EngineBinary] = [],
        storageFreeBytes: Int64 = 0, memoryTotalBytes: Int64 = 0, instances: [InstanceReport] = [],
        catalogs: [VariableCatalog] = []
    ) {
        self.host = host
        self.agentVersion = agentVersion
        self.storeID = storeID
        self.engines = engines
        self.storageFreeBytes = storageFreeBytes
        self.memoryTotalBytes = memoryTotalBytes
        self.instances = instances
        self.catalogs = catalogs
    }
}

package struct EngineBinary: Sendable, Hashable, Comparable {
    package var type: EngineType
    /// Exact: `10.11.19`.
    package var version: String
    package var path: String
    /// Where the library is that galera clusters need beside it; nil where it is not installed, or the agent does not tell.
    package var galeraProvider: String?

    package init(type: EngineType, version: String, path: String, galeraProvider: String? = nil) {
        self.galeraProvider = galeraProvider
        self.type = type
        self.version = version
        self.path = path
    }

    /// 10.11.9 is older than 10.11.18.
    private static func numbers(_ version: String) -> [Int] { version.split(separator: ".").map { Int($0) ?? 0 } }

    package static func < (left: EngineBinary, right: EngineBinary) -> Bool {
        if (left.type, left.version) == (right.type, right.version) { return left.path < right.path }
        if left.type != right.type { return left.type.rawValue < right.type.rawValue }
        return numbers(left.version).lexicographicallyPrecedes(numbers(right.version))
    }
}

extension String {
    /// `10.11` of `10.11.19`: its versions share the format of data on disk.
    package var versionSeries: String {
        let dot = UInt8(ascii: ".")
        guard let first = utf8.firstIndex(of: dot), let second = utf8[utf8.index(after: first)...].firstIndex(of: dot) else { return self }
        return String(self[..<second])
    }
}

/// What an engine version says of its global variables (`information_schema.SYSTEM_VARIABLES`).
package struct VariableCatalog: Sendable, Hashable {
    package var type: EngineType
    package var version: String
    /// Names of variables that `SET GLOBAL` takes (lower case).
    package var dynamic: Set<String>
    /// Names of variables that only a start sets.
    package var fixed: Set<String>

    package init(type: EngineType, version: String, dynamic: Set<String>, fixed: Set<String>) {
        self.type = type
        self.version = version
        self.dynamic = dynamic
        self.fixed = fixed
    }
}

/// What is in an instance's directory.
package enum InstanceDirectory: String, Sendable, Hashable, CaseIterable {
    /// A mark says that install or clone did not finish: it holds nothing of value.
    case halfMade
    case ready
    /// Removed from service by us, kept until it is purged.
    case retired
}

/// The database process of an instance, as its agent sees it.
package enum InstanceProcess: Sendable, Hashable {
    case stopped
    /// Started, does not answer yet.
    case starting
    /// Answers queries.
    case running
    /// Runs, but a look at it did not end within its bound.
    case unresponsive
}

/// What keeps a disk from taking writes.
package enum DiskTrouble: String, Sendable, Hashable {
    case full
    /// A write that was begun does not end.
    case stalled
}

/// A start that came to nothing by what it was started with: the instance runs with what it was started with before.
package struct RefusedStart: Sendable, Hashable {
    /// SHA-256 of the configuration as ordered, hex.
    package var configDigest: String
    /// Exact: that of the binaries.
    package var engineVersion: String
    /// What its log says.
    package var message: String

    package init(configDigest: String, engineVersion: String, message: String) {
        self.configDigest = configDigest
        self.engineVersion = engineVersion
        self.message = message
    }
}

/// What an instance's identity file says that it was made with: from it lost records are made anew.
package struct InstanceOrigin: Sendable, Hashable {
    package var address: String
    package var serverID: Int64
    package var gtidDomain: Int64
    /// Exact: that of the binaries which made the directory, or by which it was upgraded last.
    package var engineVersion: String

    package init(address: String, serverID: Int64, gtidDomain: Int64, engineVersion: String) {
        self.address = address
        self.serverID = serverID
        self.gtidDomain = gtidDomain
        self.engineVersion = engineVersion
    }
}

/// What a replica goes on with that was started again without a server.
package enum Resumption: String, Sendable, Hashable, CaseIterable {
    /// It stays closed and stands still.
    case nothing
    case replicates
    case acknowledges
}

/// One instance as its agent sees it. An instance that is not in a host's report is not on that host.
package struct InstanceReport: Sendable, Hashable {
    package var id: InstanceID
    /// From its identity file.
    package var clusterName: String
    package var port: Int
    /// Nil where an agent of an earlier release reports.
    package var origin: InstanceOrigin?
    package var directory: InstanceDirectory
    package var process: InstanceProcess
    /// SHA-256 of the configuration file on disk, hex; nil where there is none.
    package var configDigest: String?
    /// The same of the file as it was last ordered; nil where the agent does not tell.
    package var orderedDigest: String?
    /// The declared parameters (our file's own section) that the running process was started with.
    package var startedParameters: [String: String]
    /// What the start made of them, where that was kept: a start knows how many files the process may open, `SET GLOBAL`
    /// does not.
    package var startedValues: [String: String] = [:]
    /// Until it starts by what is ordered, or something else is ordered.
    package var refusedStart: RefusedStart?
    /// The highest epoch that the agent has promised for this instance, and whether its journal names it the writer.
    package var epoch: Int64
    package var isWriter: Bool
    /// What it goes on with, by the agent's journal, when its agent alone has started it again; nil where an agent of an
    /// earlier release reports.
    package var resumes: Resumption?
    /// Whether its process should run, by the agent's journal: its agent starts it when it has ended. Nil where an agent of an
    /// earlier release reports.
    package var isSupervised: Bool?
    /// Whether it is in maintenance by the agent's journal: not started by the agent alone.
    package var isStartHeld = false
    package var usedBytes: Int64
    /// Of a process that runs; nil where its disk takes writes, or nothing is known. A database that answers and whose
    /// disk does not take writes commits nothing.
    package var disk: DiskTrouble?
    /// What the database itself says; nil unless `process` is running.
    package var database: DatabaseReport?
    /// Of a galera instance whose process is dead, once it was read since: nil, it was not.
    package var recovered: RecoveredPosition?
    /// Whether it was voted out of its component and not made anew since: it is never started so.
    package var isInconsistent = false
    /// Of a galera instance: the certificate by which it is let into its group; nil where it has none, or does not tell.
    package var groupCertificate: GroupCertificate?

    package init(
        id: InstanceID, clusterName: String = "", port: Int, directory: InstanceDirectory = .ready,
        process: InstanceProcess = .stopped, configDigest: String? = nil, startedParameters: [String: String] = [:],
        epoch: Int64 = 0, isWriter: Bool = false, usedBytes: Int64 = 0, database: DatabaseReport? = nil,
        origin: InstanceOrigin? = nil
    ) {
        self.origin = origin
        self.id = id
        self.clusterName = clusterName
        self.port = port
        self.directory = directory
        self.process = process
        self.configDigest = configDigest
        self.startedParameters = startedParameters
        self.epoch = epoch
        self.isWriter = isWriter
        self.usedBytes = usedBytes
        self.database = database
    }
}

/// What a running database answers.
package struct DatabaseReport: Sendable, Hashable {
    /// Exact engine version, `10.11.19`.
    package var version: String
    package var serverID: Int64
    package var readOnly: Bool
    /// `@@gtid_binlog_pos`: what its own binlog holds.
    package var binlogPosition: GTIDSet
    /// `@@gtid_slave_pos`: what it has applied.
    package var appliedPosition: GTIDSet
    /// Nil where no replication source is configured.
    package var replication: ReplicationReport?
    /// `rpl_semi_sync_master_enabled`, `rpl_semi_sync_slave_enabled`.
    package var semiSyncPrimary: Bool
    package var semiSyncReplica: Bool
    /// `Rpl_semi_sync_master_clients`. Not proof of a living replica.
    package var semiSyncClients: Int
    /// Whether a commit has waited for an acknowledgement for long.
    package var areCommitsWaiting = false
    /// One has waited for a second or more: a probe beside it would tell nothing new.
    package var awaitsAcknowledgement = false
    /// `event_scheduler`; nil where it is disabled for good, or the agent does not tell.
    package var runsEvents: Bool?
    /// Ordinals, sorted, of the replicas that have a connection here to be sent the binlog, also a dead one that the
    /// kernel has not given up yet; nil where the instance sends none, or its agent does not tell.
    package var connectedReplicas: [Int]?
    /// Values of the declared parameters and of those that we own, as read back, by variable name.
    package var variables: [String: String]
    /// User databases, sorted by name.
    package var databases: [DatabaseFacts]
    /// User accounts, sorted by key: not the server's own (`root`, `mariadb.sys`), nor ours (`evenkeel_…`).
    package var accounts: [AccountFacts]
    /// Whether our own accounts have been made (`initialize` is done).
    package var isInitialized: Bool
    /// Ordinals whose replication account it has, sorted: every replica that ever was to follow, as accounts stay.
    package var replicationAccounts: [Int]
    /// Members of other clusters whose replication account it has, sorted.
    package var standbyAccounts: [InstanceID] = []
    /// Nil where the instance is in no galera cluster.
    package var galera: GaleraReport?

    package init(
        version: String, serverID: Int64, readOnly: Bool, binlogPosition: GTIDSet = GTIDSet(),
        appliedPosition: GTIDSet = GTIDSet(), replication: ReplicationReport? = nil, semiSyncPrimary: Bool = false,
        semiSyncReplica: Bool = false, semiSyncClients: Int = 0, variables: [String: String] = [:],
        databases: [DatabaseFacts] = [], accounts: [AccountFacts] = [], isInitialized: Bool = false, replicationAccounts: [Int] = []
    ) {
        self.version = version
        self.serverID = serverID
        self.readOnly = readOnly
        self.binlogPosition = binlogPosition
        self.appliedPosition = appliedPosition
        self.replication = replication
        self.semiSyncPrimary = semiSyncPrimary
        self.semiSyncReplica = semiSyncReplica
        self.semiSyncClients = semiSyncClients
        self.variables = variables
        self.databases = databases
        self.accounts = accounts
        self.isInitialized = isInitialized
        self.replicationAccounts = replicationAccounts
    }
}

package struct ReplicationReport: Sendable, Hashable {
    package var sourceHost: String
    package var sourcePort: Int
    package var ioRunning: Bool
    /// The IO thread runs and has no connection: it tries.
    package var ioConnecting = false
    package var sqlRunning: Bool
    /// `Gtid_IO_Pos`: what it received; empty after a restart.
    package var receivedPosition: GTIDSet
    /// Nil where the server says NULL.
    package var lagSeconds: Int64?
    /// How long it is told to wait before it applies what it has received; 0 unless somebody set it by hand.
    package var delaySeconds: Int64 = 0
    package var ioError: String
    /// The number of `ioError`, the server's (`Last_IO_Errno`); 0 where there is none.
    package var ioErrorCode = 0
    package var sqlError: String

    package init(
        sourceHost: String, sourcePort: Int, ioRunning: Bool, sqlRunning: Bool,
        receivedPosition: GTIDSet = GTIDSet(), lagSeconds: Int64? = nil, ioError: String = "", sqlError: String = ""
    ) {
        self.sourceHost = sourceHost
        self.sourcePort = sourcePort
        self.ioRunning = ioRunning
        self.sqlRunning = sqlRunning
        self.receivedPosition = receivedPosition
        self.lagSeconds = lagSeconds
        self.ioError = ioError
        self.sqlError = sqlError
    }
}

package struct DatabaseFacts: Sendable, Hashable {
    package var name: String
    package var characterSet: String
    package var collation: String

    package init(name: String, characterSet: String, collation: String) {
        self.name = name
        self.characterSet = characterSet
        self.collation = collation
    }
}

package struct AccountFacts: Sendable, Hashable {
    package var name: String
    package var host: String
    /// Keyed fingerprint of the stored authentication string, by the cluster's fingerprint key; nil where the agent has
    /// no key yet.
    package var fingerprint: String?
    /// Sorted by scope.
    package var grants: [Grant]

    package init(name: String, host: String, fingerprint: String? = nil, grants: [Grant] = []) {
        self.name = name
        self.host = host
        self.fingerprint = fingerprint
        self.grants = grants
    }

    package var key: String { name + "@" + host }
}

/// A MariaDB GTID position: for each domain the last server id and sequence number.
package struct GTIDSet: Sendable, Hashable, CustomStringConvertible {
    package struct Last: Sendable, Hashable {
        package var serverID: Int64
        package var sequence: Int64

        package init(serverID: Int64, sequence: Int64) {
            self.serverID = serverID
            self.sequence = sequence
        }
    }

    package var domains: [Int64: Last]

    package init(domains: [Int64: Last] = [:]) { self.domains = domains }

    /// Reads `0-1-500,7-3-12`; an empty text is the empty set. Nil for anything else.
    package init?(_ text: some StringProtocol) {
        domains = [:]
        for part in text.split(separator: ",") {
            let numbers = part.split(separator: "-").compactMap { Int64($0.trimmedSpaces) }
            guard numbers.count == 3 else { return nil }
            domains[numbers[0]] = Last(serverID: numbers[1], sequence: numbers[2])
        }
    }

    package var isEmpty: Bool { domains.isEmpty }

    package var description: String {
        domains.sorted { $0.key < $1.key }
            .map { "\($0.key)-\($0.value.serverID)-\($0.value.sequence)" }
            .joined(separator: ",")
    }

    /// Whether every domain here is beyond what is there, or ends with the same transaction: another server's of the same
    /// number is another history. MariaDB's positions are totally ordered in a domain as long as nothing errant was written;
    /// further back this cannot see it.
    package func contains(_ other: GTIDSet) -> Bool {
        other.domains.allSatisfy { domain, last in
            guard let own = domains[domain] else { return last.sequence <= 0 }
            return own.sequence > last.sequence || own == last
        }
    }

    /// Whether no domain is behind there by more than so many transactions.
    package func isWithin(_ count: Int64, of other: GTIDSet) -> Bool {
        other.domains.allSatisfy { (domains[$0.key]?.sequence ?? 0) + count >= $0.value.sequence }
    }

    /// What `server` wrote beyond `applied`: on a replica that came by no replication.
    package func own(of server: Int64, beyond applied: GTIDSet) -> GTIDSet {
        GTIDSet(domains: domains.filter { $0.value.serverID == server && $0.value.sequence > applied.domains[$0.key]?.sequence ?? 0 })
    }

    /// What a replica whose binary log ends here, and which has applied that, holds of its cluster's rows. Both are of one
    /// moment: an applier that goes on between them looks like somebody who writes.
    package func rightful(on server: Int64, applied: GTIDSet) -> GTIDSet {
        let written = own(of: server, beyond: applied)
        return GTIDSet(domains: domains.filter { written.domains[$0.key] == nil }).merged(with: applied)
    }

    /// For each domain the further of the two: what a server holds that wrote in one life and applied in another.
    package func merged(with other: GTIDSet) -> GTIDSet {
        GTIDSet(domains: domains.merging(other.domains) { $0.sequence >= $1.sequence ? $0 : $1 })
    }
}

extension StringProtocol {
    /// Without spaces, tabs and line ends at both ends.
    package var trimmedSpaces: SubSequence {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r" || $0 == "\r\n" }
        var start = startIndex
        var end = endIndex
        while start < end, isSpace(self[start]) { start = index(after: start) }
        while start < end, isSpace(self[index(before: end)]) { end = index(before: end) }
        return self[start..<end]
    }
}

/// A host's last report with its age.
package struct ObservedHost: Sendable, Hashable {
    package var report: HostReport
    /// When the facts were last known to hold: receipt of the report, or of the last heartbeat with its digest.
    package var renewed: Instant
    /// When its agent was last heard, whatever it said: an agent whose look at a database hangs renews no fact, and is
    /// not silent.
    package var heard: Instant

    package init(report: HostReport, renewed: Instant, heard: Instant? = nil) {
        self.report = report
        self.renewed = renewed
        self.heard = max(heard ?? renewed, renewed)
    }

    /// Facts older than this are stale: shown, never relied on.
    package static let ageMax: Duration = .seconds(10)
    /// The bound for a change of writer.
    package static let writerAgeMax: Duration = .seconds(2)

    package func isFresh(at now: Instant, within bound: Duration = ObservedHost.ageMax) -> Bool {
        now - renewed <= bound
    }
}
