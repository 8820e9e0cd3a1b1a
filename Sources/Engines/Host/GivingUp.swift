/// Waits for `body` at most `bound`, then leaves it behind, cancelled: for what may hang in the kernel, where no
/// cancellation reaches it (a frozen disk). Nil where it was left; the caller sees to it that not too many are.
func waiting<Answer: Sendable>(
    atMost bound: Duration, for body: @escaping @Sendable () async throws -> Answer
) async throws -> Answer? {
    let (answers, answer) = AsyncStream.makeStream(of: Result<Answer, any Error>.self, bufferingPolicy: .bufferingNewest(1))
    // Unowned on purpose: a task group would wait for the end of what hangs.
    let work = Task {
        do { answer.yield(.success(try await body())) } catch { answer.yield(.failure(error)) }
        answer.finish()
    }
    let timer = Task {
        try? await Task.sleep(for: bound)
        answer.finish()
    }
    defer {
        timer.cancel()
        work.cancel()
    }
    for await result in answers { return try result.get() }
    try Task.checkCancellation()
    return nil
}
