import Simulation
import Testing

/// All of them are looked for by `evenkeel simulate --plants`, in a release build.
extension SimulationTests {
    @Test func `a planted bug is found by the promise that it breaks`() async {
        let found = await Simulation.find(.earlyAcknowledgement, seeds: 0..<4, of: Scenario())
        #expect(found?.failure?.contains("with 1 copies") == true)
    }

    @Test func `a world that fails by something else finds no planted bug`() {
        // As seed 0 does, which has no faults in which a write could be lost.
        let failure = "not settled: orders waits for semi-sync on"
        #expect(!PlantedBug.semiSyncOff.isNamed(by: failure) && !PlantedBug.semiSyncOff.isNamed(by: nil))
        #expect(PlantedBug.semiSyncOff.isNamed(by: "orders-1 is opened without the acknowledged write(3) at place 7"))
    }

    @Test func `each planted bug is looked for where a search begins`() {
        for bug in PlantedBug.allCases { #expect(bug.firstSeed < 1000 && !bug.finding.words.isEmpty, "\(bug)") }
    }
}
