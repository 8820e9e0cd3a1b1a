import ControlAPI
import FleetModel
import HTTPTypes
import HummingbirdTesting
import JSONStream
import Reconciliation
import Testing

@testable import Server

/// The two streams of an agent, through sockets.
struct AgentStreamTests {
    /// What `speaker` says on a connection that the agent of hz-a-1 holds open.
    private func say(_ text: String, as speaker: String = "hz-a-1") async throws -> Answer {
        let said = AsyncStream.makeStream(of: Answer.self)
        try await TestServer.run(.ahc()) { server, client in
            let own = try await server.agentToken("hz-a-1")
            let token = speaker == "hz-a-1" ? own : try await server.agentToken(speaker)
            try await withThrowingTaskGroup { group in
                group.addTask { _ = try await client.ask(.get, Route.agentDown, token: own) }
                // The first connection of a server is number 1.
                try await Self.wait { await server.control.reconciler.view().agents["hz-a-1"]?.isConnected == true }
                said.continuation.yield(try await client.ask(.post, Route.agentUp, token: token, connection: 1, body: text))
                // The stream down ends with the stream up; a stranger's does not end it.
                if speaker != "hz-a-1" { _ = try await client.ask(.post, Route.agentUp, token: own, connection: 1, body: "") }
                try await group.waitForAll()
            }
        }
        var iterator = said.stream.makeAsyncIterator()
        return try #require(await iterator.next())
    }

    private static func wait(for condition: () async -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while await !condition() {
            guard ContinuousClock.now < deadline else { throw TestServer.NeverLed() }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test func `a message that this release does not know is passed over`() async throws {
        #expect(try await say("\n" + #"{"type":"sing","loud":true}"# + "\n").status == .ok)
    }

    @Test func `what is no message ends the connection`() async throws {
        let answer = try await say(#"{"type":"heart"# + "\n")
        #expect(answer.status == .badRequest)
        #expect(try answer.refusal.error.contains("not understood"))
    }

    @Test func `a line beyond its bound ends the connection`() async throws {
        let answer = try await say(String(repeating: " ", count: WireLimit.lineBytesMax + 1))
        #expect(answer.status == .contentTooLarge)
        #expect(try answer.refusal.error.contains("\(WireLimit.lineBytesMax)"))
    }

    @Test func `lines come out of pieces whole, however these are cut`() throws {
        let text = "one\ntwo\n\nthree\nand a rest"
        for length in 1...text.utf8.count {
            var splitter = LineSplitter()
            var lines: [String] = []
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                lines += try splitter.add(rest.prefix(length)).map { String(decoding: $0, as: UTF8.self) }
                rest = rest.dropFirst(length)
            }
            #expect(lines == ["one", "two", "three"], "pieces of \(length)")
        }
    }

    @Test func `an agent cannot talk on the connection of another`() async throws {
        let answer = try await say(#"{"type":"sing"}"# + "\n", as: "hz-b-1")
        #expect(answer.status == .conflict)
        #expect(try answer.refusal.error.contains("hz-b-1"))
    }
}
