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

    /// Other ranges by `evenkeel simulate`; each failure is replayed by its seed.
    @Test(arguments: 1...8 as ClosedRange<UInt64>)
    func `with faults it ends as declared and loses nothing`(seed: UInt64) {
        let result = Simulation.run(seed: seed)
        #expect(result.failure == nil, "seed \(seed)\n\(result.trace.suffix(60).joined(separator: "\n"))")
    }

    @Test func `one seed gives one history`() {
        let first = Simulation.run(seed: 7)
        let second = Simulation.run(seed: 7)
        #expect(first.trace == second.trace)
        #expect(first.events == second.events)
    }
}
