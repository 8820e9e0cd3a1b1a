import ControlAPI
import FleetModel
import HTTPTypes
import HummingbirdTesting
import JSONStream
import MetadataStore
import Server
import Testing

/// One route, what is sent to it, and the least role that may.
private struct Door: Sendable, CustomTestStringConvertible {
    var method: HTTPRequest.Method
    var path: String
    var role: CredentialRecord.Role
    var body: String?
    /// Its answer to who may ends only when the client leaves: then only refusals are asked for.
    var isLong = false

    var testDescription: String { "\(method) \(path)" }

    static let all = [
        Door(method: .get, path: Route.metrics, role: .viewer),
        Door(method: .get, path: Route.fleet, role: .viewer),
        Door(method: .get, path: Route.events, role: .viewer),
        Door(method: .get, path: Route.tasks, role: .viewer),
        Door(method: .get, path: Route.history, role: .viewer),
        Door(method: .get, path: Route.snapshot, role: .viewer),
        Door(method: .get, path: Route.tree, role: .viewer),
        Door(method: .get, path: Route.settled, role: .viewer),
        Door(method: .get, path: Route.watch, role: .viewer, isLong: true),
        Door(method: .post, path: Route.plan, role: .viewer, body: "{}"),
        Door(method: .post, path: Route.reconcile, role: .operator, body: "{}"),
        Door(method: .post, path: Route.suspend, role: .operator, body: #"{"unit":"Cluster/none"}"#),
        Door(method: .post, path: Route.resume, role: .operator, body: #"{"unit":"Cluster/none"}"#),
        Door(method: .post, path: Route.approve, role: .operator, body: #"{"revision":"0123456"}"#),
        Door(method: .post, path: Route.gameDayBegin, role: .operator, body: #"{"unit":"Cluster/none"}"#),
        Door(method: .post, path: Route.gameDayFault, role: .operator, body: #"{"run":"none"}"#),
        Door(method: .post, path: Route.gameDayEnd, role: .operator, body: #"{"run":"none"}"#),
        Door(method: .post, path: Route.tokens, role: .admin, body: #"{"role":"viewer","subject":"eve"}"#),
        Door(method: .get, path: Route.rebuild, role: .viewer),
        Door(method: .post, path: Route.rebuild, role: .admin, body: "{}"),
        Door(method: .get, path: Route.agentDown, role: .agent, isLong: true),
        Door(method: .post, path: Route.agentUp, role: .agent, body: ""),
    ]

    /// Who gets in: written out, so that it is compared with the code and not with itself.
    var allowed: Set<CredentialRecord.Role> {
        switch role {
        case .viewer: [.viewer, .operator, .admin]
        case .operator: [.operator, .admin]
        case .admin: [.admin]
        case .agent: [.agent]
        case .enrolment: [.enrolment]
        }
    }
}

struct RouterTests {
    @Test(arguments: Door.all)
    private func `a route lets in its role and those above it, and tells the others what they lack`(_ door: Door) async throws {
        try await TestServer.run { server, client in
            for token in [nil, "", "ek_nobody"] {
                let answer = try await client.ask(door.method, door.path, token: token, body: door.body)
                #expect(answer.status == .unauthorized)
                #expect(try answer.refusal.help.contains("evenkeel token"))
            }
            for role in CredentialRecord.Role.allCases {
                let isAllowed = door.allowed.contains(role)
                if isAllowed && door.isLong { continue }
                let token = role == .agent ? try await server.agentToken("hz-a-1") : try await server.token(role)
                let answer = try await client.ask(door.method, door.path, token: token, body: door.body)
                guard !isAllowed else {
                    #expect(answer.status != .unauthorized && answer.status != .forbidden, "\(role)")
                    #expect(answer.status.code < 500 || answer.status == .serviceUnavailable, "\(role): \(answer.status)")
                    continue
                }
                #expect(answer.status == .forbidden, "\(role)")
                #expect(try answer.refusal.error.contains(door.role.rawValue))
                #expect(try !answer.refusal.help.isEmpty)
            }
        }
    }

    @Test func `who watches over the server needs no token, and nobody else gets in so`() async throws {
        try await TestServer.run { (_, client) async throws in
            #expect(try await client.ask(.get, Route.healthz).status == .ok)
            #expect(try await client.ask(.get, Route.readyz).status == .ok)
            #expect(try await client.ask(.get, Route.metrics).status == .unauthorized)
        }
    }

    @Test func `a route that is not there is told in the API's own form`() async throws {
        try await TestServer.run { server, client in
            let token = try await server.token(.admin)
            for (method, path) in [(HTTPRequest.Method.get, "/api/v1/nothing"), (.delete, Route.fleet), (.get, Route.reconcile)] {
                let answer = try await client.ask(method, path, token: token)
                #expect(answer.status == .notFound)
                #expect(try answer.refusal.error.contains("no such route"))
            }
        }
    }

    @Test(arguments: [
        ("", "not understood"), ("{", "not understood"), ("[]", "not understood"), (#"{"unit":7}"#, "not understood"),
        (#"{"unit":"Cluster/a"} x"#, "not understood"), ("\u{0}", "not understood"), (#"{"unit":"orders"}"#, "names no unit"),
        (#"{"unit":"Clutser/orders"}"#, "names no unit"), ("{}", "names no unit"),
    ])
    func `a body that is no command is refused with what is wrong with it`(_ body: String, _ said: String) async throws {
        try await TestServer.run { server, client in
            let answer = try await client.ask(.post, Route.suspend, token: try await server.token(.operator), body: body)
            #expect(answer.status == .badRequest)
            #expect(try answer.refusal.error.contains(said), "\(String(decoding: answer.body, as: UTF8.self))")
        }
    }

    @Test func `a command without what it needs, or about what is not there, says so`() async throws {
        try await TestServer.run { server, client in
            let token = try await server.token(.admin)
            let unknown = try await client.ask(.post, Route.suspend, token: token, body: #"{"unit":"Cluster/none"}"#)
            #expect(unknown.status == .notFound)
            #expect(try unknown.refusal.error.contains("Cluster/none"))
            let revision = try await client.ask(.post, Route.approve, token: token, body: #"{"revision":"0123456"}"#)
            #expect(revision.status == .notFound)
            #expect(try revision.refusal.error.contains("0123456"))
            let empty = try await client.ask(.post, Route.approve, token: token, body: "{}")
            #expect(empty.status == .badRequest)
            #expect(try empty.refusal.error.contains("revision"))
            let role = try await client.ask(.post, Route.tokens, token: token, body: #"{"role":"king","subject":"ann"}"#)
            #expect(role.status == .unprocessableContent)
            #expect(try role.refusal.help.contains("enrolment"))
            // An agent's credential is made by the agent, never by whoever asks.
            let agent = try await client.ask(.post, Route.tokens, token: token, body: #"{"role":"agent","subject":"hz-a-1"}"#)
            #expect(agent.status == .unprocessableContent)
        }
    }

    @Test(arguments: [TestingSetup.router, .live])
    func `a body beyond its bound is refused as too large`(_ setup: TestingSetup) async throws {
        try await TestServer.run(setup) { server, client in
            let token = try await server.token(.operator)
            let most = #"{"unit":"Cluster/none"}"# + String(repeating: " ", count: WireLimit.commandBytesMax - 23)
            #expect(most.utf8.count == WireLimit.commandBytesMax)
            #expect(try await client.ask(.post, Route.suspend, token: token, body: most).status == .notFound)
            let answer = try await client.ask(.post, Route.suspend, token: token, body: most + " ")
            #expect(answer.status == .contentTooLarge)
            #expect(try answer.refusal.error.contains("\(WireLimit.commandBytesMax)"))
            // And before it is read from somebody who may not ask at all.
            #expect(try await client.ask(.post, Route.suspend, body: most + " ").status == .unauthorized)
        }
    }

    @Test(arguments: ["0", "-1", "many", "99999999999999999999", "5"])
    func `lists are bounded whatever is asked for`(_ limit: String) async throws {
        try await TestServer.run { server, client in
            let answer = try await client.ask(.get, Route.events + "?limit=" + limit, token: try await server.token(.viewer))
            #expect(answer.status == .ok)
        }
    }
}
