import Agent
import ControlAPI
import Engines
import FleetModel
import Reconciliation

/// The shell of a real `AgentMachine`: carries out its directives on a model host. Killed, it loses all but the journal.
final class SimulatedAgent {
    let host: ModelHost
    unowned let world: World
    private(set) var machine: AgentMachine?
    private var incarnation = 0
    private var timer = 0
    private var connection: Connection?
    /// The time of the wall is asked once; from then on a clock counts that never jumps.
    private var skew: Duration = .zero
    private var now: Instant { world.now + (world.planted == .wallClock ? host.wall : skew) }

    init(_ host: ModelHost, _ world: World) {
        self.host = host
        self.world = world
    }

    var isRunning: Bool { machine != nil }

    func start() {
        guard machine == nil, !world.isLost(host) else { return }
        incarnation += 1
        skew = host.wall
        world.oracle.agentStarts(host)
        machine = AgentMachine(host: host.name, agentVersion: "1", journal: host.journal)
        world.note("agent \(host.name) starts")
        handle(.started)
    }

    /// `kill -9`: what its driver was doing stops where it is.
    func crash() {
        guard machine != nil else { return }
        world.note("agent \(host.name) is killed")
        machine = nil
        incarnation += 1
        if world.planted == .forgetfulAgent { host.journal = JournalState() }
        if world.planted != .survivingWork {
            for operation in host.operations.values { operation.isDead = true }
            host.operations = [:]
        }
        host.receivers = [:]
        host.sending = [:]
        if let connection { connection.close() }
        connection = nil
        world.after(world.milliseconds(100...4000)) { self.start() }
    }

    func exited(_ instance: InstanceID) { later(.milliseconds(1)) { self.handle(.processExited(instance)) } }

    /// Something that this process waits for: it comes only while the process lives.
    func later(_ delay: Duration, _ action: @escaping () -> Void) {
        let current = incarnation
        world.after(delay) { if self.incarnation == current, self.machine != nil { action() } }
    }

    func handle(_ event: AgentEvent) {
        // Kept only where it is gone back to: beside a copy each change of the machine copies what it changes.
        let before = host.fullUntil > world.now ? machine : nil
        guard var directives = machine?.handle(event, now: now)[...] else { return }
        if case .journal(let entries)? = directives.first {
            if world.faults.crashes(world, "agent \(host.name) before its journal") { return crash() }
            if let before {
                machine = before
                directives = machine?.handle(.journalFailed(reason: "disk full", event: event), now: now)[...] ?? []
            } else {
                for entry in entries { host.journal.apply(entry) }
                world.oracle.journalled(host)
                directives = directives.dropFirst()
            }
        }
        for directive in directives {
            if world.faults.crashes(world, "agent \(host.name) at \(directive.name)") { return crash() }
            carryOut(directive)
        }
    }

    private func carryOut(_ directive: AgentDirective) {
        switch directive {
        case .journal, .roleChanged, .fault: break
        case .reconnect(let delay, let url): later(delay + world.milliseconds(1...5)) { self.connect(url) }
        case .disconnect(let reason): lose(reason)
        case .send(let message): send(message)
        case .wake(let moment):
            timer += 1
            let current = timer
            later(moment - now) { if self.timer == current { self.handle(.woke) } }
        case .lookAtHost: later(world.milliseconds(1...10)) { self.handle(.hostLooked(self.host.facts)) }
        case .look(let id, let key): look(id, key)
        case .perform(let order): perform(order)
        case .cancelAttempt(let attempt): host.operations.values.first { $0.attempt == attempt }?.isCancelled = true
        case .sendCopy(let endpoint, let donor): sendCopy(endpoint, donor)
        case .copyEnded(let attempt, let error):
            host.operations.values.first { $0.attempt == attempt }?.copyEnd = .some(error)
        case .startClosed(let id): startClosed(id)
        case .openByGrant(let id, let semiSync, _): openByGrant(id, semiSync)
        case .resumeReplication(let id, let acknowledges): resumeReplication(id, acknowledges)
        case .askPeers(let id, let peers, let within): askPeers(id, peers, within)
        case .fenceItself(let id, _, _): fenceItself(id)
        case .closeItself(let id, _): closeItself(id)
        case .tell(let notice): world.note("agent \(host.name): \(notice.message) \(notice.metadata.sorted { $0.key < $1.key })")
        }
    }

