import ControlAPI
package import FleetModel
import Manifests
import Planning
import MetadataStore

// Units without instances: channels, hosts, sources, and what is only declared. And the requests of people.

extension LoopMachine {
    /// Regions, zones, and clusters that have no place: the manifest is all there is.
    mutating func passDeclared(_ unit: UnitID) {
        guard let desired else { return }
        guard desired.place(of: unit) != nil || held[unit] != nil else { return forget(unit) }
        var status = declaredStatus(unit)
        status.conditions = [Condition(.ready, true, reason: "Declared")]
        status.plan = PlanOutline()
        if unit.kind == .availabilityZone { noteMaintenance(ofZone: unit.name, &status) }
        finish(status)
    }

    private mutating func finish(_ status: UnitStatus) {
        var status = status
        complete(&status)
        conclude(PassCommit(unit: status.unit, status: status, decided: now), [], statusEvents(status))
    }

    mutating func passHost(_ unit: UnitID) {
        let host = unit.name
        if isInGrace && observed[host] == nil {
            schedule(unit, at: graceEnd, .due)
            return
        }
        if let problem = hostProblems[host], problem.until <= now { hostProblems[host] = nil }
        if isGone(host) {
            observed[host] = nil
            return forget(unit)
        }
        var status = declaredStatus(unit)
        status.plan = PlanOutline()
        if let problem = hostProblems[host] { status.findings.append(problem.finding) }
        if let finding = leftOutFinding(host) { status.findings.append(finding) }
        let isFresh = observed[host]?.isFresh(at: now) ?? false
        if isFresh {
            status.conditions = [Condition(.ready, true, reason: "AgentReports")]
        } else {
            let message = observed[host] == nil ? "its agent has not reported yet" : "its agent does not report any more"
            status.conditions = [Condition(.ready, false, reason: "AgentSilent", message: message)]
            let holds = !(clustersByHost[host] ?? []).isEmpty
            if holds || observed[host] != nil {
                status.findings.append(Finding(reason: "HostSilent", subject: host, host: host, message: message, isDrift: false))
            }
        }
        noteMaintenance(ofHost: host, &status)
        finish(status)
    }

    /// Declared no more, holds nothing, and its agent is not heard: nobody misses it.
    private func isGone(_ host: String) -> Bool {
        guard let desired, desired.hosts[host] == nil, hostProblems[host] == nil, agents[host] == nil else { return false }
        guard held[UnitID(.host, host)] == nil, (clustersByHost[host] ?? []).isEmpty, !leftOut.contains(host) else {
            return false
        }
        return !(observed[host]?.isFresh(at: now) ?? false)
    }

    mutating func passSource(_ unit: UnitID) {
        guard let source = sources[unit.name]?.status else { return forget(unit) }
        var status = UnitStatus(unit: unit, revision: source.accepted?.commit ?? "")
        status.plan = PlanOutline()
        if let approval = source.approvalNeeded, let seen = source.seen {
            let message = "revision \(seen.short) waits for approval: \(approval)"
            status.stall("ApprovalNeeded", message)
            status.waits = [Wait(.approval(seen.commit), message)]
            status.findings = [Finding(reason: "ApprovalNeeded", subject: unit.name, message: message, isDrift: false)]
        } else if let problem = source.problem {
            status.stall("SourceFailed", problem)
            status.findings = [Finding(reason: "SourceFailed", subject: unit.name, message: problem, isDrift: false)]
        } else {
            let message = source.accepted.map { "revision \($0.short) is in force" } ?? "nothing was read yet"
            status.conditions = [Condition(.ready, source.accepted != nil, reason: "InForce", message: message)]
        }
        let stray = Self.findings(of: source.strayErrors)
        if let first = stray.first, !status.isStalled { status.stall(first.reason, first.message) }
        status.findings += stray
        finish(status)
    }

