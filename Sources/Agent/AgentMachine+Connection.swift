import ControlAPI
import FleetModel

/// unobserved → opening → greeting → (gathered →) serving → closing → opening …
enum ConnectionState: Sendable {
    /// Nothing is said before everything was looked at once: what is not in a report is not on the host.
    case unobserved
    case opening
    /// The hello is under way or sent.
    case greeting(since: Instant)
    /// The server's store is being rebuilt: it is told what is seen, nothing else, and has the last word of then.
    case gathered(heard: Instant)
    case serving(Service)
    case closing
}

/// A connection whose server was accepted.
struct Service: Sendable {
    /// When its last word came; nil before its first heartbeat: it may be one that sends none.
    var heard: Instant?
    /// When attempts that a restart interrupted are given up.
    var reofferBy: Instant
}

extension AgentMachine {
    var isServing: Bool {
        if case .serving = connection { true } else { false }
    }

    /// Whether observations are wanted on this connection.
    var isReporting: Bool {
        if case .gathered = connection { true } else { isServing }
    }

    mutating func connectOnceObserved() {
        guard case .unobserved = connection, hostFacts != nil, watches.values.allSatisfy(\.wasLookedAt) else { return }
        connection = .opening
        directives.append(.reconnect(after: .zero, url: nil))
    }

    mutating func greet() {
        guard case .opening = connection else { return }
        connection = .greeting(since: now)
        outbox.add(.hello)
    }

    /// Nothing of a connection outlives it: the next hello tells all, and what was offered is offered again.
    mutating func disconnected(_ reason: String, jitter: Double) {
        connection = .opening
        outbox.clear()
        refusals = []
        held = [:]
        faultAnswers = [:]
        let spread = Duration.doubled(
            AgentLimits.reconnectSpread, times: connectionFailures, limit: AgentLimits.reconnectMax)
        let delay = AgentLimits.reconnectFirst + (spread - AgentLimits.reconnectFirst) * min(max(jitter, 0), 1)
        connectionFailures += 1
        tell(.info, "no connection to a server", ["reason": reason])
        directives.append(.reconnect(after: .milliseconds(delay.milliseconds), url: nextServer))
        nextServer = nil
    }

    mutating func close(_ level: AgentNotice.Level, _ reason: String) {
        switch connection {
        case .greeting, .gathered, .serving: break
        case .unobserved, .opening, .closing: return
        }
        connection = .closing
        tell(level, "leaving the server", ["reason": reason])
        directives.append(.disconnect(reason: reason))
    }

    mutating func receive(_ message: ServerMessage) {
        noteServer(message)
        switch (connection, message) {
        case (.greeting, .welcome(let store, let term, let keys, let adopts, let epochs)),
            (.gathered, .welcome(let store, let term, let keys, let adopts, let epochs)):
            welcome(store, term: term, keys: keys, adopts: adopts, epochs: epochs)
        case (.greeting, .gathering):
            tell(.info, "the server's store is being rebuilt: waiting for an operator's approval")
            connection = .gathered(heard: now)
        case (.greeting, .notLeader(let url)), (.gathered, .notLeader(let url)), (.serving, .notLeader(let url)):
            nextServer = url
            close(.info, "this server is not the leader")
        case (.greeting, .refused(let reason)), (.gathered, .refused(let reason)), (.serving, .refused(let reason)):
            close(.error, "the server refuses this agent: \(reason)")
        case (.gathered, _):
            connection = .gathered(heard: now)
            if message == .observe { observeAnew() }
        case (.serving(var service), _):
            if service.heard != nil || message.isHeartbeat { service.heard = now }
            connection = .serving(service)
            obey(message)
        default: break
        }
    }

    /// Renews what the server's word is good for: from when this agent sent what the word answers.
    private mutating func noteServer(_ message: ServerMessage) {
        let sent: Instant? =
            switch (connection, message) {
            case (.greeting(let since), _): since
            case (_, .heartbeat(let count)): outbox.observations.answered(count, at: now)
            // From a server that counts, what else it sends tells nothing of when that was.
            default: outbox.observations.areCounted == false ? now : nil
            }
        if let sent { serverHeard = max(serverHeard ?? sent, sent) }
    }

    private mutating func obey(_ message: ServerMessage) {
        switch message {
        case .fingerprintKeys(let keys): use(keys)
        case .offer(let order): offered(order)
        case .cancel(let attempt, let term): cancel(attempt, term: term)
        case .settled(let attempt): settle(attempt)
        case .sendCopy(let endpoint, let donor): sendCopy(endpoint, donor: donor)
        case .copySent(let attempt, let error): copyEnded(attempt, error: error)
        case .observe: observeAnew()
        case .holdStart(let id, let lasting): holdStart(id, lasting: lasting)
        case .fault(let order): directives.append(.fault(order))
        case .rivals(let id, let rivals): use(rivals, of: id)
        case .welcome, .gathering, .notLeader, .refused, .heartbeat: break
        }
    }

