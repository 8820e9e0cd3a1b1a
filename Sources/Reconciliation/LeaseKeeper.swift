package import FleetModel
package import MetadataStore

/// Keeps the lease: takes it, renews it three times in its duration, and measures it on our own clock from when it was
/// asked for, so that we never believe in it longer than the store does.
package struct LeaseKeeper: Sendable {
    package enum Event: Sendable {
        case started
        /// The moment of the last `wake` has come.
        case woke
        case acquired(Lease)
        case failed(StoreError)
        /// The loop leads no more and gave the lease back.
        case released
    }

    package enum Directive: Sendable {
        /// Answered by `acquired` or `failed`.
        case acquire(duration: Duration)
        case wake(at: Instant)
        case tell(LoopEvent)
    }

    private let duration: Duration
    private var asked: Instant?
    private var term: Int64?

    package init(duration: Duration) { self.duration = duration }

    package mutating func handle(_ event: Event, now: Instant) -> [Directive] {
        switch event {
        case .started, .woke:
            guard asked == nil else { return [] }
            asked = now
            return [.acquire(duration: duration)]
        case .acquired(let lease): return acquired(lease, now)
        case .failed(let error): return failed(error, now)
        case .released:
            term = nil
            return []
        }
    }

    private mutating func acquired(_ lease: Lease, _ now: Instant) -> [Directive] {
        let until = (asked ?? now) + lease.duration
        asked = nil
        let event = lease.term == term ? LoopEvent.leaseRenewed(until: until) : .leaseGained(term: lease.term, until: until)
        term = lease.term
        return [.tell(event), .wake(at: now + interval)]
    }

    private mutating func failed(_ error: StoreError, _ now: Instant) -> [Directive] {
        asked = nil
        let next = Directive.wake(at: now + interval)
        guard case .leaseLost = error, term != nil else { return [next] }
        term = nil
        return [.tell(.leaseLost(leaderURL: nil)), next]
    }

    private var interval: Duration { duration / 3 }
}
