import Agent
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// The agent's health port: 200 on `/primary` or `/replica` while an instance of this host serves as that, for load
/// balancers. It tells roles, nothing else, and takes no token.
enum HealthServer {
    /// `address`: `ADDRESS:PORT`.
    static func application(_ address: String, runner: AgentRunner, logger: Logger) throws -> some Service {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]), (1...65535).contains(port)
        else { throw CommandError("--health: \"\(address)\" is no address and port", help: "such as 0.0.0.0:7071") }
        let router = Router()
        for path: RouterPath in ["/", "**"] {
            router.get(path) { request, _ in await answer(request, runner) }
            router.on(path, method: .head) { request, _ in await answer(request, runner) }
            router.on(path, method: .options) { request, _ in await answer(request, runner) }
        }
        return Application(
            router: router,
            configuration: ApplicationConfiguration(
                address: .hostname(String(address[..<colon]), port: port), serverName: "evenkeel agent"), logger: logger)
    }

    private static func answer(_ request: Request, _ runner: AgentRunner) async -> Response {
        let health = await runner.health()
        let (status, body) = HealthResponder.respond(
            path: request.uri.path, query: request.uri.query ?? "", instances: health.instances, now: health.now)
        return Response(
            status: .init(code: status), headers: [.contentType: "text/plain"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: body)))
    }
}
