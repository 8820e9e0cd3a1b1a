import FleetModel

/// Those who listen to the loop: watchers of changes, the monitor, the log. A slow one loses the oldest and is to read
/// the view anyway.
struct Listeners {
    private var changes: [UInt64: AsyncStream<FleetChange>.Continuation] = [:]
    private var passes: [UInt64: AsyncStream<UnitStatus>.Continuation] = [:]
    private var notices: [UInt64: AsyncStream<LoopNotice>.Continuation] = [:]
    private var last: UInt64 = 0

    mutating func addChanges(_ limit: Int, onEnd: @escaping @Sendable (UInt64) -> Void) -> AsyncStream<FleetChange> {
        last += 1
        let number = last
        let (stream, continuation) = AsyncStream.makeStream(of: FleetChange.self, bufferingPolicy: .bufferingNewest(limit))
        continuation.onTermination = { _ in onEnd(number) }
        changes[number] = continuation
        return stream
    }

    mutating func addPasses(
        _ limit: Int, first: [UnitStatus], onEnd: @escaping @Sendable (UInt64) -> Void
    ) -> AsyncStream<UnitStatus> {
        last += 1
        let number = last
        let bound = max(limit, first.count)
        let (stream, continuation) = AsyncStream.makeStream(of: UnitStatus.self, bufferingPolicy: .bufferingNewest(bound))
        continuation.onTermination = { _ in onEnd(number) }
        for status in first { continuation.yield(status) }
        passes[number] = continuation
        return stream
    }

    mutating func addNotices(_ limit: Int, onEnd: @escaping @Sendable (UInt64) -> Void) -> AsyncStream<LoopNotice> {
        last += 1
        let number = last
        let (stream, continuation) = AsyncStream.makeStream(of: LoopNotice.self, bufferingPolicy: .bufferingNewest(limit))
        continuation.onTermination = { _ in onEnd(number) }
        notices[number] = continuation
        return stream
    }

    mutating func remove(_ number: UInt64) {
        changes[number] = nil
        passes[number] = nil
        notices[number] = nil
    }

    func tell(_ change: FleetChange) { for continuation in changes.values { continuation.yield(change) } }
    func publish(_ status: UnitStatus) { for continuation in passes.values { continuation.yield(status) } }
    func note(_ notice: LoopNotice) { for continuation in notices.values { continuation.yield(notice) } }

    mutating func finish() {
        for continuation in changes.values { continuation.finish() }
        for continuation in passes.values { continuation.finish() }
        for continuation in notices.values { continuation.finish() }
        (changes, passes, notices) = ([:], [:], [:])
    }
}
