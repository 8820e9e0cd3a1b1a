package import FleetModel

// The same calls without `async`, for a simulated world that decides itself when each of them ends.

extension MemoryStore {
    package func acquireNow(holder: String, duration: Duration, now: Instant) throws(StoreError) -> Lease {
        try change { state throws(StoreError) in try state.lease.acquire(holder, duration: duration, now: now) }
    }

    package func releaseNow(_ lease: Lease) { change { $0.lease.release(lease) } }

    package func loadNow() -> StoredState { change { $0.stored } }

    package func commitNow(_ changes: [StoreChange], term: Int64) throws(StoreError) {
        try change { state throws(StoreError) in
            try state.lease.check(term)
            var next = state
            try next.apply(changes)
            state = next
        }
    }
}
