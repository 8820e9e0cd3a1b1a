import Synchronization

/// How a client writes.
package enum ClientSort: String, Sendable, Hashable, CaseIterable {
    /// Keeps its connection until an error, as a pool does.
    case pooled
    /// A connection for each write.
    case reconnecting
    /// Writes to an instance that is not the primary: sabotage.
    case stray
}

/// What became of a write, as its client knows.
package enum WriteOutcome: String, Sendable, Hashable {
    /// The server said that it is done.
    case acknowledged
    /// The server said that it is not, in a way that leaves no doubt.
    case refused
    /// No answer, or one that says nothing of the write.
    case unknown
}

/// One write. Times count from the ledger's beginning.
package struct Write: Sendable, Hashable {
    package var id: Int64
    package var sort: ClientSort
    package var sent: Duration
    package var ended: Duration
    package var outcome: WriteOutcome

    package init(id: Int64, sort: ClientSort, sent: Duration, ended: Duration, outcome: WriteOutcome) {
        self.id = id
        self.sort = sort
        self.sent = sent
        self.ended = ended
        self.outcome = outcome
    }
}

/// Every write of one load, in the order of their ends.
package final class Ledger: Sendable {
    private struct State {
        var writes: [Write] = []
        var acknowledged: [ClientSort: Int] = [:]
    }

    private let state = Mutex(State())
    private let began = ContinuousClock.now

    /// Beyond this the clients stop: what an instance holds is compared in memory.
    package static let writesMax = 900_000

    package init() {}

    package var now: Duration { ContinuousClock.now - began }
    package var writes: [Write] { state.withLock { $0.writes } }
    var isFull: Bool { state.withLock { $0.writes.count >= Ledger.writesMax } }

    package func note(_ write: Write) {
        state.withLock { state in
            state.writes.append(write)
            if write.outcome == .acknowledged { state.acknowledged[write.sort, default: 0] += 1 }
        }
    }

    func acknowledged(_ sort: ClientSort) -> Int { state.withLock { $0.acknowledged[sort] ?? 0 } }
}
