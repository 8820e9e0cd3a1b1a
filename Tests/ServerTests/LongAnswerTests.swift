import ControlAPI
import HTTPTypes
import HummingbirdTesting
import JSONStream
import MetadataStore
import Testing

@testable import Reconciliation
@testable import Server

/// Answers that take their time: how they end, and what waits for a client that does not read.
struct LongAnswerTests {
    private static func wait(for condition: () async -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while await !condition() {
            guard ContinuousClock.now < deadline else { throw TestServer.NeverLed() }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// The server of this test has no source: nothing ever settles.
    @Test(.timeLimit(.minutes(1))) func `a wait ends when its client leaves, and when the server stops`() async throws {
        try await TestServer.run(.ahc()) { server, client in
            let token = try await server.token(.operator)
            let reconciler = server.control.reconciler
            func wait() -> Task<Void, any Error> {
                Task { _ = try await client.ask(.post, Route.reconcile, token: token, body: #"{"waitSeconds":600}"#) }
            }
            let left = wait()
            try await Self.wait { await reconciler.waiters.count == 1 }
            left.cancel()
            // Whoever waits is gone for a moment at every event: gone for good is gone several times in a row.
            for _ in 0..<5 { try await Self.wait { await reconciler.waiters.isEmpty } }
            // Left behind when the server is told to stop, which it does at the end of this closure.
            _ = wait()
            try await Self.wait { await reconciler.waiters.count == 1 }
        }
    }

    @Test func `whether all has settled can be asked without waiting`() async throws {
        try await TestServer.run { server, client in
            let answer = try await client.ask(.get, Route.settled, token: try await server.token(.viewer))
            #expect(answer.status == .ok)
            #expect(try SettleDocument(json: answer.body).result == "waiting")
        }
    }

    @Test func `the answer to a wait says that its connection ends`() async throws {
        try await TestServer.run(.ahc()) { server, client in
            let token = try await server.token(.viewer)
            for (query, closes) in [("?wait=1", true), ("", false)] {
                let answer = try await client.executeRequest(
                    uri: Route.settled + query, method: .get, headers: [.authorization: "Bearer \(token)"], body: nil)
                #expect(answer.status == .ok)
                #expect((answer.headers[.connection] == "close") == closes)
            }
        }
    }

    @Test func `what a slow client has not read waits in the bounded source`() async throws {
        let (source, sink) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingOldest(8))
        let paced = PacedStream(source)
        defer { paced.cancel() }
        var taken = 0
        for number in 0..<100 {
            if case .enqueued = sink.yield(number) { taken += 1 }
            // Time for whoever would take it out.
            try await Task.sleep(for: .milliseconds(2))
        }
        #expect(taken <= 9)
        sink.finish()
        var seen: [Int] = []
        for await item in paced.items {
            seen.append(item)
            paced.next()
        }
        #expect(seen == Array(0..<taken))
    }
}
