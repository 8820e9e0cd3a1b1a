package import FleetModel

/// The right to lead, for a time. Its term grows whenever the lease changes hands; every write is conditional on it.
package struct Lease: Sendable, Hashable {
    package var holder: LeaseHolder
    package var term: Int64
    /// On the store's clock of the wall; the holder measures it on its own clock from when it asked.
    package var duration: Duration

    package init(holder: LeaseHolder, term: Int64, duration: Duration) {
        self.holder = holder
        self.term = term
        self.duration = duration
    }
}

/// An attempt as the store keeps it.
package struct AttemptRecord: Sendable, Hashable {
    /// Unique for all time; the agent's journal deduplicates by it.
    package var id: String
    /// The task's key (`Planner.key(of:)`): at most one attempt of a key is open, which every store enforces.
    package var key: String
    package var task: PlannedTask
    /// The plan (its digest) and the revision that it belongs to.
    package var plan: String
    package var revision: String
    /// The cluster's epoch that it was planned under; 0: of no cluster, or of an earlier release.
    package var epoch: Int64
    package var started: Instant
    /// Nil while it is open.
    package var ended: Instant?
    package var outcome: AttemptOutcome?

    package init(
        id: String, key: String, task: PlannedTask, plan: String, revision: String, epoch: Int64 = 0, started: Instant,
        ended: Instant? = nil, outcome: AttemptOutcome? = nil
    ) {
        self.id = id
        self.key = key
        self.task = task
        self.plan = plan
        self.revision = revision
        self.epoch = epoch
        self.started = started
        self.ended = ended
        self.outcome = outcome
    }
}

/// A revision as the loop took it.
package struct RevisionRecord: Sendable, Hashable {
    package enum State: String, Sendable, Hashable, CaseIterable { case accepted, held, refused }

    package var source: String
    package var revision: Revision
    /// When its source told of it.
    package var seen: Instant
    /// When it was taken into force; nil where it was not.
    package var accepted: Instant?
    package var state: State
    /// Rendered diagnostics, or why it waits; empty when all is well.
    package var message: String

    package init(
        source: String, revision: Revision, seen: Instant, accepted: Instant? = nil, state: State, message: String = ""
    ) {
        self.source = source
        self.revision = revision
        self.seen = seen
        self.accepted = accepted
        self.state = state
        self.message = message
    }
}

/// A plan as it was begun.
package struct PlanRecord: Sendable, Hashable {
    /// Its digest.
    package var id: String
    package var unit: UnitID
    package var revision: String
    package var made: Instant
    /// As `plan` prints it.
    package var text: String

    package init(id: String, unit: UnitID, revision: String, made: Instant, text: String) {
        self.id = id
        self.unit = unit
        self.revision = revision
        self.made = made
        self.text = text
    }
}

/// A unit that an invalid manifest holds at an earlier revision.
package struct HeldUnit: Sendable, Hashable {
    package var unit: UnitID
    /// The revision whose manifest is in force, and the file there; nil where there never was one.
    package var revision: String?
    package var file: String?
    package var message: String

    package init(unit: UnitID, revision: String?, file: String?, message: String) {
        self.unit = unit
        self.revision = revision
        self.file = file
        self.message = message
    }
}

/// One message to one alert channel. One that was given up is kept for a while, to be shown.
package struct OutboxEntry: Sendable, Hashable {
    /// Deduplication key: channel, alert, and whether it fires or is resolved.
    package var id: String
    package var channel: String
    /// The whole payload, JSON.
    package var payload: String
    package var created: Instant
    package var attempts: Int
    package var nextTry: Instant
    package var lastError: String
    package var delivered: Instant?
    /// When it was given up: it is not tried again.
    package var gaveUp: Instant?

    package init(
        id: String, channel: String, payload: String, created: Instant, attempts: Int = 0, nextTry: Instant,
        lastError: String = "", delivered: Instant? = nil, gaveUp: Instant? = nil
    ) {
        self.id = id
        self.channel = channel
        self.payload = payload
        self.created = created
        self.attempts = attempts
        self.nextTry = nextTry
        self.lastError = lastError
        self.delivered = delivered
        self.gaveUp = gaveUp
    }
}

/// An alert that fires, so that it is told once and its end is told too, over restarts.
package struct AlertRecord: Sendable, Hashable {
    /// Unit, reason, subject, and when it began: an alert that comes again is another one.
    package var key: String
    package var labels: [String: String]
    package var annotations: [String: String]
    package var began: Instant
    package var ended: Instant?

    package init(key: String, labels: [String: String], annotations: [String: String], began: Instant, ended: Instant? = nil) {
        self.key = key
        self.labels = labels
        self.annotations = annotations
        self.began = began
        self.ended = ended
    }
}

/// A credential of an agent or a person. The token itself is not kept, only its SHA-256.
package struct CredentialRecord: Sendable, Hashable {
    package enum Role: String, Sendable, Hashable, CaseIterable { case viewer, `operator`, admin, agent, enrolment }

    package var tokenDigest: String
    package var role: Role
    /// The person's name, or the host that an agent's or an enrolment token is bound to.
    package var subject: String
    package var created: Instant
    /// An enrolment token is good once and until then; nil: no end.
    package var expires: Instant?

    package init(tokenDigest: String, role: Role, subject: String, created: Instant, expires: Instant? = nil) {
        self.tokenDigest = tokenDigest
        self.role = role
        self.subject = subject
        self.created = created
        self.expires = expires
    }
}

