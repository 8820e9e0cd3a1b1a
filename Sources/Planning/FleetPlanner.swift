package import FleetModel
import JSONStream

/// Which units a plan is about, and where their facts come from.
package struct FleetPlanRequest: Sendable {
    package var fleet: DesiredFleet
    package var snapshot: Snapshot
    package var now: Instant
    /// Nil: all.
    package var units: Set<UnitID>?

    package init(fleet: DesiredFleet, snapshot: Snapshot, now: Instant, units: Set<UnitID>? = nil) {
        self.fleet = fleet
        self.snapshot = snapshot
        self.now = now
        self.units = units
    }
}

/// The plan of a whole fleet: allocates, rehearses every unit and streams what that comes to.
///
/// Clusters first, by name, then alert channels. Units are rehearsed and rendered side by side, a bounded number of them
/// ahead of what was passed on; the order and every byte are the same however many run at once.
package enum FleetPlanner {
    /// Units that one worker takes at a time, and how many such portions may be ahead of the output.
    private static let portion = 64
    private static let ahead = 8

    /// Passes the plan to `sink` in pieces, in order, and returns what it comes to. Throws `JSONError` where the
    /// snapshot's facts cannot be read, and whatever `sink` throws.
    package static func plan(
        _ request: FleetPlanRequest, as rendering: some PlanRendering, sink: ([UInt8]) throws -> Void
    ) async throws -> PlanTotals {
        let work = FleetWork(request)
        var stream = PlanStream(head: work.head, rendering: rendering)
        try await withThrowingTaskGroup(of: (Int, Portion).self) { group in
            var begun = 0
            var passed = 0
            var ready: [Int: Portion] = [:]
            let count = (work.units.count + portion - 1) / portion
            while passed < count {
                while begun < count, begun < passed + ahead {
                    let number = begun
                    let range = number * portion..<min((number + 1) * portion, work.units.count)
                    group.addTask { (number, try work.plan(range, rendering)) }
                    begun += 1
                }
                guard let (number, done) = try await group.next() else { break }
                ready[number] = done
                while let next = ready.removeValue(forKey: passed) {
                    try stream.pass(next, sink)
                    passed += 1
                }
            }
        }
        return try stream.finish(work, sink)
    }

    /// The state that every rehearsal ends in, as a snapshot taken at `now`: what a fleet looks like once all is done.
    package static func converged(_ request: FleetPlanRequest) throws -> Snapshot {
        let work = FleetWork(request)
        var records = work.allocation.records
        records.clusters = try records.clusters.mapValues(request.snapshot.whole)
        var observed: [String: ObservedHost] = [:]
        for unit in work.units {
            switch unit.kind {
            case .cluster:
                guard let situation = try work.situation(unit.name) else { continue }
                let end = Planner.rehearseToEnd(situation).end
                records.clusters[unit.name] = end.records
                for (name, seen) in end.observed {
                    observed[name, default: ObservedHost(report: seen.report.withoutInstances, renewed: request.now)]
                        .report.instances += seen.report.instances
                }
            default: records.channels[unit.name] = request.fleet.channels[unit.name].map { digest(of: $0.value) }
            }
        }
        for name in observed.keys { observed[name]?.report.instances.sort { $0.id < $1.id } }
        var secrets = request.snapshot.secrets
        for (name, cluster) in records.clusters {
            for (key, account) in cluster.accounts { secrets[name, default: [:]][key] = account.fingerprint }
        }
        return Snapshot(
            taken: request.now, records: records, observed: ObservedFacts(observed), secrets: secrets,
            policy: request.snapshot.policy, catalogs: request.snapshot.catalogs)
    }

    /// The digest by which a channel's settings are known to be in force.
    package static func digest(of channel: AlertChannel) -> String { SHA256.hex(channel.jsonText) }
}

/// What one worker hands back.
private struct Portion: Sendable {
    var bytes: [UInt8] = []
    var totals = PlanTotals()
    /// One after the other for each unit that has something to do: 32 bytes each.
    var planDigests: [UInt8] = []
    var factsDigests: [UInt8] = []
    var revisionDigests: [UInt8] = []
}

/// All that workers share; immutable. A class, so that they share one reference: what is in it is retained by nobody
/// for each unit, which would keep the processors waiting for each other.
private final class FleetWork: Sendable {
    let request: FleetPlanRequest
    let allocation: Allocation
    let units: [UnitID]
    let hosts: HostDirectory
    let catalogs: [VariableCatalog]
    let running: [UnitID: [RunningAttempt]]
    let failovers: FailoverLedger
    /// By cluster, the names of those that follow it or took the lead from it, sorted.
    private let followers: [String: [String]]

    var fleet: DesiredFleet { _read { yield request.fleet } }

    init(_ request: FleetPlanRequest) {
        self.request = request
        allocation = Planner.allocate(request.fleet, request.snapshot.records)
        units = Self.units(request)
        hosts = HostDirectory(of: request.fleet)
        failovers = FailoverLedger(of: request.snapshot.records.clusters.values)
        followers = Self.followers(request.fleet, allocation.records)
        var facts = request.snapshot.observed
        for catalog in request.snapshot.catalogs { facts.add(catalog) }
        catalogs = facts.catalogs
        running = Dictionary(grouping: request.snapshot.running, by: \.task.unit)
    }

