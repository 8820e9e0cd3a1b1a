import Synchronization

/// A journal whose disk may hang, and must not hang the agent with it: past a bound an entry counts as not written. While
/// one that was left behind has not come back, no other is tried.
final class BoundedJournal: Journal {
    private let journal: any Journal
    private let sleep: @Sendable (Duration) async throws -> Void
    private let isHanging = Mutex(false)

    init(_ journal: any Journal, sleep: @escaping @Sendable (Duration) async throws -> Void) {
        self.journal = journal
        self.sleep = sleep
    }

    func append(_ entries: [JournalEntry]) async throws {
        let isFree = isHanging.withLock { isHanging in
            defer { isHanging = true }
            return !isHanging
        }
        guard isFree else { throw JournalError("the journal's disk does not answer: an earlier entry is not written yet") }
        let answer = Answer()
        let result: Result<Void, any Error> = await withCheckedContinuation { continuation in
            answer.expect(continuation)
            let timer = Task { [sleep] in
                do { try await sleep(AgentLimits.journalMax) } catch { return }
                answer.give(.failure(JournalError(
                    "the journal's disk has not written an entry within \(AgentLimits.journalMax.components.seconds) s")))
            }
            // Unowned on purpose: what hangs in the kernel cannot be cancelled, only left behind.
            Task { [self] in
                let written: Result<Void, any Error>
                do { written = .success(try await journal.append(entries)) } catch { written = .failure(error) }
                isHanging.withLock { $0 = false }
                timer.cancel()
                answer.give(written)
            }
        }
        try result.get()
    }

    /// The first answer counts.
    private final class Answer: Sendable {
        private let waiting = Mutex<CheckedContinuation<Result<Void, any Error>, Never>?>(nil)

        func expect(_ continuation: CheckedContinuation<Result<Void, any Error>, Never>) {
            waiting.withLock { $0 = continuation }
        }

        func give(_ result: Result<Void, any Error>) {
            waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting
            }?.resume(returning: result)
        }
    }
}
