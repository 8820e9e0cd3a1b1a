import ControlAPI
import FleetModel
package import MetadataStore
import Planning

/// The loop as the server runs it: keeps the lease, watches the sources, talks with the agents, and carries out what
/// the state machine (`LoopMachine`) asks for. It decides nothing itself.
package actor Reconciler {
    let store: any MetadataStore
    let configuration: ReconcilerConfiguration
    let secrets: any SecretProvider
    let clock: any TimeSource
    let credentials: Credentials

    var machine: LoopMachine
    private var keeper: LeaseKeeper
    private let holder: LeaseHolder
    private var lease: Lease?
    var streams: [UInt64: AgentStream] = [:]
    var watchers: [SourceWatcher] = []
    var listeners = Listeners()
    /// Continuations of `waitSettled`, resumed whenever something happened.
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var lastWaiter: UInt64 = 0
    var faultAnswers = FaultAnswers()

    /// Work that has to be waited for, carried out by `run`.
    enum Job: Sendable {
        case load
        case acquire(Duration)
        case release(Lease)
        case sleep(until: Instant, Timer)
        case resolve(UnitID, clusterUID: String, [AccountSpec])
        case resolveOffer(AttemptOrder, OfferSecrets, connection: UInt64)
        case watch(SourceWatcher)
    }

    enum Timer: Sendable { case loop(UInt64), lease, waiter(UInt64) }

    let jobs: AsyncStream<Job>
    let jobSink: AsyncStream<Job>.Continuation
    var commits = CommitQueue()
    private var lastTimer: UInt64 = 0
    private var startFailure: StoreError?
    private let makeRepository: @Sendable (SourceConfiguration) -> any FleetRepository

    /// `repository`: how a source is reached; tests put another in place of git.
    package init(
        store: any MetadataStore, configuration: ReconcilerConfiguration, secrets: any SecretProvider,
        clock: any TimeSource, repository: (@Sendable (SourceConfiguration) -> any FleetRepository)? = nil
    ) {
        let mirrors = configuration.mirrorDirectory
        makeRepository = repository ?? { MirroredRepository($0, mirrorDirectory: mirrors) }
        self.store = store
        self.configuration = configuration
        self.secrets = secrets
        self.clock = clock
        credentials = Credentials(fleetKey: secrets.fleetKey())
        machine = LoopMachine(
            settings: LoopSettings(
                policy: configuration.policy, sources: configuration.sources, ownURL: configuration.leaderURL,
                unitInterval: configuration.unitInterval, scripts: configuration.scripts),
            credentials: credentials, seed: configuration.seed)
        keeper = LeaseKeeper(duration: configuration.leaseDuration)
        holder = LeaseHolder(name: configuration.serverName, began: clock.now(), random: configuration.seed)
        (jobs, jobSink) = AsyncStream.makeStream()
    }

    /// Runs until its task is cancelled: the lease, the sources, the loop. The lease is released at the end.
    /// Throws `StoreError.inUse` where another server has a store that serves only one, and `ReconcilerError` for more
    /// than one source: two fleets are not merged yet, and each would seem to remove the other.
    package func run() async throws {
        guard configuration.sources.count <= 1 else {
            throw ReconcilerError(
                .invalid,
                "The configuration names \(configuration.sources.count) sources; this release serves one. Keep the fleet in one repository, or run a server for each.")
        }
        keep(.started)
        await withDiscardingTaskGroup { group in
            group.addTask { await self.carryOutCommits() }
            for await job in jobs {
                if startFailure != nil { break }
                group.addTask { await self.carryOut(job) }
            }
            group.cancelAll()
        }
        stop()
        if let lease { try? await store.releaseLease(lease) }
        if let startFailure { throw startFailure }
    }

    private func stop() {
        unwatchSources()
        for connection in streams.keys { streams[connection]?.finish() }
        streams = [:]
        listeners.finish()
        resumeWaiters()
    }

    // MARK: The loop's machine

    func handle(_ event: LoopEvent) {
        for directive in machine.handle(event, now: clock.now()) { carryOut(directive) }
        resumeWaiters()
    }

    private func carryOut(_ directive: LoopDirective) {
        switch directive {
        case .load: jobSink.yield(.load)
        case .commit(let id, let changes, let term): commits.append(CommitQueue.Commit(id: id, changes: changes, term: term))
        case .send(let message, _, let connection): send(.message(message), connection)
        case .offer(let order, let secrets, _, let connection): send(.offer(order, secrets), connection)
        case .close(_, let connection): send(.close, connection)
        case .resolve(let unit, let uid, let accounts): jobSink.yield(.resolve(unit, clusterUID: uid, accounts))
        case .watchSources(let accepted, let held): watchSources(accepted, held)
        case .unwatchSources: unwatchSources()
        case .judged(let source, let commit, let isAccepted):
            watchers.first { $0.name == source }?.judged(commit, isAccepted: isAccepted)
        case .look: for watcher in watchers { watcher.poke() }
        case .wake(let moment):
            lastTimer += 1
            jobSink.yield(.sleep(until: moment, .loop(lastTimer)))
        case .publish(let status): listeners.publish(status)
        case .changed(let change): listeners.tell(change)
        case .stepDown: stepDown()
        case .tell(let notice): listeners.note(notice)
        }
    }

    // MARK: Sources

    private func watchSources(_ accepted: [RevisionRecord], _ held: [HeldUnit]) {
        unwatchSources()
        for source in configuration.sources {
            let watcher = SourceWatcher(
                source, repository: makeRepository(source), accepted: accepted.first { $0.source == source.name }?.revision,
                held: held, clock: clock, seed: configuration.seed)
            watchers.append(watcher)
            jobSink.yield(.watch(watcher))
        }
    }

    private func unwatchSources() {
        for watcher in watchers { watcher.finish() }
        watchers = []
    }

    // MARK: The lease

    private func keep(_ event: LeaseKeeper.Event) {
        for directive in keeper.handle(event, now: clock.now()) {
            switch directive {
            case .acquire(let duration): jobSink.yield(.acquire(duration))
            case .wake(let moment): jobSink.yield(.sleep(until: moment, .lease))
            case .tell(let event): handle(event)
            }
        }
    }

    private func acquire(_ duration: Duration) async {
        do {
            let lease = try await store.acquireLease(
                holder: holder, duration: duration, now: clock.now())
            self.lease = lease
            keep(.acquired(lease))
        } catch {
            let failure = StoreError(wrapping: error)
            if case .inUse = failure, lease == nil {
                startFailure = failure
                jobSink.finish()
            }
            keep(.failed(failure))
            if case .leaseLost = failure { await findLeader() }
        }
    }

    /// Where several servers share the store: whom clients and agents are to be sent to.
    private func findLeader() async {
        guard let shared = store as? any SharedStore else { return }
        do {
            let found = try await shared.leaderURL()
            // Ours: of an earlier run, whose lease is not over.
            let url = found == configuration.leaderURL ? nil : found
            if !machine.leadership.isActive, machine.leader.leaderURL != url { handle(.leaseLost(leaderURL: url)) }
        } catch {
            // Whom we knew last is as good as nobody; the lease is asked for again soon.
            listeners.note(LoopNotice(.info, "the store does not tell who leads", ["reason": StoreError(wrapping: error).sentence]))
        }
    }

    private func stepDown() {
        keep(.released)
        guard let lease else { return }
        self.lease = nil
        jobSink.yield(.release(lease))
    }

    // MARK: Jobs

    private func carryOut(_ job: Job) async {
        switch job {
        case .load: await load()
        case .acquire(let duration): await acquire(duration)
        case .release(let lease): try? await store.releaseLease(lease)
        case .sleep(let moment, let timer): await sleep(until: moment, timer)
        case .resolve(let unit, let uid, let accounts): await resolve(unit, uid, accounts)
        case .resolveOffer(let order, let needs, let connection): await resolveOffer(order, needs, connection)
        case .watch(let watcher): await watcher.run { event in await self.handle(event) }
        }
    }

    private func sleep(until moment: Instant, _ timer: Timer) async {
        guard (try? await clock.sleep(until: moment)) != nil else { return }
        switch timer {
        case .loop(let number): if number == lastTimer { handle(.woke) }
        case .lease: keep(.woke)
        case .waiter(let number): resume(number)
        }
    }

    private func load() async {
        do {
            handle(.loaded(try await store.load()))
        } catch {
            handle(.loadFailed(StoreError(wrapping: error).sentence))
        }
    }
}

extension StoreError {
    init(wrapping error: any Error) { self = error as? StoreError ?? .unavailable("\(error)") }

    var sentence: String {
        switch self {
        case .leaseLost(let term): "another server leads, under term \(term)"
        case .inUse(let holder): "the store is in use by \(holder)"
        case .conflict(let reason), .unavailable(let reason), .uncertain(let reason): reason
        }
    }
}
