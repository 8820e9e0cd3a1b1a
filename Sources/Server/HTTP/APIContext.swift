import ControlAPI
import HTTPTypes
import Hummingbird
import Logging
import MetadataStore
import NIOCore
import Reconciliation

/// What a request carries along: who asks.
struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    var identity: Identity?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
    }

    /// The one who asks, where they have the role; throws what the client is told.
    func identity(with role: CredentialRecord.Role) throws -> Identity {
        guard let identity else { throw APIError.unauthorized }
        guard identity.may(role) else { throw APIError.forbidden(role.rawValue) }
        return identity
    }
}

/// Finds out who asks, from the bearer token, and turns every error into the API's form.
struct APIMiddleware: RouterMiddleware {
    let control: ControlPlane

    func handle(
        _ request: Request, context: APIContext, next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            if let header = request.headers[.authorization], header.hasPrefix("Bearer ") {
                let token = String(header.dropFirst("Bearer ".count))
                context.identity = await control.tokens.identity(ofToken: token, now: control.now)
                if context.identity == nil {
                    context.identity = try await control.tokens.identity(ofUnknownToken: token, now: control.now)
                }
            }
            var response = try await next(request, context)
            if await control.reconciler.isRebuilding, let name = HTTPField.Name(HeaderName.notice) {
                response.headers[name] = LoopMachine.rebuildNotice
            }
            return response
        } catch let error as HTTPError {
            throw APIError(error.status, error.body ?? "there is no such route")
        } catch {
            let answer = APIError(error, leader: await control.leaderURL)
            if answer.status == .internalServerError {
                context.logger.error("a request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
            }
            throw answer
        }
    }
}
