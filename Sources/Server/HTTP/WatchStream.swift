import ControlAPI
import FleetModel
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
                try await LongStream.write(changes, of: request, to: &writer) { ChangeDocument($0).jsonBytes }
                try await writer.finish(nil)
            })
    }
}

/// Streams that last until one side leaves.
enum LongStream {
    /// Writes a line for each item until they end, `end` is called, the client closes its side, or the server stops.
    @concurrent static func write<Item: Sendable>(
        _ items: AsyncStream<Item>, of request: Request, to writer: inout any ResponseBodyWriter,
        endedBy: (@escaping @Sendable () -> Void) -> Void = { _ in }, _ line: (Item) -> [UInt8]
    ) async throws {
        let paced = PacedStream(items)
        defer { paced.cancel() }
        endedBy { paced.finish() }
        // The client's side is read only to see its end; it sends nothing here.
        let (written, isWritten) = AsyncStream.makeStream(of: Void.self)
        let body = request.body
        let watcher = Task {
            try? await body.consumeWithInboundCloseHandler(
                { rest in
                    // To its end first, as in `LongWait`.
                    for try await _ in rest {}
                    for await _ in written {}
                }, onInboundClosed: { paced.finish() })
        }
        do {
            for await item in paced.items.cancelOnGracefulShutdown() {
                try await writer.write(ByteBuffer(bytes: line(item) + [UInt8(ascii: "\n")]))
                paced.next()
            }
        } catch {
            isWritten.finish()
            await watcher.value
            throw error
        }
        isWritten.finish()
        await watcher.value
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