    /// The server that asked waits for it on this connection, and on no other.
    mutating func faulted(_ answer: FaultAnswer) {
        guard isServing else { return }
        faultAnswers[answer.id] = answer
        outbox.add(.faulted(id: answer.id))
    }

    private mutating func observeAnew() {
        lookAtEverything()
        reporting.note(.significant)
    }

    /// Binds to the store and promises the term, both on disk before a word more is said.
    private mutating func welcome(
        _ store: String, term: Int64, keys: [String: String], adopts: [String], epochs: [String: Int64]
    ) {
        let isAdopted = adopts.contains(journal.storeID)
        guard journal.storeID.isEmpty || journal.storeID == store || isAdopted else {
            return close(
                .error,
                "this agent is bound to the store \(journal.storeID), and the server has the store \(store): "
                    + "let an operator adopt the agents of the old store, or point the agent at its own server")
        }
        guard journal.storeID.isEmpty || journal.storeID == store || term > journal.term else {
            return close(.error, "the store \(store) adopts this agent under term \(term), which is not above the promised \(journal.term)")
        }
        guard term >= journal.term else {
            return close(.warning, "the server leads under term \(term), and this agent has promised \(journal.term)")
        }
        if journal.storeID != store || term > journal.term {
            guard isJournalWritable else {
                return close(.error, "the term cannot be promised: \(journalTrouble?.reason ?? "")")
            }
            if journal.storeID != store {
                write(.bound(storeID: store))
                reporting.note(.significant)
            }
            promise(term)
        }
        connectionFailures = 0
        heard(epochs)
        connection = .serving(Service(heard: nil, reofferBy: now + AgentLimits.reofferMax))
        outbox.add(.promised)
        use(keys)
        repeatCopies()
    }

    /// A higher term is on disk before it counts.
    mutating func promise(_ term: Int64) {
        guard term > journal.term else { return }
        write(.promised(term: term))
        outbox.add(.promised)
    }

    private mutating func use(_ keys: [String: String]) {
        guard keys != fingerprintKeys else { return }
        fingerprintKeys = keys
        lookAtEverything()
    }

    mutating func advanceConnection() {
        switch connection {
        case .greeting(let since) where now >= since + AgentLimits.welcomeMax:
            close(.warning, "the server did not answer the hello")
        case .gathered(let heard) where now >= heard + AgentLimits.silenceMax:
            close(.warning, "the server fell silent")
        case .serving(let service):
            if let heard = service.heard, now >= heard + AgentLimits.silenceMax { close(.warning, "the server fell silent") }
        default: break
        }
        if let since = outbox.sendingSince, now >= since + AgentLimits.sendMax { close(.warning, "the stream is stuck") }
    }

    func noteConnectionDeadlines(_ next: inout Earliest) {
        switch connection {
        case .greeting(let since): next.note(since + AgentLimits.welcomeMax)
        case .gathered(let heard): next.note(heard + AgentLimits.silenceMax)
        case .serving(let service): next.note(service.heard.map { $0 + AgentLimits.silenceMax })
        case .unobserved, .opening, .closing: return
        }
        next.note(outbox.sendingSince.map { $0 + AgentLimits.sendMax })
    }

    // MARK: sending

    /// One message at a time is with the transport; before the welcome only the hello.
    mutating func sendNext() {
        guard outbox.sendingSince == nil else { return }
        switch connection {
        case .greeting: guard outbox.contains(.hello), untoldEnds.isEmpty else { return }
        case .gathered: return sendGathered()
        case .serving: break
        case .unobserved, .opening, .closing: return
        }
        if outbox.contains(.hello) { return send(hello()) }
        while let subject = outbox.next() {
            if let message = message(on: subject) { return send(message) }
        }
    }

    /// Only what is seen: what else there is to say is for a server that was accepted, and its hello tells all of it.
    private mutating func sendGathered() {
        if outbox.remove(.observation) { send(observation()) }
    }

    private mutating func send(_ message: AgentMessage) {
        outbox.sendingSince = now
        if message.isObservation { outbox.observations.noteSent(at: now) }
        directives.append(.send(message))
    }

    private mutating func hello() -> AgentMessage {
        outbox.clear()
        let (report, digest, delay) = fullReport()
        return .hello(
            version: agentProtocolVersion, term: journal.term,
            attempts: journal.attempts.keys.sorted().map { AttemptStatus(id: $0, state: state(of: $0)) },
            report: report, digest: digest, delay: delay)
    }

    private mutating func message(on subject: Outbox.Subject) -> AgentMessage? {
        switch subject {
        case .hello: nil
        case .promised: .promised(term: journal.term)
        case .observation: observation()
        case .attempt(let id): attemptMessage(id)
        case .copyReady(let id): copyReadyMessage(id)
        case .copySent(let id): copySentMessage(id)
        case .faulted(let id): faultAnswers.removeValue(forKey: id).map { .faulted($0) }
        }
    }
}
