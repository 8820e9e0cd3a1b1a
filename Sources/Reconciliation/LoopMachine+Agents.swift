import ControlAPI
import FleetModel
import MetadataStore
import Planning

// Agents: their streams, their promises, and what they report.

extension LoopMachine {
    mutating func agentConnected(_ host: String, _ connection: UInt64) {
        guard leadership.isActive else {
            directives.append(.send(.notLeader(url: leaderURL), host: host, connection: connection))
            directives.append(.close(host: host, connection: connection))
            return
        }
        if let old = agents[host] {
            if now - old.heard <= settings.agentSilenceMax {
                refuse(host, connection, "An agent named \(host) is connected already. Stop one of the two, or give it the name of its own host.")
                agents[host]?.rivalRefused = now
                return
            }
            directives.append(.close(host: host, connection: old.connection))
        }
        agents[host] = AgentSession(connection: connection, heard: now, lastSent: now)
        directives.append(.changed(.host(host)))
    }

    mutating func agentDisconnected(_ host: String, _ connection: UInt64) {
        guard agents[host]?.connection == connection else { return }
        agents[host] = nil
        directives.append(.changed(.host(host)))
        enqueueClusters(on: host)
    }

    /// One that was cut off, or whose host was lost, may dial before its old stream is known to be dead: there are two only where
    /// the first goes on speaking, later than what was on its way.
    private mutating func tellSecondAgent(_ host: String) {
        guard let refused = agents[host]?.rivalRefused, now - refused >= LoopMachine.heartbeat else { return }
        agents[host]?.rivalRefused = nil
        noteHost(host, .error, "SecondAgent", "a second agent named \(host) wants to connect and is refused")
    }

    private mutating func refuse(_ host: String, _ connection: UInt64, _ reason: String) {
        directives.append(.send(.refused(reason: reason), host: host, connection: connection))
        directives.append(.close(host: host, connection: connection))
    }

    /// Refuses the agent that is connected under this name.
    private mutating func turnAway(_ host: String, _ reason: String) {
        guard let session = agents.removeValue(forKey: host) else { return }
        refuse(host, session.connection, reason)
        noteHost(host, .error, "AgentRefused", reason)
        directives.append(.changed(.host(host)))
    }

    func isUsable(_ host: String) -> Bool { agents[host]?.phase == .promised }

    mutating func send(_ message: ServerMessage, to host: String) {
        guard let connection = agents[host]?.connection else { return }
        agents[host]?.lastSent = now
        directives.append(.send(message, host: host, connection: connection))
    }

    /// Agents take a long silence for a lost connection.
    mutating func pulse() {
        guard leadership.isActive else { return }
        deadlines.insert(.pulse, at: now + LoopMachine.pulse)
        for (host, session) in agents.sorted(by: { $0.key < $1.key }) {
            if now - session.heard > settings.agentStreamSilenceMax {
                giveUp(host, session)
            } else if now - session.lastSent >= LoopMachine.heartbeat {
                answer(host)
            }
        }
    }

    /// Tells an agent what it is heard by: from when it sent that it counts for how long nobody can take it for lost.
    private mutating func answer(_ host: String) {
        guard let session = agents[host] else { return }
        agents[host]?.answered = now
        send(.heartbeat(answers: session.observations), to: host)
    }

    /// Ends the stream of an agent that is not heard any more; one that lives dials again.
    private mutating func giveUp(_ host: String, _ session: AgentSession) {
        agents[host] = nil
        directives.append(.close(host: host, connection: session.connection))
        directives.append(.tell(LoopNotice(.warning, "an agent was not heard for long: its stream is ended", ["host": host])))
        directives.append(.changed(.host(host)))
        enqueueClusters(on: host)
    }

    mutating func received(_ message: AgentMessage, _ host: String, _ connection: UInt64) {
        guard agents[host]?.connection == connection else { return }
        agents[host]?.heard = now
        observed[host]?.heard = now
        tellSecondAgent(host)
        if message.isObservation { agents[host]?.observations += 1 }
        defer { if message.isObservation, isAnswerDue(host) { answer(host) } }
        if isGathering, !message.isObservation { return }
        switch message {
        case .hello(let version, let term, let attempts, let report, let digest, let delay):
            agents[host]?.hello = AgentSession.Hello(version: version, term: term, attempts: attempts)
            setFacts(host, delay)
            agents[host]?.report = report
            agents[host]?.digest = digest
            agents[host]?.agentVersion = report.agentVersion
            if isLeading { greet(host) }
            if isGathering { keep(host) }
        case .report(let report, let digest, let delay):
            agents[host]?.report = report
            agents[host]?.digest = digest
            setFacts(host, delay)
            noteCatalogs(report.catalogs)
            takeFacts(host)
        case .heartbeat(let digest, let delay):
            if agents[host]?.digest == digest {
                setFacts(host, delay)
                takeFacts(host)
            } else {
                send(.observe, to: host)
            }
        case .attempt(let status): attemptStatus(status, host)
        case .promised(let term): promised(host, term)
        case .copyReady(let endpoint, let donor): copyReady(endpoint, donor, host)
        case .copySent(let attempt, let error): copySent(attempt, error, host)
        // For whoever asked: see `Reconciler.inject`.
        case .faulted: break
        }
    }