/// One change of a transaction. They count in their order; what is unique is judged when all are made, so that two
/// clusters can exchange a port in one transaction.
package enum StoreChange: Sendable {
    /// Refused where its name is another uid's (remove that one first), where its epoch goes back, or where its uid,
    /// GTID domain, a server id (of purged members too) or a member's host and port (not of retired and purged ones) is another's.
    case putCluster(ClusterRecords)
    case removeCluster(name: String)
    /// The numbers that allocate hands out; a backend refuses one that goes back.
    case counters(nextServerNumber: Int64, nextDomainNumber: Int64, clustersMade: Int64)
    /// One record a source and commit; put again, it replaces the first and counts as the newest.
    case putRevision(RevisionRecord)
    /// One record an id; put again, it replaces the first and counts as the newest.
    case putPlan(PlanRecord)
    /// Refused where the id was ever used, or another attempt of the key is open.
    case openAttempt(AttemptRecord)
    /// Of an attempt that has ended already, the first end stays. An id that the store does not know is passed over:
    /// its record is older than what the store keeps.
    case endAttempt(id: String, outcome: AttemptOutcome, at: Instant)
    /// All conditions of a unit; none removes the unit's entry.
    case putConditions(UnitID, [Condition])
    case appendEvent(Event)
    case putHeld(HeldUnit)
    case removeHeld(UnitID)
    /// Nil: the channel is gone.
    case putChannel(name: String, digest: String?)
    case putAlert(AlertRecord)
    case removeAlert(key: String)
    case putOutbox(OutboxEntry)
    case removeOutbox(id: String)
    case putCredential(CredentialRecord)
    case removeCredential(tokenDigest: String)
    case putCatalog(VariableCatalog)
    /// The operator approved a rebuild: agents that are bound to these stores are this one's from now on, the hosts in
    /// `without` are left out, and the holder of the lease goes on under the next term above both the store's and
    /// `aboveTerm`. Refused where the store is not being rebuilt.
    case finishRebuild(adopts: [String], without: [String], aboveTerm: Int64)
    /// Everything on a host that a rebuild left out is known by now.
    case removeLeftOut(host: String)
}

/// All that a leader needs to go on where the last one ended.
package struct StoredState: Sendable {
    package var records: FleetRecords
    package var openAttempts: [AttemptRecord]
    package var conditions: [UnitID: [Condition]]
    package var held: [HeldUnit]
    package var alerts: [AlertRecord]
    package var outbox: [OutboxEntry]
    package var credentials: [CredentialRecord]
    package var catalogs: [VariableCatalog]
    /// Of each source, the last accepted.
    package var revisions: [RevisionRecord]
    /// Not nil: since then the store is being rebuilt, and nothing is to be decided by it before `finishRebuild`.
    package var rebuilding: Instant?
    /// Identities of stores whose agents are this one's, sorted; not while it is being rebuilt.
    package var adopts: [String]
    /// Hosts that the last rebuild left out, sorted: what is on them is not known.
    package var leftOut: [String]

    package init(
        records: FleetRecords, openAttempts: [AttemptRecord] = [], conditions: [UnitID: [Condition]] = [:],
        held: [HeldUnit] = [], alerts: [AlertRecord] = [], outbox: [OutboxEntry] = [],
        credentials: [CredentialRecord] = [], catalogs: [VariableCatalog] = [], revisions: [RevisionRecord] = [],
        rebuilding: Instant? = nil, adopts: [String] = [], leftOut: [String] = []
    ) {
        self.records = records
        self.openAttempts = openAttempts
        self.conditions = conditions
        self.held = held
        self.alerts = alerts
        self.outbox = outbox
        self.credentials = credentials
        self.catalogs = catalogs
        self.revisions = revisions
        self.rebuilding = rebuilding
        self.adopts = adopts
        self.leftOut = leftOut
    }
}

package enum StoreError: Error, Sendable, Hashable {
    /// The lease is another's, or over: the writer leads no more.
    case leaseLost(term: Int64)
    /// Another server has the store open, and this backend serves only one.
    case inUse(by: String)
    /// A uniqueness or monotonicity rule of the store refused the change.
    case conflict(String)
    /// The store cannot be read or written; the sentence says what, why and how to mend.
    case unavailable(String)
    /// The answer to a commit was lost, and whether it was made could not be read: what is known is to be read anew.
    case uncertain(String)
}

/// Where records, plans, attempts, events and leases live. Every backend passes `MetadataStoreConformance`. All errors
/// are `StoreError`s.
///
/// All calls are atomic; a write that returned is durable. Uniqueness of server ids, GTID domains, (host, port) pairs
/// of members and open attempts per task key is the store's to enforce.
package protocol MetadataStore: Sendable {
    /// Takes or renews the lease. Throws `leaseLost` with the other's term while another holds it.
    ///
    /// Its own lease keeps its term, also when it is over and nobody took it; a lease that changes hands, or is taken after
    /// it was given back, gets the next term. A later run of the same server takes it at once (`LeaseHolder.supersedes`).
    func acquireLease(holder: LeaseHolder, duration: Duration, now: Instant) async throws -> Lease
    /// Gives the lease back; does nothing where it is another's by now.
    func releaseLease(_ lease: Lease) async throws
    func load() async throws -> StoredState
    /// Puts the store into the state of being rebuilt: with what it holds as the base, a new identity, the old one to be
    /// adopted, and no lease. Does nothing where it is in that state.
    func beginRebuild(now: Instant) async throws
    /// All changes or none, and only while `term` is the lease's.
    func commit(_ changes: [StoreChange], term: Int64) async throws
    /// Newest first.
    func events(unit: UnitID?, limit: Int) async throws -> [Event]
    func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord]
    func revisions(limit: Int) async throws -> [RevisionRecord]
    func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord]
    /// A consistent copy of the store in a new file; refused where there is one.
    func backUp(to path: String) async throws
}
