/// A request to stop one piece of structured work, from outside its task group.
struct StopSignal: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func stop() { continuation.yield() }

    /// Runs the work to its end; its task is cancelled when `stop` was called.
    func run<Value: Sendable>(_ work: @escaping @Sendable () async -> Value) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask { await work() }
            group.addTask { [stream] in
                for await _ in stream { break }
                return nil
            }
            var result: Value?
            for await ended in group {
                if let ended { result = ended }
                // Whichever ended first, the other is to end now.
                group.cancelAll()
            }
            return result
        }
    }
}