    /// A hello is answered by its welcome.
    private func isAnswerDue(_ host: String) -> Bool {
        guard let session = agents[host], session.hello == nil else { return false }
        return session.answered.map { now - $0 >= LoopMachine.answerSpacing } ?? true
    }

    private mutating func setFacts(_ host: String, _ delay: Duration) {
        let seen = Instant(milliseconds: now.milliseconds - max(delay, .zero).milliseconds)
        agents[host]?.factsFrom = seen
    }

    // MARK: Hello and promise

    /// Answers a hello: attempts are compared, the term is to be promised. Nothing it reports counts before that.
    mutating func greet(_ host: String) {
        guard let session = agents[host], let hello = session.hello, let report = session.report,
            let term = leadership.term, isLeading
        else { return }
        if let reason = objection(to: hello, report, host, term) {
            turnAway(host, reason)
            return
        }
        agents[host]?.phase = .greeted
        agents[host]?.hello = nil
        noteCatalogs(report.catalogs)
        send(
            .welcome(
                storeID: records.storeID, term: term, fingerprintKeys: fingerprintKeys(host), adopts: adopts,
                epochs: epochs(host)), to: host)
        compareAttempts(hello.attempts, host)
        directives.append(.changed(.host(host)))
    }

    /// Whether it speaks our language, and is who its credential says.
    func identityObjection(to hello: AgentSession.Hello, _ report: HostReport, _ host: String) -> String? {
        if abs(hello.version - agentProtocolVersion) > 1 {
            return "The agent of \(host) speaks version \(hello.version) of the protocol, this server \(agentProtocolVersion). Neighbouring releases work together: upgrade the older one."
        }
        if report.host != host {
            return "The agent with the credential of \(host) says that it is \(report.host). Start it with --host \(host), or enrol it anew."
        }
        return nil
    }

    private func objection(to hello: AgentSession.Hello, _ report: HostReport, _ host: String, _ term: Int64) -> String? {
        if let reason = identityObjection(to: hello, report, host) { return reason }
        if !report.storeID.isEmpty && report.storeID != records.storeID && !adopts.contains(report.storeID) {
            return "The agent of \(host) is bound to another store (\(report.storeID)). If this store was restored or made anew, start with `evenkeel serve --rebuild` and approve; else the agent dials the wrong server."
        }
        if hello.term > term {
            return "The agent of \(host) has promised term \(hello.term), which is higher than this server's \(term): another server leads, or this store is older than the one that it served."
        }
        return nil
    }

    private mutating func promised(_ host: String, _ term: Int64) {
        guard let session = agents[host], session.phase != .connected, term == leadership.term, isLeading else { return }
        agents[host]?.phase = .promised
        agents[host]?.promisedTerm = term
        takeFacts(host)
        tellStartHolds(to: host)
        tellRivals(to: host)
        repeatCopies(host)
        directives.append(.changed(.host(host)))
    }

    func fingerprintKeys(_ host: String) -> [String: String] {
        var keys: [String: String] = [:]
        for name in clustersByHost[host] ?? [] {
            guard let uid = records.clusters[name]?.uid else { continue }
            keys[uid] = SHA256.hex(credentials.fingerprintKey(clusterUID: uid))
        }
        return keys
    }

    /// Of the clusters on a host, by uid.
    private func epochs(_ host: String) -> [String: Int64] {
        let clusters = (clustersByHost[host] ?? []).compactMap { records.clusters[$0] }
        return Dictionary(clusters.map { ($0.uid, $0.epoch) }, uniquingKeysWith: max)
    }

    // MARK: Facts

    /// What the agent has reported counts from its promise on: before it, another leader's orders could be under way.
    private mutating func takeFacts(_ host: String) {
        guard let session = agents[host], session.phase == .promised, let report = session.report,
            let renewed = session.factsFrom
        else { return }
        let old = observed[host]
        observed[host] = ObservedHost(report: report, renewed: renewed, heard: now)
        if old == nil || !isWatched(host) {
            agents[host]?.isWatched = true
            deadlines.insert(.host(host), at: renewed + Planner.silenceMin)
        }
        lookedAt(host)
        let changes = HostChanges(from: old, to: report, at: now)
        considerLeftOut(host, report)
        if changes.isHostChanged {
            enqueue(UnitID(.host, host))
            directives.append(.changed(.host(host)))
        }
        for name in (clustersByHost[host] ?? []).sorted() { consider(name, changes) }
    }

