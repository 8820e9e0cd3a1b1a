package import Engines
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Copies over TLS 1.3.
package struct TLSCopyTransport: CopyTransport {
    package init() {}

    /// A connection that has not shown the token within this time is closed.
    static let greetingBound: TimeAmount = .seconds(5)
    static let connectBound: TimeAmount = .seconds(10)

    private typealias Wrapped = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    package func receive(
        at address: String, ports: ClosedRange<Int>, listening: @Sendable (Int, String) -> Void,
        serve: @Sendable (CopyConnection) async throws -> Bool
    ) async throws {
        let certificate = try CopyCertificate()
        var settings = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(certificate.certificate)], privateKey: .privateKey(certificate.key))
        settings.minimumTLSVersion = .tlsv13
        let context = try NIOSSLContext(configuration: settings)
        let (server, port) = try await bind(address, ports, context)
        try await server.executeThenClose { connections in
            listening(port, certificate.digest)
            for try await connection in connections {
                if try await Self.isServed(connection, serve) { return }
            }
            throw CancellationError()
        }
    }

    private func bind(
        _ address: String, _ ports: ClosedRange<Int>, _ context: NIOSSLContext
    ) async throws -> (NIOAsyncChannel<Wrapped, Never>, Int) {
        let offset = Int.random(in: 0..<ports.count)
        for step in 0..<ports.count {
            let port = ports.lowerBound + (offset + step) % ports.count
            do {
                let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .bind(host: address, port: port) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                            return try Wrapped(wrappingChannelSynchronously: channel)
                        }
                    }
                return (server, port)
            } catch let error as IOError where error.errnoCode == EADDRINUSE {
                continue
            } catch let error as IOError {
                throw EngineError.system("listen for a copy at", address, error.errnoCode)
            }
        }
        throw EngineError(.transient, "every port of \(ports.lowerBound) to \(ports.upperBound) at \(address) is taken: no copy can be received")
    }

    /// What somebody who is not our donor does to his connection is no fault of the copy.
    private static func isServed(
        _ connection: Wrapped, _ serve: @Sendable (CopyConnection) async throws -> Bool
    ) async throws -> Bool {
        let closing = connection.channel.eventLoop.scheduleTask(in: greetingBound) { connection.channel.close(promise: nil) }
        defer { closing.cancel() }
        let hasGreeted = Atomic(false)
        do {
            return try await connection.executeThenClose { inbound, outbound in
                try await serve(Self.connection(inbound, outbound, beforeSending: {
                    closing.cancel()
                    hasGreeted.store(true, ordering: .relaxed)
                }))
            }
        } catch {
            if hasGreeted.load(ordering: .relaxed) || Task.isCancelled { throw Self.told(error) }
            return false
        }
    }

    package func send(
        to destination: CopyDestination, _ body: @Sendable (CopyConnection) async throws -> Void
    ) async throws {
        var settings = TLSConfiguration.makeClientConfiguration()
        // The digest names one certificate; no name or authority has a say.
        settings.certificateVerification = .noHostnameVerification
        settings.minimumTLSVersion = .tlsv13
        let context = try NIOSSLContext(configuration: settings)
        let wanted = destination.certificateDigest
        do {
            let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(Self.connectBound)
                .connect(host: destination.address, port: destination.port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: nil) { certificates, verdict in
                            let der = (try? certificates.first?.toDERBytes()) ?? []
                            verdict.succeed(CopyCertificate.digest(of: der) == wanted ? .certificateVerified : .failed)
                        }
                        try channel.pipeline.syncOperations.addHandler(handler)
                        return try Wrapped(wrappingChannelSynchronously: channel)
                    }
                }
            try await connection.executeThenClose { inbound, outbound in
                try await body(Self.connection(inbound, outbound, beforeSending: {}))
            }
        } catch {
            throw Self.told(error, destination)
        }
    }

    private static func connection(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        beforeSending: @escaping @Sendable () -> Void
    ) -> CopyConnection {
        CopyConnection(
            send: { bytes in
                beforeSending()
                try await outbound.write(ByteBuffer(bytes: bytes))
            },
            incoming: inbound.map { @Sendable buffer in Array(buffer.readableBytesView) })
    }

    /// Errors of the network as the driver's own.
    private static func told(_ error: any Error, _ destination: CopyDestination? = nil) -> any Error {
        let peer = destination.map { "the receiver at \($0.address):\($0.port)" } ?? "the donor"
        switch error {
        case is EngineError, is CancellationError: return error
        case is NIOSSLError, is BoringSSLError:
            return EngineError(.refused, "\(peer) is not the one that was announced: its certificate is another")
        case is ChannelError:
            return EngineError(.refused, "\(peer) closed the connection: it does not know this copy's token, or has given up")
        case let error as NIOConnectionError:
            return EngineError(.transient, "\(peer) cannot be reached: \(error.connectionErrors.first?.error ?? error)")
        default: return EngineError(.transient, "the connection with \(peer) failed: \(error)")
        }
    }
}
