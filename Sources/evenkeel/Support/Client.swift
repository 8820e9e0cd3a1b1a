import AsyncHTTPClient
import ControlAPI
import FoundationEssentials
import JSONStream
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// A client of the server's API. One per command; `withClient` closes it.
final class Client: Sendable {
    private let http: HTTPClient
    /// The first that can be reached is asked.
    private let servers: [String]
    private let token: String?
    private let hasTold = Atomic(false)

    private init(http: HTTPClient, servers: [String], token: String?) {
        self.http = http
        self.servers = servers
        self.token = token
    }

    private static let connectTimeout = TimeAmount.seconds(5)
    /// An answer's body may take as long as a plan of a large fleet does.
    private static let answerTimeout = TimeAmount.minutes(10)
    private static let redirectsMax = 3

    /// One answer whose status was 2xx.
    struct Answer: Sendable {
        var body: [UInt8]
        var exitStatus: ExitStatus?
    }

    /// Runs `body` with a client and closes its connections however it ends.
    static func with<Result>(
        _ options: ConnectionOptions, _ body: (Client) async throws -> Result
    ) async throws -> Result {
        let servers = try options.serverURLs.map { try ServerURL.checked($0, setting: "--server or EVENKEEL_SERVER") }
        let token = try options.token()
        let http = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: try configuration(authorityFile: options.authorityFile))
        do {
            let result = try await body(Client(http: http, servers: servers, token: token))
            try await http.shutdown()
            return result
        } catch {
            try? await http.shutdown()
            throw error
        }
    }

    static func configuration(authorityFile: String?) throws -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authorityFile {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(authorityFile))
            } catch {
                throw CommandError(
                    "the authority's certificate \(authorityFile) cannot be read: \(error)",
                    help: "name a PEM file with --ca-file")
            }
        }
        return HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow, timeout: .init(connect: connectTimeout))
    }

    // MARK: Requests

    func get<Value: JSONCodable>(_ path: String, query: [(String, String)] = [], as: Value.Type = Value.self)
        async throws -> Value
    {
        try decode(try await send(.GET, path, query: query, body: nil, accept: "application/json").body)
    }

    func getBytes(_ path: String, query: [(String, String)] = [], accept: String = "application/json") async throws
        -> Answer
    {
        try await send(.GET, path, query: query, body: nil, accept: accept)
    }

    func post(_ path: String, query: [(String, String)] = [], body: [UInt8], accept: String = "application/json")
        async throws -> Answer
    {
        try await send(.POST, path, query: query, body: body, accept: accept)
    }

    /// Newline-delimited lines as they come, until the server ends them, `line` answers false, or the task is cancelled.
    func lines(_ path: String, query: [(String, String)] = [], _ line: ([UInt8]) async throws -> Bool) async throws {
        let response = try await execute(.GET, path, query, nil, "application/x-ndjson", timeout: .hours(24 * 365))
        do {
            try await Client.splitLines(response.body, line)
        } catch let error where NetworkFailure.isOne(error) {
            throw CommandError(
                "the connection with \(named) broke off: \(NetworkFailure.sentence(error))", help: "run it again once the server is up")
        }
    }

    /// Splits a body at its line ends; empty lines are passed over, a line beyond the bound ends the stream.
    static func splitLines(_ body: HTTPClientResponse.Body, _ line: ([UInt8]) async throws -> Bool) async throws {
        var rest: [UInt8] = []
        for try await chunk in body {
            rest.append(contentsOf: chunk.readableBytesView)
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let whole = Array(rest[..<end])
                rest.removeSubrange(...end)
                if !whole.isEmpty, try await !line(whole) { return }
            }
            guard rest.count <= WireLimit.lineBytesMax else { throw CommandError("the server sent too long a line") }
        }
    }

    private func send(
        _ method: HTTPMethod, _ path: String, query: [(String, String)], body: [UInt8]?, accept: String
    ) async throws -> Answer {
        let response = try await execute(method, path, query, body, accept, timeout: Client.answerTimeout)
        let bytes: [UInt8]
        do {
            bytes = Array(try await response.body.collect(upTo: WireLimit.answerBytesMax).readableBytesView)
        } catch {
            throw CommandError("the answer of \(named) broke off: \(NetworkFailure.sentence(error))", help: "try again")
        }
        let status = response.headers.first(name: HeaderName.exitStatus).flatMap { Int32($0) }
        return Answer(body: bytes, exitStatus: status.flatMap(ExitStatus.init(rawValue:)))
    }

    private var named: String { servers.joined(separator: ", ") }

    /// Sends the request to the first server that can be reached, and follows a follower to its leader.
    private func execute(
        _ method: HTTPMethod, _ path: String, _ query: [(String, String)], _ body: [UInt8]?, _ accept: String,
        timeout: TimeAmount
    ) async throws -> HTTPClientResponse {
        var others = servers
        var base = others.removeFirst()
        for _ in 0..<Client.redirectsMax + others.count {
            var request = HTTPClientRequest(url: base + path + Client.encoded(query))
            request.method = method
            request.headers.add(name: "Accept", value: accept)
            request.headers.add(name: "User-Agent", value: "evenkeel/\(Version.text)")
            if let token { request.headers.add(name: "Authorization", value: "Bearer \(token)") }
            if let body { request.body = .bytes(body) }
            let response: HTTPClientResponse
            do {
                response = try await reach(request, base, timeout)
            } catch let error as Unreached where !others.isEmpty {
                // It has heard nothing of the request, so that another one may.
                Terminal.standardError.write(Terminal.standardError.bold("note: ") + error.failure.message + "\n")
                base = others.removeFirst()
                continue
            } catch let error as Unreached {
                throw error.failure
            }
            if (200..<300).contains(response.status.code) {
                if let notice = response.headers.first(name: HeaderName.notice), path != Route.rebuild { tell(notice) }
                return response
            }
            guard response.status == .misdirectedRequest, let leader = response.headers.first(name: HeaderName.leader)
            else { throw await refusal(response, base) }
            base = leader
        }
        throw CommandError("the servers point at each other as leader", help: "ask again in a few seconds")
    }

    /// What the server wants people to know beside its answer; said once by each command.
    private func tell(_ notice: String) {
        guard !hasTold.exchange(true, ordering: .relaxed) else { return }
        Terminal.standardError.write(Terminal.standardError.bold("note: ") + notice + "\n")
    }

    private func reach(_ request: HTTPClientRequest, _ base: String, _ timeout: TimeAmount) async throws
        -> HTTPClientResponse
    {
        do {
            return try await http.execute(request, timeout: timeout)
        } catch let error as CancellationError {
            throw error
        } catch {
            let failure = CommandError(
                "the server at \(base) cannot be reached: \(NetworkFailure.sentence(error))",
                help: "start it with `evenkeel serve`, or name another one with --server or EVENKEEL_SERVER")
            if NetworkFailure.isBeforeRequest(error) { throw Unreached(failure: failure) }
            throw failure
        }
    }

    /// Nobody was there to take the request.
    private struct Unreached: Error {
        var failure: CommandError
    }

    private func refusal(_ response: HTTPClientResponse, _ base: String) async -> CommandError {
        let bytes = (try? await response.body.collect(upTo: WireLimit.commandBytesMax)).map { Array($0.readableBytesView) }
        if let document = try? ErrorDocument(json: bytes ?? []) {
            let status = ExitStatus(rawValue: Int32(document.exitStatus)) ?? .error
            return CommandError(document.error, help: document.help, status: status)
        }
        return CommandError("\(base) answered \(response.status.code) \(response.status.reasonPhrase)")
    }

    private func decode<Value: JSONCodable>(_ bytes: [UInt8]) throws -> Value {
        do {
            return try Value(json: bytes)
        } catch {
            throw CommandError(
                "the answer of \(named) is not understood: \(error)",
                help: "is it an Evenkeel server, of a neighbouring release?")
        }
    }

    private static func encoded(_ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return "" }
        return "?" + query.map { "\($0.0)=\(percentEncoded($0.1))" }.joined(separator: "&")
    }

    /// RFC 3986's unreserved characters stay.
    private static func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                String(Unicode.Scalar(byte))
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }.joined()
    }
}
