package import FleetModel

import FoundationEssentials
import Reconciliation

/// The machine's clock: monotonic (it counts suspended time too), laid out from the wall's time at start.
package struct SystemTime: TimeSource {
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private let wall: Instant

    package init() {
        start = clock.now
        wall = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
    }

    package func now() -> Instant { wall + start.duration(to: clock.now) }

    package func sleep(until instant: Instant) async throws {
        try await clock.sleep(until: start + (instant - wall), tolerance: nil)
    }
}
