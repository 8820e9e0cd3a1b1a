import ControlAPI
import FleetModel
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import JSONStream
import Logging
import MetadataStore
import NIOCore
import Reconciliation
import Synchronization

@testable import Server

/// The API as `serve` puts it together, around a loop that leads on a store in memory and has no sources.
struct TestServer {
    let control: ControlPlane
    /// What tokens are judged by; the loop has a clock of its own.
    let clock: MovableTime
    let term: Int64

    /// Runs `body` with the API: straight to its router, or (`live`) through a socket.
    static func run(
        _ setup: TestingSetup = .router, isRebuilding: Bool = false,
        _ body: @escaping @Sendable (TestServer, any TestClientProtocol) async throws -> Void
    ) async throws {
        let store = MemoryStore()
        if isRebuilding { store.beginRebuildNow(now: Instant(milliseconds: 1)) }
        let reconciler = Reconciler(
            store: store,
            configuration: ReconcilerConfiguration(
                serverName: "test", sources: [], leaderURL: "http://here", mirrorDirectory: "/nonexistent", seed: 1),
            secrets: NoSecrets(), clock: MovableTime())
        let clock = MovableTime()
        let control = ControlPlane(
            reconciler: reconciler, tokens: Tokens(store: store, credentials: []),
            membership: Membership(fleetKey: NoSecrets().fleetKey()), clock: clock)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let application = Application(
            router: APIRouter.router(control),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)), logger: logger)
        try await withThrowingTaskGroup { group in
            group.addTask { try await reconciler.run() }
            let server = TestServer(control: control, clock: clock, term: try await leads(reconciler))
            try await application.test(setup) { client in try await body(server, client) }
            group.cancelAll()
        }
    }

    /// The term, once it leads; bounded.
    private static func leads(_ reconciler: Reconciler) async throws -> Int64 {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            let view = await reconciler.view()
            if view.isLeader { return view.term }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw NeverLed()
    }

    struct NeverLed: Error {}

    func token(_ role: CredentialRecord.Role, _ subject: String = "ann") async throws -> String {
        try await control.tokens.make(role: role, subject: subject, validity: nil, now: clock.now(), term: term)
    }

    /// The credential of an agent that is enrolled.
    func agentToken(_ host: String) async throws -> String {
        let enrolment = try await token(.enrolment, host)
        let credential = "credential of \(host)"
        _ = try await control.tokens.enrol(
            host: host, token: enrolment, credentialDigest: SHA256.hex(credential), now: clock.now(), term: term)
        return credential
    }
}

extension TestClientProtocol {
    /// One request, with this token and the number of an agent's connection where there is one.
    func ask(
        _ method: HTTPRequest.Method, _ path: String, token: String? = nil, connection: UInt64? = nil, body: String? = nil
    ) async throws -> Answer {
        var headers: HTTPFields = [:]
        if let token { headers[.authorization] = "Bearer " + token }
        if let connection, let name = HTTPField.Name(HeaderName.connection) { headers[name] = String(connection) }
        let response = try await executeRequest(
            uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        return Answer(status: response.status, body: Array(response.body.readableBytesView))
    }
}

struct Answer {
    var status: HTTPResponse.Status
    var body: [UInt8]

    /// What a refusal says; throws where the body is none.
    var refusal: ErrorDocument {
        get throws { try ErrorDocument(json: body) }
    }
}

/// Real time that a test can move ahead.
final class MovableTime: TimeSource {
    private let began = ContinuousClock.now
    private let ahead = Mutex(Duration.zero)

    func now() -> Instant { Instant(milliseconds: 1_000_000) + began.duration(to: .now) + ahead.withLock { $0 } }
    func sleep(until instant: Instant) async throws { try await Task.sleep(for: max(instant - now(), .zero)) }
    func move(by duration: Duration) { ahead.withLock { $0 += duration } }
}

struct NoSecrets: SecretProvider {
    func resolve(_ reference: SecretReference) async throws -> String { "secret" }
    func fleetKey() -> [UInt8] { [UInt8](repeating: 1, count: 32) }
    func groupCertificate(of instance: InstanceID, authority: Int64, now: Instant) -> String { "certificate of \(instance) by \(authority)" }
    func expectedAuthentication(password: String) -> String { "*" + password }
}
