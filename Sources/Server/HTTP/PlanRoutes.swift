import ControlAPI
import FleetModel
import FoundationEssentials
import HTTPTypes
import Hummingbird
import MetadataStore
import NIOCore
import Planning
import Reconciliation

/// `POST /api/v1/plan`, and `GET /api/v1/tree` and `/snapshot`: rehearsals that change nothing, and what they rely on.
struct PlanRoutes: Sendable {
    let control: ControlPlane

    func add(to router: Router<APIContext>) {
        router.post(RouterPath(Route.plan)) { request, context in
            _ = try context.identity(with: .viewer)
            return try await plan(try await APIRouter.body(request, upTo: WireLimit.planBytesMax))
        }
        router.get(RouterPath(Route.tree)) { request, context in
            _ = try context.identity(with: .viewer)
            let source = request.uri.queryParameters["source"].map(String.init)
            return APIRouter.json(TreeDocument(try await control.reconciler.tree(source: source)))
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
        let request = try await request(command)
        guard let form = PlanForm(rawValue: command.format) else {
            let forms = PlanForm.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIError(.unprocessableContent, "there is no plan in the form \"\(command.format)\"", help: "one of \(forms)")
        }
        var body: [UInt8] = []
        let totals = try await FleetPlanner.plan(
            request, in: form, width: command.columns > 0 ? command.columns : nil, isColored: command.hasColor) { body += $0 }
        var headers: HTTPFields = [.contentType: form.mediaType]
        if let name = HTTPField.Name(HeaderName.exitStatus) { headers[name] = String(totals.exitStatus) }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// What is asked about and all that the loop would rely on; manifests that do not validate are refused with their
    /// diagnostics. What is in force was accepted with them.
    private func request(_ command: PlanCommand) async throws -> FleetPlanRequest {
        let base = try base(command)
        let answer = try await control.reconciler.plan(
            PlanRequest(base: base ?? .current, source: command.source, units: try units(command)))
        guard base == nil || !answer.hasErrors else {
            throw APIError(.unprocessableContent, "the manifests are not valid\n" + answer.diagnostics.joined(separator: "\n"))
        }
        return answer.request
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

extension TreeDocument {
    fileprivate init(_ tree: SourceTree) {
        self.init()
        source = tree.source
        revision = tree.commit ?? ""
        folder = tree.folder
        files = tree.files
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
