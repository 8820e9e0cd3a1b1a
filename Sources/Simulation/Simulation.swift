import FleetModel
import MetadataStore
import Reconciliation

/// How one seed went.
package struct SimulationResult: Sendable {
    package var seed: UInt64
    /// The broken promise, or why it did not converge; nil: all is well.
    package var failure: String?
    /// What happened last, one line each.
    package var trace: [String] = []
    package var events: Int
    /// How long the model world ran, and how long it took to converge after the last fault.
    package var simulated: Duration
    package var settled: Duration
    package var attempts: Int
    package var writes: Int
    /// How many failovers began, and how many members were moved aside because they held what was never acknowledged.
    package var failovers: Int
    package var movedAside: Int
    /// How often a writer went on alone.
    package var timesAlone: Int
    /// How often a standby began to lead.
    package var leadsTaken: Int
    /// How often a lost galera component was begun again.
    package var recoveries: Int
}

/// What a number of seeds came to.
package struct SimulationReport: Sendable {
    package var results: [SimulationResult] = []
    package var failures: [SimulationResult] { results.filter { $0.failure != nil } }
}

package enum Simulation {
    /// From the end of faults to the end state.
    package static let settleMax: Duration = .seconds(600)
    /// Commits that were begun last are acknowledged by then.
    package static let commitsMax: Duration = .seconds(30)

    /// Seeds that may have ended before an earlier one, for each that runs.
    private static let aheadMax = 64

    /// Runs the seeds, each a world of its own and `jobs` of them at once; stops after `failuresMax` failures. Told and
    /// reported in the seeds' order, of whose traces only those that failed are kept, and none where `isTraced` is false.
    package static func run(
        seeds: Range<UInt64>, of scenario: Scenario = Scenario(), planted: PlantedBug? = nil, failuresMax: Int = 1, jobs: Int = 1,
        isTraced: Bool = true, progress: (SimulationResult) -> Void = { _ in }
    ) async -> SimulationReport {
        let width = max(jobs, 1)
        return await withTaskGroup(of: SimulationResult.self) { group in
            var report = SimulationReport()
            var (next, told) = (seeds.lowerBound, seeds.lowerBound)
            var ended: [UInt64: SimulationResult] = [:]
            var running = 0
            var failures = 0
            while told < seeds.upperBound, failures < failuresMax {
                while next < seeds.upperBound, running < width, next - told < width * Simulation.aheadMax {
                    let seed = next
                    group.addTask { isTraced ? replayed(seed, scenario, planted) : run(seed: seed, of: scenario, planted: planted, isTraced: false) }
                    (next, running) = (next + 1, running + 1)
                }
                guard let result = await group.next() else { break }
                running -= 1
                ended[result.seed] = result
                while failures < failuresMax, let result = ended.removeValue(forKey: told) {
                    report.results.append(result)
                    progress(result)
                    told += 1
                    if result.failure != nil { failures += 1 }
                }
            }
            return report
        }
    }

    /// Without its trace, which costs more than a little; one that fails is run again for it.
    private static func replayed(_ seed: UInt64, _ scenario: Scenario, _ planted: PlantedBug?) -> SimulationResult {
        let result = run(seed: seed, of: scenario, planted: planted, isTraced: false)
        return result.failure == nil ? result : run(seed: seed, of: scenario, planted: planted)
    }

    /// How the first seed went that with a planted bug breaks the promise which that is about, and does not fail without it; nil:
    /// there is none. The seeds from the one on that is known to, then those before it.
    package static func find(_ bug: PlantedBug, seeds: Range<UInt64>, of scenario: Scenario, jobs: Int = 1) async -> SimulationResult? {
        let first = seeds.contains(bug.firstSeed) ? bug.firstSeed : seeds.lowerBound
        if let found = await find(bug, in: first..<seeds.upperBound, of: scenario, jobs: jobs) { return found }
        return await find(bug, in: seeds.lowerBound..<first, of: scenario, jobs: jobs)
    }

    private static func find(_ bug: PlantedBug, in seeds: Range<UInt64>, of scenario: Scenario, jobs: Int) async -> SimulationResult? {
        var next = seeds.lowerBound
        while next < seeds.upperBound {
            let report = await run(seeds: next..<seeds.upperBound, of: scenario, planted: bug, jobs: jobs, isTraced: false)
            guard let failed = report.failures.first else { return nil }
            if bug.isNamed(by: failed.failure), run(seed: failed.seed, of: scenario, isTraced: false).failure == nil { return failed }
            next = failed.seed + 1
        }
        return nil
    }

    /// A fleet through its commits: without faults for seed 0, with faults for every other.
    package static func run(
        seed: UInt64, of scenario: Scenario = Scenario(), planted: PlantedBug? = nil, isTraced: Bool = true
    ) -> SimulationResult {
        let losesHost = scenario.losesHost(seed)
        let losesTwo = scenario.losesTwo(seed)
        let isApart = scenario.isApart(seed)
        let world = World(
            seed: seed, script: scenario.script(seed), planted: planted, isTraced: isTraced, foresees: scenario.foresees(seed),
            servers: scenario.servers(seed), rareFaults: scenario.rareFaults(seed))
        world.faults = seed == 0 ? .none : .hard
        if scenario.whenAlone == .continue, world.faults.isActive { world.faults.leaveAlone = 0.08 }
        // Else the budget of failovers would be spent before.
        if losesHost || isApart { world.faults.loseWriters = false }
        world.begin()
        var failure: String?
        while failure == nil, !world.script.isOver {
            let patience = world.faults.isActive ? world.milliseconds(2000...40_000) : Simulation.settleMax
            let isSettled = world.run(for: patience) { world.isSettled || world.isHalted || world.isDemoted }
            if !world.faults.isActive, !isSettled { failure = world.oracle.violation ?? "not settled: \(world.unsettled)" }
            guard world.oracle.violation == nil else { break }
            if failure == nil, !world.mayPush, !world.run(for: settleMax, until: { world.mayPush }) {
                failure = world.oracle.violation ?? "orders-sh does not follow: \(world.unsettled)"
            }
            world.push()
            if losesHost, world.script.newest == lossCommit { losesTwo ? world.loseWritersForGood() : world.loseWriterForGood() }
            if isApart, world.script.newest == apartCommit { world.loseInTurn() }
        }
        if world.faults.isActive { _ = world.run(for: world.milliseconds(5000...40_000)) }
        let moment = world.endFaults()
        // What was done by hand last is seen first.
        _ = world.run(for: .seconds(12) + (world.servers.map(\.stillness).max() ?? .zero))
        if losesHost {
            if failure == nil, world.oracle.violation == nil { failure = world.problemWithoutHost }
        } else if failure == nil, world.oracle.violation == nil, !world.run(for: settleMax, until: { world.isSettled }) {
            failure = "it did not converge within \(settleMax): \(world.unsettled)"
        }
        let settled = world.now - moment
        if failure == nil, world.oracle.violation == nil, scenario.losesServers(seed) { failure = world.problemWithoutServer }
        world.areClientsGone = true
        _ = world.run(for: .seconds(3))
        _ = world.run(for: commitsMax) { world.isQuiet }
        failure = world.oracle.violation ?? failure ?? (losesHost ? nil : world.endStateProblem)
        return result(world, seed, failure, settled)
    }

    private static let lossCommit = 3
    private static let apartCommit = 1

    private static func result(_ world: World, _ seed: UInt64, _ failure: String?, _ settled: Duration) -> SimulationResult {
        defer { world.stop() }
        return SimulationResult(
            seed: seed, failure: failure, trace: world.trace, events: world.events,
            simulated: world.now - world.beginning, settled: settled, attempts: world.oracle.attemptsOpened,
            writes: world.oracle.acknowledgedCount, failovers: world.oracle.failoversBegun,
            movedAside: world.oracle.rejoinsMovedAside, timesAlone: world.oracle.timesAlone, leadsTaken: world.oracle.leadsTaken,
            recoveries: world.oracle.recoveries)
    }
}

