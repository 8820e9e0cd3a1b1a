package import ControlAPI
package import FleetModel
package import MetadataStore

/// The loop as the server runs it: keeps the lease, watches the sources, talks with the agents, and carries out what
/// the state machine (`LoopMachine`) asks for.
package actor Reconciler {
    private let store: any MetadataStore
    private let configuration: ReconcilerConfiguration
    private let secrets: any SecretProvider
    private let clock: any TimeSource

    package init(
        store: any MetadataStore, configuration: ReconcilerConfiguration, secrets: any SecretProvider,
        clock: any TimeSource
    ) {
        self.store = store
        self.configuration = configuration
        self.secrets = secrets
        self.clock = clock
    }

    /// Runs until its task is cancelled: the lease, the sources, the loop. The lease is released at the end.
    /// Throws `StoreError.inUse` where another server has a store that serves only one.
    package func run() async throws {}

    // MARK: Agents

    /// A host's agent has opened its streams. The answer is what is to be sent to it, in order; it ends when the agent
    /// is refused (a live agent of that name is there: the last message says so) or another server leads.
    /// `connection` is unique within this process.
    package func agentConnected(host: String, connection: UInt64) -> AsyncStream<ServerMessage> {
        AsyncStream { $0.finish() }
    }

    /// A message of that connection, in the order they came. Those of a refused or ended connection are dropped.
    package func receive(_ message: AgentMessage, host: String, connection: UInt64) async {}

    package func agentDisconnected(host: String, connection: UInt64) {}

    // MARK: Commands. `by` is the name of who asks, for the event.

    /// Looks at the sources now and gives the unit (nil: every unit) a pass. Returns when the sources were read.
    package func reconcile(unit: UnitID?, by: String) async throws(ReconcilerError) {}

    /// Waits until the unit (nil: every unit) is converged or stalled at the newest revision, at most `timeout`.
    package func waitSettled(unit: UnitID?, timeout: Duration) async throws(ReconcilerError) -> SettleResult {
        .converged
    }

    package func suspend(unit: UnitID, by: String) async throws(ReconcilerError) {}
    package func resume(unit: UnitID, by: String) async throws(ReconcilerError) {}
    /// Takes a revision that waits for approval (full or abbreviated commit) into force.
    package func approve(revision: String, by: String) async throws(ReconcilerError) {}

    /// What reconciliation would do; changes nothing.
    package func plan(_ request: PlanRequest) async throws(ReconcilerError) -> PlanAnswer {
        throw ReconcilerError(.unavailable, "planning on request is not there yet")
    }

    // MARK: Views

    package func view() async -> FleetView { FleetView(now: clock.now(), records: FleetRecords(storeID: "")) }
    /// Newest first.
    package func events(unit: UnitID?, limit: Int) async throws -> [Event] {
        try await store.events(unit: unit, limit: limit)
    }
    package func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        try await store.attempts(unit: unit, limit: limit)
    }
    package func revisions(limit: Int) async throws -> [RevisionRecord] { try await store.revisions(limit: limit) }
    package func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] {
        try await store.plans(unit: unit, limit: limit)
    }

    /// Where something changed, from now on; a slow reader loses the oldest beyond `changesBufferedMax`, and is to read
    /// the view anyway.
    package func changes() -> AsyncStream<FleetChange> { AsyncStream { $0.finish() } }

    /// The status that every pass of a unit made, for alerts: findings, conditions, revision. First of all the present
    /// status of every unit.
    package func passes() -> AsyncStream<UnitStatus> { AsyncStream { $0.finish() } }

    package static let changesBufferedMax = 1024
}
