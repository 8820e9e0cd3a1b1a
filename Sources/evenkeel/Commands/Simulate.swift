import ArgumentParser
import Simulation

/// For those who change the product: the whole system in one deterministic world, seed after seed.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the deterministic simulator over a range of seeds.", shouldDisplay: false)

    @Option(help: "How many seeds.")
    var seeds: UInt64 = 100
    @Option(help: "The first of them; 0 is the world without faults.")
    var start: UInt64 = 0

    func run() throws {
        let report = Simulation.run(seeds: start..<(start + seeds)) { result in
            let outcome = result.failure ?? "converged"
            print("seed \(result.seed): \(outcome) (\(result.attempts) attempts, \(result.writes) writes, \(result.failovers) failovers, \(result.movedAside) moved aside)")
        }
        guard let failed = report.failures.first else { return }
        for line in failed.trace { print("  " + line) }
        print("replay: evenkeel simulate --start \(failed.seed) --seeds 1")
        throw ExitStatus.error
    }
}
