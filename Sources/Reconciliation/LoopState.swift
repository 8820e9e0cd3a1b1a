import ControlAPI
import FleetModel
import Manifests
import MetadataStore
import Planning

// The parts of the loop's state.

enum Leadership: Sendable {
    case follower(leaderURL: String?)
    /// The lease is ours, the records are on their way.
    case loading(term: Int64, until: Instant)
    case leading(term: Int64, until: Instant, since: Instant)
    /// The lease is ours and the store is being rebuilt: nothing is decided.
    case gathering(term: Int64, until: Instant)

    /// The term of our lease; nil for a follower.
    var term: Int64? {
        switch self {
        case .follower: nil
        case .loading(let term, _), .leading(let term, _, _), .gathering(let term, _): term
        }
    }

    var until: Instant? {
        switch self {
        case .follower: nil
        case .loading(_, let until), .leading(_, let until, _), .gathering(_, let until): until
        }
    }

    var isActive: Bool { term != nil }
}

/// An attempt that the store has as open.
struct OpenAttempt: Sendable {
    enum Phase: Sendable, Hashable {
        /// To be offered (again) once its unit had a pass: the agent does not have it, or was restarted under it.
        case unsent
        /// On its way to the agent, or with it.
        case sent
        /// From the store, and its agent has not been heard yet.
        case unknown
    }

    var record: AttemptRecord
    var instance: InstanceID
    var host: String
    var phase: Phase
    var progress = ""
    var isCancelled = false
    /// Once the receiver of a clone waits for its donor.
    var copy: Copy?

    struct Copy: Sendable {
        var endpoint: CopyEndpoint
        var donor: InstanceID
        /// The donor's.
        var host: String
    }

    var running: RunningAttempt {
        RunningAttempt(id: record.id, task: record.task, started: record.started, progress: progress)
    }

    /// The same with nobody but its target busy.
    var withoutDonor: RunningAttempt {
        var attempt = running
        let task = record.task
        attempt.task = PlannedTask(
            unit: task.unit, target: task.target, action: task.action, isVoluntary: task.isVoluntary, cause: task.cause,
            summary: task.summary)
        return attempt
    }
}

/// The end of an attempt, on its way to be absorbed.
struct EndedAttempt: Sendable {
    var id: String
    var outcome: AttemptOutcome
    var received: Instant
    /// The facts that count for its host show what it left.
    var isLookedAt: Bool
}

/// The stream of one agent.
struct AgentSession: Sendable {
    enum Phase: Sendable, Hashable {
        /// Before its hello.
        case connected
        /// Its hello came before the records were loaded, or it has been welcomed and has not promised yet.
        case greeted
        case promised
    }

    var connection: UInt64
    var phase: Phase = .connected
    var heard: Instant
    var lastSent: Instant
    /// How many of its hello, reports and heartbeats were taken on this connection, and when it was last told.
    var observations: Int64 = 0
    var answered: Instant?
    /// When another one that dialled under its name was refused last, until it is known whether there are two.
    var rivalRefused: Instant?
    /// A deadline for the age of its facts is in the queue.
    var isWatched = false
    /// When a report was last asked for because a unit waits for one.
    var lastAsked: Instant?
    var promisedTerm: Int64 = 0
    var agentVersion = ""
    var hello: Hello?
    /// What it last reported, and under which digest; facts count only once it has promised.
    var report: HostReport?
    var digest = ""
    /// When the oldest of these facts was seen, on our clock.
    var factsFrom: Instant?
    /// Until when it was told not to start an instance.
    var startHolds: [InstanceID: Instant] = [:]
    /// Who could be promoted in an instance's place, as its agent was told on this connection.
    var rivals: [InstanceID: [Peer]] = [:]

    struct Hello: Sendable {
        var version: Int
        var term: Int64
        var attempts: [AttemptStatus]
    }
}

/// What the loop keeps of one unit between passes.
struct UnitState: Sendable {
    enum Secrets: Sendable {
        /// Never asked for, or the manifest has changed since.
        case unknown
        /// `before`: what was known until now.
        case asked(before: [String: String]?)
        case known([String: String], at: Instant)
    }

    struct Due: Sendable {
        var at: Instant
        var lane: UnitQueue.Lane
    }

    /// Where it stands in the queue; nil: it does not.
    var lane: UnitQueue.Lane?
    var isCommitting = false
    /// Something happened while it was committing: another pass follows.
    var isDirty = false
    /// Its manifest is another than the one that its status tells of.
    var isChanged = false
    /// The next pass that nothing else asks for, and the earliest entry for it in the queue of deadlines.
    var due: Due?
    var scheduled: Instant?
    var ended: [EndedAttempt] = []
    /// Not nil: `suspend` or `resume` was asked for, and is to be stored.
    var suspension: Bool?
    /// Not nil: `switchover` was asked for, and is to be stored.
    var requestedPrimary: Int?
    var isFailoverRequested = false
    var secrets: Secrets = .unknown
    var secretProblems: [String] = []
    /// The plan that is being carried out.
    var plan: CurrentPlan?
    /// When a place was last looked for again.
    var allocationTried: Instant?
    /// No task is started before; grows with every refusal or failed commit in a row.
    var pause: Instant?
    var pauses = 0
    /// Passes in a row that changed records and started nothing.
    var silentSteps = 0
    /// The last pass, where nothing was seen of the hosts.
    var unseen: UnseenPass?
    /// What the last pass rendered, as long as the unit is not at rest: most of a fleet is.
    var configurations: ConfigurationCache?
    /// It waits for something that the next report may bring.
    var waitsForFacts = false
}

/// What the loop keeps of one source.
struct SourceState: Sendable {
    var status: SourceStatus
    /// A revision that waits for `approve`.
    var pending: RevisionRead?
}

struct CurrentPlan: Sendable {
    var id: String
    var revision: String
    /// Of all its tasks.
    var keys: Set<String>
    var text: String
}

/// Something that is wrong with a host's agent, shown for a while after it was last seen.
struct HostProblem: Sendable {
    var finding: Finding
    var until: Instant
}

enum Deadline: Sendable {
    case unit(UnitID)
    /// A host that falls silent is looked into soon, and its facts are stale later.
    case host(String)
    case stale(String)
    /// The streams to agents are looked after.
    case pulse
    /// The lease would be over.
    case lease
    case reload
    case acceptance
}

/// A commit on its way, and what its success means.
enum PendingCommit: Sendable {
    case pass(PassCommit)
    case acceptance(AcceptanceCommit)
    case housekeeping([StoreChange])
    case rebuild(RebuildCommit)
}

struct PassCommit: Sendable {
    var unit: UnitID
    var records: ClusterRecords?
    var opened: [OpenAttempt] = []
    var ended: [EndedAttempt] = []
    var cancel: [String] = []
    var plan: CurrentPlan?
    var suspension: Bool?
    var requestedPrimary: Int?
    var isFailoverRequested = false
    var channel: ChannelChange?
    var status: UnitStatus
    var decided: Instant

    struct ChannelChange: Sendable {
        var name: String
        var digest: String?
    }
}

struct AcceptanceCommit: Sendable {
    /// Nil: only an allocation that was tried again.
    var read: RevisionRead?
    var allocation: Allocation
    var held: [UnitID: HeldUnit]
}
