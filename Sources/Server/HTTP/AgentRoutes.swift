import ControlAPI
import FleetModel
import HTTPTypes
import Hummingbird
import JSONStream
import Logging
import MetadataStore
import NIOCore
import Reconciliation
import ServiceLifecycle
import Synchronization

/// Enrolment and the two long streams of each agent.
struct AgentRoutes: Sendable {
    let control: ControlPlane
    private let connections = AgentConnections()

    func add(to router: Router<APIContext>) {
        router.post(RouterPath(Route.enrol)) { request, context in try await enrol(request, context) }
        router.get(RouterPath(Route.agentDown)) { request, context in try await down(request, context) }
        router.post(RouterPath(Route.agentUp)) { request, context in try await up(request, context) }
    }

    private func enrol(_ request: Request, _ context: APIContext) async throws -> Response {
        let command: EnrolCommand = try await APIRouter.body(request)
        if let ticket = command.ticket { return try await restore(command, ticket, context) }
        let token = request.headers[.authorization]?.dropFirst("Bearer ".count) ?? ""
        let isEnrolled = try await control.tokens.enrol(
            host: command.host, token: String(token), credentialDigest: command.credentialDigest, now: control.now,
            term: try await control.term())
        guard isEnrolled else {
            throw APIError(
                .forbidden, "the token does not enrol the host \"\(command.host.prefix(100))\": it is used, over, or another host's",
                help: "make a new one with `evenkeel token enrolment \(command.host.prefix(100))`")
        }
        context.logger.info("an agent was enrolled", metadata: ["host": "\(command.host)"])
        return APIRouter.json(SettleDocument(result: "enrolled"))
    }

    /// Puts a credential back that a lost store had, and the fleet key vouches for.
    private func restore(_ command: EnrolCommand, _ ticket: String, _ context: APIContext) async throws -> Response {
        let host = String(command.host.prefix(100))
        let help = "make a new token with `evenkeel token enrolment \(host)` and name its file with --token-file"
        guard await control.reconciler.isRebuilding else {
            throw APIError(.forbidden, "a membership ticket counts only while the store is being rebuilt", help: help)
        }
        guard control.membership.isGenuine(ticket, host: command.host, credentialDigest: command.credentialDigest) else {
            throw APIError(
                .forbidden, "the ticket of the host \"\(host)\" is of another fleet key, or of another credential",
                help: "put the fleet key back, or enrol the host anew: " + help)
        }
        let isRestored = try await control.tokens.restore(
            host: command.host, credentialDigest: command.credentialDigest, now: control.now, term: try await control.term())
        guard isRestored else {
            throw APIError(.forbidden, "too many credentials of the host \"\(host)\" came back by their tickets", help: help)
        }
        context.logger.notice("an agent came back by its ticket", metadata: ["host": "\(command.host)"])
        return APIRouter.json(SettleDocument(result: "enrolled"))
    }

