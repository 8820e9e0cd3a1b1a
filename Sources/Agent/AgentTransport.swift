package import ControlAPI

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
    /// What the server says, in order; ends or throws when either stream breaks. Read by one task, once. Messages that
    /// this version does not know are passed over by the transport. Bounded: the transport reads no further ahead than
    /// a named number of messages.
    var incoming: AsyncThrowingStream<ServerMessage, any Error> { get }
    /// Closes both streams; `incoming` ends. Idempotent.
    func close() async
}
