import ControlAPI
package import FleetModel
import Manifests
import MetadataStore
package import Planning

// A store that is being rebuilt: what agents and git say is gathered and shown, and nothing is decided before an
// operator has approved it. Agents stay bound to the store that they had.

/// What is gathered while the store is being rebuilt.
struct Gathering: Sendable {
    /// When the rebuild began, as the store has it.
    var since: Instant
    /// Attempts that the base has as open: whatever became of them, the agents know it better.
    var openAttempts: [String]
    /// The newest revision of the source.
    var read: RevisionRead?
    /// An approval is on its way to the store.
    var isApproving = false
    /// Why the last approval was not stored.
    var failure: String?
}

/// What an operator approves. `by` is the name of who does.
package struct RebuildApproval: Sendable, Hashable {
    package var digest: String
    package var choices: RebuildChoices
    package var by: String

    package init(digest: String, choices: RebuildChoices, by: String) {
        self.digest = digest
        self.choices = choices
        self.by = by
    }
}

/// The state of a rebuild, for those who ask.
package struct RebuildView: Sendable {
    package var since: Instant
    /// Nil while no revision could be read; `problem` says why.
    package var revision: Revision?
    package var problem: String?
    package var proposal: RebuildProposal
    /// Hosts with a fresh report, sorted.
    package var hosts: [String]
    /// Stores that agents are bound to, sorted.
    package var adopts: [String]

    /// Sentences for which an approval is refused.
    package var refusals: [String] {
        let source = revision == nil ? ["No revision of the fleet repository could be read: \(problem ?? "it is being fetched"). Mend the source, or wait."] : []
        return source + proposal.refusals
    }
}

extension LoopMachine {
    package var isRebuilding: Bool { gathering != nil }

    /// Why the last approval was not stored, where it was not; and whether one is on its way.
    package var rebuildFailure: String? { gathering?.failure }
    package var isApprovingRebuild: Bool { gathering?.isApproving ?? false }

    var isGathering: Bool {
        if case .gathering = leadership { return true }
        return false
    }

    /// The store was loaded, and is being rebuilt.
    mutating func gather(_ state: StoredState, since: Instant, term: Int64, until: Instant) {
        leadership = .gathering(term: term, until: until)
        gathering = Gathering(since: since, openAttempts: state.openAttempts.map(\.id))
        records = state.records
        failovers = FailoverLedger(of: records.clusters.values)
        desired = nil
        directives.append(.tell(LoopNotice(.warning, "the store is being rebuilt: nothing is done until `evenkeel rebuild` has approved it")))
        directives.append(.changed(.leadership(term: term)))
        directives.append(.watchSources(accepted: [], held: state.held))
        for host in agents.keys.sorted() where agents[host]?.hello != nil { keep(host) }
    }

    /// Read, and not taken into force: an approval does that.
    mutating func gathered(_ read: RevisionRead) {
        gathering?.read = read
        let moment = now
        source(read.source) { source in
            source.status.seen = read.revision
            source.status.problems = read.assembly.diagnostics
            source.status.lastFetch = moment
            source.status.problem = read.assembly.revisionHeld == nil ? nil : "revision \(read.revision.short) has errors and is held"
        }
        directives.append(.judged(source: read.source, commit: read.revision.commit, isAccepted: false))
        directives.append(.changed(.source(read.source)))
    }

    /// An agent has said hello: it is kept, and goes on to report.
    mutating func keep(_ host: String) {
        guard let session = agents[host], let hello = session.hello, let report = session.report else { return }
        if let reason = identityObjection(to: hello, report, host) {
            agents[host] = nil
            directives.append(.send(.refused(reason: reason), host: host, connection: session.connection))
            directives.append(.close(host: host, connection: session.connection))
            return
        }
        send(.gathering, to: host)
        directives.append(.changed(.host(host)))
    }

    // MARK: What was gathered

    /// With these choices; nil where the store is not being rebuilt.
    package func rebuildView(_ choices: RebuildChoices, at moment: Instant) -> RebuildView? {
        guard let gathering else { return nil }
        let sessions = agents.filter { $0.value.hello != nil && $0.value.factsFrom.map { moment - $0 <= ObservedHost.ageMax } ?? false }
        let reports = sessions.compactMapValues(\.report)
        let revision = gathering.read?.assembly.revisionHeld == nil ? gathering.read?.revision : nil
        let fleet = revision == nil ? nil : gathering.read?.assembly.fleet
        let facts = RebuildFacts(
            fleet: fleet ?? DesiredFleet(revision: Revision(commit: "")), reports: reports, known: records, now: moment)
        let source = sources.values.compactMap(\.status.problem).first
        return RebuildView(
            since: gathering.since, revision: revision, problem: source, proposal: Planner.rebuild(facts, choices),
            hosts: reports.keys.sorted(), adopts: Set(reports.values.map(\.storeID)).subtracting(["", records.storeID]).sorted())
    }

    /// What others see while nothing is in force yet: as it would be after an approval.
    func gatheringView(_ view: FleetView) -> FleetView {
        var view = view
        guard let gathering, let rebuild = rebuildView(RebuildChoices(), at: view.now) else { return view }
        view.isLeader = true
        view.isRebuilding = true
        view.records = rebuild.proposal.records
        view.desired = gathering.read?.assembly.fleet
        for (host, session) in agents {
            guard let report = session.report, let seen = session.factsFrom else { continue }
            view.observed[host] = ObservedHost(report: report, renewed: seen)
            view.agents[host]?.renewed = seen
        }
        view.units = UnitStatuses()
        let sources = settings.sources.map { UnitID(.source, $0.name) }
        for unit in sources + rebuild.proposal.clusters.map({ UnitID(.cluster, $0.name) }) {
            let place = view.desired?.place(of: unit)
            var status = UnitStatus(unit: unit, revision: place?.revision ?? "", position: place?.position)
            status.stall("StoreRebuilding", LoopMachine.rebuildNotice)
            for index in status.conditions.indices { status.conditions[index].lastTransition = gathering.since }
            status.pass = view.now
            view.units[unit] = status
        }
        return view
    }

