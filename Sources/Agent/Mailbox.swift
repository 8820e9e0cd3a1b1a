import ControlAPI
import Engines
import FleetModel
import Synchronization

/// The events that wait for the machine, in the order in which they happened.
///
/// Bounded by what can be under way at once (one look an instance, one message, one end an attempt); progress is kept
/// once for each attempt, and a server that talks faster than it is listened to loses its connection (`isFull`).
final class Mailbox: Sendable {
    enum Item: Sendable {
        case event(AgentEvent)
        case connected(any AgentConnection, connection: Int)
        case received(AgentEvent, connection: Int)
        case sent(connection: Int)
        case disconnected(reason: String, connection: Int)
        /// The latest progress is taken from the mailbox.
        case progress(attempt: String)
    }

    private struct State {
        var waiting = 0
        var progress: [String: EngineProgress] = [:]
    }

    let items: AsyncStream<Item>
    private let continuation: AsyncStream<Item>.Continuation
    private let state = Mutex(State())

    static let itemsMax = 1024

    init() { (items, continuation) = AsyncStream.makeStream() }

    var isFull: Bool { state.withLock { $0.waiting >= Mailbox.itemsMax } }

    func post(_ item: Item) {
        state.withLock { $0.waiting += 1 }
        continuation.yield(item)
    }

    func post(_ event: AgentEvent) { post(.event(event)) }

    func postProgress(_ attempt: String, _ progress: EngineProgress) {
        let isFirst = state.withLock { $0.progress.updateValue(progress, forKey: attempt) == nil }
        if isFirst { post(.progress(attempt: attempt)) }
    }

    func noteTaken() { state.withLock { $0.waiting -= 1 } }

    func takeProgress(_ attempt: String) -> EngineProgress? {
        state.withLock { $0.progress.removeValue(forKey: attempt) }
    }
}
