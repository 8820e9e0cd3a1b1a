
/// A connection of a copy: encrypted, the receiver's certificate checked by the donor. It lives as long as the call that
/// hands it out.
package struct CopyConnection: Sendable {
    /// Returns once the bytes are on their way, so that a slow receiver slows its donor.
    let send: @Sendable ([UInt8]) async throws -> Void
    /// What the other side sends; read once, by one task.
    let incoming: any AsyncSequence<[UInt8], any Error> & Sendable

    package init(
        send: @escaping @Sendable ([UInt8]) async throws -> Void, incoming: any AsyncSequence<[UInt8], any Error> & Sendable
    ) {
        self.send = send
        self.incoming = incoming
    }
}

/// Reads what the other side of a copy sends.
struct CopyIncoming {
    private var iterator: any AsyncIteratorProtocol<[UInt8], any Error>

    init(_ connection: CopyConnection) { iterator = connection.incoming.makeAsyncIterator() }

    /// The next bytes; nil at the end. Throws `CancellationError`.
    mutating func next() async throws -> [UInt8]? {
        let bytes = try await iterator.next(isolation: #isolation)
        try Task.checkCancellation()
        return bytes
    }
}

/// How a receiver and a donor reach each other. The one that is shipped is TLS, with a certificate made for each copy.
package protocol CopyTransport: Sendable {
    /// Opens one port of a range at an address, says so through `listening` (port and SHA-256 of the certificate, hex),
    /// and hands one connection after another to `serve` until that answers true. Nothing listens afterwards.
    func receive(
        at address: String, ports: ClosedRange<Int>, listening: @Sendable (Int, String) -> Void,
        serve: @Sendable (CopyConnection) async throws -> Bool
    ) async throws
    /// Connects to a receiver, accepts no certificate but the announced one, and runs `body`.
    func send(to destination: CopyDestination, _ body: @Sendable (CopyConnection) async throws -> Void) async throws
}
