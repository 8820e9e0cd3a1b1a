import ControlAPI
package import FleetModel

/// All that an agent decides, as a value: events in, directives out. No clock, file, socket or random number is
/// reachable from here.
///
/// A list's `journal` directive comes first. The shell keeps a copy of the machine from before the event; where the
/// entries cannot be written it goes back to that copy and hands it `journalFailed(reason:event:)`, whose answer is
/// then carried out instead: it never asks for the journal. (That is why this state machine is copyable.)
///
/// An event only changes facts; `advance` then asks for whatever is due. So a lost event costs delay, and no order of
/// events leads to a state that nothing leaves.
package struct AgentMachine: Sendable {
    let host: String
    let agentVersion: String
    /// What is on disk once the last list's `journal` directive was carried out.
    package internal(set) var journal: JournalState

    var connection = ConnectionState.unobserved
    /// Connections in a row that were not welcomed, and where the next goes.
    var connectionFailures = 0
    var nextServer: String?
    var fingerprintKeys: [String: String] = [:]
    var outbox = Outbox()
    /// Orders of this connection that were refused at the door, oldest first: offered again they are refused again,
    /// because the server may have heard the first refusal.
    var refusals: [(id: String, outcome: AttemptOutcome)] = []

    /// Attempts whose order is in memory and with the driver.
    var performing: [String: Performance] = [:]
    /// Attempts that have ended while the journal could not be written.
    var unsaved: [String: UnsavedEnd] = [:]
    /// Attempts whose settlement came while the journal could not be written.
    var unsettled: Set<String> = []
    /// Attempts whose end is on disk and not told yet, because their instance is being looked at.
    var untoldEnds: [String: InstanceID] = [:]
    /// Orders that wait for what still works on their instance to end; at most one each.
    var held: [InstanceID: HeldOrder] = [:]
    /// Instances that were fenced while the journal could not be written, with the epoch: nothing starts them.
    var unsavedFences: [InstanceID: Int64] = [:]
    /// Donor's sides of clones: sending, or ended and told again after a reconnect.
    var copies: [OutgoingCopy] = []

    /// Answers to faults, until they are sent or the connection is gone.
    var faultAnswers: [String: FaultAnswer] = [:]

    var hostLook = LookState()
    var hostFacts: HostFacts?
    var hostFactsAt: Instant?
    var watches = InstanceMap<Watch>()
    var reporting = ReportingState()

    /// When this process began, when it last heard a server, and whether one has accepted it.
    var beganAt: Instant?
    var serverHeard: Instant?
    var isWelcomed = false

    /// Set while the journal cannot be written.
    var journalTrouble: JournalTrouble?
    var wakeAt: Instant?

    // Of the event in hand.
    var now = Instant(milliseconds: 0)
    var entries: [JournalEntry] = []
    var directives: [AgentDirective] = []

    /// `journal`: what the last run left on disk.
    package init(host: String, agentVersion: String, journal: JournalState) {
        self.host = host
        self.agentVersion = agentVersion
        self.journal = journal
    }

    /// `now` never goes back.
    package mutating func handle(_ event: AgentEvent, now: Instant) -> [AgentDirective] {
        let before = self.now
        self.now = max(now, self.now)
        noteSleep(since: before)
        absorb(event)
        advance()
        defer { (entries, directives) = ([], []) }
        return (entries.isEmpty ? [] : [.journal(entries)]) + directives
    }

    private mutating func absorb(_ event: AgentEvent) {
        switch event {
        case .started: start()
        case .woke: wakeAt = nil
        case .connected: greet()
        case .disconnected(let reason, let jitter): disconnected(reason, jitter: jitter)
        case .received(let message): receive(message)
        case .receivedUnsupported(let order): offeredUnsupported(order)
        case .sent: outbox.sendingSince = nil
        case .hostLooked(let facts): hostLooked(facts)
        case .looked(let instance, let report): looked(instance, report)
        case .progressed(let attempt, let progress): progressed(attempt, progress)
        case .copyReady(let attempt, let destination): copyReady(attempt, destination)
        case .attemptEnded(let attempt, let outcome): attemptEnded(attempt, outcome)
        case .copySent(let attempt, let error): copySent(attempt, error: error)
        case .closedStartEnded(let instance, let error): closedStartEnded(instance, error: error)
        case .grantEnded(let instance, let opened): grantEnded(instance, opened: opened)
        case .resumeEnded(let instance, let resumed): resumeEnded(instance, resumed: resumed)
        case .faulted(let answer): faulted(answer)
        case .peersAsked(let instance, let answered): peersAsked(instance, answered: answered)
        case .selfFenceEnded(let instance, let error): selfFenceEnded(instance, error: error)
        case .selfCloseEnded(let instance, let error): selfCloseEnded(instance, error: error)
        case .processExited(let instance): processExited(instance)
        case .stalled(let instance): watches[instance]?.look.renew(at: now)
        case .journalFailed(let reason, let event): journalFailed(reason, during: event)
        }
    }

    /// Asks for all that is due now, and to be woken when the next thing is.
    private mutating func advance() {
        saveUnsavedEnds()
        overtake()
        advanceConnection()
        giveUpInterruptedAttempts()
        tellProgress()
        startLooks()
        guardWriters()
        closeSlept()
        supervise()
        tellRoles()
        connectOnceObserved()
        scheduleObservation()
        sendNext()
        guard let deadline, deadline != wakeAt else { return }
        wakeAt = deadline
        directives.append(.wake(at: deadline))
    }

    /// When the next thing is due.
    private var deadline: Instant? {
        var next = Earliest()
        noteConnectionDeadlines(&next)
        noteAttemptDeadlines(&next)
        noteLookDeadlines(&next)
        noteSupervisionDeadlines(&next)
        noteIsolationDeadlines(&next)
        noteSleepDeadlines(&next)
        noteObservationDeadline(&next)
        return next.moment
    }

    // MARK: the journal

    /// Whether entries may be asked for: also again, some time after they failed.
    var isJournalWritable: Bool { journalTrouble.map { now >= $0.retryAt } ?? true }

    /// Only where `isJournalWritable`.
    mutating func write(_ entry: JournalEntry) {
        journalTrouble = nil
        journal.apply(entry)
        entries.append(entry)
    }

    /// The journal's record of an instance, changed and written where the change is one.
    mutating func updateInstance(_ id: InstanceID, _ change: (inout InstanceJournal) -> Void) {
        var instance = journal.instances[id] ?? InstanceJournal()
        change(&instance)
        guard instance != journal.instances[id] ?? InstanceJournal() else { return }
        write(.instance(id, instance))
        reporting.note(.significant)
    }

    private mutating func journalFailed(_ reason: String, during event: AgentEvent) {
        if journalTrouble == nil {
            tell(.error, "the journal cannot be written: orders are refused until it can", ["reason": reason])
        }
        journalTrouble = JournalTrouble(reason: reason, retryAt: now + AgentLimits.journalRetry)
        absorb(event)
    }

    mutating func tell(_ level: AgentNotice.Level, _ message: String, _ metadata: [String: String] = [:]) {
        directives.append(.tell(AgentNotice(level, message, metadata)))
    }
}

/// The earliest of some moments.
struct Earliest {
    private(set) var moment: Instant?

    mutating func note(_ other: Instant?) {
        guard let other else { return }
        if moment.map({ other < $0 }) ?? true { moment = other }
    }
}

struct JournalTrouble: Sendable {
    var reason: String
    var retryAt: Instant
}
