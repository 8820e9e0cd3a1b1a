package import FleetModel
package import MetadataStore
import Synchronization

/// Tries to deliver one message.
package protocol AlertSender: Sendable {
    func deliver(_ delivery: Delivery) async throws(DeliveryFailure)
}

/// Runs an alert machine while this server leads: takes what the loop finds, writes to the store what was decided, then
/// delivers it. Made anew, from what the store has, each time that this server begins to lead.
package actor AlertService {
    private var machine: AlertMachine
    private let sender: any AlertSender
    private let now: @Sendable () -> Instant
    private let commit: @Sendable ([StoreChange]) async throws -> Void
    private let mailbox = Mailbox()
    private var timer: Instant?

    /// After a commit that failed.
    private static let commitRetry: Duration = .seconds(1)

    /// `commit` writes under the leader's term and throws `leaseLost` when it is over.
    package init(
        machine: AlertMachine, sender: any AlertSender, now: @escaping @Sendable () -> Instant,
        commit: @escaping @Sendable ([StoreChange]) async throws -> Void
    ) {
        self.machine = machine
        self.sender = sender
        self.now = now
        self.commit = commit
    }

    /// Tells the machine something, soon. Of the passes of a unit that are still to be looked at, the last one counts.
    package nonisolated func post(_ event: AlertEvent) { mailbox.post(event) }

    /// Runs until its task is cancelled. Throws `StoreError.leaseLost` where this server leads no more.
    package func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            mailbox.post(.tick)
            for await _ in mailbox.signals {
                for event in mailbox.take() {
                    let decision = machine.handle(event, now: now())
                    try await write(decision.changes)
                    for delivery in decision.deliveries { start(delivery, in: &group) }
                    wake(at: decision.next, in: &group)
                }
            }
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    /// Nothing is sent that the store does not know of, so a store that does not answer holds up the messages.
    private func write(_ changes: [StoreChange]) async throws {
        guard !changes.isEmpty else { return }
        while true {
            do {
                return try await commit(changes)
            } catch StoreError.unavailable, StoreError.uncertain {
                // Done twice they are as done once.
                try await Task.sleep(for: Self.commitRetry)
            }
        }
    }

    private func start(_ delivery: Delivery, in group: inout ThrowingDiscardingTaskGroup<any Error>) {
        let (sender, mailbox) = (sender, mailbox)
        group.addTask {
            do throws(DeliveryFailure) {
                try await sender.deliver(delivery)
                mailbox.post(.delivered(delivery.entry))
            } catch {
                mailbox.post(.failed(delivery.entry, error))
            }
        }
    }

    /// A timer that is not needed any more ends in a tick too many, which changes nothing.
    private func wake(at moment: Instant?, in group: inout ThrowingDiscardingTaskGroup<any Error>) {
        let present = now()
        if let timer, timer <= present { self.timer = nil }
        guard let moment, timer.map({ moment < $0 }) ?? true else { return }
        timer = moment
        let (delay, mailbox) = (max(.zero, moment - present), mailbox)
        group.addTask {
            guard (try? await Task.sleep(for: delay)) != nil else { return }
            mailbox.post(.tick)
        }
    }
}

/// What was posted and not yet taken: of each kind and unit the last, so that it is bounded by the fleet and not by how
/// often it is looked at.
final class Mailbox: Sendable {
    private struct Content {
        var units: Set<UnitID>?
        var channels: [AlertChannel]?
        var reports: [UnitID: UnitAlerts] = [:]
        /// One a message in flight at the most.
        var results: [AlertEvent] = []
        var hasTick = false
    }

    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private let content = Mutex(Content())

    init() { (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

    func post(_ event: AlertEvent) {
        content.withLock { content in
            switch event {
            case .unit(let report): content.reports[report.unit] = report
            case .units(let units): content.units = units
            case .channels(let channels): content.channels = channels
            case .delivered, .failed: content.results.append(event)
            case .tick: content.hasTick = true
            }
        }
        signal.yield()
    }

    func take() -> [AlertEvent] {
        let content = content.withLock { content in
            let taken = content
            content = Content()
            return taken
        }
        var events = content.results
        if let channels = content.channels { events.append(.channels(channels)) }
        if let units = content.units { events.append(.units(units)) }
        events += content.reports.values.sorted { $0.unit < $1.unit }.map { .unit($0) }
        if content.hasTick { events.append(.tick) }
        return events
    }
}
