package import FleetModel
import Synchronization

/// A store in memory, for tests and the simulator. Servers that share one compete for its lease as on any other store.
///
/// Its calls end where they began, without a hop to another executor, so that a simulated world stays in order.
package final class MemoryStore: MetadataStore {
    private let state: Mutex<MemoryState>

    package init(storeID: String = "memory", retention: StoreRetention = StoreRetention()) {
        state = Mutex(MemoryState(storeID: storeID, retention: retention))
    }

    func change<Answer: Sendable, Failure: Error>(
        _ body: (inout MemoryState) throws(Failure) -> Answer
    ) throws(Failure) -> Answer {
        try state.withLock { state throws(Failure) in try body(&state) }
    }

    package func acquireLease(holder: LeaseHolder, duration: Duration, now: Instant) async throws -> Lease {
        try state.withLock { try $0.lease.acquire(holder, duration: duration, now: now) }
    }

    package func releaseLease(_ lease: Lease) async throws {
        state.withLock { $0.lease.release(lease) }
    }

    package func load() async throws -> StoredState { state.withLock { $0.stored } }

    package func beginRebuild(now: Instant) async throws { beginRebuildNow(now: now) }

    package func commit(_ changes: [StoreChange], term: Int64) async throws {
        try state.withLock { state in
            try state.lease.check(term)
            try state.commit(changes)
        }
    }

    package func events(unit: UnitID?, limit: Int) async throws -> [Event] {
        state.withLock { Self.newest($0.events, limit) { unit == nil || $0.unit == unit } }
    }

    package func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        state.withLock { Self.newest($0.attempts, limit) { unit == nil || $0.task.unit == unit } }
    }

    package func revisions(limit: Int) async throws -> [RevisionRecord] {
        state.withLock { Self.newest($0.revisions, limit) { _ in true } }
    }

    package func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] {
        state.withLock { Self.newest($0.plans, limit) { unit == nil || $0.unit == unit } }
    }

    package func backUp(to path: String) async throws {
        throw StoreError.unavailable("A store in memory has no file to be copied; use one on disk.")
    }

    private static func newest<Element>(
        _ list: [Element], _ limit: Int, _ isWanted: (Element) -> Bool
    ) -> [Element] {
        Array(list.reversed().lazy.filter(isWanted).prefix(max(0, limit)))
    }
}
