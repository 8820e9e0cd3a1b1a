import Hummingbird
import HummingbirdCore
import ServiceLifecycle

/// A request whose answer takes its time: it lasts no longer than its client waits for it and the server runs.
enum LongWait {
    /// Cancels `body` when the client leaves or the server is to stop. The request's body has been read, or is empty.
    @concurrent static func run<Value: Sendable>(
        of request: Request, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let requestBody = request.body
        do {
            return try await cancelWhenGracefulShutdown {
                try await requestBody.consumeWithCancellationOnInboundClose { _ in
                    let value = try await body()
                    // What a cancelled wait came to is no answer.
                    try Task.checkCancellation()
                    return value
                }
            }
        } catch is CancellationError {
            throw APIError(.serviceUnavailable, "the server stops", help: "ask again once it has started")
        }
    }
}
