import Hummingbird
import HummingbirdCore
import ServiceLifecycle

/// A request whose answer takes its time: it lasts no longer than its client waits for it and the server runs.
enum LongWait {
    /// Cancels `body` when the client leaves or the server is to stop; the answer to that is 503.
    ///
    /// A request whose body has been read must have it back (`request.body = RequestBody(buffer:)`).
    @concurrent static func run<Value: Sendable>(
        of request: Request, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (presence, absence) = AsyncStream.makeStream(of: Void.self)
        do {
            return try await request.body.consumeWithInboundCloseHandler(
                { rest in
                    // To its end, before anything can be cancelled: Hummingbird's source must not be left unfinished, which
                    // would end the process (`preconditionFailure` in NIOThrowingAsyncSequenceProducer.Source.deinit).
                    for try await _ in rest {}
                    return try await cancelWhenGracefulShutdown { try await during(presence, body) }
                }, onInboundClosed: { absence.finish() })
        } catch is CancellationError {
            throw APIError(.serviceUnavailable, "the server stops", help: "ask again once it has started")
        }
    }

    /// What `body` comes to; cancels it where `presence` ends before.
    private static func during<Value: Sendable>(
        _ presence: AsyncStream<Void>, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask {
                for await _ in presence {}
                throw CancellationError()
            }
            group.addTask {
                let value = try await body()
                // What a cancelled wait came to is no answer.
                try Task.checkCancellation()
                return value
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }
}