    private func isWatched(_ host: String) -> Bool { agents[host]?.isWatched ?? false }

    /// A pass, where the report says something new that counts for the cluster.
    private mutating func consider(_ name: String, _ changes: HostChanges) {
        let unit = UnitID(.cluster, name)
        guard let cluster = records.clusters[name] else { return }
        // That another instance has what the writer wrote alone shows in positions only.
        let isResting = units[unit].map { !$0.waitsForFacts && $0.ended.isEmpty && !cluster.isUnprotected } ?? false
        if changes.concern(cluster.uid, isResting: isResting) || !isResting { enqueue(unit) }
        if changes.concern(cluster.uid, isResting: true) { enqueueRelatives(of: name) }
    }

    /// An agent tells an end only after it has looked at what the attempt left, so facts that count now show it.
    private mutating func lookedAt(_ host: String) {
        for name in clustersByHost[host] ?? [] {
            let unit = UnitID(.cluster, name)
            guard let ended = units[unit]?.ended, !ended.isEmpty else { continue }
            for (index, entry) in ended.enumerated() where !entry.isLookedAt && attempts[entry.id]?.host == host {
                units[unit]?.ended[index].isLookedAt = true
            }
        }
    }

    /// The moment at which a host is silent for so long that it may be lost, unless it was heard since: a writer that is
    /// lost is not waited for. Facts of one that is heard may get stale all the same.
    mutating func hostDue(_ host: String) {
        guard let seen = observed[host] else { return }
        let silent = seen.heard + Planner.silenceMin + .milliseconds(1)
        let stale = seen.renewed + ObservedHost.ageMax + .milliseconds(1)
        if silent > now {
            deadlines.insert(.host(host), at: silent)
            if stale > now, stale <= silent { deadlines.insert(.stale(host), at: stale) }
            return
        }
        agents[host]?.isWatched = false
        deadlines.insert(.stale(host), at: max(stale, now + .milliseconds(1)))
        enqueueClusters(on: host)
    }

    /// The moment at which a host's facts get stale, unless they were renewed since.
    mutating func hostStale(_ host: String) {
        guard let seen = observed[host], !seen.isFresh(at: now) else { return }
        enqueue(UnitID(.host, host))
        enqueueClusters(on: host)
    }

    private mutating func enqueueClusters(on host: String) {
        guard isLeading else { return }
        for name in (clustersByHost[host] ?? []).sorted() {
            enqueue(UnitID(.cluster, name))
            enqueueRelatives(of: name)
        }
    }

    /// Whether nothing was heard of a host for so long that it may be lost.
    func isSilent(_ host: String) -> Bool { !(observed[host]?.isFresh(at: now, within: Planner.silenceMin) ?? false) }

    private mutating func noteCatalogs(_ reported: [VariableCatalog]) {
        for catalog in reported where !catalogs.contains(catalog) {
            catalogs.removeAll { $0.type == catalog.type && $0.version == catalog.version }
            catalogs.append(catalog)
            catalogs.sort { $0.version < $1.version }
            housekeeping.append(.putCatalog(catalog))
        }
    }

    mutating func noteHost(_ host: String, _ level: Event.Level, _ reason: String, _ message: String) {
        housekeeping.append(
            .appendEvent(Event(time: now, unit: UnitID(.host, host), level: level, reason: reason, message: message)))
        hostProblems[host] = HostProblem(
            finding: Finding(reason: reason, subject: host, host: host, message: message, isDrift: false),
            until: now + LoopMachine.hostProblemKept)
        enqueue(UnitID(.host, host))
        schedule(UnitID(.host, host), at: now + LoopMachine.hostProblemKept)
    }

    var leaderURL: String? {
        switch leadership {
        case .follower(let url): url
        // The lease is ours, and until the records are here nobody is of use to who asks.
        case .loading: nil
        case .leading, .gathering: settings.ownURL
        }
    }

    /// A quiet stream gets a heartbeat this often.
    static let heartbeat: Duration = .seconds(1)
    /// Between two answers to an agent's reports and heartbeats: one of the two comes every second.
    static let answerSpacing: Duration = .milliseconds(500)
    /// A refused agent is shown as a finding so long after its last try.
    static let hostProblemKept: Duration = .seconds(60)
}
