import AsyncHTTPClient
import FleetModel
import NIOCore
import NIOHTTP1
import NIOSSL

/// Carries messages to their receivers: webhooks over HTTP, scripts of the server's own configuration. Decides nothing
/// and tries nothing twice.
package final class AlertDelivery: AlertSender {
    private let http: HTTPClient
    private let scripts: ScriptRunner

    private let limit: TimeAmount

    /// From the connection to the end of the answer.
    package static let webhookTimeLimit: Duration = .seconds(10)
    /// Of an answer's body, so much is read; nobody needs it.
    private static let answerMax = 16 * 1024

    /// `scripts`: by the name that a channel gives. `trustRoots`: a file of certificates (PEM) that webhooks' servers are
    /// checked against; nil: the system's.
    package init(
        scripts: [String: AlertScript], trustRoots: String? = nil,
        webhookTimeLimit: Duration = AlertDelivery.webhookTimeLimit
    ) {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let trustRoots { tls.trustRoots = .file(trustRoots) }
        limit = .milliseconds(webhookTimeLimit.milliseconds)
        http = HTTPClient(
            eventLoopGroupProvider: .singleton,
            configuration: .init(
                tlsConfiguration: tls, redirectConfiguration: .disallow, timeout: .init(connect: limit, read: limit)))
        self.scripts = ScriptRunner(scripts: scripts)
    }

    /// Closes the connections; to be called once, when nothing is delivered any more.
    package func shutDown() async throws { try await http.shutdown() }

    /// Tries once; throws `DeliveryFailure`. The failure's sentence holds neither the URL (it may have a token in it)
    /// nor a header.
    package func deliver(_ delivery: Delivery) async throws(DeliveryFailure) {
        switch delivery.channel.target {
        case .webhook(let url, let headers): try await post(delivery, url: url, headers: headers)
        case .script(let name, let timeout): try await scripts.run(delivery, script: name, timeLimit: timeout)
        }
    }

    private static func isWeb(_ url: String) -> Bool {
        let scheme = url.prefix { $0 != ":" }.lowercased()
        return scheme == "http" || scheme == "https"
    }

    private func post(_ delivery: Delivery, url: String, headers: [String: String]) async throws(DeliveryFailure) {
        guard Self.isWeb(url) else { throw .final("the channel's url is neither http nor https; correct it") }
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "evenkeel")
        request.headers.add(name: "Evenkeel-Message", value: delivery.message)
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { request.headers.replaceOrAdd(name: name, value: value) }
        request.body = .bytes(Array(delivery.payload.utf8))
        let status: HTTPResponseStatus
        let retryAfter: String?
        do {
            let response = try await http.execute(request, timeout: limit)
            status = response.status
            retryAfter = response.headers.first(name: "Retry-After")
            _ = try? await response.body.collect(upTo: Self.answerMax)
        } catch {
            throw WebhookFailure.of(error)
        }
        if let failure = WebhookFailure.of(status, retryAfter: retryAfter) { throw failure }
    }
}

/// What an answer, or none, means for a message.
enum WebhookFailure {
    /// Nil where the receiver has taken the message.
    static func of(_ status: HTTPResponseStatus, retryAfter: String?) -> DeliveryFailure? {
        let sentence = "the receiver answered \(status.code) \(status.reasonPhrase)"
        switch status.code {
        case 200..<300: return nil
        case 408, 425, 429, 500...:
            // The header's other form, a date, would need the receiver's clock; our own backoff serves as well.
            return .transient(sentence, after: retryAfter.flatMap { Int64($0) }.map { .seconds(max(0, $0)) })
        case 300..<400: return .final(sentence + "; redirections are not followed: give the channel the final URL")
        default: return .final(sentence + "; correct the channel's url or headers")
        }
    }

    static func of(_ error: any Error) -> DeliveryFailure {
        guard let error = error as? HTTPClientError else {
            // A network error names an address, never the path.
            return .transient("the receiver cannot be reached: \(type(of: error))")
        }
        switch error {
        case .invalidURL, .emptyHost, .emptyScheme, .missingSocketPath: return .final("the channel's url cannot be used; correct it")
        case .deadlineExceeded, .connectTimeout, .readTimeout: return .transient("the receiver did not answer in time")
        default: return .transient("the receiver cannot be reached: \(error.shortDescription)")
        }
    }
}
