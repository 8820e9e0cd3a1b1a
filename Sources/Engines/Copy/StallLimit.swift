import Synchronization

/// When something last advanced, and how long it may stand still.
final class Advance: Sendable {
    private struct State {
        var last = ContinuousClock.now
        var limit: Duration
    }

    private let state: Mutex<State>

    init(limit: Duration) { state = Mutex(State(limit: limit)) }

    /// It advanced just now; `limit` holds from here on where one is given.
    func mark(limit: Duration? = nil) {
        state.withLock { state in
            state.last = .now
            if let limit { state.limit = limit }
        }
    }

    /// What is left of the limit; nothing or less where it has passed.
    var left: Duration { state.withLock { $0.limit - (ContinuousClock.now - $0.last) } }
}

/// Runs `body`, which marks its advance; cancels it, and throws `error`, once it has not advanced for `limit`.
func withStallLimit<Answer: Sendable>(
    _ limit: Duration, or error: EngineError, _ body: @escaping @Sendable (Advance) async throws -> Answer
) async throws -> Answer {
    let advance = Advance(limit: limit)
    return try await withThrowingTaskGroup(of: Answer?.self) { group in
        group.addTask { try await body(advance) }
        group.addTask {
            while advance.left > .zero { try await Task.sleep(for: advance.left) }
            throw error
        }
        defer { group.cancelAll() }
        while let answer = try await group.next() {
            if let answer { return answer }
        }
        throw error
    }
}
