import ControlAPI
import FleetModel
import HTTPTypes
import HummingbirdTesting
import JSONStream
import MetadataStore
import Testing

@testable import Server

private func at(_ seconds: Int) -> Instant { Instant(milliseconds: Int64(seconds) * 1000) }

struct GameDayTests {
    @Test func `one game day runs at a time, and is over by itself`() throws {
        let days = GameDays()
        let first = try #require(days.begin("trial", until: at(100), now: at(0)))
        #expect(days.begin("other", until: at(100), now: at(99)) == nil)
        #expect(days.cluster(ofRun: first, now: at(99)) == "trial")
        #expect(days.cluster(ofRun: first, now: at(100)) == nil)
        #expect(days.cluster(ofRun: "another", now: at(1)) == nil)
        let second = try #require(days.begin("other", until: at(200), now: at(100)))
        // Whoever was overtaken ends nothing.
        days.end(first)
        #expect(days.cluster(ofRun: second, now: at(101)) == "other")
        days.end(second)
        #expect(days.begin("trial", until: at(300), now: at(102)) != nil)
    }

    @Test func `every order has an id of its own`() throws {
        let days = GameDays()
        let run = try #require(days.begin("trial", until: at(100), now: at(0)))
        #expect(Set((0..<50).map { _ in days.nextID(run) }).count == 50)
    }

    @Test func `nothing is hurt without a game day, nor one begun on what is not there`() async throws {
        try await TestServer.run { server, client in
            let token = try await server.token(.operator)
            let fault = GameDayFault(run: "r", instance: 1, order: FaultOrder())
            let refused = try await client.ask(.post, Route.gameDayFault, token: token, body: String(decoding: fault.jsonBytes, as: UTF8.self))
            #expect(refused.status == .conflict)
            let none = try await client.ask(.post, Route.gameDayBegin, token: token, body: #"{"unit":"Cluster/none","seconds":5}"#)
            #expect(none.status == .notFound)
            let host = try await client.ask(.post, Route.gameDayBegin, token: token, body: #"{"unit":"Host/a","seconds":5}"#)
            #expect(host.status == .badRequest)
        }
    }
}
