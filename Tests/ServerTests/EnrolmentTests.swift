import ControlAPI
import FleetModel
import HTTPTypes
import HummingbirdTesting
import JSONStream
import MetadataStore
import Server
import Testing

/// Enrolment through a real socket.
struct EnrolmentTests {
    private static func enrol(
        _ client: any TestClientProtocol, _ host: String, _ credential: String, token: String?
    ) async throws -> Answer {
        try await client.ask(
            .post, Route.enrol, token: token,
            body: EnrolCommand(host: host, credentialDigest: SHA256.hex(credential)).jsonText)
    }

    /// Whether the server takes this for an agent's credential: it then misses the other stream, not the right.
    private static func isAgent(_ client: any TestClientProtocol, _ credential: String) async throws -> Bool {
        let answer = try await client.ask(.post, Route.agentUp, token: credential, body: "")
        guard answer.status != .unauthorized else { return false }
        #expect(answer.status == .conflict)
        #expect(try answer.refusal.help.contains(Route.agentDown))
        return true
    }

    private static func expectRefused(_ answer: Answer, host: String) throws {
        #expect(answer.status == .forbidden)
        #expect(try answer.refusal.error.contains("used, over, or another host's"))
        #expect(try answer.refusal.help == "make a new one with `evenkeel token enrolment \(host)`")
    }

    @Test func `an enrolment token makes its host's agent known once, and is refused from then on`() async throws {
        try await TestServer.run(.live) { server, client in
            let token = try await server.token(.enrolment, "hz-a-1")
            #expect(try await !Self.isAgent(client, "mine"))
            #expect(try await Self.enrol(client, "hz-a-1", "mine", token: token).status == .ok)
            #expect(try await Self.isAgent(client, "mine"))
            try Self.expectRefused(try await Self.enrol(client, "hz-a-1", "another", token: token), host: "hz-a-1")
            #expect(try await !Self.isAgent(client, "another"))
            #expect(try await Self.isAgent(client, "mine"))
        }
    }

    @Test func `one that is over is refused`() async throws {
        try await TestServer.run(.live) { server, client in
            let token = try await server.token(.enrolment, "hz-a-1")
            server.clock.move(by: Tokens.enrolmentValidity + .seconds(1))
            try Self.expectRefused(try await Self.enrol(client, "hz-a-1", "mine", token: token), host: "hz-a-1")
            #expect(try await !Self.isAgent(client, "mine"))
        }
    }

    @Test func `another host's is refused, and is good for its own host still`() async throws {
        try await TestServer.run(.live) { server, client in
            let token = try await server.token(.enrolment, "hz-a-1")
            try Self.expectRefused(try await Self.enrol(client, "hz-b-1", "mine", token: token), host: "hz-b-1")
            #expect(try await !Self.isAgent(client, "mine"))
            #expect(try await Self.enrol(client, "hz-a-1", "mine", token: token).status == .ok)
        }
    }

    @Test func `no other token enrols, not even an administrator's`() async throws {
        try await TestServer.run(.live) { server, client in
            let others = [
                nil, "", "ek_nobody", try await server.token(.viewer, "hz-a-1"), try await server.token(.admin, "hz-a-1"),
                try await server.agentToken("hz-a-1"),
            ]
            for token in others {
                try Self.expectRefused(try await Self.enrol(client, "hz-a-1", "mine", token: token), host: "hz-a-1")
            }
            #expect(try await !Self.isAgent(client, "mine"))
        }
    }

    @Test func `of many requests with one token at once one is taken`() async throws {
        try await TestServer.run(.ahc()) { server, client in
            let token = try await server.token(.enrolment, "hz-a-1")
            let taken = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 1...8 {
                    group.addTask { try await Self.enrol(client, "hz-a-1", "credential \(number)", token: token).status == .ok }
                }
                return try await group.reduce(into: 0) { count, isTaken in count += isTaken ? 1 : 0 }
            }
            #expect(taken == 1)
            var known = 0
            for number in 1...8 where try await Self.isAgent(client, "credential \(number)") { known += 1 }
            #expect(known == 1)
        }
    }

    @Test func `what is no digest of a credential is refused before the token is used`() async throws {
        try await TestServer.run(.live) { server, client in
            let token = try await server.token(.enrolment, "hz-a-1")
            for digest in ["", "abc", String(repeating: "A", count: 64), String(repeating: "g", count: 64)] {
                let body = #"{"host":"hz-a-1","credentialDigest":"\#(digest)"}"#
                #expect(try await client.ask(.post, Route.enrol, token: token, body: body).status == .badRequest)
            }
            #expect(try await Self.enrol(client, "hz-a-1", "mine", token: token).status == .ok)
        }
    }
}
