import FleetModel
import MetadataStore
@testable import Monitoring
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

/// A receiver of webhooks on 127.0.0.1: gives the answers it is told to, one after another, the last one again and again.
private final class Receiver: Sendable {
    struct Request: Sendable {
        var head: HTTPRequestHead
        var body: String
    }

    struct Answer: Sendable {
        var status = HTTPResponseStatus.ok
        var headers: [String: String] = [:]
        var body = "thanks"
        /// Takes the request and never answers.
        var isSilent = false
    }

    private let channel: any Channel
    private let state: Mutex<(answers: [Answer], requests: [Request])>

    private init(channel: any Channel, answers: [Answer]) {
        self.channel = channel
        state = Mutex((answers, []))
    }

    static func with<Result: Sendable>(
        _ answers: [Answer], _ body: (Receiver) async throws -> Result
    ) async throws -> Result {
        let box = Box()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler { box.receiver.withLock { $0 }?.answer($0) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let receiver = Receiver(channel: channel, answers: answers)
        box.receiver.withLock { $0 = receiver }
        do {
            let result = try await body(receiver)
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    private final class Box: Sendable {
        let receiver = Mutex<Receiver?>(nil)
    }

    var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/hook?token=s3cr3t" }
    var requests: [Request] { state.withLock { $0.requests } }

    private func answer(_ request: Request) -> Answer? {
        state.withLock { state in
            state.requests.append(request)
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers.first
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let answer: (Request) -> Answer?
        private var head: HTTPRequestHead?
        private var body = ""

        init(_ answer: @escaping (Request) -> Answer?) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): self.head = head
            case .body(let buffer): body += String(buffer: buffer)
            case .end:
                guard let head, let answer = answer(Request(head: head, body: body)), !answer.isSilent else { return }
                respond(answer, context)
            }
        }

        private func respond(_ answer: Answer, _ context: ChannelHandlerContext) {
            var headers = HTTPHeaders(answer.headers.map { ($0.key, $0.value) })
            headers.add(name: "Content-Length", value: String(answer.body.utf8.count))
            let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}

@Suite struct WebhookTests {
    private func delivery(_ url: String, headers: [String: String] = [:]) -> Delivery {
        let alert = AlertRecord(
            key: "k", labels: ["alertname": "InstanceDown"], annotations: [:], began: Instant(milliseconds: 0))
        let channel = AlertChannel(metadata: Metadata(name: "hook"), target: .webhook(url: url, headers: headers))
        return Delivery(
            entry: "e", message: "hook|k|firing|1", channel: channel, payload: #"{"version":"4"}"#, alert: alert,
            isResolved: false)
    }

    /// What one delivery ends in: nil where it arrived.
    private func outcome(
        _ answer: Receiver.Answer, headers: [String: String] = [:], timeLimit: Duration = AlertDelivery.webhookTimeLimit
    ) async throws -> (failure: DeliveryFailure?, requests: [Receiver.Request]) {
        try await Receiver.with([answer]) { receiver in
            let sender = AlertDelivery(scripts: [:], webhookTimeLimit: timeLimit)
            let failure = await failure(of: delivery(receiver.url, headers: headers), by: sender)
            try await sender.shutDown()
            return (failure, receiver.requests)
        }
    }

    private func failure(of delivery: Delivery, by sender: AlertDelivery) async -> DeliveryFailure? {
        do throws(DeliveryFailure) {
            try await sender.deliver(delivery)
            return nil
        } catch {
            return error
        }
    }

    @Test func `a message is posted as JSON with the channel's headers and its own name`() async throws {
        let (failure, requests) = try await outcome(
            Receiver.Answer(), headers: ["Authorization": "Bearer t", "User-Agent": "ours"])
        #expect(failure == nil)
        let request = try #require(requests.first)
        #expect(requests.count == 1)
        #expect(request.head.method == .POST)
        #expect(request.head.uri == "/hook?token=s3cr3t")
        #expect(request.body == #"{"version":"4"}"#)
        #expect(request.head.headers["Content-Type"] == ["application/json"])
        #expect(request.head.headers["Authorization"] == ["Bearer t"])
        #expect(request.head.headers["User-Agent"] == ["ours"])
        #expect(request.head.headers["Evenkeel-Message"] == ["hook|k|firing|1"])
    }

    @Test(arguments: [500, 502, 503, 408])
    func `a broken receiver is worth another try`(code: Int) async throws {
        let (failure, _) = try await outcome(Receiver.Answer(status: HTTPResponseStatus(statusCode: code)))
        guard case .transient(let sentence, after: nil) = failure else {
            Issue.record("found \(String(describing: failure))")
            return
        }
        #expect(sentence.contains(String(code)))
    }

    @Test func `an overloaded receiver says when to come again`() async throws {
        let (failure, _) = try await outcome(Receiver.Answer(status: .tooManyRequests, headers: ["Retry-After": "7"]))
        #expect(failure == .transient("the receiver answered 429 Too Many Requests", after: .seconds(7)))
    }

    @Test(arguments: [400, 401, 404, 410, 302])
    func `a receiver that refuses is not asked again, and no redirection is followed`(code: Int) async throws {
        let answer = Receiver.Answer(
            status: HTTPResponseStatus(statusCode: code), headers: ["Location": "http://127.0.0.1:1/elsewhere"])
        let (failure, requests) = try await outcome(answer)
        guard case .final(let sentence) = failure else {
            Issue.record("found \(String(describing: failure))")
            return
        }
        #expect(sentence.contains(String(code)))
        #expect(!sentence.contains("s3cr3t"))
        #expect(requests.count == 1)
    }

    @Test func `a receiver that does not answer is given up in time`() async throws {
        let (failure, _) = try await outcome(Receiver.Answer(isSilent: true), timeLimit: .milliseconds(300))
        #expect(failure == .transient("the receiver did not answer in time"))
    }

    @Test func `an endless answer is not read to its end`() async throws {
        let (failure, _) = try await outcome(Receiver.Answer(body: String(repeating: "x", count: 3_000_000)))
        #expect(failure == nil)
    }

    @Test func `a receiver that is not there is worth another try, and no sentence has the url`() async throws {
        let url = try await Receiver.with([]) { $0.url }
        let sender = AlertDelivery(scripts: [:])
        guard case .transient(let sentence, _) = await failure(of: delivery(url), by: sender) else {
            Issue.record("not a transient failure")
            return
        }
        #expect(!sentence.contains("s3cr3t"))
        guard case .final = await failure(of: delivery("not a url"), by: sender) else {
            Issue.record("not a final failure")
            return
        }
        try await sender.shutDown()
    }
}
