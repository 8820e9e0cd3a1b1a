import ControlAPI
import HTTPTypes
import Hummingbird
import JSONStream
import MetadataStore
import NIOCore
import Reconciliation

/// A refused request: its status, and what the body says.
struct APIError: HTTPResponseError {
    var status: HTTPResponse.Status
    var document: ErrorDocument
    var headers: HTTPFields = [:]

    init(_ status: HTTPResponse.Status, _ message: String, help: String = "", exitStatus: Int = 1) {
        self.status = status
        document = ErrorDocument(message, help: help, exitStatus: exitStatus)
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        var headers = headers
        headers[.contentType] = "application/json"
        return Response(
            status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: document.jsonBytes)))
    }

    /// Exit codes of the command line that a refusal stands for.
    private static let refusedForSafety = 3
    private static let planIsStale = 5

    static let unauthorized = APIError(
        .unauthorized, "this needs a token, and none that is known was sent",
        help: "name one with --token-file or EVENKEEL_TOKEN_FILE; an administrator makes it with `evenkeel token`")

    static func forbidden(_ wanted: String) -> APIError {
        APIError(.forbidden, "this needs the role \(wanted)", help: "ask someone who has it, or an administrator for a token")
    }

    /// Another server leads: clients go there.
    static func notLeader(_ url: String?) -> APIError {
        var error = APIError(
            .misdirectedRequest, url.map { "the server at \($0) leads" } ?? "no server leads now", help: "ask again in a few seconds")
        if let url, let name = HTTPField.Name(HeaderName.leader) { error.headers[name] = url }
        return error
    }

    init(_ error: any Error, leader: String?) {
        switch error {
        case let error as APIError: self = error
        case let error as ReconcilerError:
            switch error.kind {
            case .notLeader: self = .notLeader(leader)
            case .notFound: self = APIError(.notFound, error.message)
            case .invalid: self = APIError(.unprocessableContent, error.message)
            case .unavailable: self = APIError(.serviceUnavailable, error.message)
            case .rebuilding: self = APIError(.conflict, error.message)
            case .refused: self = APIError(.conflict, error.message, exitStatus: APIError.refusedForSafety)
            case .stale: self = APIError(.conflict, error.message, exitStatus: APIError.planIsStale)
            }
        case StoreError.leaseLost: self = .notLeader(leader)
        case let error as StoreError: self = APIError(.serviceUnavailable, "the store cannot do this now: \(error)")
        case let error as JSONError: self = APIError(.badRequest, "the request's body is not understood: \(error)")
        default: self = APIError(.internalServerError, "the server failed: \(error)")
        }
    }
}