extension World {
    func push() {
        script.push()
        note("pushed: \(script.current.revision.subject)")
        for server in servers { server.look() }
    }

    /// From here on nothing goes wrong any more; answers the moment.
    func endFaults() -> Instant {
        note("no more faults")
        faults = .none
        storeDownUntil = now
        regionsCutUntil = min(regionsCutUntil, now)
        for host in hosts where !host.isGone {
            host.cutUntil = min(host.cutUntil, now)
            host.serverCutUntil = min(host.serverCutUntil, now)
            host.replicationCutUntil = min(host.replicationCutUntil, now)
            host.deafUntil = min(host.deafUntil, now)
            host.serverDeafUntil = min(host.serverDeafUntil, now)
            host.serverMuteUntil = min(host.serverMuteUntil, now)
            host.disk = nil
            host.startsFailUntil = min(host.startsFailUntil, now)
            host.lostUntil = min(host.lostUntil, now)
            host.fullUntil = now
            for instance in host.sortedInstances {
                instance.process?.hungUntil = now
                instance.slowUntil = now
                if let seat = instance.member?.seat { instance.member?.seat?.sleepsUntil = min(seat.sleepsUntil, now + .milliseconds(ModelSeat.noticeMax)) }
            }
            recover(host)
        }
        return now
    }

