import Synchronization

/// The driver's calls on one instance that have not ended, so that whoever isolates it can stop them and knows when
/// they are over: none of them may start a thread or a process after it.
final class CallsInFlight: Sendable {
    enum Kind: Sendable {
        /// Only starts the process, closed: it makes nothing receive or write.
        case start
        case work
        /// Isolates: stopped by no other.
        case isolating
    }

    private struct Call {
        var kind: Kind
        var cancel: @Sendable () -> Void
    }

    private struct State {
        var next = 0
        var calls: [Int: Call] = [:]
    }

    private let state = Mutex(State())

    /// Runs a call to its end, in a task that `cancel` reaches.
    func run<Answer: Sendable>(_ kind: Kind, _ body: @escaping @Sendable () async throws -> Answer) async throws -> Answer {
        let task = Task { try await body() }
        let number = state.withLock { state in
            state.next += 1
            state.calls[state.next] = Call(kind: kind, cancel: { task.cancel() })
            return state.next
        }
        defer { state.withLock { _ = $0.calls.removeValue(forKey: number) } }
        return try await withTaskCancellationHandler { try await task.value } onCancel: { task.cancel() }
    }

    func cancel(_ kinds: Set<Kind>) {
        for call in state.withLock({ Array($0.calls.values) }) where kinds.contains(call.kind) { call.cancel() }
    }

    func isFree(of kinds: Set<Kind>) -> Bool { state.withLock { !$0.calls.values.contains { kinds.contains($0.kind) } } }
}
