package import FleetModel

// The same calls without `async`, for a simulated world that decides itself when each of them ends.

extension MemoryStore {
    package func acquireNow(holder: LeaseHolder, duration: Duration, now: Instant) throws(StoreError) -> Lease {
        try change { state throws(StoreError) in try state.lease.acquire(holder, duration: duration, now: now) }
    }

    package func releaseNow(_ lease: Lease) { change { $0.lease.release(lease) } }

    /// The identity made anew is the old one with a mark, so that a simulated world stays the same for its seed.
    package func beginRebuildNow(now: Instant) {
        change { $0.beginRebuild(newIdentity: $0.records.storeID + "+", now: now) }
    }

    package func loadNow() -> StoredState { change { $0.stored } }

    package func commitNow(_ changes: [StoreChange], term: Int64) throws(StoreError) {
        try change { state throws(StoreError) in
            try state.lease.check(term)
            try state.commit(changes)
        }
    }
}
