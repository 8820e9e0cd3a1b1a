import FleetModel

/// Random numbers from a seed (SplitMix64): the loop's jitter, and everything in the simulator.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    /// Evenly in 0 ..< 1.
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// `interval` and up to a tenth more, so that what began together does not stay together.
    package mutating func jittered(_ interval: Duration) -> Duration {
        .milliseconds(interval.milliseconds + Int64(Double(interval.milliseconds) * 0.1 * unit()))
    }
}
