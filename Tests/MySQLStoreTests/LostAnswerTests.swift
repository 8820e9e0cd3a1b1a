import FleetModel
import MetadataStore
import MySQLClient
import Testing

@testable import MySQLStore

private let moment = Instant(milliseconds: 1_700_000_000_000)

private func event(_ number: Int) -> StoreChange {
    .appendEvent(Event(time: moment, unit: UnitID(.cluster, "orders"), level: .info, reason: "Test", message: "number \(number)"))
}

extension OnOneDatabase {
    /// A commit whose answer is lost: whether it was made is read, never guessed.
    @Suite struct LostAnswerTests {
        let server: TestServer
        let relay: Relay
        let store: MySQLStore
        /// Beside the relay.
        let direct: MySQLStore
        let term: Int64

        init() async throws {
            server = try TestServer.running.get()
            relay = try Relay(to: TestServer.port)
            let place = try await server.place()
            direct = server.store(place)
            try await direct.make()
            var through = place
            through.port = relay.port
            store = server.store(through)
            term = try await store.acquireLease(holder: LeaseHolder(name: "a", run: 1), duration: .seconds(15), now: moment).term
        }

        private func messages() async throws -> [String] { try await direct.events(unit: nil, limit: 100).map(\.message) }

        @Test func `one that the database did not hear is made again, once`() async throws {
            relay.cut(.beforeCommit)
            try await store.commit([event(1)], term: term)
            #expect(relay.cuts == 1)
            #expect(try await messages() == ["number 1"])
        }

        @Test func `one that was made is not made again`() async throws {
            relay.cut(.afterCommit)
            try await store.commit([event(1)], term: term)
            #expect(relay.cuts == 1)
            #expect(try await messages() == ["number 1"])
            try await store.commit([event(2)], term: term)
            #expect(try await messages() == ["number 2", "number 1"])
        }

        @Test(arguments: [Relay.Cut.beforeCommit, .afterCommit])
        func `one of which nothing can be read is told as uncertain, and the next look tells the truth`(cut: Relay.Cut) async throws {
            relay.cut(cut, andStays: true)
            await #expect {
                try await store.commit([event(1)], term: term)
            } throws: { error in
                if case StoreError.uncertain = error { true } else { false }
            }
            #expect(try await messages() == (cut == .afterCommit ? ["number 1"] : []))
            relay.comeBack()
            try await store.commit([event(2)], term: term)
            #expect(try await messages().first == "number 2")
        }

        @Test func `a deadlock, or a lock that is not free in time, is tried again`() async throws {
            let connection = try await server.administrator()
            try await connection.query("USE \(identifier: store.place.database)", within: .seconds(5))
            try await connection.query("START TRANSACTION", within: .seconds(5))
            try await connection.query("SELECT * FROM store FOR UPDATE", within: .seconds(5))
            async let made: Void = store.commit([event(1)], term: term)
            try await Task.sleep(for: .seconds(StoreLimits.lockWait + 1))
            try await connection.query("COMMIT", within: .seconds(5))
            try await made
            await connection.close()
            #expect(try await messages() == ["number 1"])
        }

        @Test func `the locks of a server that is cut off in the middle are free soon`() async throws {
            let place = store.place
            let lane = Lane(place, password: TestServer.password, isolation: .readCommitted)
            let began = ContinuousClock.now
            try await lane.run(within: .seconds(5)) { session in
                try await session.query("START TRANSACTION")
                _ = try await LeaseRow.lock(session)
            }
            // It says nothing more, and its connection stays.
            var tries = 0
            while true {
                do {
                    try await direct.commit([event(1)], term: term)
                    break
                } catch StoreError.unavailable {
                    tries += 1
                    try #require(tries < 10)
                }
            }
            #expect(ContinuousClock.now - began < .seconds(StoreLimits.silenceMax + 15))
            await lane.close()
        }
    }
}
