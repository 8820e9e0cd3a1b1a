package import FleetModel
import Manifests
import MetadataStore
package import Planning

/// All that the loop decides, as a value: events in, directives out. No clock, file, socket, store or random number is
/// reachable from here.
///
/// Level, not edge: an event only says which unit to look at; a pass reads the truth. What is in the store is changed
/// here only once the store has answered, so a server that is killed at any moment loses nothing that counts.
package struct LoopMachine: Sendable {
    let settings: LoopSettings
    let planner: any UnitPlanner
    let credentials: Credentials
    var generator: SeededGenerator

    var leadership: Leadership = .follower(leaderURL: nil)
    /// As the store has them.
    var records = FleetRecords(storeID: "")
    var attempts: [String: OpenAttempt] = [:]
    var catalogs: [VariableCatalog] = []
    /// Stores whose agents are this one's.
    var adopts: [String] = []
    /// Hosts that the last rebuild left out, while something on them is not known.
    var leftOut: Set<String> = []
    /// Not nil: the store is being rebuilt.
    var gathering: Gathering?
    /// Names by uid, and clusters by the hosts of their members.
    var clusterNames: [String: String] = [:]
    var clustersByHost: [String: Set<String>] = [:]
    /// By cluster, the names of those that follow it, or did.
    var followers: [String: Set<String>] = [:]

    /// What the hosts hold by `records`; nil until it is needed.
    var loads: HostLoads?
    /// The failovers of all clusters by `records`, for budgets.
    var failovers = FailoverLedger()

    var desired: DesiredFleet?
    /// Clusters that have records and are not in `desired`.
    var undeclared: Set<String> = []
    var directory = HostDirectory()
    var sources: [String: SourceState] = [:]
    var allocationProblems: [String: AllocationProblem] = [:]
    /// A revision whose acceptance waits for commits in flight, then for its own.
    var accepting: RevisionRead?
    /// Clusters without a place are to be tried again.
    var isAllocationDue = false
    var isAcceptanceInFlight = false
    var acceptancePause: Instant?

    var agents: [String: AgentSession] = [:]
    var observed: [String: ObservedHost] = [:]
    var hostProblems: [String: HostProblem] = [:]

    var units: [UnitID: UnitState] = [:]
    var statuses = UnitStatuses()
    /// Units that an invalid manifest holds, as the store has them.
    var held: [UnitID: HeldUnit] = [:]
    /// Units that are to get a pass.
    var queue = UnitQueue()
    /// Units with tasks that `admit` held back: looked at again when any attempt ends.
    var heldByBudget: Set<UnitID> = []
    var deadlines = DeadlineQueue<Deadline>()
    /// How many answers to `resolve` are to come.
    var resolving = 0

    var commits: [UInt64: PendingCommit] = [:]
    var lastCommit: UInt64 = 0
    /// Attempt ids are unique for all time: term, moment of taking the lead, number.
    var attemptPrefix = ""
    var lastAttempt: UInt64 = 0
    /// Changes that belong to no unit's pass, for the next commit.
    var housekeeping: [StoreChange] = []

    var now = Instant(milliseconds: 0)
    var directives: [LoopDirective] = []
    var lastWake: Instant?

    package init(
        settings: LoopSettings, credentials: Credentials, seed: UInt64, planner: any UnitPlanner = StandardPlanner()
    ) {
        self.settings = settings
        self.credentials = credentials
        self.planner = planner
        generator = SeededGenerator(seed: seed)
    }

    /// What follows from an event. `now` never goes back.
    package mutating func handle(_ event: LoopEvent, now: Instant) -> [LoopDirective] {
        self.now = max(now, self.now)
        directives.removeAll(keepingCapacity: true)
        if isLeaseOver { becomeFollower(leaderURL: nil) }
        apply(event)
        passDeadlines()
        work()
        setWake()
        return directives
    }

    private mutating func apply(_ event: LoopEvent) {
        switch event {
        case .leaseGained(let term, let until): leaseGained(term: term, until: until)
        case .leaseRenewed(let until): leaseRenewed(until: until)
        case .leaseLost(let url): becomeFollower(leaderURL: url)
        case .loaded(let state): loaded(state)
        case .loadFailed(let reason): loadFailed(reason)
        case .committed(let id): committed(id)
        case .commitFailed(let id, let error): commitFailed(id, error)
        case .revisionRead(let read): revisionRead(read)
        case .sourceLooked(let name, let problem): sourceLooked(name, problem)
        case .agentConnected(let host, let connection): agentConnected(host, connection)
        case .agentMessage(let message, let host, let connection): received(message, host, connection)
        case .agentDisconnected(let host, let connection): agentDisconnected(host, connection)
        case .resolved(let unit, let fingerprints, let problems): resolved(unit, fingerprints, problems)
        case .offerFailed(let attempt, let reason): offerFailed(attempt, reason)
        case .request(let request): requested(request)
        case .woke: break
        }
    }

    private mutating func setWake() {
        guard leadership.isActive else { return }
        let next = hasWork ? now : deadlines.earliest
        guard let next, next != lastWake || next <= now else { return }
        lastWake = next
        directives.append(.wake(at: next))
    }
}

/// Limits and intervals of the loop.
package struct LoopSettings: Sendable {
    package var policy: PlanningPolicy
    package var sources: [SourceConfiguration]
    /// Where this server is reached.
    package var ownURL: String
    /// Every unit gets a pass at least so often, with a tenth of it as jitter.
    package var unitInterval: Duration
    /// The names of the scripts that the server's configuration declares for alert channels.
    package var scripts: Set<String>
    /// Commits in flight at once.
    package var commitsMax = 256
    /// Units whose secrets are being resolved, above which nothing that is only due begins.
    package var resolvesMax = 64
    /// Passes in answer to one event; what is left is done after the next. Few, because what happens meanwhile waits.
    package var passesPerEventMax = 32
    /// A connected agent that was not heard for so long is taken for gone when another comes under its name.
    package var agentSilenceMax: Duration = .seconds(3)
    /// The stream of an agent that was not heard for so long is ended: by now its facts are stale, and half of a broken
    /// TCP connection would stay for a quarter of an hour.
    package var agentStreamSilenceMax: Duration = ObservedHost.ageMax
    /// A new leader waits so long for the agents of a unit before it says that they are silent: longer than an agent's
    /// longest pause between two tries to connect (`AgentLimits.reconnectMax`), also of the release before.
    package var graceMax: Duration = .seconds(15)
    /// An attempt whose record took longer to be stored than this is not sent: its facts are too old.
    package var dispatchDelayMax: Duration = .seconds(2)
    /// How long the end of an attempt waits for the look that follows it; then its host's facts are stale anyway.
    package var lookMax: Duration = .seconds(10)
    /// The first and the longest pause of a unit whose task was refused or whose commit failed.
    package var pauseFirst: Duration = .milliseconds(250)
    package var pauseLimit: Duration = .seconds(10)
    /// Ended attempts of one unit that wait to be absorbed.
    package var endedMax = 1000

    package init(
        policy: PlanningPolicy = PlanningPolicy(), sources: [SourceConfiguration] = [], ownURL: String = "",
        unitInterval: Duration = .seconds(60), scripts: Set<String> = []
    ) {
        self.policy = policy
        self.sources = sources
        self.ownURL = ownURL
        self.unitInterval = unitInterval
        self.scripts = scripts
    }
}
