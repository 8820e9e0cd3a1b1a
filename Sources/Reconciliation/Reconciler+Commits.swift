import MetadataStore

/// Commits that the loop asked for and the store has not answered, in their order. The loop bounds how many there are.
struct CommitQueue: Sendable {
    struct Commit: Sendable {
        var id: UInt64
        var changes: [StoreChange]
        var term: Int64
    }

    private var waiting: [Commit] = []
    /// Says that there is something to take.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init() { (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    mutating func append(_ commit: Commit) {
        waiting.append(commit)
        signal.yield()
    }

    /// All that wait, but only those of one term.
    mutating func take() -> [Commit] {
        guard let term = waiting.first?.term else { return [] }
        let batch = Array(waiting.prefix { $0.term == term })
        waiting.removeFirst(batch.count)
        return batch
    }
}

extension Reconciler {
    /// In the order in which they were asked for. What has gathered while the store wrote goes as one transaction, which
    /// costs one wait for the disk: a new leader with 100,000 units would wait for it as often otherwise.
    func carryOutCommits() async {
        for await _ in commits.signals {
            while case let batch = commits.take(), !batch.isEmpty { await carryOut(batch) }
        }
    }

    private func carryOut(_ batch: [CommitQueue.Commit]) async {
        do {
            try await store.commit(batch.flatMap(\.changes), term: batch[0].term)
            for commit in batch { handle(.committed(commit.id)) }
        } catch {
            let failure = StoreError(wrapping: error)
            // A conflict is one commit's own: the others are not refused for it.
            if case .conflict = failure, batch.count > 1 {
                for commit in batch { await carryOut([commit]) }
            } else {
                for commit in batch { handle(.commitFailed(commit.id, failure)) }
            }
        }
    }
}
