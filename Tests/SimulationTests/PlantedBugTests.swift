import Simulation
import Testing

/// The checks see what they are for: each bug is planted, and found by a seed that fails by nothing else (other tests have
/// that it converges). `evenkeel simulate --plants --seeds 1000` looks for all of them.
extension SimulationTests {
    @Test(arguments: [
        (.openStart, "take writes at once"),
        (.semiSyncOff, "acknowledged"),
        (.unsyncedBinlog, "without the acknowledged"),
        (.ownRows, "without the acknowledged"),
        (.hastyRestart, "stopped by another task, is not up"),
        (.eagerPurge, "removed"),
        (.survivingWork, "at once"),
        (.earlyAcknowledgement, "with 1 copies"),
        (.forgetfulAgent, "promised"),
        (.lenientStore, "the store took a change of term"),
        (.dependentAgent, "for want of a server"),
        (.idleAgent, "does not come back to acknowledging"),
        (.causeless, "nothing says what caused it"),
    ] as [(PlantedBug, String)])
    func `a planted bug is found`(bug: PlantedBug, what: String) {
        // Whatever changes a history may move it to another seed.
        let isFound = (1...SimulationTests.plantedWithin).contains { seed in
            Simulation.run(seed: seed, planted: bug, isTraced: false).failure?.contains(what) ?? false
        }
        #expect(isFound, "\(bug)")
    }

    private static let plantedWithin: UInt64 = 30

    /// Rows that were dropped come back from the new writer, unless that is lost too: in these worlds it is, for good.
    @Test func `what a replica drops when it is pointed elsewhere is missed where nobody else has it any more`() {
        let isFound = stride(from: 53, to: 350, by: 16).contains { (seed: UInt64) in
            Simulation.run(seed: seed, planted: .undrained, isTraced: false).failure?.contains("nobody who is left has it") ?? false
        }
        #expect(isFound)
    }

    @Test(arguments: [
        (.recoverSecond, 1...30, "begins a component at"),
        (.recoverUnread, 1...30, "begins a component at"),
        (.plainStart, 1...30, "does not come back to the component"),
        (.forgetsInconsistent, 1...30, "with rows of its own"),
        (.componentTooSmall, 1...30, "it is not read"),
        (.cloneUnseeded, 1...30, "with the same rows"),
        (.smallView, 23...60, "lacks the acknowledged"),
    ] as [(PlantedBug, ClosedRange<UInt64>, String)])
    func `one that is planted into a galera cluster is found`(bug: PlantedBug, seeds: ClosedRange<UInt64>, what: String) {
        let isFound = seeds.contains { seed in
            Simulation.run(seed: seed, of: Scenario(.galera), planted: bug, isTraced: false).failure?.contains(what) ?? false
        }
        #expect(isFound, "\(bug)")
    }
}
