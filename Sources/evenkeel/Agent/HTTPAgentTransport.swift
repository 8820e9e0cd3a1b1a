import Agent
import AsyncHTTPClient
import ControlAPI
import FleetModel
import FoundationEssentials
import JSONStream
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// The agent's two streams over HTTP: `GET /api/v1/agent/down` for what the server says, then
/// `POST /api/v1/agent/up`, whose body lasts as long as the connection.
final class HTTPAgentTransport: AgentTransport {
    private let http: HTTPClient
    private let servers: [String]
    private let credential: AgentCredential
    private let warn: @Sendable (String) -> Void
    private let next = Mutex(0)

    private static let openTimeout = Duration.seconds(10)
    fileprivate static let streamTimeout = TimeAmount.hours(24 * 365)

    init(http: HTTPClient, servers: [String], credential: AgentCredential, warn: @escaping @Sendable (String) -> Void) {
        self.warn = warn
        self.http = http
        self.servers = servers
        self.credential = credential
    }

    func connect(to url: String?) async throws -> any AgentConnection {
        let base = url ?? next.withLock { next in
            defer { next = (next + 1) % servers.count }
            return servers[next]
        }
        return try await withTimeout(HTTPAgentTransport.openTimeout, "\(base) did not answer in time") { [self] in
            do {
                return try await open(base)
            } catch let error as AgentTransportError where error.isUnauthorized {
                // Not enrolled yet, or its credential is no longer known: its ticket or the one-time token mends it.
                try await credential.enrol(at: base, http)
                return try await open(base)
            }
        }
    }

    /// A full disk is no reason to stay away: the next connection brings it again.
    private func keep(_ ticket: String) {
        do { try credential.keep(ticket: ticket) } catch { warn("the membership ticket cannot be kept: \(error)") }
    }

    private func open(_ base: String) async throws -> HTTPAgentConnection {
        var request = HTTPClientRequest(url: base + Route.agentDown)
        request.headers.add(name: "Authorization", value: "Bearer \(credential.token)")
        request.headers.add(name: "Accept", value: "application/x-ndjson")
        let response = try await http.execute(request, timeout: HTTPAgentTransport.streamTimeout)
        guard response.status == .ok, let number = response.headers.first(name: HeaderName.connection) else {
            throw await AgentTransportError(response, base)
        }
        if let ticket = response.headers.first(name: HeaderName.ticket) { keep(ticket) }
        return HTTPAgentConnection(http: http, base: base, token: credential.token, number: number, down: response.body)
    }
}

/// Both streams to one server. Tasks of its own read and write; `close` and the end of either end both.
final class HTTPAgentConnection: AgentConnection {
    let incoming: AsyncThrowingStream<ServerLine, any Error>
    private let lines: AsyncStream<ByteBuffer>.Continuation
    private let outgoing: LineQueue
    private let tasks: Mutex<[Task<Void, Never>]>

    /// Messages of the server that were read and not yet taken; past this the connection is given up, because no server
    /// says so much to an agent that does nothing.
    private static let incomingMax = 4096

    fileprivate init(http: HTTPClient, base: String, token: String, number: String, down: HTTPClientResponse.Body) {
        let (incoming, arrival) = AsyncThrowingStream.makeStream(
            of: ServerLine.self, bufferingPolicy: .bufferingOldest(HTTPAgentConnection.incomingMax))
        self.incoming = incoming
        let (body, lines) = AsyncStream.makeStream(of: ByteBuffer.self)
        self.lines = lines
        let outgoing = LineQueue(lines)
        self.outgoing = outgoing
        let reader = Task {
            do {
                try await Client.splitLines(down) { line in
                    if case .dropped = arrival.yield(try ServerLine(json: line)) { throw AgentTransportError("the server says too much at once") }
                    return true
                }
                arrival.finish(throwing: AgentTransportError("the server at \(base) ended the stream"))
            } catch {
                arrival.finish(throwing: error)
            }
            lines.finish()
        }
        let writer = Task {
            var request = HTTPClientRequest(url: base + Route.agentUp)
            request.method = .POST
            request.headers.add(name: "Authorization", value: "Bearer \(token)")
            request.headers.add(name: "Content-Type", value: "application/x-ndjson")
            request.headers.add(name: HeaderName.connection, value: number)
            request.body = .stream(CountedLines(body: body, queue: outgoing), length: .unknown)
            do {
                let response = try await http.execute(request, timeout: HTTPAgentTransport.streamTimeout)
                arrival.finish(throwing: await AgentTransportError(response, base))
            } catch {
                arrival.finish(throwing: AgentTransportError("the stream to \(base) broke: \(NetworkFailure.sentence(error))"))
            }
            outgoing.end()
        }
        tasks = Mutex([reader, writer])
    }

    func send(_ message: AgentMessage) async throws {
        try await outgoing.send(ByteBuffer(bytes: message.jsonBytes + [UInt8(ascii: "\n")]))
    }

    func close() async {
        lines.finish()
        outgoing.end()
        for task in tasks.withLock({ $0 }) { task.cancel() }
    }
}

/// Bounds what is on its way: `send` waits until the body has taken all but a few lines.
final class LineQueue: Sendable {
    private struct State {
        var inFlight = 0
        var hasEnded = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())
    private let lines: AsyncStream<ByteBuffer>.Continuation
    private static let inFlightMax = 4

    init(_ lines: AsyncStream<ByteBuffer>.Continuation) { self.lines = lines }

    func send(_ line: ByteBuffer) async throws {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                state.inFlight += 1
                if state.hasEnded || state.inFlight <= LineQueue.inFlightMax { return true }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        guard !state.withLock({ $0.hasEnded }), case .enqueued = lines.yield(line) else {
            throw AgentTransportError("the connection is closed")
        }
    }

    /// One line was taken by the body.
    func taken() {
        let next = state.withLock { state in
            state.inFlight -= 1
            return state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        }
        next?.resume()
    }

    func end() {
        let waiting = state.withLock { state in
            state.hasEnded = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// The body of the up stream; tells the queue of every line that the client asked for.
struct CountedLines: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let body: AsyncStream<ByteBuffer>
    let queue: LineQueue

    struct Iterator: AsyncIteratorProtocol {
        var base: AsyncStream<ByteBuffer>.Iterator
        let queue: LineQueue

        @concurrent mutating func next() async -> ByteBuffer? {
            let line = await base.next()
            if line != nil { queue.taken() }
            return line
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(base: body.makeAsyncIterator(), queue: queue) }
}

/// Why a connection could not be opened or broke; a sentence for the log.
struct AgentTransportError: Error, CustomStringConvertible {
    var description: String
    var isUnauthorized = false

    init(_ description: String) { self.description = description }

    init(_ response: HTTPClientResponse, _ base: String) async {
        let bytes = (try? await response.body.collect(upTo: WireLimit.commandBytesMax)).map { Array($0.readableBytesView) }
        let said = (try? ErrorDocument(json: bytes ?? [])).map { ": \($0.error)" } ?? ""
        description = "\(base) answered \(response.status.code)\(said)"
        isUnauthorized = response.status == .unauthorized
    }
}

/// Runs `body` for at most so long.
func withTimeout<Value: Sendable>(
    _ limit: Duration, _ message: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw AgentTransportError(message)
        }
        defer { group.cancelAll() }
        guard let value = try await group.next() else { throw CancellationError() }
        return value
    }
}
