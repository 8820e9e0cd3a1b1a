import FleetModel
import Logging
import MetadataStore
import Monitoring
import Reconciliation
import ServiceLifecycle

/// Tells the alert channels what the loop finds, while this server leads; with each new term from what the store has.
struct AlertKeeper: Service {
    let reconciler: Reconciler
    let store: any MetadataStore
    /// By the name that a channel gives.
    let scripts: [String: AlertScript]
    /// Where people look, put into every message.
    let url: String
    let clock: any TimeSource
    let logger: Logger

    private static let tryAgain = Duration.milliseconds(100)

    func run() async throws {
        let delivery = AlertDelivery(scripts: scripts)
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    do {
                        try await lead(delivery)
                    } catch let error as StoreError {
                        logger.info("alerts wait for the store or the lease", metadata: ["reason": "\(error)"])
                    }
                    try await clock.sleep(until: clock.now() + Self.tryAgain)
                }
            }
        } catch {
            try? await delivery.shutDown()
            if !(error is CancellationError) { throw error }
        }
    }

    /// Returns when this server leads no more.
    private func lead(_ delivery: AlertDelivery) async throws {
        let changes = await reconciler.changes()
        let scope = await reconciler.alertScope()
        guard scope.leader.isLeader, !scope.leader.isRebuilding else { return }
        let state = try await store.load()
        let (store, term, clock) = (store, scope.leader.term, clock)
        let machine = AlertMachine(
            alerts: state.alerts, outbox: state.outbox, externalURL: url, seed: UInt64.random(in: 0...UInt64.max))
        let service = AlertService(
            machine: machine, sender: delivery, now: { clock.now() }, commit: { try await store.commit($0, term: term) })
        AlertFeed.post(scope, to: service)
        try await withThrowingTaskGroup { group in
            group.addTask { try await service.run() }
            group.addTask { await follow(changes, term: term, service) }
            group.addTask {
                for await status in await reconciler.passes() {
                    AlertFeed.post(status, isComplete: await isComplete(status), to: service)
                }
            }
            // Whichever ends first: the lease is gone, or the loop.
            try await group.next()
            group.cancelAll()
        }
    }

    /// What a host that this leader never heard could show is not over; a host that fell silent is told as such.
    private func isComplete(_ status: UnitStatus) async -> Bool {
        let hosts = status.waits.compactMap { wait in
            if case .host(let name) = wait.reason { name } else { nil }
        }
        guard !hosts.isEmpty else { return true }
        return await reconciler.hasHeard(hosts)
    }

    /// Keeps the channels and units up to date; returns when the lease has changed hands.
    private func follow(_ changes: AsyncStream<FleetChange>, term: Int64, _ service: AlertService) async {
        for await change in changes {
            switch change {
            case .unit(let unit) where unit.kind != .alertChannel: continue
            case .host: continue
            case .unit, .source, .leadership: break
            }
            let scope = await reconciler.alertScope()
            guard scope.leader.isLeader, scope.leader.term == term else { return }
            AlertFeed.post(scope, to: service)
        }
    }
}

/// What of the loop's views the alerts need.
enum AlertFeed {
    /// Not what stands for a unit before its first pass.
    static func post(_ status: UnitStatus, isComplete: Bool, to service: AlertService) {
        guard status.pass != nil else { return }
        service.post(
            .unit(
                UnitAlerts(
                    unit: status.unit, revision: status.revision, findings: status.findings,
                    conditions: status.conditions, isComplete: isComplete)))
    }

    /// Nothing before the first revision was read: until then no channel and no unit is known to be gone.
    static func post(_ scope: AlertScope, to service: AlertService) {
        guard let desired = scope.desired else { return }
        service.post(.channels(desired.channels.values.map(\.value).filter { scope.channels.contains($0.metadata.name) }))
        service.post(.units(scope.units))
    }
}
