package import FleetModel
package import Manifests
package import Planning

/// What the loop last found of one unit. Made anew by every pass; sorted and complete, so that two passes that found
/// the same compare equal but for `pass`.
package struct UnitStatus: Sendable {
    package var unit: UnitID
    /// The revision whose manifest is in force, and where its document stands; empty where it is no longer declared.
    package var revision: String
    package var position: SourcePosition?
    package var conditions: [Condition] = []
    package var findings: [Finding] = []
    package var waits: [Wait] = []
    package var warnings: [String] = []
    /// Attempts that have not ended, with their progress, oldest first.
    package var running: [RunningAttempt] = []
    /// The rehearsal that the last pass made; nil before the first.
    package var plan: PlanOutline?
    /// When the last pass ended.
    package var pass: Instant?

    package init(unit: UnitID, revision: String = "", position: SourcePosition? = nil) {
        self.unit = unit
        self.revision = revision
        self.position = position
    }

    /// Nothing runs, nothing is to be done, nothing is waited for.
    package var isConverged: Bool {
        guard let plan, running.isEmpty, !isStalled else { return false }
        return plan.isConverged
    }

    /// But for the moment of the pass.
    func finds(theSameAs other: UnitStatus) -> Bool {
        revision == other.revision && position == other.position && conditions == other.conditions
            && findings == other.findings && waits == other.waits && warnings == other.warnings
            && running == other.running && plan == other.plan
    }

    /// Nothing runs, and all that is to be done waits until somebody resumes the unit.
    package var isHeldBySuspension: Bool {
        guard let plan, running.isEmpty, plan.taskCount == 0, plan.refusal == nil, !waits.isEmpty else { return false }
        return waits.allSatisfy { wait in
            switch wait.reason {
            case .approval(let what): what == Wait.resume
            case .retention: true
            case .time, .host, .attempt, .budget, .fact: false
            }
        }
    }

    /// No progress without a change from outside.
    package var isStalled: Bool { conditions.contains { $0.type == .stalled && $0.isTrue } }
}

/// A source as it was last seen.
package struct SourceStatus: Sendable, Hashable {
    package var name: String
    package var url: String
    package var branch: String
    /// The revision in force, and the newest that was seen (another one where that is held or refused).
    package var accepted: Revision?
    package var seen: Revision?
    package var lastFetch: Instant?
    /// Why the last look failed or the revision is held; nil when all is well.
    package var problem: String?
    /// Why the newest revision waits for `approve`; nil when it does not.
    package var approvalNeeded: String?
    /// Problems of the newest revision's manifests, sorted, and the same rendered.
    package var problems: [Diagnostic] = []
    /// Of these the errors that hold no unit: a file that cannot be read, a document without a kind or a name.
    package var strayErrors: [Diagnostic] = []
    package var diagnostics: [String] { problems.map { $0.rendered() } }

    package init(name: String, url: String, branch: String) {
        self.name = name
        self.url = url
        self.branch = branch
    }
}

/// An agent as the loop knows it.
package struct AgentStatus: Sendable, Hashable {
    package var host: String
    package var isConnected: Bool
    /// The highest term that it has promised; 0 where it is not known.
    package var promisedTerm: Int64
    /// When its facts were last renewed; nil where it was never heard.
    package var renewed: Instant?
    package var agentVersion: String

    package init(host: String, isConnected: Bool, promisedTerm: Int64, renewed: Instant?, agentVersion: String) {
        self.host = host
        self.isConnected = isConnected
        self.promisedTerm = promisedTerm
        self.renewed = renewed
        self.agentVersion = agentVersion
    }
}

/// Everything that is known, at one moment. Values are shared, not copied: taking it is cheap.
package struct FleetView: Sendable {
    package var now: Instant
    package var isLeader: Bool
    /// The store is being rebuilt: records and units are as they would be after an approval.
    package var isRebuilding: Bool
    package var term: Int64
    /// Where the leader is, when it is not this server and is known.
    package var leaderURL: String?
    package var sources: [SourceStatus]
    /// Nil until the first revision was read.
    package var desired: DesiredFleet?
    package var records: FleetRecords
    /// By host name; a host that is not here was never heard by this leader.
    package var observed: [String: ObservedHost]
    package var agents: [String: AgentStatus]
    /// As their last passes left them.
    package var units: UnitStatuses
    /// Attempts that have not ended, with their progress, oldest first.
    package var running: [UnitID: [RunningAttempt]]
    /// Units that wait for their turn to be looked at.
    package var waitingCount: Int
    package var catalogs: [VariableCatalog]

    package init(now: Instant, records: FleetRecords) {
        self.now = now
        isLeader = false
        isRebuilding = false
        term = 0
        leaderURL = nil
        sources = []
        desired = nil
        self.records = records
        observed = [:]
        agents = [:]
        units = UnitStatuses()
        running = [:]
        waitingCount = 0
        catalogs = []
    }
}

