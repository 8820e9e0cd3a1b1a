// Records: what we decided or did and must not decide again. They live in the metadata store; step only proposes them.

/// A place in a cluster's life of one instance.
package enum MemberPhase: Sendable, Hashable {
    /// Wanted.
    case active
    /// To be removed once the others can do without it.
    case leaving
    /// Stopped, its directory kept until `until`.
    case retired(until: Instant)
    /// Its directory is gone; kept so that the ordinal is never used again.
    case purged
}

package struct MemberRecord: Sendable, Hashable {
    package var ordinal: Int
    package var host: String
    package var zone: String
    package var address: String
    package var port: Int
    /// Of a galera cluster's, where its group and what it missed come in; 0: none is allocated.
    package var groupPort: Int
    package var transferPort: Int
    package var serverID: Int64
    package var phase: MemberPhase

    package init(
        ordinal: Int, host: String, zone: String, address: String, port: Int, serverID: Int64,
        phase: MemberPhase = .active, groupPort: Int = 0, transferPort: Int = 0
    ) {
        self.ordinal = ordinal
        self.host = host
        self.zone = zone
        self.address = address
        self.port = port
        self.groupPort = groupPort
        self.transferPort = transferPort
        self.serverID = serverID
        self.phase = phase
    }
}

/// A change of writer that has begun and not ended.
package struct SwitchoverIntent: Sendable, Hashable {
    package var from: Int
    package var to: Int
    /// The epoch that the new writer gets; larger than the cluster's.
    package var epoch: Int64
    package var began: Instant
    package var reason: String
    /// The old writer's last position, once it takes no writes any more.
    package var position: GTIDSet?
    /// Of a galera cluster, instead of the position.
    package var sequence: Int64?
    /// True once the new writer may have been opened: from then on only forwards, until its attempt is known to have
    /// failed.
    package var isPastReturn: Bool

    package init(
        from: Int, to: Int, epoch: Int64, began: Instant, reason: String, position: GTIDSet? = nil,
        isPastReturn: Bool = false, sequence: Int64? = nil
    ) {
        self.sequence = sequence
        self.from = from
        self.to = to
        self.epoch = epoch
        self.began = began
        self.reason = reason
        self.position = position
        self.isPastReturn = isPastReturn
    }
}

/// An unplanned change of writer that has begun and not ended: the writer is lost.
package struct FailoverIntent: Sendable, Hashable {
    package var from: Int
    /// The epoch that the new writer gets; larger than the cluster's was.
    package var epoch: Int64
    package var began: Instant
    /// The diagnosis: its code and what showed it.
    package var reason: String
    /// Who could acknowledge for the lost writer when it began, sorted: each may hold a row that nobody else has.
    package var ackers: [Int]
    /// By ordinal, what a member had received when it stopped receiving under this epoch: it acknowledges nothing for
    /// the lost writer any more.
    package var revoked: [Int: GTIDSet]
    /// Whether SIGKILL was delivered to the lost writer.
    package var isFenced: Bool
    /// The last position in the lost writer's own binlog, where its host could read it after the fence: all that it can
    /// ever have acknowledged.
    package var tail: GTIDSet?
    /// Nil until coverage is proved and a candidate chosen.
    package var to: Int?
    /// True once the new writer may have been opened: from then on only forwards.
    package var isPastReturn: Bool

    package init(
        from: Int, epoch: Int64, began: Instant, reason: String, ackers: [Int], revoked: [Int: GTIDSet] = [:],
        isFenced: Bool = false, tail: GTIDSet? = nil, to: Int? = nil, isPastReturn: Bool = false
    ) {
        self.from = from
        self.epoch = epoch
        self.began = began
        self.reason = reason
        self.ackers = ackers
        self.revoked = revoked
        self.isFenced = isFenced
        self.tail = tail
        self.to = to
        self.isPastReturn = isPastReturn
    }
}

/// What the server made of a declared value, by engine version: `100000000` is read back as `99614720`.
package struct AppliedParameter: Sendable, Hashable {
    package var declared: String
    package var readBack: String
    package var version: String

    package init(declared: String, readBack: String, version: String) {
        self.declared = declared
        self.readBack = readBack
        self.version = version
    }
}

/// An account as we last made it.
package struct AppliedAccount: Sendable, Hashable {
    package var fingerprint: String
    package var grants: [Grant]

    package init(fingerprint: String, grants: [Grant]) {
        self.fingerprint = fingerprint
        self.grants = grants
    }

    /// Ordered to be made or dropped, and not known to be either.
    package static let unconfirmed = AppliedAccount(fingerprint: "", grants: [])
}

/// A task that failed, until it succeeds or is no longer wanted.
package struct FailureRecord: Sendable, Hashable {
    package var count: Int
    package var last: Instant
    package var message: String
    /// Not tried again before.
    package var retryAt: Instant

    package init(count: Int, last: Instant, message: String, retryAt: Instant) {
        self.count = count
        self.last = last
        self.message = message
        self.retryAt = retryAt
    }

    /// After so many failures the unit is Stalled; it is still tried, at the longest interval.
    package static let stalledAfter = 5
    package static let backoffFirst: Duration = .seconds(1)
    package static let backoffLimit: Duration = .seconds(60)
}

/// A member that was restarted by a rolling change.
package struct RolledInstance: Sendable, Hashable {
    package var ordinal: Int
    /// When its restart had ended.
    package var at: Instant

    package init(ordinal: Int, at: Instant) {
        self.ordinal = ordinal
        self.at = at
    }
}