    // MARK: Connection

    /// To that server, if it is named and runs, else to any.
    private func connect(_ url: String?) {
        guard connection == nil else { return }
        let running = world.servers.filter(\.isRunning)
        let named = world.servers.count > 1 ? running.filter { $0.name == url } : []
        let isHeard = max(world.hearsServer(host), world.isHeardByServer(host)) <= world.now
        guard isHeard, let server = world.pick(named.isEmpty ? running : named) else {
            return handle(.disconnected(reason: "no server answers", jitter: world.random.unit()))
        }
        let made = Connection(self, server, world)
        connection = made
        server.connected(made)
        handle(.connected)
    }

    private func send(_ message: AgentMessage) {
        if case .hello = message {} else if case .heartbeat = message {} else if case .report = message {} else {
            world.note("agent \(host.name) says \(message.short)")
        }
        connection?.toServer(message)
        later(.milliseconds(1)) { self.handle(.sent) }
    }

    func received(_ message: ServerMessage, _ from: Connection) {
        guard connection === from else { return }
        handle(.received(message))
    }

    /// The connection is gone, whoever ended it.
    func lose(_ reason: String, _ gone: Connection? = nil) {
        guard let connection, gone == nil || gone === connection else { return }
        self.connection = nil
        connection.close()
        if world.planted == .dependentAgent { later(.seconds(3)) { self.stopAll() } }
        later(.milliseconds(1)) { self.handle(.disconnected(reason: reason, jitter: self.world.random.unit())) }
    }

    func drop() { connection?.drop() }

    /// Where that is planted: databases run only while a server is heard.
    private func stopAll() {
        guard connection == nil else { return }
        for instance in host.sortedInstances { world.endProcess(instance, on: host) }
    }

    // MARK: Orders

    /// How long an operation waits for a database that does not answer.
    private static let answerMax: Duration = .seconds(5)

    private func perform(_ order: AttemptOrder) {
        world.note("agent \(host.name) performs \(order.id) \(order.action.name) on \(order.instance)")
        if let other = host.operations[order.instance], order.isolates {
            // The driver stops it, as far as it got.
            other.isDead = true
            later(.milliseconds(1)) { self.handle(.attemptEnded(attempt: other.attempt, .cancelled)) }
        } else if let other = host.operations[order.instance] {
            world.oracle.fail("attempts \(other.attempt) and \(order.id) work on \(order.instance) at once")
        }
        if host.sending[order.instance] ?? 0 > 0, !order.action.waitsForNoCopy {
            world.oracle.fail("attempt \(order.id) works on \(order.instance), which is being copied from")
        }
        let operation = Operation(attempt: order.id, instance: order.instance, began: world.now)
        host.operations[order.instance] = operation
        let context = StepContext(world: world, host: host, order: order, operation: operation) { destination in
            self.later(.milliseconds(1)) { self.handle(.copyReady(attempt: order.id, destination)) }
        }
        let isMember = context.instance?.member != nil
        let steps = isMember ? DriverSteps.steps(onMember: order.action) : nil
        advance(context, (steps ?? DriverSteps.steps(for: order.action, in: order.instance.clusterUID))[...])
    }

    private func advance(_ context: StepContext, _ steps: ArraySlice<DriverStep>) {
        guard let step = steps.first else { return finish(context, .succeeded(TaskResult())) }
        later(world.milliseconds(step.delay)) {
            guard !context.operation.isDead else { return }
            if context.operation.isCancelled && !context.operation.isPastReturn {
                context.cleanUp()
                return self.finish(context, .cancelled)
            }
            if !step.worksOnHung, self.host.isDiskStuck(at: self.world.now) || context.instance?.isHung(at: self.world.now) == true {
                let since = context.operation.hungSince ?? self.world.now
                context.operation.hungSince = since
                guard self.world.now - since < SimulatedAgent.answerMax else { return self.finish(context, .failed("it does not answer")) }
                return self.advance(context, steps)
            }
            context.operation.hungSince = nil
            switch step.action(context) {
            case .next: self.advance(context, steps.dropFirst())
            case .again: self.advance(context, steps)
            case .end(let outcome): self.finish(context, outcome)
            }
        }
    }