    package static let rebuildNotice =
        "the store is being rebuilt, and nothing is planned or done until that is approved: see `evenkeel rebuild`"

    // MARK: Approval

    /// Writes all of it in one transaction: whatever is killed when, the store is being rebuilt or it is not.
    mutating func approveRebuild(_ approval: RebuildApproval) {
        guard isGathering, gathering?.isApproving == false, let read = gathering?.read,
            let rebuild = rebuildView(approval.choices, at: now), rebuild.refusals.isEmpty,
            rebuild.proposal.mistakes.isEmpty, rebuild.proposal.digest == approval.digest
        else { return }
        gathering?.isApproving = true
        gathering?.failure = nil
        commit(rebuildChanges(rebuild, read, approval), .rebuild(RebuildCommit(term: termAfter(approval))))
    }

    /// Above every agent's; and so far above that an agent which is left out cannot have promised more.
    private func termAfter(_ approval: RebuildApproval) -> Int64 {
        let promised = agents.values.compactMap { $0.hello?.term }.max() ?? 0
        return max(promised, leadership.term ?? 0) + (approval.choices.without.isEmpty ? 0 : LoopMachine.termsPassedOver)
    }

    private func rebuildChanges(_ rebuild: RebuildView, _ read: RevisionRead, _ approval: RebuildApproval) -> [StoreChange] {
        let after = rebuild.proposal.records
        var changes: [StoreChange] = []
        var events: [Event] = []
        for cluster in rebuild.proposal.clusters {
            guard let rebuilt = after.clusters[cluster.name] else { continue }
            changes.append(.putCluster(rebuilt))
            let writer = cluster.writer.map { "\(cluster.name)-\($0) is the writer (\(cluster.writerKnownBy))" } ?? "no writer is known"
            let count = rebuilt.members.count { $0.phase == .active }
            events.append(rebuildEvent(UnitID(.cluster, cluster.name), "rebuilt under epoch \(cluster.epoch) with \(count) instances; \(writer)"))
        }
        changes.append(
            .counters(
                nextServerNumber: after.nextServerNumber, nextDomainNumber: after.nextDomainNumber,
                clustersMade: after.clustersMade))
        for id in gathering?.openAttempts ?? [] { changes.append(.endAttempt(id: id, outcome: .cancelled, at: now)) }
        changes.append(.putRevision(RevisionRecord(source: read.source, revision: read.revision, seen: now, state: .accepted)))
        let without = approval.choices.without.isEmpty ? "" : ", without \(approval.choices.without.sorted().joined(separator: ", "))"
        events.append(rebuildEvent(UnitID(.source, read.source), "\(approval.by) approved the store's rebuild \(approval.digest) at revision \(read.revision.short)\(without)"))
        changes += events.map { .appendEvent($0) }
        changes.append(
            .finishRebuild(
                adopts: rebuild.adopts, without: approval.choices.without.sorted(), aboveTerm: termAfter(approval)))
        return changes
    }

    private func rebuildEvent(_ unit: UnitID, _ message: String) -> Event {
        Event(time: now, unit: unit, level: .warning, reason: "StoreRebuilt", message: message)
    }

    /// The approval is in the store: from here on as after any other gain of the lease, under the new term.
    mutating func rebuilt(_ commit: RebuildCommit) {
        guard case .gathering(_, let until) = leadership else { return }
        loadAnew(as: .loading(term: commit.term + 1, until: until))
        directives.append(.load)
    }

    mutating func rebuildFailed(_ reason: String) {
        gathering?.isApproving = false
        gathering?.failure = reason
    }

    static let termsPassedOver: Int64 = 1000

    // MARK: Hosts that were left out

    /// Nothing new is placed where something may be that nobody knows.
    func placeable(_ fleet: DesiredFleet) -> DesiredFleet {
        guard !leftOut.isEmpty else { return fleet }
        var fleet = fleet
        for host in leftOut { fleet.hosts[host]?.value.schedulable = false }
        return fleet
    }

    private func unknown(on report: HostReport) -> [InstanceID] {
        report.instances.map(\.id).filter { id in
            clusterNames[id.clusterUID].flatMap { records.clusters[$0]?.member(id.ordinal) } == nil
        }
    }

    /// A host that was left out reports: where all of it is known, it is a host like any other.
    mutating func considerLeftOut(_ host: String, _ report: HostReport) {
        guard leftOut.contains(host), unknown(on: report).isEmpty else { return }
        leftOut.remove(host)
        housekeeping.append(.removeLeftOut(host: host))
    }

    func leftOutFinding(_ host: String) -> Finding? {
        guard leftOut.contains(host), let report = observed[host]?.report else { return nil }
        let names = unknown(on: report).map(\.description).joined(separator: ", ")
        guard !names.isEmpty else { return nil }
        return Finding(
            reason: "LeftOut", subject: host, host: host,
            message: "it was left out of the store's rebuild, and holds what no record knows (\(names)): nothing is done to that. Another `evenkeel serve --rebuild` takes it in",
            isDrift: false)
    }
}

struct RebuildCommit: Sendable {
    /// The store goes on under the next term.
    var term: Int64
}
