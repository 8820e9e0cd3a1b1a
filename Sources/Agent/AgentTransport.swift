package import ControlAPI
import JSONStream

/// How an agent reaches its servers.
package protocol AgentTransport: Sendable {
    /// Opens both streams, to `url` where it is given, else to the next of the configured servers in turn. Bounded in
    /// time by the transport; the error's text is a sentence for the log.
    func connect(to url: String?) async throws -> any AgentConnection
}

/// Both streams to one server.
package protocol AgentConnection: Sendable {
    /// Returns when the message is on its way, in the order of the calls; waits while the stream is full. The agent
    /// calls it again only then.
    func send(_ message: AgentMessage) async throws
    /// What the server says, in order; ends or throws when either stream breaks. Read by one task, once. Bounded: the
    /// transport reads no further ahead than a named number of lines.
    var incoming: AsyncThrowingStream<ServerLine, any Error> { get }
    /// Closes both streams; `incoming` ends. Idempotent.
    func close() async
}

/// One line of the stream from the server, as far as this release understands it.
package enum ServerLine: Sendable, Hashable {
    case message(ServerMessage)
    /// To be answered with `refused`.
    case unsupported(UnsupportedOrder)
    /// Of a later release; passed over.
    case unknown

    /// Reads one line, with or without its line end. Throws `JSONError` where the stream is broken.
    package init(json: some Collection<UInt8>) throws {
        do {
            self = .message(try ServerMessage(json: json))
        } catch let order as UnsupportedOrder {
            self = .unsupported(order)
        } catch let error as JSONError {
            guard case .unknownCase = error.kind else { throw error }
            self = .unknown
        }
    }
}
