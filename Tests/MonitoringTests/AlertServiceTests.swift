import FleetModel
import MetadataStore
@testable import Monitoring
import Synchronization
import Testing

/// Records what was sent; fails as it is told.
private final class RecordingSender: AlertSender {
    private let state = Mutex<(sent: [Delivery], failures: [DeliveryFailure])>(([], []))

    init(failures: [DeliveryFailure] = []) { state.withLock { $0.failures = failures } }

    var sent: [Delivery] { state.withLock { $0.sent } }

    func deliver(_ delivery: Delivery) async throws(DeliveryFailure) {
        let failure = state.withLock { state in
            state.sent.append(delivery)
            return state.failures.isEmpty ? nil : state.failures.removeFirst()
        }
        if let failure { throw failure }
    }
}

@Suite struct AlertServiceTests {
    private let orders = UnitID(.cluster, "orders")
    private let down = Finding(reason: "InstanceDown", subject: "orders-2", message: "down", isDrift: true)
    private let channel = AlertChannel(metadata: Metadata(name: "hook"), target: .webhook(url: "http://x/", headers: [:]))

    /// Waits for a condition, ten seconds at the most.
    private func eventually(_ isTrue: () async throws -> Bool) async throws -> Bool {
        for _ in 0..<2000 {
            if try await isTrue() { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    private func report(_ findings: [Finding]) -> AlertEvent {
        .unit(UnitAlerts(unit: orders, revision: "abc", findings: findings, conditions: []))
    }

    @Test func `a finding goes to the store, then out, again after a failure, and its end too`() async throws {
        let store = MemoryStore()
        let now = Instant(milliseconds: 1_700_000_000_000)
        let lease = try await store.acquireLease(holder: LeaseHolder(name: "a", run: 1), duration: .seconds(600), now: now)
        let clock = ContinuousClock()
        let began = clock.now
        let sender = RecordingSender(failures: [.transient("no route")])
        let service = AlertService(
            machine: AlertMachine(alerts: [], outbox: [], externalURL: "http://x", seed: 1), sender: sender,
            now: { now + began.duration(to: clock.now) }, commit: { try await store.commit($0, term: lease.term) })
        let running = Task { try await service.run() }
        service.post(.channels([channel]))
        service.post(report([down]))
        #expect(try await eventually { sender.sent.count == 2 })
        #expect(try await eventually { try await store.load().outbox.first?.delivered != nil })
        #expect(try await store.load().alerts.count == 1)
        service.post(report([]))
        #expect(try await eventually { sender.sent.count == 3 })
        #expect(sender.sent.map(\.isResolved) == [false, false, true])
        #expect(sender.sent[0].message == sender.sent[1].message)
        #expect(
            try await eventually {
                let state = try await store.load()
                return state.alerts.isEmpty && state.outbox.isEmpty
            })
        running.cancel()
        await #expect(throws: CancellationError.self) { try await running.value }
    }

    @Test func `a server that leads no more sends nothing`() async throws {
        let store = MemoryStore()
        let sender = RecordingSender()
        let service = AlertService(
            machine: AlertMachine(alerts: [], outbox: [], externalURL: "", seed: 1), sender: sender,
            now: { Instant(milliseconds: 0) }, commit: { try await store.commit($0, term: 1) })
        service.post(.channels([channel]))
        service.post(report([down]))
        await #expect(throws: StoreError.leaseLost(term: 0)) { try await service.run() }
        #expect(sender.sent.isEmpty)
    }

    @Test func `a store that does not answer holds messages up until it does`() async throws {
        let failures = Mutex(1)
        let sender = RecordingSender()
        let service = AlertService(
            machine: AlertMachine(alerts: [], outbox: [], externalURL: "", seed: 1), sender: sender,
            now: { Instant(milliseconds: 0) },
            commit: { _ in
                let fails = failures.withLock { count in
                    count -= 1
                    return count >= 0
                }
                if fails { throw StoreError.unavailable("the disk is full") }
            })
        let running = Task { try await service.run() }
        service.post(.channels([channel]))
        service.post(report([down]))
        #expect(try await eventually { sender.sent.count == 1 })
        running.cancel()
        _ = await running.result
    }
}