    /// What the server says. Open before the other stream: its answer's header names the connection.
    private func down(_ request: Request, _ context: APIContext) async throws -> Response {
        let host = try context.identity(with: .agent).subject
        let connection = connections.open(host: host)
        let messages = await control.reconciler.agentConnected(host: host, connection: connection.number)
        var headers: HTTPFields = [.contentType: "application/x-ndjson"]
        if let name = HTTPField.Name(HeaderName.connection) { headers[name] = String(connection.number) }
        // With every connection, so that one that was lost, or is of an earlier fleet key, is replaced.
        if let name = HTTPField.Name(HeaderName.ticket), let token = request.headers[.authorization]?.dropFirst("Bearer ".count) {
            headers[name] = control.membership.ticket(host: host, credentialDigest: SHA256.hex(String(token)))
        }
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody { writer in
                do {
                    try await writer.write(ByteBuffer(string: "\n"))
                    try await LongStream.write(
                        messages, of: request, to: &writer, endedBy: { connection.onUpEnd($0) }, { $0.jsonBytes })
                } catch {
                    context.logger.debug("an agent's stream broke", metadata: ["host": "\(host)", "error": "\(error)"])
                }
                connections.close(connection)
                await control.reconciler.agentDisconnected(host: host, connection: connection.number)
                try await writer.finish(nil)
            })
    }

    /// What the agent says, line by line.
    private func up(_ request: Request, _ context: APIContext) async throws -> Response {
        let host = try context.identity(with: .agent).subject
        let number = HTTPField.Name(HeaderName.connection).flatMap { request.headers[$0] }.flatMap { UInt64($0) }
        guard let connection = number.flatMap({ connections.connection($0, host: host) }) else {
            throw APIError(.conflict, "there is no such connection of the host \(host)", help: "open \(Route.agentDown) first")
        }
        defer { connection.endUp() }
        var lines = LineSplitter()
        for try await chunk in request.body.cancelOnGracefulShutdown() {
            for line in try lines.add(chunk.readableBytesView) {
                guard connection.isOpen else { return APIRouter.json(SettleDocument(result: "closed")) }
                guard let message = try AgentRoutes.message(line) else { continue }
                await control.reconciler.receive(message, host: host, connection: connection.number)
            }
        }
        return APIRouter.json(SettleDocument(result: "closed"))
    }

    /// Nil for a message that this release does not know.
    private static func message(_ line: [UInt8]) throws -> AgentMessage? {
        do {
            return try AgentMessage(json: line)
        } catch let error as JSONError where error.isAboutMeaning {
            return nil
        }
    }
}

/// The connections that are open, by number.
final class AgentConnections: Sendable {
    final class Connection: Sendable {
        let number: UInt64
        let host: String
        private let state = Mutex((isOpen: true, hasUpEnded: false, onUpEnd: (@Sendable () -> Void)?.none))

        fileprivate init(number: UInt64, host: String) {
            self.number = number
            self.host = host
        }

        var isOpen: Bool { state.withLock { $0.isOpen } }

        /// Calls at once where the up stream has ended already.
        func onUpEnd(_ call: @escaping @Sendable () -> Void) {
            let hasEnded = state.withLock { state in
                state.onUpEnd = call
                return state.hasUpEnded
            }
            if hasEnded { call() }
        }

        func endUp() {
            let call = state.withLock { state in
                state.hasUpEnded = true
                return state.onUpEnd
            }
            call?()
        }

        fileprivate func close() { state.withLock { $0.isOpen = false } }
    }

    private let state = Mutex((next: UInt64(1), open: [UInt64: Connection]()))

    func open(host: String) -> Connection {
        state.withLock { state in
            let connection = Connection(number: state.next, host: host)
            state.next += 1
            state.open[connection.number] = connection
            return connection
        }
    }

    func connection(_ number: UInt64, host: String) -> Connection? {
        state.withLock { state in state.open[number].flatMap { $0.host == host ? $0 : nil } }
    }

    func close(_ connection: Connection) {
        connection.close()
        state.withLock { state in _ = state.open.removeValue(forKey: connection.number) }
    }
}

/// Lines out of chunks; a line beyond the bound is an error.
struct LineSplitter {
    private var rest: [UInt8] = []

    mutating func add(_ bytes: some Collection<UInt8>) throws -> [[UInt8]] {
        // What was there before holds no line end: a long line in many pieces is searched once.
        var from = rest.endIndex
        rest.append(contentsOf: bytes)
        var lines: [[UInt8]] = []
        var start = rest.startIndex
        while let end = rest[from...].firstIndex(of: UInt8(ascii: "\n")) {
            if end > start { lines.append(Array(rest[start..<end])) }
            start = end + 1
            from = start
        }
        rest.removeSubrange(..<start)
        guard rest.count <= WireLimit.lineBytesMax else {
            throw APIError(.contentTooLarge, "a line is longer than \(WireLimit.lineBytesMax) bytes")
        }
        return lines
    }
}
