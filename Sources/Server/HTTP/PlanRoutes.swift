import ControlAPI
import FleetModel
import FoundationEssentials
import HTTPTypes
import Hummingbird
import MetadataStore
import NIOCore
import Planning
import Reconciliation

/// `POST /api/v1/plan` and `GET /api/v1/snapshot`: rehearsals that change nothing, and what they rely on.
struct PlanRoutes: Sendable {
    let control: ControlPlane

    func add(to router: Router<APIContext>) {
        router.post(RouterPath(Route.plan)) { request, context in
            _ = try context.identity(with: .viewer)
            return try await plan(try await APIRouter.body(request, upTo: WireLimit.planBytesMax))
        }
        router.get(RouterPath(Route.snapshot)) { _, context in
            _ = try context.identity(with: .viewer)
            let view = try await leadingView()
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: try Snapshot(view).json())))
        }
    }

    private func leadingView() async throws -> FleetView {
        let view = await control.reconciler.view()
        guard view.isLeader else { throw APIError.notLeader(view.leaderURL) }
        try await control.reconciler.checkRebuilt()
        return view
    }

    private func plan(_ command: PlanCommand) async throws -> Response {
        let view = try await leadingView()
        let fleet = try await fleet(command, in: view)
        let request = FleetPlanRequest(
            fleet: fleet, snapshot: Snapshot(view), now: view.now, units: try units(command))
        var body: [UInt8] = []
        let totals: PlanTotals
        switch command.format {
        case "json": totals = try await FleetPlanner.plan(request, as: PlanJSON()) { body += $0 }
        case "text":
            let width = command.columns > 0 ? command.columns : nil
            totals = try await FleetPlanner.plan(request, as: PlanText(width: width, isColored: command.hasColor)) { body += $0 }
        default:
            throw APIError(.unprocessableContent, "there is no plan in the form \"\(command.format)\"", help: "text or json")
        }
        var headers: HTTPFields = [.contentType: command.format == "json" ? "application/json" : "text/plain; charset=utf-8"]
        if let name = HTTPField.Name(HeaderName.exitStatus) { headers[name] = String(totals.exitStatus) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// The desired state that is asked about; one that does not validate is refused with its diagnostics.
    private func fleet(_ command: PlanCommand, in view: FleetView) async throws -> DesiredFleet {
        guard let base = try base(command) else {
            guard let desired = view.desired else {
                throw APIError(.serviceUnavailable, "no revision was read yet", help: "see `evenkeel get sources`")
            }
            return desired
        }
        let answer = try await control.reconciler.plan(PlanRequest(base: base, source: command.source))
        guard !answer.hasErrors else {
            throw APIError(.unprocessableContent, "the manifests are not valid\n" + answer.diagnostics.joined(separator: "\n"))
        }
        return answer.desired
    }

    /// Nil: what is in force.
    private func base(_ command: PlanCommand) throws -> PlanRequest.Base? {
        if let files = command.files {
            let files = try files.map(PlanRoutes.file)
            return command.base.map { .differences(from: $0, files) } ?? .tree(files)
        }
        return command.revision.map { .revision($0) }
    }

    private static func file(_ file: PlanCommand.File) throws -> PlanRequest.File {
        if let base64 = file.base64 {
            guard let data = Data(base64Encoded: base64) else {
                throw APIError(.badRequest, "the file \(file.path) is not base64")
            }
            return PlanRequest.File(path: file.path, contents: Array(data))
        }
        return PlanRequest.File(path: file.path, contents: file.text.map { Array($0.utf8) })
    }

    private func units(_ command: PlanCommand) throws -> Set<UnitID>? {
        guard !command.units.isEmpty else { return nil }
        return Set(
            try command.units.map { text in
                guard let unit = UnitID(text) else { throw APIError(.badRequest, "\"\(text)\" names no unit") }
                return unit
            })
    }
}

extension Snapshot {
    /// What the leader knows now.
    init(_ view: FleetView) {
        self.init(
            taken: view.now, records: view.records, observed: ObservedFacts(view.observed),
            running: view.running.values.joined().sorted { $0.id < $1.id }, catalogs: view.catalogs)
    }
}
