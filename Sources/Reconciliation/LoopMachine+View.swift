package import FleetModel
import MetadataStore
package import Planning

// What others may see of the loop's state.

extension LoopMachine {
    package var isLeader: Bool { isLeading }

    /// The revision in force, without the rest of a view.
    package var revision: Revision? { desired?.revision }

    /// Everything that is known, at `moment`.
    package func view(at moment: Instant) -> FleetView {
        var view = FleetView(now: moment, records: records)
        view.isLeader = isLeading
        view.term = leadership.term ?? 0
        view.leaderURL = leaderURL
        view.sources = settings.sources.map { configured in
            sources[configured.name]?.status
                ?? SourceStatus(name: configured.name, url: configured.url, branch: configured.branch)
        }
        view.desired = desired
        view.observed = observed
        view.agents = agentStatuses
        view.units = statuses
        view.running = Dictionary(grouping: runningAttempts) { $0.task.unit }
        view.waitingCount = queue.count
        view.catalogs = catalogs
        return isGathering ? gatheringView(view) : view
    }

    /// Oldest first.
    private var runningAttempts: [RunningAttempt] {
        attempts.values.map(\.running).sorted { ($0.started, $0.id) < ($1.started, $1.id) }
    }

    /// Who leads, without the rest of a view.
    package var leader: LeaderView {
        LeaderView(
            isLeader: isLeading || isGathering, isRebuilding: isGathering, term: leadership.term ?? 0, leaderURL: leaderURL)
    }

    /// Whether this leader has heard each of these hosts.
    package func hasHeard(_ hosts: [String]) -> Bool { hosts.allSatisfy { observed[$0] != nil } }

    private var agentStatuses: [String: AgentStatus] {
        var known: [String: AgentStatus] = [:]
        for (host, seen) in observed {
            known[host] = AgentStatus(
                host: host, isConnected: false, promisedTerm: 0, renewed: seen.renewed, agentVersion: seen.report.agentVersion)
        }
        for (host, session) in agents {
            known[host] = AgentStatus(
                host: host, isConnected: true, promisedTerm: session.promisedTerm, renewed: observed[host]?.renewed,
                agentVersion: session.agentVersion)
        }
        return known
    }

    /// All that a plan depends on beside the manifests, at `moment`.
    package func snapshot(at moment: Instant) -> Snapshot {
        var snapshot = Snapshot(taken: moment, records: records, observed: ObservedFacts(observed))
        snapshot.running = runningAttempts
        for name in records.clusters.keys {
            switch units[UnitID(.cluster, name)]?.secrets {
            case .known(let fingerprints, _), .asked(let fingerprints?): snapshot.secrets[name] = fingerprints
            default: break
            }
        }
        snapshot.policy = settings.policy
        snapshot.catalogs = catalogs
        return snapshot
    }

    /// Hosts that were seen before, or hold instances, and are silent at `moment`; sorted.
    package func silentHosts(at moment: Instant) -> [String] {
        let holding = clustersByHost.filter { !$0.value.isEmpty }.keys
        return Set(observed.keys).union(holding).filter { !(observed[$0]?.isFresh(at: moment) ?? false) }.sorted()
    }

    /// The present status of every unit, sorted, for whoever begins to listen.
    package var allStatuses: [UnitStatus] { statuses.sorted }

    package func isKnown(_ unit: UnitID) -> Bool {
        units[unit] != nil || statuses[unit] != nil || desired?.place(of: unit) != nil
    }

    /// Whether a unit, or nil for all of them, has come to rest.
    package func settled(_ unit: UnitID?) -> SettleResult {
        guard isLeading, desired != nil, !isBarred else { return .waiting([:]) }
        var waiting: [UnitID: [String]] = [:]
        var stalled: [UnitID: [String]] = [:]
        var suspended: [UnitID: [String]] = [:]
        for unit in unit.map({ [$0] }) ?? Array(units.keys) {
            switch rest(of: unit) {
            case .converged: break
            case .waiting(let reasons): waiting[unit] = reasons[unit]
            case .stalled(let reasons): stalled[unit] = reasons[unit]
            case .suspended(let reasons): suspended[unit] = reasons[unit]
            }
        }
        if !waiting.isEmpty { return .waiting(waiting) }
        if !stalled.isEmpty { return .stalled(stalled) }
        return suspended.isEmpty ? .converged : .suspended(suspended)
    }

    /// Whether `settled` would answer that something is waited for, without what and why: cheap enough for every event.
    package func isUnsettled(_ unit: UnitID?) -> Bool {
        guard isLeading, desired != nil, !isBarred else { return true }
        let busy = Set(attempts.values.map(\.record.task.unit))
        if let unit { return isUnsettled(unit, units[unit], busy) }
        return units.contains { isUnsettled($0.key, $0.value, busy) }
    }

    private func isUnsettled(_ unit: UnitID, _ state: UnitState?, _ busy: Set<UnitID>) -> Bool {
        switch stand(of: unit, state, isBusy: busy.contains(unit)) {
        case .stalled, .converged, .suspended: false
        case .passing, .unseen, .changed, .secrets, .running, .working: true
        }
    }

    /// How far a unit is from rest, without words.
    private enum Stand { case passing, unseen, changed, secrets, running, stalled, converged, suspended, working }

    private func stand(of unit: UnitID, _ state: UnitState?, isBusy: @autoclosure () -> Bool) -> Stand {
        if let state, state.lane != nil || state.isDirty || state.isCommitting || !state.ended.isEmpty { return .passing }
        let rest = statuses.ask(unit) { status -> Stand in
            if status.isStalled { return .stalled }
            if status.isConverged { return .converged }
            return status.isHeldBySuspension ? .suspended : .working
        }
        guard let rest else { return state == nil ? .converged : .unseen }
        // What an earlier manifest came to says nothing about the one in force.
        if state?.isChanged == true { return .changed }
        if case .asked = state?.secrets { return .secrets }
        return isBusy() ? .running : rest
    }

    private func rest(of unit: UnitID) -> SettleResult {
        let status = statuses[unit], running = running(of: unit)
        let waits = (status?.waits ?? []).map(\.message)
        switch stand(of: unit, units[unit], isBusy: !running.isEmpty) {
        case .passing: return .waiting([unit: ["a pass is under way"]])
        case .unseen: return .waiting([unit: ["its first pass"]])
        case .changed: return .waiting([unit: ["the first pass of its new manifest"]])
        case .secrets: return .waiting([unit: ["its secrets to be read"]])
        case .running:
            return .waiting([unit: running.map { $0.progress.isEmpty ? $0.task.summary : "\($0.task.summary): \($0.progress)" }])
        case .stalled:
            return .stalled([unit: (status?.conditions ?? []).filter { $0.type == .stalled && $0.isTrue }.map(\.message)])
        case .converged: return .converged
        case .suspended: return .suspended([unit: waits])
        case .working:
            let reasons = waits + (status?.plan?.firstWave ?? [])
            return .waiting([unit: reasons.isEmpty ? ["its next pass"] : reasons])
        }
    }

    /// The revision that waits for approval under this commit, full or abbreviated (at least 7 digits).
    package func pendingRevision(_ text: String) -> String? {
        guard text.count >= 7 else { return nil }
        return sources.values.compactMap { $0.pending?.revision.commit }.first { $0.hasPrefix(text) }
    }
}