    private static func followers(_ fleet: DesiredFleet, _ records: FleetRecords) -> [String: [String]] {
        let standbys = records.clusters.values.filter { cluster in
            cluster.standby != nil || cluster.lead != nil || fleet.clusters[cluster.name]?.value.standbyOf != nil
        }
        guard !standbys.isEmpty else { return [:] }
        let names = Dictionary(records.clusters.values.map { ($0.uid, $0.name) }, uniquingKeysWith: { first, _ in first })
        var followers: [String: Set<String>] = [:]
        for cluster in standbys {
            for name in RelatedCluster.followed(by: cluster, fleet.clusters[cluster.name]?.value, name: { names[$0] }) {
                followers[name, default: []].insert(cluster.name)
            }
        }
        return followers.mapValues { $0.sorted() }
    }

    private static func units(_ request: FleetPlanRequest) -> [UnitID] {
        let clusters = Set(request.fleet.clusters.keys).union(request.snapshot.records.clusters.keys)
        let channels = Set(request.fleet.channels.keys).union(request.snapshot.records.channels.keys)
        let all = clusters.sorted().map { UnitID(.cluster, $0) } + channels.sorted().map { UnitID(.alertChannel, $0) }
        guard let wanted = request.units else { return all }
        return all.filter(wanted.contains)
    }

    var head: PlanHead {
        let facts = request.snapshot.observed
        return PlanHead(
            revision: fleet.revision, now: request.now, taken: request.snapshot.taken,
            hostsSeen: fleet.hosts.keys.count(where: facts.isSeen), hostsDeclared: fleet.hosts.count,
            ageMax: facts.oldest.map { max(request.now - $0, .zero) })
    }

    /// Clusters that could not be placed, each at its place in the manifest.
    var problems: [PlanProblem] {
        allocation.problems.compactMap { problem in
            guard request.units?.contains(UnitID(.cluster, problem.cluster)) ?? true else { return nil }
            guard let declared = fleet.clusters[problem.cluster] else { return nil }
            return PlanProblem(
                cluster: problem.cluster, field: problem.field,
                position: fleet.fieldPaths.position(of: problem.field, in: declared), message: problem.message,
                help: problem.help)
        }
    }

    // MARK: A worker's part

    func plan(_ range: Range<Int>, _ rendering: some PlanRendering) throws -> Portion {
        var portion = Portion()
        for unit in units[range] {
            try Task.checkCancellation()
            let plan = unit.kind == .cluster ? try planCluster(unit.name, &portion) : planChannel(unit.name)
            guard let plan else { continue }
            portion.totals.add(plan)
            guard !plan.isEmpty else { continue }
            portion.planDigests += SHA256.hash(plan.identity)
            let bytes = rendering.unit(plan)
            guard !bytes.isEmpty else { continue }
            if !portion.bytes.isEmpty { portion.bytes += rendering.separator }
            portion.bytes += bytes
        }
        return portion
    }

    private func planCluster(_ name: String, _ portion: inout Portion) throws -> UnitPlan? {
        guard let situation = try situation(name) else { return nil }
        var rehearsal = Planner.rehearse(situation)
        if situation.desired == nil {
            rehearsal.warnings.append("no manifest declares this cluster any more; it is left as it is")
        }
        let plan = UnitPlan(rehearsal, declared: situation.desired, records: situation.records, fieldPaths: fleet.fieldPaths)
        if !plan.rehearsal.waves.isEmpty || plan.rehearsal.refusal != nil { note(situation, &portion) }
        return plan
    }

    /// Digests of what the unit's plan relies on.
    private func note(_ situation: ClusterSituation, _ portion: inout Portion) {
        var writer = JSONWriter()
        situation.records.write(to: &writer)
        situation.observed.write(to: &writer)
        portion.factsDigests += SHA256.hash(writer.bytes)
        if fleet.revision.isUncommitted, let declared = situation.desired {
            portion.revisionDigests += SHA256.hash(declared.value.jsonBytes)
        }
    }

    func situation(_ name: String) throws -> ClusterSituation? {
        let desired = fleet.clusters[name]
        guard let allocated = allocation.records.clusters[name] else { return nil }
        let records = try request.snapshot.whole(allocated)
        var situation = ClusterSituation(
            name: name, desired: desired, fieldPaths: fleet.fieldPaths, hosts: hosts, records: records,
            observed: try request.snapshot.observed.hosts(of: records), running: running[UnitID(.cluster, name)] ?? [],
            secrets: secrets(name, desired, records), catalogs: catalogs, policy: request.snapshot.policy,
            failovers: failovers, now: request.now)
        situation.upstream = try RelatedCluster.upstream(of: records, desired?.value).flatMap(related)
        situation.followers = try (followers[name] ?? []).compactMap(related)
        return situation
    }