/// Who leads.
package struct LeaderView: Sendable, Hashable {
    package var isLeader: Bool
    /// The store is being rebuilt, and nothing is decided.
    package var isRebuilding: Bool
    package var term: Int64
    /// Where the leader is, when it is known.
    package var leaderURL: String?
}

/// What `--watch` is told: only where to look; the truth is read from the view.
package enum FleetChange: Sendable, Hashable {
    case unit(UnitID)
    case host(String)
    case source(String)
    /// The lease was gained (with its term) or lost (nil).
    case leadership(term: Int64?)
}

/// How a wait for a unit, or for all of them, ended.
package enum SettleResult: Sendable, Hashable {
    case converged
    /// The time was over; what was waited for, or still ran, by unit.
    case waiting([UnitID: [String]])
    /// These need a change from outside; why, by unit.
    case stalled([UnitID: [String]])
    /// All others have converged, and these are suspended; what stays undone, by unit.
    case suspended([UnitID: [String]])
}

/// A question to the planner that changes nothing.
package struct PlanRequest: Sendable {
    package struct File: Sendable {
        /// The path within the source's folder, with `/`.
        package var path: String
        /// Nil: the file is not there any more (only in a request of differences).
        package var contents: [UInt8]?

        package init(path: String, contents: [UInt8]?) {
            self.path = path
            self.contents = contents
        }
    }

    package enum Base: Sendable {
        /// What is in force: what the loop would do now.
        case current
        /// A commit of the source, full or abbreviated, or a branch.
        case revision(String)
        /// A whole tree of manifests, committed or not.
        case tree([File])
        /// What differs from a commit.
        case differences(from: String, [File])
    }

    package var base: Base
    /// The source it is about; nil: the only one.
    package var source: String?
    /// Units to plan; nil: all.
    package var units: Set<UnitID>?

    package init(base: Base, source: String? = nil, units: Set<UnitID>? = nil) {
        self.base = base
        self.source = source
        self.units = units
    }
}

/// Which file of the revision in force holds what, by path within the source's folder.
package struct SourceTree: Sendable, Hashable {
    package var source: String
    package var folder: String
    /// Nil: no revision is in force.
    package var commit: String?
    /// The ids of git's blobs.
    package var files: [String: String]
}

/// What the planner needs to answer a plan request (`FleetPlanner.plan`), and what else is to be said.
package struct PlanAnswer: Sendable {
    package var request: FleetPlanRequest
    /// Of the manifests, sorted; a unit that an error holds is planned from its last good manifest.
    package var problems: [Diagnostic] = []
    /// Why the whole revision would be held; empty: it would not.
    package var revisionHeld: [Diagnostic] = []
    /// Hosts that were seen before, or hold instances, and are silent; sorted.
    package var silentHosts: [String] = []
    /// Why the revision would wait for approval, or nil.
    package var approvalNeeded: String?

    package init(request: FleetPlanRequest) { self.request = request }

    package var desired: DesiredFleet { request.fleet }
    package var hasErrors: Bool { problems.contains { $0.severity == .error } }
    /// The problems, rendered.
    package var diagnostics: [String] { problems.map { $0.rendered() } }
}

/// Why a command was not carried out. The sentence says what, why and how to mend it.
package struct ReconcilerError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, Hashable {
        /// Another server leads.
        case notLeader
        /// No such unit, source, revision or plan.
        case notFound
        /// What was asked cannot be done as it is.
        case invalid
        /// The store, the source or a provider does not answer.
        case unavailable
        /// The store is being rebuilt, or an approval of that was asked for where it is not.
        case rebuilding
        /// An approval is refused for safety, or is of something else than what is seen now; or a plan relies on a revision
        /// that is not known (any more).
        case refused, stale
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
