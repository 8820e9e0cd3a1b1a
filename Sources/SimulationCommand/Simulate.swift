package import ArgumentParser
import FleetModel
import FoundationEssentials
import Simulation

extension PlantedBug: ExpressibleByArgument {}
extension WhenAlone: ExpressibleByArgument {}

/// For those who change the product: the whole system in one deterministic world, seed after seed. A command of `evenkeel`,
/// and a program of its own, which is built without all that a server needs.
package struct Simulate: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run the deterministic simulator over a range of seeds.", shouldDisplay: false)

    @Option(help: "How many seeds.")
    var seeds: UInt64 = 100
    @Option(help: "The first of them; 0 is the world without faults.")
    var start: UInt64 = 0
    @Option(help: "How many seeds at once; as many as there are processors, where none is given.")
    var jobs: Int?
    @Option(help: "Plant a bug, which one of the seeds has to find.")
    var plant: PlantedBug?
    @Flag(help: "Plant each bug in turn: every one has to be found.")
    var plants = false

    @Flag(help: "Each seed that once found a bug, of every kind of world.")
    var kept = false

    @Option(help: "What a primary does that nobody is left to acknowledge for.")
    var whenAlone = WhenAlone.wait
    @Flag(help: "Through commits that are rolled out: versions, and values that need a restart.")
    var rolling = false
    @Flag(help: "Every commit in every world of the demo's cluster, and not a part of them in most.")
    var allCommits = false
    @Flag(help: "Every sort of fault in every world, and some not in a share of the worlds alone.")
    var allFaults = false
    @Flag(help: "Every rehearsal to its end, as a server makes it, and not in one world of 64 alone.")
    var whole = false
    @Flag(help: "Two clusters in two regions, between which the lead moves.")
    var leading = false

    @Flag(help: "Clusters of the topology galera.")
    var galera = false
    @Flag(help: "Tell only of seeds that fail, and the sum.")
    var quiet = false
    @Flag(help: "The first seed alone, and what happened in it.")
    var trace = false

    package init() {}

    package func run() async throws {
        if trace {
            let result = Simulation.run(seed: start, of: scenario(for: plant), planted: plant)
            for line in result.trace { print(line) }
            return print("seed \(start): \(result.failure ?? "converged")")
        }
        if kept { return try runKept() }
        if plants || plant != nil { return try await findPlanted(plant.map { [$0] } ?? PlantedBug.allCases) }
        let report = await Simulation.run(seeds: start..<(start + seeds), of: scenario(), jobs: width) { result in
            if quiet, result.failure == nil { return }
            let outcome = result.failure ?? "converged"
            let alone = result.timesAlone > 0 ? ", \(result.timesAlone) times alone" : ""
            let leads = result.leadsTaken > 0 ? ", \(result.leadsTaken) leads taken" : ""
            let recoveries = result.recoveries > 0 ? ", \(result.recoveries) recoveries" : ""
            print("seed \(result.seed): \(outcome) (\(result.attempts) attempts, \(result.writes) writes, \(result.failovers) failovers, \(result.movedAside) moved aside\(alone)\(leads)\(recoveries))")
        }
        guard let failed = report.failures.first else { return print(sum(report)) }
        tell(failed, of: scenario())
        throw ExitCode.failure
    }

    private func tell(_ failed: SimulationResult, of scenario: Scenario) {
        for line in failed.trace { print("  " + line) }
        print("replay: evenkeel simulate --start \(failed.seed) --seeds 1\(scenario.options)")
    }

    private func runKept() throws {
        for kept in KeptSeed.all {
            let result = Simulation.run(seed: kept.seed, of: kept.scenario)
            if !quiet || result.failure != nil { print("seed \(kept.seed)\(kept.scenario.options): \(result.failure ?? "converged") (\(kept.found))") }
            guard result.failure != nil else { continue }
            tell(result, of: kept.scenario)
            throw ExitCode.failure
        }
        print("\(KeptSeed.all.count) seeds that once found a bug: all converge")
    }

    /// A planted bug's own story, where none is asked for.
    private func scenario(for bug: PlantedBug? = nil) -> Scenario {
        let story: Scenario.Story =
            galera || bug?.isOfGalera == true ? .galera : leading || bug?.isOfLeading == true ? .leading : rolling ? .rolling : .demo
        return Scenario(story, whenAlone: whenAlone, hasAllCommits: allCommits, isForeseen: whole, hasAllFaults: allFaults)
    }

    private func sum(_ report: SimulationReport) -> String {
        let totals = report.results.reduce(into: (attempts: 0, writes: 0, failovers: 0)) { totals, result in
            totals = (totals.attempts + result.attempts, totals.writes + result.writes, totals.failovers + result.failovers)
        }
        return "seeds \(start) to \(start + seeds - 1)\(scenario().options): all converge; \(totals.attempts) attempts, \(totals.failovers) failovers, \(totals.writes) acknowledged writes, none lost"
    }

    private var width: Int { jobs ?? ProcessInfo.processInfo.activeProcessorCount }

    /// A line for each: the bug, the promise that it breaks, the first seed that found it broken, and how.
    private func findPlanted(_ bugs: [PlantedBug]) async throws {
        var missed = 0
        for bug in bugs {
            let found = await Simulation.find(bug, seeds: start..<(start + seeds), of: scenario(for: bug), jobs: width)
            if found == nil { missed += 1 }
            let finding = found?.failure.map { $0.count > Simulate.findingMax ? $0.prefix(Simulate.findingMax) + "…" : $0 }
            let seed = found.map { "seed \($0.seed)" } ?? "NOT FOUND"
            print("\(padded(bug.rawValue, 20)) \(padded(bug.finding.promise, 40)) \(padded(seed, 9)) \(finding ?? "by \(seeds) seeds from \(start) on")")
        }
        if missed > 0 { throw ExitCode.failure }
    }

    private static let findingMax = 120

    private func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(width - text.count, 0)) }
}