    private func finish(_ context: StepContext, _ outcome: AttemptOutcome) {
        host.operations[context.operation.instance] = nil
        host.receivers = host.receivers.filter { $0.value !== context.operation }
        handle(.attemptEnded(attempt: context.operation.attempt, outcome))
    }

    /// The donor's side: at its end the receiver has what the donor's binlog held then.
    private func sendCopy(_ endpoint: CopyEndpoint, _ donor: InstanceID) {
        if host.operations[donor] != nil {
            world.oracle.fail("\(donor) is copied from while an attempt works on it")
        }
        host.sending[donor, default: 0] += 1
        if let seat = host.instances[donor]?.member?.seat, seat.state == .synced { host.instances[donor]?.member?.seat?.state = .donor }
        later(world.milliseconds(300...3000)) {
            let problem = self.copy(endpoint, donor)
            let count = (self.host.sending[donor] ?? 1) - 1
            self.host.sending[donor] = count > 0 ? count : nil
            if count <= 0, let seat = self.host.instances[donor]?.member?.seat, seat.state == .donor { self.host.instances[donor]?.member?.seat?.state = .joined }
            self.handle(.copySent(attempt: endpoint.attempt, error: problem))
        }
    }

    private func copy(_ endpoint: CopyEndpoint, _ donor: InstanceID) -> String? {
        guard let instance = host.instances[donor], instance.process != nil else { return "the donor does not run" }
        if host.isDiskStuck(at: world.now) { return "the donor's disk takes no writes" }
        guard let target = world.host(at: endpoint.address), world.areConnected(host, target), !instance.isHung(at: world.now) else {
            return "the receiver cannot be reached"
        }
        guard let receiver = target.receivers[endpoint.token], !receiver.isDead else { return "nobody waits for this copy" }
        if let member = instance.member {
            guard instance.isInComponent else { return "the donor is in no component" }
            receiver.copiedHistory = (member.stateUUID, member.shift)
        }
        receiver.copied = instance.committed
        return nil
    }
}

/// The bytes of a hex text; empty where it is none.
func bytes(ofHex text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { digit -> UInt8? in
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
    guard digits.count == text.utf8.count, digits.count % 2 == 0 else { return [] }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

extension Action {
    /// A failover is not held up by a copy.
    fileprivate var waitsForNoCopy: Bool {
        switch self {
        case .revoke, .fence, .promote: true
        default: false
        }
    }
}

extension AgentDirective {
    var name: String {
        switch self {
        case .journal: "journal"
        case .reconnect: "reconnect"
        case .disconnect: "disconnect"
        case .send(let message): "send \(message.short)"
        case .wake: "wake"
        case .lookAtHost: "lookAtHost"
        case .look: "look"
        case .perform(let order): "perform \(order.action.name)"
        case .cancelAttempt: "cancelAttempt"
        case .sendCopy: "sendCopy"
        case .copyEnded: "copyEnded"
        case .startClosed: "startClosed"
        case .openByGrant: "openByGrant"
        case .resumeReplication: "resumeReplication"
        case .fault(let order): "fault \(order.kind)"
        case .askPeers: "askPeers"
        case .fenceItself: "fenceItself"
        case .closeItself: "closeItself"
        case .roleChanged: "roleChanged"
        case .tell: "tell"
        }
    }
}

extension AgentMessage {
    var short: String {
        switch self {
        case .hello: "hello"
        case .report: "report"
        case .heartbeat: "heartbeat"
        case .attempt(let status):
            switch status.state {
            case .accepted: "attempt \(status.id) accepted"
            case .running(let progress): "attempt \(status.id) running \(progress.phase)"
            case .ended(let outcome): "attempt \(status.id) ended \(outcome.short)"
            }
        case .promised(let term): "promised \(term)"
        case .copyReady(let endpoint, _): "copyReady \(endpoint.attempt)"
        case .copySent(let attempt, let error): "copySent \(attempt) \(error ?? "well")"
        case .faulted(let answer): "faulted \(answer.id)"
        }
    }
}

extension AttemptOutcome {
    var short: String {
        switch self {
        case .succeeded(let result): result.acted ? "succeeded" : "succeeded (was there)"
        case .failed(let reason): "failed: \(reason)"
        case .cancelled: "cancelled"
        case .refused(let reason): "refused: \(reason)"
        }
    }
}
