import ControlAPI
import FleetModel
import HTTPTypes
import HummingbirdTesting
import JSONStream
import MetadataStore
import Server
import Testing

/// Agents that come back by a membership ticket, and the API of a server whose store is being rebuilt.
struct TicketTests {
    private let digest = SHA256.hex("mine")

    private func offer(_ client: any TestClientProtocol, _ host: String, _ ticket: String) async throws -> Answer {
        try await client.ask(
            .post, Route.enrol, body: EnrolCommand(host: host, credentialDigest: digest, ticket: ticket).jsonText)
    }

    @Test func `a ticket brings a credential back while the store is being rebuilt`() async throws {
        try await TestServer.run(.live, isRebuilding: true) { server, client in
            let ticket = server.control.membership.ticket(host: "hz-a-1", credentialDigest: digest)
            #expect(try await offer(client, "hz-b-1", ticket).status == .forbidden)
            #expect(try await offer(client, "hz-a-1", "").status == .forbidden)
            let other = Membership(fleetKey: [9]).ticket(host: "hz-a-1", credentialDigest: digest)
            let refused = try await offer(client, "hz-a-1", other)
            #expect(try refused.status == .forbidden && refused.refusal.error.contains("another fleet key"))
            #expect(try refused.refusal.help.contains("evenkeel token enrolment hz-a-1"))
            #expect(await server.control.tokens.identity(ofToken: "mine", now: server.clock.now()) == nil)
            #expect(try await offer(client, "hz-a-1", ticket).status == .ok)
            #expect(try await offer(client, "hz-a-1", ticket).status == .ok)
            let identity = await server.control.tokens.identity(ofToken: "mine", now: server.clock.now())
            #expect(identity == Identity(role: .agent, subject: "hz-a-1"))
        }
    }

    @Test func `a ticket counts for nothing on a store that serves`() async throws {
        try await TestServer.run(.live) { server, client in
            let ticket = server.control.membership.ticket(host: "hz-a-1", credentialDigest: digest)
            let refused = try await offer(client, "hz-a-1", ticket)
            #expect(try refused.status == .forbidden && refused.refusal.error.contains("only while the store is being rebuilt"))
            #expect(await server.control.tokens.identity(ofToken: "mine", now: server.clock.now()) == nil)
        }
    }

    @Test func `while a store is being rebuilt people look, and commands say why they are refused`() async throws {
        try await TestServer.run(isRebuilding: true) { server, client in
            let admin = try await server.token(.admin)
            #expect(try await client.ask(.get, Route.fleet, token: admin).status == .ok)
            #expect(try await client.ask(.get, Route.readyz).status == .ok)
            let rebuild = try await client.ask(.get, Route.rebuild + "?without=hz-x-9&writer=a%3Da-1", token: admin)
            #expect(try rebuild.status == .ok && RebuildDocument(json: rebuild.body).refusals.count == 3)
            for (method, path, body) in [
                (HTTPRequest.Method.post, Route.plan, "{}"), (.post, Route.reconcile, "{}"), (.get, Route.snapshot, ""),
                (.post, Route.suspend, #"{"unit":"Cluster/orders"}"#), (.post, Route.approve, #"{"revision":"0123456"}"#),
            ] {
                let answer = try await client.ask(method, path, token: admin, body: body)
                #expect(answer.status == .conflict, "\(path)")
                #expect(try answer.refusal.error.contains("evenkeel rebuild"))
            }
            let refused = try await client.ask(.post, Route.rebuild, token: admin, body: #"{"digest":"0"}"#)
            #expect(try refused.status == .conflict && refused.refusal.exitStatus == 3)
            let mistaken = try await client.ask(.post, Route.rebuild, token: admin, body: #"{"digest":"0","writers":{"a":"b-1"}}"#)
            #expect(mistaken.status == .unprocessableContent)
        }
    }
}
