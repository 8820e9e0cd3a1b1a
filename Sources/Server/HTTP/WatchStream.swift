import ControlAPI
import HTTPTypes
import Hummingbird
import JSONStream
import NIOCore
import Reconciliation
import ServiceLifecycle

/// `GET /api/v1/watch`: a line for every change until the client leaves.
enum WatchStream {
    static func response(to request: Request, _ control: ControlPlane) async -> Response {
        let changes = await control.reconciler.changes()
        return Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(string: "\n"))
                try await LongStream.untilClosed(request) {
                    for await change in changes.cancelOnGracefulShutdown() {
                        try await writer.write(ByteBuffer(bytes: ChangeDocument(change).jsonBytes + [UInt8(ascii: "\n")]))
                    }
                }
                try await writer.finish(nil)
            })
    }
}

/// Streams that last until one side leaves.
enum LongStream {
    /// Runs `body` until it ends, the client closes its side, or the server stops.
    static func untilClosed(_ request: Request, _ body: () async throws -> Void) async throws {
        do {
            try await request.body.consumeWithCancellationOnInboundClose { _ in try await body() }
        } catch is CancellationError {
            return
        }
    }
}

extension ChangeDocument {
    init(_ change: FleetChange) {
        switch change {
        case .unit(let unit): self.init(kind: "unit", name: unit.description)
        case .host(let host): self.init(kind: "host", name: host)
        case .source(let source): self.init(kind: "source", name: source)
        case .leadership(let term): self.init(kind: "leadership", name: term.map(String.init) ?? "")
        }
    }
}
