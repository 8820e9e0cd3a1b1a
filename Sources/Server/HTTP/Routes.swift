import ControlAPI
import FleetModel
import HTTPTypes
import Hummingbird
import JSONStream
import MetadataStore
import NIOCore
import Reconciliation
import ServiceLifecycle

/// All routes of the API.
enum APIRouter {
    static func router(_ control: ControlPlane) -> Router<APIContext> {
        let router = Router(context: APIContext.self)
        router.add(middleware: APIMiddleware(control: control))
        addHealth(to: router, control)
        addViews(to: router, control)
        addCommands(to: router, control)
        AgentRoutes(control: control).add(to: router)
        return router
    }

    // MARK: Health

    private static func addHealth(to router: Router<APIContext>, _ control: ControlPlane) {
        router.get(RouterPath(Route.healthz)) { _, _ in "ok\n" }
        router.get(RouterPath(Route.readyz)) { _, _ in
            let view = await control.reconciler.leader()
            guard view.isLeader || view.leaderURL != nil else {
                throw APIError(.serviceUnavailable, "not ready: no server leads yet", help: "ask again in a few seconds")
            }
            if view.isRebuilding { return "ready: \(LoopMachine.rebuildNotice)\n" }
            return view.isLeader ? "ready: leads with term \(view.term)\n" : "ready: follows\n"
        }
        router.get(RouterPath(Route.metrics)) { _, context in
            _ = try context.identity(with: .viewer)
            return Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: MetricsPage.text(await control.reconciler.view()))))
        }
    }

    // MARK: Views

    private static func addViews(to router: Router<APIContext>, _ control: ControlPlane) {
        router.get(RouterPath(Route.fleet)) { _, context in
            _ = try context.identity(with: .viewer)
            // What is observed is in the leader's memory only; nothing is never taken for an empty fleet.
            if let leader = await control.leaderURL { throw APIError.notLeader(leader) }
            return json(FleetDocument(await control.reconciler.view()))
        }
        router.get(RouterPath(Route.events)) { request, context in
            _ = try context.identity(with: .viewer)
            return json(try await control.reconciler.events(unit: try unit(request), limit: limit(request)))
        }
        router.get(RouterPath(Route.tasks)) { request, context in
            _ = try context.identity(with: .viewer)
            let attempts = try await control.reconciler.attempts(unit: try unit(request), limit: limit(request))
            return json(attempts.map { TaskDocument($0, in: nil) }, with: await control.reconciler.view())
        }
        router.get(RouterPath(Route.history)) { request, context in
            _ = try context.identity(with: .viewer)
            return json(try await control.reconciler.revisions(limit: limit(request)).map(RevisionDocument.init))
        }
        router.get(RouterPath(Route.settled)) { request, context in
            _ = try context.identity(with: .viewer)
            let seconds = request.uri.queryParameters["wait"].flatMap { Int($0) } ?? 0
            let answer = json(try await settled(try unit(request), within: seconds, of: request, control))
            return seconds > 0 ? closing(answer) : answer
        }
        router.get(RouterPath(Route.watch)) { request, context in
            _ = try context.identity(with: .viewer)
            if let leader = await control.leaderURL { throw APIError.notLeader(leader) }
            return await WatchStream.response(to: request, control)
        }
    }

    /// Tasks with the progress of those that run, which only the view knows.
    private static func json(_ tasks: [TaskDocument], with view: FleetView) -> Response {
        let progress = Dictionary(
            view.running.values.joined().map { ($0.id, $0.progress) }, uniquingKeysWith: { first, _ in first })
        return json(
            tasks.map { task in
                var task = task
                if task.state == "running" { task.message = progress[task.id] ?? "" }
                return task
            })
    }

    // MARK: Commands

    private static func addCommands(to router: Router<APIContext>, _ control: ControlPlane) {
        router.post(RouterPath(Route.reconcile)) { request, context in
            let by = try context.identity(with: .operator).subject
            var request = request
            // Put back once read: a wait looks at what comes after it.
            request.body = RequestBody(buffer: try await collected(request))
            let command: UnitCommand = try await body(request)
            let answer = json(try await reconcile(command, by: by, of: request, control))
            return command.waitSeconds == nil ? answer : closing(answer)
        }
        router.post(RouterPath(Route.suspend)) { request, context in
            let by = try context.identity(with: .operator).subject
            try await control.reconciler.suspend(unit: try unit(of: try await body(request)), by: by)
            return json(SettleDocument(result: "requested"))
        }
        router.post(RouterPath(Route.resume)) { request, context in
            let by = try context.identity(with: .operator).subject
            try await control.reconciler.resume(unit: try unit(of: try await body(request)), by: by)
            return json(SettleDocument(result: "requested"))
        }
        router.post(RouterPath(Route.switchover)) { request, context in
            let by = try context.identity(with: .operator).subject
            let command: SwitchoverCommand = try await body(request)
            let unit = try unit(of: UnitCommand(unit: command.unit))
            let ordinal = try await control.reconciler.switchOver(unit: unit, to: command.to, by: by)
            return json(SwitchoverDocument(instance: "\(unit.name)-\(ordinal)"))
        }
        router.post(RouterPath(Route.failover)) { request, context in
            let by = try context.identity(with: .operator).subject
            let unit = try unit(of: try await body(request))
            let ordinal = try await control.reconciler.failOver(unit: unit, by: by)
            return json(FailoverDocument(from: "\(unit.name)-\(ordinal)"))
        }
        router.post(RouterPath(Route.approve)) { request, context in
            let by = try context.identity(with: .operator).subject
            let command: ApproveCommand = try await body(request)
            try await control.reconciler.approve(revision: command.revision, by: by)
            return json(SettleDocument(result: "requested"))
        }
        router.post(RouterPath(Route.tokens)) { request, context in
            _ = try context.identity(with: .admin)
            return json(TokenDocument(token: try await token(try await body(request), control)))
        }
        PlanRoutes(control: control).add(to: router)
        GameDayRoutes(control: control).add(to: router)
        RebuildRoutes(control: control).add(to: router)
    }

    private static func reconcile(
        _ command: UnitCommand, by: String, of request: Request, _ control: ControlPlane
    ) async throws -> SettleDocument {
        let unit = try command.unit.map { text in try APIRouter.unit(text) }
        try await control.reconciler.reconcile(unit: unit, by: by)
        guard let seconds = command.waitSeconds else { return SettleDocument(result: "requested") }
        return try await settled(unit, within: seconds, of: request, control)
    }

    /// Whether the unit (nil: every unit) has come to rest, once it has or the time is over.
    private static func settled(
        _ unit: UnitID?, within seconds: Int, of request: Request, _ control: ControlPlane
    ) async throws -> SettleDocument {
        let wait = Duration.seconds(min(max(seconds, 0), waitSecondsMax))
        let reconciler = control.reconciler
        let result: SettleResult
        if wait == .zero {
            result = try await reconciler.waitSettled(unit: unit, timeout: .zero)
        } else {
            result = try await LongWait.run(of: request) { try await reconciler.waitSettled(unit: unit, timeout: wait) }
        }
        switch result {
        case .converged: return SettleDocument(result: "converged")
        case .waiting(let units): return SettleDocument(result: "waiting", units: byName(units))
        case .stalled(let units): return SettleDocument(result: "stalled", units: byName(units))
        case .suspended(let units): return SettleDocument(result: "suspended", units: byName(units))
        }
    }

    /// The connection of a long wait ends with its answer. The client is told, so that it sends no other request there.
    private static func closing(_ answer: Response) -> Response {
        var answer = answer
        answer.headers[.connection] = "close"
        return answer
    }

    private static func token(_ command: TokenCommand, _ control: ControlPlane) async throws -> String {
        guard let role = CredentialRecord.Role(rawValue: command.role), role != .agent else {
            throw APIError(.unprocessableContent, "there is no role \"\(command.role)\"", help: "viewer, operator, admin or enrolment")
        }
        return try await control.tokens.make(
            role: role, subject: command.subject, validity: command.validSeconds.map { .seconds($0) }, now: control.now,
            term: try await control.term())
    }

    // MARK: Parts of requests and answers

    private static let waitSecondsMax = 3600

    private static func byName(_ units: [UnitID: [String]]) -> [String: [String]] {
        Dictionary(uniqueKeysWithValues: units.map { ($0.key.description, $0.value) })
    }

    static func json(_ value: some JSONCodable) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.jsonBytes)))
    }

    static func body<Value: JSONCodable>(_ request: Request, upTo limit: Int = WireLimit.commandBytesMax) async throws -> Value {
        try Value(json: try await collected(request, upTo: limit).readableBytesView)
    }

    private static func collected(_ request: Request, upTo limit: Int = WireLimit.commandBytesMax) async throws -> ByteBuffer {
        do {
            return try await request.body.collect(upTo: limit)
        } catch is NIOTooManyBytesError {
            throw APIError(.contentTooLarge, "the request's body is longer than \(limit) bytes")
        }
    }

    private static func unit(_ text: String) throws -> UnitID {
        guard let unit = UnitID(text) else {
            throw APIError(.badRequest, "\"\(text.prefix(100))\" names no unit", help: "write Kind/name, such as Cluster/orders")
        }
        return unit
    }

    private static func unit(of command: UnitCommand) throws -> UnitID { try unit(command.unit ?? "") }

    private static func unit(_ request: Request) throws -> UnitID? {
        try request.uri.queryParameters["unit"].map { try unit(String($0)) }
    }

    private static func limit(_ request: Request) -> Int {
        let wanted = request.uri.queryParameters["limit"].flatMap { Int($0) } ?? 50
        return min(max(wanted, 1), WireLimit.listMax)
    }
}
