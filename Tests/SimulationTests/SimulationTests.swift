import FleetModel
import Simulation
import Testing

/// One after the other: each is one long computation, and other tests wait for the same few threads.
@Suite(.serialized) struct SimulationTests {
    @Test func `without faults the demo's fleet goes through all of its commits`() {
        let result = Simulation.run(seed: 0)
        #expect(result.failure == nil, "\(result.trace.suffix(40).joined(separator: "\n"))")
        #expect(result.attempts > 40)
        #expect(result.writes > 20)
    }

    /// Other ranges by `evenkeel simulate`; each failure is replayed by its seed. Those that once failed are kept in `KeptSeed`:
    /// `evenkeel simulate --kept`.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `with faults it ends as declared and loses nothing`(seed: UInt64) {
        let result = Simulation.run(seed: seed)
        #expect(result.failure == nil, "seed \(seed)\n\(result.trace.suffix(60).joined(separator: "\n"))")
    }

    @Test func `so it does where a writer goes on alone`() async {
        let report = await Simulation.run(seeds: 14..<19, of: Scenario(whenAlone: .continue))
        for failed in report.failures { Issue.record("seed \(failed.seed): \(failed.failure ?? "")\n\(failed.trace.suffix(60).joined(separator: "\n"))") }
        #expect(report.results.contains { $0.timesAlone > 0 })
    }

    /// 0 is without faults: there, of a commit by which nothing starts, only one instance is ever tried.
    @Test(arguments: 0...3 as ClosedRange<UInt64>)
    func `versions and values are rolled out, and those refused are gone back from`(seed: UInt64) {
        let result = Simulation.run(seed: seed, of: Scenario(.rolling))
        #expect(result.failure == nil, "seed \(seed)\n\(result.trace.suffix(60).joined(separator: "\n"))")
    }

    @Test(arguments: 0...3 as ClosedRange<UInt64>)
    func `the lead moves between two clusters, and nothing is lost`(seed: UInt64) {
        let result = Simulation.run(seed: seed, of: Scenario(.leading))
        #expect(result.failure == nil, "seed \(seed)\n\(result.trace.suffix(60).joined(separator: "\n"))")
        #expect(result.leadsTaken >= (seed == 0 ? 3 : 1))
    }

    /// 0 is without faults.
    @Test(arguments: 0...6 as ClosedRange<UInt64>)
    func `a galera cluster ends as declared, and its members are equal`(seed: UInt64) {
        let result = Simulation.run(seed: seed, of: Scenario(.galera))
        #expect(result.failure == nil, "seed \(seed)\n\(result.trace.suffix(60).joined(separator: "\n"))")
        #expect(result.writes > 20)
    }

    @Test func `rehearsals that end with their first wave give the same history`() {
        let brief = Simulation.run(seed: 3)
        let whole = Simulation.run(seed: 3, of: Scenario(isForeseen: true))
        #expect(brief.trace == whole.trace)
        #expect(brief.events == whole.events)
    }

    @Test func `results are told in the order of their seeds, whichever ends first`() async {
        var told: [UInt64] = []
        let report = await Simulation.run(seeds: 0..<3, jobs: 3) { told.append($0.seed) }
        #expect(told == [0, 1, 2])
        #expect(report.results.map(\.seed) == told)
        #expect(report.failures.isEmpty)
    }

    @Test func `one seed gives one history`() {
        let first = Simulation.run(seed: 7)
        let second = Simulation.run(seed: 7)
        #expect(first.trace == second.trace)
        #expect(first.events == second.events)
    }
}