    private func related(_ name: String) throws -> RelatedCluster? {
        guard let allocated = allocation.records.clusters[name] else { return nil }
        let records = try request.snapshot.whole(allocated)
        let busy = (running[UnitID(.cluster, name)] ?? []).flatMap { $0.task.participants }.filter { $0.clusterUID == records.uid }
        return RelatedCluster(
            name: name, standbyOf: fleet.clusters[name]?.value.standbyOf, records: records,
            observed: try request.snapshot.observed.hosts(of: records), busy: Set(busy.map(\.ordinal)))
    }

    /// Fingerprints that the snapshot has; where nobody tried to read a secret it is taken to be what it was.
    private func secrets(_ name: String, _ desired: Declared<Cluster>?, _ records: ClusterRecords) -> [String: String] {
        var found = request.snapshot.secrets[name] ?? [:]
        for account in desired?.value.accounts ?? [] where found[account.key] == nil {
            found[account.key] = records.accounts[account.key]?.fingerprint ?? "known after"
        }
        return found.filter { !$0.value.isEmpty }
    }

    private func planChannel(_ name: String) -> UnitPlan {
        let unit = UnitID(.alertChannel, name)
        var rehearsal = Rehearsal(unit: unit)
        let declared = fleet.channels[name]
        let known = request.snapshot.records.channels[name]
        let digest = declared.map { FleetPlanner.digest(of: $0.value) }
        if digest != known {
            let cause: Cause =
                declared.map {
                    .manifest(
                        revision: $0.revision, at: SourcePosition(file: $0.file, line: $0.line, column: 1), field: "spec")
                } ?? .observation("no manifest declares this channel any more")
            let summary = declared == nil ? "deliver nothing more" : known == nil ? "deliver alerts" : "deliver as declared now"
            let task = PlannedTask(
                unit: unit, target: .server, action: .applyChannel(digest: digest), cause: cause, summary: summary)
            rehearsal.waves = [Rehearsal.Wave(tasks: [task])]
        }
        return UnitPlan(rehearsal, channel: declared, isNew: known == nil)
    }
}

/// Passes portions on and keeps what they come to.
private struct PlanStream<Rendering: PlanRendering> {
    let head: PlanHead
    let rendering: Rendering
    private var totals = PlanTotals()
    private var held: [UInt8] = []
    private var hasHead = false
    private var hasUnits = false
    private var planDigests: [UInt8] = []
    private var factsDigests: [UInt8] = []
    private var revisionDigests: [UInt8] = []

    init(head: PlanHead, rendering: Rendering) {
        self.head = head
        self.rendering = rendering
    }

    mutating func pass(_ portion: Portion, _ sink: ([UInt8]) throws -> Void) throws {
        totals += portion.totals
        planDigests += portion.planDigests
        factsDigests += portion.factsDigests
        revisionDigests += portion.revisionDigests
        guard !portion.bytes.isEmpty else { return }
        let bytes = hasUnits ? rendering.separator + portion.bytes : portion.bytes
        hasUnits = true
        guard !hasHead else { return try sink(bytes) }
        held += bytes
        if held.count > rendering.headDelayBytes { try passHead(nil, sink) }
    }

    private mutating func passHead(_ totals: PlanTotals?, _ sink: ([UInt8]) throws -> Void) throws {
        hasHead = true
        try sink(rendering.head(head, totals) + held)
        held = []
    }

    mutating func finish(_ work: FleetWork, _ sink: ([UInt8]) throws -> Void) throws -> PlanTotals {
        let problems = work.problems
        totals.problems = problems.count
        let commit = head.revision.commit
        totals.revisionDigest = head.revision.isUncommitted ? SHA256.hex(SHA256.hash(revisionDigests)) : commit
        totals.factsDigest = SHA256.hex(SHA256.hash(factsDigests))
        let inputs = "\(Planner.version)\n\(totals.revisionDigest)\n\(totals.factsDigest)\n\(work.request.snapshot.policy.jsonText)\n"
        totals.digest = SHA256.hex(SHA256.hash(Array(inputs.utf8) + planDigests))
        if !hasHead { try passHead(totals, sink) }
        try sink(rendering.foot(head, totals, problems))
        return totals
    }
}

extension Revision {
    /// `plan --path` plans what is not committed.
    package var isUncommitted: Bool { commit == "worktree" }
}

extension HostReport {
    fileprivate var withoutInstances: HostReport {
        var copy = self
        copy.instances = []
        return copy
    }
}

extension UnitPlan {
    /// What is done, as one text: the keys of its tasks, wave by wave.
    fileprivate var identity: [UInt8] {
        let lineEnd = UInt8(ascii: "\n")
        let count = keys.reduce(0) { count, wave in wave.reduce(count + 1) { $0 + $1.utf8.count + 1 } }
        var text: [UInt8] = []
        text.reserveCapacity(count + 128)
        text += unit.description.utf8
        text.append(lineEnd)
        for wave in keys {
            for key in wave {
                text += key.utf8
                text.append(lineEnd)
            }
            text.append(lineEnd)
        }
        if let refusal = rehearsal.refusal { text += refusal.utf8 }
        return text
    }
}
