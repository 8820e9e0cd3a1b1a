package import FleetModel

/// Limits that step and admit keep; the server's configuration sets them.
package struct PlanningPolicy: Sendable, Hashable {
    /// Steps of a rehearsal before it is given up as not converging.
    package var rehearsalStepsMax = 200
    /// Attempts at once on one host, and in the whole fleet.
    package var attemptsPerHostMax = 4
    package var attemptsMax = 200
    /// Clones at once from one host.
    package var clonesPerDonorHostMax = 1
    /// A revision that would stop managing more than this share of the fleet's clusters (and at least two) waits for
    /// approval.
    package var removalShareMax = 0.5
    package var failovers = FailoverBudget()

    package init() {}
}

/// What is declared of the hosts, shared by all situations of a revision.
package struct HostDirectory: Sendable {
    package var hosts: [String: Host] = [:]
    /// Of hosts that are to be empty.
    package var drains: [String: HostDrain] = [:]
    /// Of hosts for which any is declared, also where it is over.
    package var maintenance: [String: HostMaintenance] = [:]
    /// By zone, the region that it is in.
    package var regions: [String: String] = [:]

    package init() {}

    package init(of fleet: DesiredFleet) {
        hosts = fleet.hosts.mapValues(\.value)
        regions = fleet.zones.mapValues(\.value.region)
        maintenance = HostMaintenance.directory(of: fleet)
        drains = HostDrain.directory(of: fleet)
    }
}

/// Another cluster as one that follows it, or that it follows, sees it.
package struct RelatedCluster: Sendable {
    package var name: String
    /// Whom its manifest in force says that it follows.
    package var standbyOf: String?
    package var records: ClusterRecords
    /// By host name, of its members' hosts.
    package var observed: [String: ObservedHost]
    /// Members that an attempt works on.
    package var busy: Set<Int>
    /// A pass of its own is changing its records at this moment: who leads is not concluded from them.
    package var isChanging: Bool

    package init(
        name: String, standbyOf: String?, records: ClusterRecords, observed: [String: ObservedHost] = [:], busy: Set<Int> = [],
        isChanging: Bool = false
    ) {
        self.name = name
        self.standbyOf = standbyOf
        self.records = records
        self.observed = observed
        self.busy = busy
        self.isChanging = isChanging
    }

    /// Names of the clusters that a cluster's steps see: whom it follows, or followed until its manifest changed.
    package static func upstream(of records: ClusterRecords, _ desired: Cluster?) -> String? {
        desired?.standbyOf ?? records.standby?.name
    }

    /// Names of the clusters of which this one is a follower: it follows them, or took the lead from them. `name`: of a uid.
    package static func followed(by records: ClusterRecords, _ desired: Cluster?, name: (String) -> String?) -> [String] {
        [desired?.standbyOf, records.standby?.name, records.lead.flatMap { name($0.from) }].compactMap { $0 }.filter { $0 != records.name }
    }

    /// Whether this one follows a cluster, or took the lead from it.
    package func isFollower(of uid: String, named name: String) -> Bool {
        standbyOf == name || records.standby?.clusterUID == uid || records.lead?.from == uid
    }
}

/// Everything that decides what happens to one cluster: step reads nothing else.
package struct ClusterSituation: Sendable {
    package var name: String
    /// Nil: it is no longer declared, and is left as it is.
    package var desired: Declared<Cluster>?
    package var fieldPaths: FieldPaths
    package var hosts: HostDirectory
    package var records: ClusterRecords
    /// By host name: only the hosts of this cluster's members need be here. A host that is not was never seen.
    package var observed: [String: ObservedHost]
    package var running: [RunningAttempt]
    /// Keyed fingerprints of the *expected* authentication strings, by account key; an account whose secret could not be
    /// resolved is missing.
    package var secrets: [String: String]
    package var catalogs: [VariableCatalog]
    package var policy: PlanningPolicy
    /// Of the whole fleet, for budgets.
    package var failovers: FailoverLedger
    /// Whom it follows, or is to; nil: nobody, or that cluster has no records.
    package var upstream: RelatedCluster?
    /// Those that follow it, or took the lead from it, by name.
    package var followers: [RelatedCluster] = []
    /// Members that another cluster's attempt copies.
    package var donating: Set<Int> = []
    /// What an earlier rehearsal of this cluster rendered; nil: nothing, or it was not kept.
    package var configurations: ConfigurationCache?
    package var now: Instant

    package init(
        name: String, desired: Declared<Cluster>?, fieldPaths: FieldPaths, hosts: HostDirectory,
        records: ClusterRecords, observed: [String: ObservedHost] = [:], running: [RunningAttempt] = [],
        secrets: [String: String] = [:], catalogs: [VariableCatalog] = [], policy: PlanningPolicy = PlanningPolicy(),
        failovers: FailoverLedger = FailoverLedger(), now: Instant
    ) {
        self.name = name
        self.desired = desired
        self.fieldPaths = fieldPaths
        self.hosts = hosts
        self.records = records
        self.observed = observed
        self.running = running
        self.secrets = secrets
        self.catalogs = catalogs
        self.policy = policy
        self.failovers = failovers
        self.now = now
    }
}

/// What step decides. No task and no wait means converged.
package struct Decision: Sendable {
    /// To be in the store before any task starts.
    package var records: ClusterRecords
    /// One wave: they may run at once, in any order.
    package var tasks: [PlannedTask] = []
    /// Attempts that are no longer wanted.
    package var cancel: [String] = []
    package var waits: [Wait] = []
    package var conditions: [Condition] = []
    /// What is wrong or drifted, for conditions, events and alert channels.
    package var findings: [Finding] = []
    /// For people: a value that the server clamps, a memory bound.
    package var warnings: [String] = []

    package init(records: ClusterRecords) { self.records = records }

    /// Whether nothing is left to do or to wait for; a directory that is only kept for a while does not count.
    package var isConverged: Bool {
        tasks.isEmpty
            && waits.allSatisfy { wait in
                if case .retention = wait.reason { return true }
                return false
            }
    }
}
