import Simulation
import Testing

/// The checks see what they are for: each bug is planted, and found by a seed that fails by nothing else (other tests have
/// that it converges). `evenkeel simulate --plants --seeds 1000` looks for all of them.
extension SimulationTests {
    @Test(arguments: [
        (.openStart, 1, "take writes at once"),
        (.semiSyncOff, 1, "acknowledged"),
        (.unsyncedBinlog, 1, "without the acknowledged"),
        (.ownRows, 2, "without the acknowledged"),
        (.hastyRestart, 2, "stopped by another task, is not up"),
        (.eagerPurge, 1, "removed"),
        (.survivingWork, 8, "at once"),
        (.earlyAcknowledgement, 1, "with 1 copies"),
        (.forgetfulAgent, 1, "promised"),
        (.lenientStore, 1, "the store took a change of term"),
        (.dependentAgent, 1, "for want of a server"),
        (.idleAgent, 1, "does not come back to acknowledging"),
        (.causeless, 1, "nothing says what caused it"),
    ] as [(PlantedBug, UInt64, String)])
    func `a planted bug is found`(bug: PlantedBug, seed: UInt64, what: String) {
        let failure = Simulation.run(seed: seed, planted: bug).failure ?? "nothing was found"
        #expect(failure.contains(what), "\(bug), seed \(seed)")
    }
}
