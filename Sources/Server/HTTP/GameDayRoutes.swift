import ControlAPI
import FleetModel
import Hummingbird
import Logging
import MetadataStore
import Reconciliation
import Synchronization

/// Faults on purpose, where the manifest allows them: one game day at a time, which ends by itself.
struct GameDayRoutes: Sendable {
    let control: ControlPlane
    private let days = GameDays()

    /// For so long a game day may be announced.
    static let secondsMax = 3600

    init(control: ControlPlane) { self.control = control }

    func add(to router: Router<APIContext>) {
        router.post(RouterPath(Route.gameDayBegin)) { request, context in
            let by = try context.identity(with: .operator).subject
            let command: GameDayBegin = try await APIRouter.body(request)
            let run = try await begin(command)
            context.logger.warning("a game day begins", metadata: ["unit": "\(command.unit)", "run": "\(run)", "by": "\(by)"])
            return APIRouter.json(GameDayDocument(run: run))
        }
        router.post(RouterPath(Route.gameDayFault)) { request, context in
            let by = try context.identity(with: .operator).subject
            let command: GameDayFault = try await APIRouter.body(request)
            let (order, host) = try await order(command)
            context.logger.warning(
                "a game day's fault", metadata: ["fault": "\(order.kind.rawValue)", "host": "\(host)", "run": "\(order.run)", "by": "\(by)"])
            return APIRouter.json(try await control.reconciler.inject(order, on: host))
        }
        router.post(RouterPath(Route.gameDayEnd)) { request, context in
            _ = try context.identity(with: .operator)
            let document: GameDayDocument = try await APIRouter.body(request)
            days.end(document.run)
            return APIRouter.json(document)
        }
    }

    private func begin(_ command: GameDayBegin) async throws -> String {
        guard let unit = UnitID(command.unit), unit.kind == .cluster else {
            throw APIError(.badRequest, "\"\(command.unit.prefix(100))\" is no cluster", help: "write Cluster/name")
        }
        _ = try await control.term()
        let view = await control.reconciler.view()
        guard view.desired?.clusters[unit.name] != nil else { throw APIError(.notFound, "there is no \(unit) in the revision in force") }
        try checkAllowed(unit.name, view)
        guard case .converged = try await control.reconciler.waitSettled(unit: unit, timeout: .zero) else {
            throw APIError(
                .conflict, "\(unit) has not converged: what a fault did could not be told from what was wrong before",
                help: "see `evenkeel describe \(unit)`; wait with `evenkeel reconcile \(unit.name) --wait`")
        }
        let seconds = min(max(command.seconds, 1), GameDayRoutes.secondsMax)
        guard let run = days.begin(unit.name, until: control.now + .seconds(seconds), now: control.now) else {
            throw APIError(.conflict, "another game day runs", help: "wait until it has ended, at most \(GameDayRoutes.secondsMax) s")
        }
        return run
    }

    /// The order as the agent gets it, and its host.
    private func order(_ command: GameDayFault) async throws -> (FaultOrder, host: String) {
        guard let cluster = days.cluster(ofRun: command.run, now: control.now) else {
            throw APIError(.conflict, "there is no such game day (any more)", help: "begin another one; a server that was restarted knows none")
        }
        let view = await control.reconciler.view()
        try checkAllowed(cluster, view)
        guard let records = view.records.clusters[cluster],
            let member = records.members.first(where: { $0.ordinal == command.instance && $0.phase == .active })
        else { throw APIError(.notFound, "\(cluster) has no instance \(command.instance) in service") }
        if command.order.kind.hitsHost { try checkNeighbours(of: cluster, on: member.host, view) }
        var order = command.order
        guard (0...FaultOrder.millisecondsMax).contains(order.milliseconds) else {
            throw APIError(.unprocessableContent, "a fault lasts at most \(FaultOrder.millisecondsMax / 1000) s")
        }
        order.run = command.run
        order.id = days.nextID(command.run)
        order.instance = InstanceID(clusterUID: records.uid, ordinal: member.ordinal)
        order.address = member.address
        return (order, member.host)
    }

    private func checkAllowed(_ cluster: String, _ view: FleetView) throws {
        guard view.desired?.clusters[cluster]?.value.gameDay != .allowed else { return }
        throw APIError(
            .conflict, "Cluster/\(cluster) may not be hurt: its manifest does not say `spec.gameDay: allowed`",
            help: "commit that for a test cluster, never for one whose data counts", exitStatus: 3)
    }

    /// What hits a host hits all that it carries.
    private func checkNeighbours(of cluster: String, on host: String, _ view: FleetView) throws {
        for (name, records) in view.records.clusters where name != cluster {
            guard records.members.contains(where: { $0.host == host && $0.phase != .purged }) else { continue }
            guard view.desired?.clusters[name]?.value.gameDay != .allowed else { continue }
            throw APIError(
                .conflict, "\(host) carries an instance of Cluster/\(name) too, which may not be hurt",
                help: "choose another fault, or keep the test cluster on hosts of its own", exitStatus: 3)
        }
    }
}

/// The game day that runs; in memory only: its faults heal without a server.
final class GameDays: Sendable {
    private struct Day {
        var run: String
        var cluster: String
        var until: Instant
        var orders = 0
    }

    private let current = Mutex(Day?.none)

    /// Nil where another one runs.
    func begin(_ cluster: String, until: Instant, now: Instant) -> String? {
        let run = String(UInt64.random(in: 0...UInt64.max), radix: 36)
        return current.withLock { current in
            if let current, current.until > now { return nil }
            current = Day(run: run, cluster: cluster, until: until)
            return run
        }
    }

    func cluster(ofRun run: String, now: Instant) -> String? {
        current.withLock { $0.flatMap { $0.run == run && $0.until > now ? $0.cluster : nil } }
    }

    func nextID(_ run: String) -> String {
        current.withLock { current in
            current?.orders += 1
            return "\(run)-\(current?.orders ?? 0)"
        }
    }

    func end(_ run: String) { current.withLock { if $0?.run == run { $0 = nil } } }
}