/// All records of one cluster.
package struct ClusterRecords: Sendable, Hashable {
    package var uid: String
    package var name: String
    package var gtidDomain: Int64
    /// Exact engine version; empty until the first instance was installed or its host told its version.
    package var engineVersion: String
    /// By ordinal, sorted; purged ones stay.
    package var members: [MemberRecord]
    /// Fences the writer; grows only with a recorded intent.
    package var epoch: Int64
    /// The ordinal of the writer; nil before the founding primary is chosen.
    package var primary: Int?
    /// True once the founding primary may have been opened for writing: from then on the cluster may hold data, and every
    /// new instance is a clone.
    package var isFounded: Bool
    /// Superset of the replicas that can acknowledge, by ordinal, sorted.
    package var ackSet: [Int]
    /// Whether the writer was last opened to wait for acknowledgements.
    package var isSemiSync: Bool
    /// Whether the writer has taken writes without waiting for anybody, of which no member of the ack set is known yet to
    /// have received all: then only its own binlog proves what was acknowledged.
    package var isUnprotected: Bool
    package var switchover: SwitchoverIntent?
    /// Who is to be the writer, by command (`evenkeel switchover`); until it is, or could not be made it.
    package var requestedPrimary: Int?
    /// By command (`evenkeel failover`): another member is to take over from the lost writer, where failover is manual or the
    /// budget is spent; until one begins to, or the writer serves again.
    package var isFailoverRequested: Bool
    package var failover: FailoverIntent?
    /// Automatic failovers of late, oldest first: those of the last hour. They are budgeted, and space out the return
    /// to a preferred zone.
    package var failovers: [FailoverMark]
    /// Ordinals, sorted, of members that were left behind by a failover (the lost writer, and whoever could not be
    /// reached): they may hold rows that the new writer does not.
    package var leftBehind: [Int]
    /// What the present writer held when it took over: whoever lacks any of it cannot take over from it. Empty for the
    /// founding primary.
    package var floor: GTIDSet
    /// By ordinal, silent members of the ack set that the present writer refuses, with its position then: once another
    /// one has received that, they need not be asked any more.
    package var expelled: [Int: GTIDSet]
    /// By ordinal, members of the ack set that were seen to acknowledge no more, with what the writer held then: once another
    /// one has received that, they need not be asked any more.
    package var quiet: [Int: GTIDSet]
    package var parameters: [String: AppliedParameter]
    /// What we made in the database: inventory, so that only that is ever removed. Databases with the policy that was
    /// last declared for them.
    package var databases: [String: DeletionPolicy]
    package var accounts: [String: AppliedAccount]
    /// Replicas (ordinals) whose replication account the writer has, sorted.
    package var preparedReplicas: [Int]
    /// Ordinals, sorted, of those that we make and that have not served yet, and of those that we took out of service
    /// and that do not serve again yet: what they lack is no drift.
    package var joining: [Int]
    package var returning: [Int]
    /// Whom a rolling change restarted last, and who was not seen back in service since; nil: nobody.
    package var rolled: RolledInstance?
    /// By task key.
    package var failures: [String: FailureRecord]
    /// By command (`evenkeel suspend`), beside the manifest's own.
    package var suspended: Bool
    /// Nil: it leads.
    package var standby: StandbyRole?
    package var steppingDown: StepDown?
    /// The end of its last lead, until it leads again.
    package var demotion: DemotionToken?
    /// How it came to lead; nil where it was founded to, or does not.
    package var lead: LeadTaken?
    /// Nil in another topology.
    package var galera: GaleraRecords?

    package init(uid: String, name: String, gtidDomain: Int64) {
        self.uid = uid
        self.name = name
        self.gtidDomain = gtidDomain
        engineVersion = ""
        members = []
        epoch = 0
        primary = nil
        isFounded = false
        ackSet = []
        isSemiSync = false
        isUnprotected = false
        switchover = nil
        requestedPrimary = nil
        isFailoverRequested = false
        failover = nil
        failovers = []
        leftBehind = []
        floor = GTIDSet()
        expelled = [:]
        quiet = [:]
        parameters = [:]
        databases = [:]
        accounts = [:]
        preparedReplicas = []
        joining = []
        returning = []
        failures = [:]
        suspended = false
    }

    package func member(_ ordinal: Int) -> MemberRecord? { members.first { $0.ordinal == ordinal } }

    /// Whether a member in `zone` can be set to acknowledge for a writer in `writer`'s: of several zones only one outside the
    /// writer's, as a fellow of its zone is lost with it.
    package func isZoneOfAckers(_ zone: String, for writer: String) -> Bool {
        zone != writer || !members.contains { $0.phase == .active && $0.zone != writer }
    }

    /// Moments that are still to come were written by a clock that was set back since: what they begin, begins now.
    package mutating func countMoments(until now: Instant) {
        for index in failovers.indices { failovers[index].at = min(failovers[index].at, now) }
        if let began = failover?.began { failover?.began = min(began, now) }
        if let began = switchover?.began { switchover?.began = min(began, now) }
        for (key, failure) in failures where failure.last > now {
            failures[key]?.retryAt = now + (failure.retryAt - failure.last)
            failures[key]?.last = now
        }
    }
}

/// Records of the whole fleet: the clusters', and the numbers that allocate hands out.
package struct FleetRecords: Sendable {
    /// Identity of the store, made once; agents are bound to it.
    package var storeID: String
    /// By cluster name.
    package var clusters: [String: ClusterRecords]
    /// The next server id's and GTID domain's low bits; never go back.
    package var nextServerNumber: Int64
    package var nextDomainNumber: Int64
    /// How many clusters were ever made; part of a new one's uid.
    package var clustersMade: Int64
    /// The digest of each alert channel as it is in force.
    package var channels: [String: String]

    package init(storeID: String) {
        self.storeID = storeID
        clusters = [:]
        nextServerNumber = 1
        nextDomainNumber = 1
        clustersMade = 0
        channels = [:]
    }
}
