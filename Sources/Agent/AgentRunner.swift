import ControlAPI
package import Engines
package import FleetModel

/// What an agent is made of.
package struct AgentParts: Sendable {
    package var host: String
    package var version: String
    package var driver: any EngineDriver
    package var journal: any Journal
    package var transport: any AgentTransport
    package var roleHook: (any RoleHook)?
    /// Nil: the agent refuses every fault.
    package var faults: (any FaultInjector)?
    /// Called with each notice, in order; must not block.
    package var log: @Sendable (AgentNotice) -> Void
    /// Evenly in 0 ..< 1.
    package var jitter: @Sendable () -> Double

    package init(
        host: String, version: String, driver: any EngineDriver, journal: any Journal, transport: any AgentTransport,
        roleHook: (any RoleHook)? = nil, faults: (any FaultInjector)? = nil, log: @escaping @Sendable (AgentNotice) -> Void = { _ in },
        jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.host = host
        self.version = version
        self.driver = driver
        self.journal = journal
        self.transport = transport
        self.roleHook = roleHook
        self.faults = faults
        self.log = log
        self.jitter = jitter
    }
}

/// Runs an agent: hands events to the machine, one at a time, and carries out what it asks for.
package actor AgentRunner {
    private let parts: AgentParts
    private let now: @Sendable () -> Instant
    private let sleep: @Sendable (Duration) async throws -> Void
    private let journal: BoundedJournal
    private let mailbox = Mailbox()
    private let roleChanges = AsyncStream.makeStream(of: RoleChange.self, bufferingPolicy: .bufferingNewest(256))
    private var machine: AgentMachine

    private var connection: (any AgentConnection)?
    /// Counts connections, so that what is left of an earlier one is known as such.
    private var connectionNumber = 0
    private var connectionStop: StopSignal?
    private var attemptStops: [String: StopSignal] = [:]
    private var copyEnds: [String: AsyncStream<String?>.Continuation] = [:]
    /// The earliest moment for which a timer runs.
    private var timerAt: Instant?

    private static let roleHookTries = 3
    private static let roleHookPause: Duration = .seconds(1)

    /// `state`: what the journal holds. `startedAt`: the time of the wall, on which the instants of `clock` are laid out.
    package init(_ parts: AgentParts, state: JournalState, clock: some Clock<Duration>, startedAt: Instant) {
        self.parts = parts
        machine = AgentMachine(host: parts.host, agentVersion: parts.version, journal: state)
        let began = clock.now
        now = { startedAt + began.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
        journal = BoundedJournal(parts.journal, sleep: sleep)
    }

    /// Until its task is cancelled. Attempts that run are then cancelled and stay open in the journal; databases run on.
    package func run() async {
        mailbox.post(.started)
        await withDiscardingTaskGroup { group in
            group.addTask { [parts, mailbox] in
                for await instance in parts.driver.exits { mailbox.post(.processExited(instance)) }
            }
            group.addTask { [parts, mailbox] in
                for await instance in parts.driver.stalls { mailbox.post(.stalled(instance)) }
            }
            group.addTask { [self] in await runRoleHook() }
            for await item in mailbox.items {
                mailbox.noteTaken()
                guard let event = event(from: item) else { continue }
                for directive in await decide(event) { carryOut(directive, &group) }
            }
            group.cancelAll()
        }
    }

    /// For the health port.
    package func health() -> (instances: [InstanceHealth], now: Instant) { (machine.health, now()) }

    // MARK: deciding

    /// The machine's event, or nil for what belongs to a connection that is gone.
    private func event(from item: Mailbox.Item) -> AgentEvent? {
        switch item {
        case .event(.woke):
            timerAt = nil
            return .woke
        case .event(let event): return event
        case .progress(let attempt):
            return mailbox.takeProgress(attempt).map { .progressed(attempt: attempt, $0) }
        case .connected(let connection, let number):
            guard number == connectionNumber else { return nil }
            self.connection = connection
            return .connected
        case .received(let event, let number): return number == connectionNumber ? event : nil
        case .sent(let number): return number == connectionNumber ? .sent : nil
        case .disconnected(let reason, let number):
            guard number == connectionNumber else { return nil }
            connection = nil
            return .disconnected(reason: reason, jitter: parts.jitter())
        }
    }

    /// What the machine asks for, its journal entries being on disk.
    private func decide(_ event: AgentEvent) async -> ArraySlice<AgentDirective> {
        let before = machine
        let directives = machine.handle(event, now: now())
        guard case .journal(let entries) = directives.first else { return directives[...] }
        do {
            try await journal.append(entries)
            return directives.dropFirst()
        } catch {
            machine = before
            return machine.handle(.journalFailed(reason: "\(error)", event: event), now: now())[...]
        }
    }

    private func carryOut(_ directive: AgentDirective, _ group: inout DiscardingTaskGroup) {
        switch directive {
        case .journal: break
        case .reconnect(let delay, let url): connect(after: delay, url, &group)
        case .disconnect: connectionStop?.stop()
        case .send(let message): send(message, &group)
        case .wake(let moment): setTimer(moment, &group)
        case .lookAtHost, .look, .startClosed, .openByGrant, .resumeReplication, .askPeers, .fenceItself, .closeItself: drive(directive, &group)
        case .fault(let order): hurt(order, &group)
        case .perform(let order): perform(order, &group)
        case .cancelAttempt(let attempt): attemptStops[attempt]?.stop()
        case .sendCopy(let endpoint, let donor): sendCopy(endpoint, donor, &group)
        case .copyEnded(let attempt, let error):
            copyEnds[attempt]?.yield(error)
            copyEnds.removeValue(forKey: attempt)?.finish()
        case .roleChanged(let change): roleChanges.continuation.yield(change)
        case .tell(let notice): parts.log(notice)
        }
    }

    /// One timer is enough that fires no later than asked: an early one only makes the machine ask again.
    private func setTimer(_ moment: Instant, _ group: inout DiscardingTaskGroup) {
        if let timerAt, timerAt <= moment { return }
        timerAt = moment
        let delay = moment - now()
        group.addTask { [sleep, mailbox] in
            do { try await sleep(max(delay, .zero)) } catch { return }
            mailbox.post(.woke)
        }
    }

    // MARK: the connection

    private func connect(after delay: Duration, _ url: String?, _ group: inout DiscardingTaskGroup) {
        connectionNumber += 1
        let stop = StopSignal()
        connectionStop = stop
        group.addTask { [parts, mailbox, sleep, connectionNumber] in
            let reason = await stop.run { () -> String in
                do {
                    try await sleep(delay)
                    let connection = try await parts.transport.connect(to: url)
                    mailbox.post(.connected(connection, connection: connectionNumber))
                    let reason = await Self.read(connection, into: mailbox, number: connectionNumber)
                    await connection.close()
                    return reason
                } catch {
                    return "\(error)"
                }
            }
            mailbox.post(.disconnected(reason: reason ?? "closed", connection: connectionNumber))
        }
    }

    /// Reads to the end of the stream; the result says why it ended.
    private static func read(_ connection: any AgentConnection, into mailbox: Mailbox, number: Int) async -> String {
        do {
            for try await line in connection.incoming {
                if mailbox.isFull { return "the server talks faster than this agent can follow" }
                switch line {
                case .message(let message): mailbox.post(.received(.received(message), connection: number))
                case .unsupported(let order): mailbox.post(.received(.receivedUnsupported(order), connection: number))
                case .unknown: break
                }
            }
            return "the server closed the stream"
        } catch {
            return "\(error)"
        }
    }

    private func send(_ message: AgentMessage, _ group: inout DiscardingTaskGroup) {
        guard let connection, let stop = connectionStop else { return }
        group.addTask { [mailbox, connectionNumber] in
            do {
                try await connection.send(message)
                mailbox.post(.sent(connection: connectionNumber))
            } catch {
                // Reading ends with it, and says that the connection is gone.
                stop.stop()
            }
        }
    }

    // MARK: the engine

    private func drive(_ directive: AgentDirective, _ group: inout DiscardingTaskGroup) {
        group.addTask { [parts, mailbox] in
            guard let answer = await Self.answer(directive, parts), !Task.isCancelled else { return }
            mailbox.post(answer)
        }
    }

    private static func answer(_ directive: AgentDirective, _ parts: AgentParts) async -> AgentEvent? {
        let driver = parts.driver
        switch directive {
        case .lookAtHost:
            let capacity = await driver.capacity()
            return .hostLooked(
                HostFacts(
                    engines: await driver.binaries(), storageFreeBytes: capacity.storageFreeBytes,
                    memoryTotalBytes: capacity.memoryTotalBytes, instances: await driver.instances(),
                    catalogs: await driver.catalogs()))
        case .look(let instance, let key):
            return .looked(instance, await driver.observe(instance, fingerprintKey: key))
        case .startClosed(let instance):
            do {
                try await driver.startClosed(instance)
                return .closedStartEnded(instance, error: nil)
            } catch {
                return .closedStartEnded(instance, error: "\(error)")
            }
        case .openByGrant(let instance, let semiSync, let within):
            do {
                return .grantEnded(
                    instance, opened: try await driver.openByGrant(instance, semiSync: semiSync, within: within))
            } catch {
                parts.log(
                    AgentNotice(
                        .warning, "the writer could not be opened by its grant",
                        ["instance": instance.description, "reason": "\(error)"]))
                return .grantEnded(instance, opened: false)
            }
        case .resumeReplication(let instance, let acknowledges):
            do {
                return .resumeEnded(
                    instance, resumed: try await driver.resumeReplication(instance, acknowledges: acknowledges))
            } catch {
                parts.log(
                    AgentNotice(
                        .warning, "a replica could not replicate on",
                        ["instance": instance.description, "reason": "\(error)"]))
                return .resumeEnded(instance, resumed: false)
            }
        case .askPeers(let instance, let peers, let within):
            return .peersAsked(instance, answered: await driver.answers(anyOf: peers, within: within))
        case .fenceItself(let instance, let clusterName, let epoch):
            let work = EngineWork(attempt: "self-fence", instance: instance, clusterName: clusterName, action: .fence(epoch: epoch))
            do {
                _ = try await driver.perform(work) { _ in }
                return .selfFenceEnded(instance, error: nil)
            } catch {
                return .selfFenceEnded(instance, error: "\(error)")
            }
        case .closeItself(let instance, let clusterName):
            let work = EngineWork(attempt: "self-close", instance: instance, clusterName: clusterName, action: .close)
            do {
                _ = try await driver.perform(work) { _ in }
                return .selfCloseEnded(instance, error: nil)
            } catch {
                return .selfCloseEnded(instance, error: "\(error)")
            }
        default: return nil
        }
    }

    private func hurt(_ order: FaultOrder, _ group: inout DiscardingTaskGroup) {
        group.addTask { [parts, mailbox] in
            mailbox.post(.faulted(await parts.answer(to: order)))
        }
    }

    private func perform(_ order: AttemptOrder, _ group: inout DiscardingTaskGroup) {
        let stop = StopSignal()
        let (copyEnded, copyEnd) = AsyncStream.makeStream(of: String?.self, bufferingPolicy: .bufferingNewest(1))
        attemptStops[order.id] = stop
        copyEnds[order.id] = copyEnd
        let work = EngineWork(
            attempt: order.id, instance: order.instance, clusterName: order.clusterName, action: order.action,
            secrets: order.secrets,
            copyReady: { [mailbox] in mailbox.post(.copyReady(attempt: order.id, $0)) }, copyEnded: copyEnded)
        group.addTask { [self, parts, mailbox] in
            let outcome = await stop.run { await Self.perform(work, parts.driver, mailbox) }
            // Where the agent itself is being stopped, the attempt stays open: it goes on after the restart.
            guard !Task.isCancelled, let outcome else { return }
            await forgetAttempt(order.id)
            mailbox.post(.attemptEnded(attempt: order.id, outcome))
        }
    }

    private static func perform(
        _ work: EngineWork, _ driver: any EngineDriver, _ mailbox: Mailbox
    ) async -> AttemptOutcome {
        do {
            return .succeeded(
                try await driver.perform(work) { progress in mailbox.postProgress(work.attempt, progress) })
        } catch is CancellationError {
            return .cancelled
        } catch let error as EngineError {
            switch error.kind {
            case .refused: return .refused(error.message)
            case .unsupported: return .refused("Unsupported: \(error.message)")
            case .transient, .permanent: return .failed(error.message)
            }
        } catch {
            return .failed("\(error)")
        }
    }

    private func forgetAttempt(_ id: String) {
        attemptStops[id] = nil
        copyEnds.removeValue(forKey: id)?.finish()
    }

    private func sendCopy(_ endpoint: CopyEndpoint, _ donor: InstanceID, _ group: inout DiscardingTaskGroup) {
        let destination = CopyDestination(
            address: endpoint.address, port: endpoint.port, token: endpoint.token,
            certificateDigest: endpoint.certificateDigest)
        group.addTask { [parts, mailbox] in
            var problem: String?
            do { try await parts.driver.sendCopy(donor, to: destination) { _ in } } catch { problem = "\(error)" }
            if !Task.isCancelled { mailbox.post(.copySent(attempt: endpoint.attempt, error: problem)) }
        }
    }

    // MARK: the role hook

    /// One run at a time, in order. A run that fails is tried again a few times: what it sets may not be set otherwise.
    private func runRoleHook() async {
        for await change in roleChanges.stream {
            guard let hook = parts.roleHook else { continue }
            for attempt in 1...Self.roleHookTries {
                do {
                    try await hook.run(change)
                    break
                } catch {
                    parts.log(
                        AgentNotice(
                            .error, "the role hook failed",
                            ["instance": change.instance.description, "role": change.role.rawValue, "reason": "\(error)"]))
                }
                if attempt < Self.roleHookTries { try? await sleep(Self.roleHookPause) }
            }
        }
    }
}
