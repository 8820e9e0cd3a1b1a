package import FleetModel

/// What `GET /api/v1/fleet` answers: everything that people ask about, with what it means already worked out, so that a
/// client needs to know no rule. Times are milliseconds since 1970; ages are milliseconds.
package struct FleetDocument: Sendable {
    package static let formatVersion = 1

    package var time = Instant(milliseconds: 0)
    package var server = ServerDocument()
    package var sources: [SourceDocument] = []
    /// Each sorted by name.
    package var regions: [RegionDocument] = []
    package var zones: [ZoneDocument] = []
    package var hosts: [HostDocument] = []
    package var units: [UnitDocument] = []

    package init() {}
}

package struct ServerDocument: Sendable {
    package var version = ""
    package var storeID = ""
    package var isLeader = false
    package var term: Int64 = 0
    /// Empty where it is not known or this server itself.
    package var leaderURL = ""

    package init() {}
}

package struct SourceDocument: Sendable {
    package var name = ""
    package var url = ""
    package var branch = ""
    package var accepted: Revision?
    package var seen: Revision?
    package var lastFetch: Instant?
    /// Empty when all is well.
    package var problem = ""
    package var approvalNeeded = ""
    package var diagnostics: [String] = []

    package init() {}
}

package struct RegionDocument: Sendable {
    package var name = ""
    package var displayName = ""
    package var locationCode = 0
    package var isDefault = false
    package var position = ""

    package init() {}
}

package struct ZoneDocument: Sendable {
    package var name = ""
    package var region = ""
    package var rooms: [String] = []
    package var isSchedulable = true
    /// Primaries are to leave it, and it is to stay without new instances.
    package var isDrained = false
    package var position = ""

    package init() {}
}

package struct HostDocument: Sendable {
    package var name = ""
    package var zone = ""
    package var room = ""
    package var address = ""
    package var isSchedulable = true
    /// Its instances are to move to other hosts.
    package var isDrained = false
    package var position = ""
    /// `connected`, `silent` (heard before) or `unknown` (never heard by this leader).
    package var state = ""
    /// How old its facts are; nil where it was never heard.
    package var age: Duration?
    package var agentVersion = ""
    /// `mariadb 10.11.19`.
    package var engines: [String] = []
    package var storageFreeBytes: Int64 = 0
    package var memoryTotalBytes: Int64 = 0
    /// Names of instances placed here, and identities of those found here that no record knows.
    package var instances: [String] = []
    package var unmanaged: [String] = []

    package init() {}
}

/// One unit: what was last found of it, and what is declared of it.
package struct UnitDocument: Sendable {
    /// `Cluster/orders`.
    package var id = ""
    package var kind = ""
    package var name = ""
    /// The commit whose manifest is in force, and `file:line:column` of its document; empty: no longer declared.
    package var revision = ""
    package var position = ""
    package var isConverged = false
    package var conditions: [Condition] = []
    package var findings: [Finding] = []
    package var waits: [String] = []
    package var warnings: [String] = []
    package var running: [RunningDocument] = []
    /// Tasks that are still to come, by their one-line summaries, in order.
    package var pending: [String] = []
    /// Why nothing is done, where an invariant would break.
    package var refusal = ""
    /// When it was last looked at.
    package var pass: Instant?
    package var cluster: ClusterDocument?

    package init() {}
}

package struct RunningDocument: Sendable {
    package var id = ""
    package var action = ""
    package var target = ""
    package var host = ""
    package var summary = ""
    package var started = Instant(milliseconds: 0)
    package var progress = ""

    package init() {}
}

package struct ClusterDocument: Sendable {
    package var uid = ""
    package var engine = ""
    /// Exact; empty before the first instance.
    package var version = ""
    package var topology = ""
    package var durability = ""
    package var epoch: Int64 = 0
    /// The writer's instance name; empty before the founding one is chosen, and of a standby.
    package var primary = ""
    /// The cluster that it follows; empty: it leads. Then `head` is the instance that replicates from there.
    package var standbyOf = ""
    package var head = ""
    /// What the end of its lead left, for the cluster that takes it; empty where it leads, or did not yet.
    package var demotionToken = ""
    package var ackSet: [String] = []
    package var wanted = 0
    package var isSuspended = false
    package var databases: [String] = []
    package var accounts: [AccountDocument] = []
    package var parameters: [String: String] = [:]
    /// Sorted by ordinal; purged ones are not listed.
    package var instances: [InstanceDocument] = []

    package init() {}
}

package struct AccountDocument: Sendable {
    package var name = ""
    package var host = ""
    package var passwordFrom = ""

    package init() {}
}

package struct InstanceDocument: Sendable {
    package var name = ""
    package var cluster = ""
    package var ordinal = 0
    package var host = ""
    package var zone = ""
    package var address = ""
    package var port = 0
    package var serverID: Int64 = 0
    /// `active`, `leaving`, `retired`.
    package var phase = ""
    /// `primary`, `replica`, `head` of a standby, or empty while it is none of them.
    package var role = ""
    /// `running`, `starting`, `stopped`, `unresponsive`, `absent`, `halfMade`, `retired`, `unknown`.
    package var state = ""
    /// True when it serves in its role: open as primary, replicating without error as replica.
    package var isServing = false
    /// True when the facts are too old to be relied on.
    package var isStale = false
    package var age: Duration?
    package var isReadOnly: Bool?
    package var isSemiSync = false
    package var lagSeconds: Int64?
    package var position = ""
    package var version = ""
    package var usedBytes: Int64 = 0
    /// Replication errors, as the server says them.
    package var problem = ""
    /// When its directory goes; only of a retired one.
    package var retainedUntil: Instant?

    package init() {}
}