    /// One for each file, of at most `strayFilesMax`.
    private static func findings(of errors: [Diagnostic]) -> [Finding] {
        var files: [(file: String, errors: [Diagnostic])] = []
        for error in errors {
            if files.last?.file == error.position.file {
                files[files.count - 1].errors.append(error)
            } else {
                files.append((error.position.file, [error]))
            }
        }
        return files.prefix(strayFilesMax).map { file, errors in
            let help = errors[0].help.isEmpty ? "" : " (\(errors[0].help))"
            let more = errors.count > 1 ? ", and \(errors.count - 1) more" : ""
            let message = "\(errors[0].position): \(errors[0].message)\(help)\(more); nothing of it is in force"
            return Finding(reason: "InvalidManifest", subject: file, message: message, isDrift: false)
        }
    }

    /// Of many files that cannot be read the first are told; `get sources` shows all.
    private static let strayFilesMax = 20

    // MARK: Channels

    /// A channel's one task is done by the server itself, in the pass: its settings come into force.
    mutating func passChannel(_ unit: UnitID) {
        guard desired != nil else { return }
        let declared = desired?.channels[unit.name]
        let inForce = records.channels[unit.name]
        let wanted = declared.map { FleetPlanner.digest(of: $0.value) }
        guard declared != nil || inForce != nil || held[unit] != nil else { return forget(unit) }
        var status = declaredStatus(unit)
        status.conditions = [Condition(.ready, true, reason: "InForce")]
        status.plan = PlanOutline()
        if let declared, let problem = unknownScript(of: declared) {
            status.stall("ScriptUnknown", problem)
            status.findings = [Finding(reason: "ScriptUnknown", subject: unit.name, message: problem, isDrift: false)]
        }
        complete(&status)
        var pass = PassCommit(unit: unit, status: status, decided: now)
        var events = statusEvents(status)
        guard wanted != inForce else {
            conclude(pass, [], events)
            return
        }
        pass.channel = PassCommit.ChannelChange(name: unit.name, digest: wanted)
        // A channel that is gone is forgotten by the next pass.
        if wanted == nil { units[unit]?.isDirty = true }
        let task = ChannelPlan.task(unit, desired, wanted: wanted, inForce: inForce)
        events.append(Event(time: now, unit: unit, level: .info, reason: "TaskSucceeded", message: task.label))
        conclude(pass, [.putChannel(name: unit.name, digest: wanted)] + channelAttempt(task), events)
    }

    /// Why a channel can deliver nothing: only the server's configuration knows its scripts.
    private func unknownScript(of channel: Declared<AlertChannel>) -> String? {
        guard case .script(let name, _) = channel.value.target, !settings.scripts.contains(name) else { return nil }
        let known = settings.scripts.sorted().map { "`\($0)`" }.joined(separator: ", ")
        let place = SourcePosition(file: channel.file, line: Int(channel.line), column: 1)
        return "\(place): the server's configuration declares no script `\(name)` (\(known.isEmpty ? "it declares none" : "it declares \(known)")); add it there under `scripts` and start the server again, or name another"
    }

    private mutating func channelAttempt(_ task: PlannedTask) -> [StoreChange] {
        lastAttempt += 1
        let id = attemptPrefix + String(lastAttempt)
        let record = AttemptRecord(
            id: id, key: planner.key(of: task), task: task, plan: "", revision: desired?.revision.commit ?? "", started: now)
        return [.openAttempt(record), .endAttempt(id: id, outcome: .succeeded(TaskResult()), at: now)]
    }

    // MARK: Requests

    mutating func requested(_ request: LoopRequest) {
        if case .approveRebuild(let approval) = request { return approveRebuild(approval) }
        guard isLeading else { return }
        switch request {
        case .reconcile(let unit?, _):
            refresh(unit)
        case .reconcile(nil, _):
            for unit in units.keys.sorted() { refresh(unit) }
        case .suspend(let unit, let name): take(unit, "Suspended", "\(name) suspended it") { $0.suspension = true }
        case .resume(let unit, let name): take(unit, "Resumed", "\(name) resumed it") { $0.suspension = false }
        case .switchover(let unit, let ordinal, let name):
            take(unit, "SwitchoverRequested", "\(name) asked for \(unit.name)-\(ordinal) to be the primary") { $0.requestedPrimary = ordinal }
        case .failover(let unit, let name):
            take(unit, "FailoverRequested", "\(name) asked for another primary in place of the one that is lost") { $0.isFailoverRequested = true }
        case .approve(let revision, let name): approve(revision, by: name)
        case .approveRebuild: break
        }
    }