    /// No commit waits, and no attempt is under way.
    var isQuiet: Bool {
        allInstances.allSatisfy { $0.instance.process?.unacknowledged.isEmpty ?? true } && store.loadNow().openAttempts.isEmpty
            && areCopiesWhole
    }

    private var areCopiesWhole: Bool {
        let counts = allInstances.filter { $0.instance.directory == .ready }.map(\.instance.binlog.count)
        return counts.allSatisfy { $0 == counts.first }
    }

    /// What the leading server sees, by its own clock; nil where none leads.
    var leaderView: FleetView? { leading?.machine?.view(at: leading?.now ?? now) }

    /// The epoch by which a held recovery's loss is to be accepted.
    var heldRecovery: Int64? {
        let finding = leaderView?.units[UnitID(.cluster, "orders")]?.findings.first { $0.reason == "RecoveryHeld" }
        guard let words = finding?.message.split(separator: "acceptLoss: "), words.count == 2 else { return nil }
        return Int64(words[1].prefix { $0.isNumber })
    }

    /// The leader is content with the newest revision, and every replica has what the writer has.
    var isSettled: Bool {
        agents.allSatisfy(\.isRunning) && leading?.isSettled(on: script.current.revision) == true && !hasUnseenRows
    }

    /// Rows that a member has alone, which its component sees only once something is written: then it is short of one.
    private var hasUnseenRows: Bool {
        !faults.isActive && allInstances.contains { $0.instance.directory == .ready && $0.instance.member?.hasOwnRows == true }
    }

    /// A commit by which nothing starts stands at one instance, and the others were never asked.
    var isHalted: Bool {
        guard !faults.isActive, allInstances.contains(where: { $0.instance.refused != nil }),
            let server = leading, let leader = server.machine
        else { return false }
        let view = leader.view(at: server.now)
        guard view.desired?.revision == script.current.revision,
            view.units[UnitID(.cluster, "orders")]?.findings.contains(where: { $0.reason == "RolloutHalted" }) == true
        else { return false }
        return allInstances.count { $0.instance.refused != nil } == 1
    }

    var unsettled: String {
        guard let server = leading, let leader = server.machine else { return "nobody leads" }
        let view = leader.view(at: server.now)
        guard view.desired?.revision == script.current.revision else { return "revision \(view.desired?.revision.commit ?? "none") is in force" }
        let units = script.current.clusters.keys.sorted().map { name in
            let unit = view.units[UnitID(.cluster, name)]
            return "\(name) waits \(unit?.waits.map(\.message) ?? []); plan \(String(describing: unit?.plan))"
        }
        return "\(leader.settled(nil)); \(units.joined(separator: "; ")); \(instancesText)"
    }

    /// For people who look at a failed seed.
    private var instancesText: String {
        let texts = allInstances.map { host, instance in
            let process = instance.process
            let threads = process.map { "\($0.readOnly ? "closed" : "open") io \($0.ioRunning) sql \($0.sqlRunning) connected \($0.isConnected) acks \($0.isAcking) waiting \($0.unacknowledged.count) \($0.ioError)" }
            return "\(instance.clusterName)-\(instance.id.ordinal)@\(host.name) \(instance.directory) from \(instance.source?.address ?? "nobody") \(instance.binlog.count)+\(instance.relay.count) \(threads ?? "stopped") admits \(instance.content.replicationAccounts.subtracting(instance.lockedAccounts).sorted())"
        }
        return texts.joined(separator: "; ")
    }

    // MARK: Two clusters

    /// A standby that was never known to follow would be founded as a cluster of its own by a commit that it leads.
    var mayPush: Bool {
        guard script.isLeading, script.newest > 0 else { return true }
        let records = store.loadNow().records.clusters["orders-sh"]
        return records.map { $0.standby != nil || $0.lead != nil } ?? false
    }

    /// By the commit in force nobody leads, and it has come to that.
    var isDemoted: Bool {
        guard script.isLeading, !script.current.clusters.values.contains(where: { $0.value.standbyOf == nil }) else { return false }
        let state = store.loadNow()
        return state.openAttempts.isEmpty && state.records.clusters.values.allSatisfy { $0.standby != nil }
            && state.records.clusters.values.contains { $0.demotion != nil } && allInstances.allSatisfy { !$0.instance.isWritable }
    }
}
