/// A stream that can be ended from either side, and takes the next item out of its source only when it is asked to: what
/// a slow client has not read yet waits in the source, which has a bound and says what happens beyond it.
struct PacedStream<Item: Sendable>: Sendable {
    /// One item; then another for each `next`.
    let items: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation
    private let wanted: AsyncStream<Void>.Continuation
    private let pump: Task<Void, Never>

    init(_ source: AsyncStream<Item>) {
        let (items, continuation) = AsyncStream.makeStream(of: Item.self)
        let (wishes, wanted) = AsyncStream.makeStream(of: Void.self)
        self.items = items
        self.continuation = continuation
        self.wanted = wanted
        pump = Task {
            var wishes = wishes.makeAsyncIterator()
            for await item in source {
                continuation.yield(item)
                guard await wishes.next() != nil else { break }
            }
            continuation.finish()
        }
    }

    /// The last item has been dealt with.
    func next() { wanted.yield() }
    /// No item follows those that were handed on.
    func finish() { continuation.finish() }
    func cancel() { pump.cancel() }
}