    private mutating func refresh(_ unit: UnitID) {
        if case .known(let known, _) = units[unit]?.secrets { units[unit]?.secrets = .known(known, at: Instant(milliseconds: 0)) }
        units[unit]?.pause = nil
        enqueue(unit)
    }

    /// Writes down what was asked of a cluster, and has it looked at with that.
    private mutating func take(_ unit: UnitID, _ reason: String, _ message: String, _ change: (inout UnitState) -> Void) {
        guard records.clusters[unit.name] != nil, unit.kind == .cluster else { return }
        housekeeping.append(.appendEvent(Event(time: now, unit: unit, level: .info, reason: reason, message: message)))
        change(&units[unit, default: UnitState()])
        enqueue(unit)
    }

    // MARK: Indexes and sources

    mutating func index(_ cluster: ClusterRecords) {
        clusterNames[cluster.uid] = cluster.name
        for member in cluster.members {
            if member.phase == .purged {
                clustersByHost[member.host]?.remove(cluster.name)
            }
        }
        for member in cluster.members where member.phase != .purged {
            clustersByHost[member.host, default: []].insert(cluster.name)
        }
        relate(cluster)
    }

    mutating func source(_ name: String, _ change: (inout SourceState) -> Void) {
        if sources[name] == nil {
            let configured = settings.sources.first { $0.name == name }
            sources[name] = SourceState(
                status: SourceStatus(name: name, url: configured?.url ?? "", branch: configured?.branch ?? ""))
        }
        if var state = sources[name] {
            change(&state)
            sources[name] = state
        }
    }

    /// What the store says is in force; the sources themselves have to be read first.
    mutating func noteSources(_ accepted: [RevisionRecord]) {
        for configured in settings.sources {
            source(configured.name) { state in
                state.pending = nil
                state.status.accepted = accepted.first { $0.source == configured.name && $0.state == .accepted }?.revision
            }
            enqueue(UnitID(.source, configured.name))
        }
    }
}

/// The plan of an alert channel: one task, done by the server itself.
enum ChannelPlan {
    static func task(_ unit: UnitID, _ fleet: DesiredFleet?, wanted: String?, inForce: String?) -> PlannedTask {
        let summary = wanted == nil ? "deliver nothing more" : inForce == nil ? "deliver alerts" : "deliver as declared now"
        let place = fleet?.place(of: unit)
        let cause: Cause
        if let place {
            cause = .manifest(revision: place.revision, at: place.position, field: "spec")
        } else {
            cause = .observation("\(unit) is declared no more")
        }
        return PlannedTask(unit: unit, target: .server, action: .applyChannel(digest: wanted), cause: cause, summary: summary)
    }
}

extension DesiredFleet {
    /// Where a unit's manifest in force stands, and the revision that it came from; nil where it is not declared.
    package func place(of unit: UnitID) -> (revision: String, position: SourcePosition)? {
        switch unit.kind {
        case .region: regions[unit.name].map { ($0.revision, SourcePosition(file: $0.file, line: $0.line, column: 1)) }
        case .availabilityZone: zones[unit.name].map { ($0.revision, SourcePosition(file: $0.file, line: $0.line, column: 1)) }
        case .host: hosts[unit.name].map { ($0.revision, SourcePosition(file: $0.file, line: $0.line, column: 1)) }
        case .cluster: clusters[unit.name].map { ($0.revision, SourcePosition(file: $0.file, line: $0.line, column: 1)) }
        case .alertChannel: channels[unit.name].map { ($0.revision, SourcePosition(file: $0.file, line: $0.line, column: 1)) }
        case .source: nil
        }
    }
}
