import FleetModel
import Foundation
import MetadataStore
import MetadataStoreConformance
import MySQLClient
import Testing

@testable import MySQLStore

private let moment = Instant(milliseconds: 1_700_000_000_000)

private func holder(_ name: String, run: Int64 = 1) -> LeaseHolder { LeaseHolder(name: name, run: run) }

private func event(_ number: Int) -> Event {
    Event(time: moment, unit: UnitID(.cluster, "orders"), level: .info, reason: "Test", message: "number \(number)")
}

extension MySQLStore {
    fileprivate func lease(_ name: String = "server-a") async throws -> Lease {
        try await acquireLease(holder: holder(name), duration: .seconds(15), now: moment)
    }

    fileprivate func messages() async throws -> [String] { try await events(unit: nil, limit: 10_000).map(\.message) }
}

extension OnOneDatabase {
    @Suite struct MySQLStoreTests {
        let server: TestServer

        init() throws { server = try TestServer.running.get() }

        @Test(arguments: MetadataStoreConformance.checks)
        func `the store on MariaDB keeps every rule`(check: MetadataStoreConformance.Check) async throws {
            try await check.run { try await server.emptyStore(retention: $0) }
        }

        @Test func `an empty database holds no store, and one that was made is found by another server`() async throws {
            let place = try await server.place()
            let (first, second) = (server.store(place), server.store(place))
            #expect(try await !first.exists())
            try await first.make()
            #expect(try await second.exists())
            let identity = try await first.load().records.storeID
            try await second.make()
            #expect(try await second.load().records.storeID == identity)
        }

        @Test func `of servers that make the store at once all have the same one`() async throws {
            let place = try await server.place()
            let stores = (0..<4).map { _ in server.store(place) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for store in stores { group.addTask { try await store.make() } }
                try await group.waitForAll()
            }
            var identities: Set<String> = []
            for store in stores { identities.insert(try await store.load().records.storeID) }
            #expect(identities.count == 1)
        }

        @Test func `a database with other tables, and a store of a newer release, are refused`() async throws {
            let place = try await server.place()
            let connection = try await server.administrator()
            try await connection.query("CREATE TABLE \(identifier: place.database).precious (a INT)", within: .seconds(5))
            await #expect(throws: StoreError.self) { try await server.store(place).exists() }
            await #expect(throws: StoreError.self) { try await server.store(place).make() }
            let newer = server.store(try await server.place())
            try await newer.make()
            try await connection.query("INSERT INTO \(identifier: newer.place.database).schema_steps VALUES (99)", within: .seconds(5))
            await #expect(throws: StoreError.self) { try await newer.exists() }
            await connection.close()
        }

        @Test func `a server that leads is found by those that do not`() async throws {
            let place = try await server.place()
            let (first, second) = (server.store(place, url: "http://127.0.0.1:1"), server.store(place, url: "http://127.0.0.1:2"))
            try await first.make()
            #expect(try await second.leaderURL() == nil)
            let lease = try await first.lease("a")
            #expect(try await second.leaderURL() == "http://127.0.0.1:1")
            await #expect(throws: StoreError.leaseLost(term: lease.term)) { _ = try await second.lease("b") }
            #expect(try await second.leaderURL() == "http://127.0.0.1:1")
            try await first.releaseLease(lease)
            #expect(try await second.leaderURL() == nil)
            _ = try await second.lease("b")
            #expect(try await first.leaderURL() == "http://127.0.0.1:2")
        }

        @Test func `a lease is measured by the database's clock, whatever the servers' say`() async throws {
            let place = try await server.place()
            let (first, second) = (server.store(place, clock: .database), server.store(place, clock: .database))
            try await first.make()
            let lease = try await first.acquireLease(holder: holder("a"), duration: .seconds(2), now: moment)
            let ahead = moment + .seconds(100_000_000)
            await #expect(throws: StoreError.leaseLost(term: lease.term)) {
                _ = try await second.acquireLease(holder: holder("b"), duration: .seconds(2), now: ahead)
            }
            let end = ContinuousClock.now + .seconds(20)
            var taken: Lease?
            while taken == nil, ContinuousClock.now < end {
                do { taken = try await second.acquireLease(holder: holder("b"), duration: .seconds(2), now: moment) } catch StoreError.leaseLost {
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            #expect(taken?.term == lease.term + 1)
        }

        @Test func `of servers that ask for the lease at once one gets it, and only its writes are made`() async throws {
            let place = try await server.place()
            let stores = (0..<6).map { _ in server.store(place) }
            try await stores[0].make()
            let leases = try await withThrowingTaskGroup(of: (Int, Lease?).self) { group in
                for (number, store) in stores.enumerated() {
                    group.addTask {
                        do { return (number, try await store.lease("server-\(number)")) } catch StoreError.leaseLost { return (number, nil) }
                    }
                }
                return try await group.reduce(into: [Int: Lease]()) { all, one in all[one.0] = one.1 }
            }
            #expect(leases.count == 1 && leases.values.first?.term == 1)
            let leader = try #require(leases.keys.first)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 { group.addTask { try await stores[leader].commit([.appendEvent(event(number))], term: 1) } }
                for (number, store) in stores.enumerated() where number != leader {
                    group.addTask {
                        await #expect(throws: StoreError.leaseLost(term: 1)) { try await store.commit([.appendEvent(event(99))], term: 2) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await stores[0].messages().sorted() == (0..<30).map { "number \($0)" }.sorted())
        }

        @Test func `servers of one store have one fleet key`() async throws {
            let place = try await server.place()
            let (first, second) = (server.store(place), server.store(place))
            try await first.make()
            #expect(try await second.keyDigest() == nil)
            try await first.agree(onKey: "one")
            try await second.agree(onKey: "one")
            #expect(try await second.keyDigest() == "one")
            await #expect(throws: StoreError.self) { try await second.agree(onKey: "another") }
            #expect(try await first.keyDigest() == "one")
        }

        @Test func `text comes back as it was, and names that differ in case, accents or spaces are different`() async throws {
            let store = try await server.emptyStore()
            let term = try await store.lease().term
            let names = ["orders", "Orders", "órders", "orders ", "o'r\\d\"ers\u{0}", "🐙"]
            try await store.commit(names.map { .putChannel(name: $0, digest: "d \($0)") }, term: term)
            #expect(try await store.load().records.channels == Dictionary(uniqueKeysWithValues: names.map { ($0, "d \($0)") }))
        }

        @Test func `many clusters are written by few statements and read in parts`() async throws {
            let store = try await server.emptyStore()
            let term = try await store.lease().term
            let clusters = (1...6_001).map { number in
                var cluster = ClusterRecords(uid: "uid-\(number)", name: "c\(number)", gtidDomain: Int64(number))
                cluster.members = [
                    MemberRecord(ordinal: 1, host: "h\(number)", zone: "z", address: "127.0.0.1", port: 3306, serverID: Int64(number))
                ]
                return cluster
            }
            try await store.commit(clusters.map { .putCluster($0) }, term: term)
            #expect(try await store.load().records.clusters == Dictionary(uniqueKeysWithValues: clusters.map { ($0.name, $0) }))
            var late = clusters[6_000]
            late.gtidDomain = 1
            await #expect(throws: StoreError.conflict("GTID domain 1 is both c1's and c6001's")) {
                try await store.commit(clusters.dropLast().map { .putCluster($0) } + [.putCluster(late)], term: term)
            }
        }

        @Test func `nothing answers at the address of a database that is away, and the sentence says so in time`() async throws {
            let place = try #require(MySQLStorePlace(url: "mysql://root@127.0.0.1:1/none"))
            let began = ContinuousClock.now
            do {
                _ = try await server.store(place).lease()
                Issue.record("it answered")
            } catch StoreError.unavailable(let sentence) {
                #expect(sentence.contains("mysql://root@127.0.0.1:1/none") && !sentence.contains(TestServer.password))
            }
            #expect(ContinuousClock.now - began < .seconds(20))
        }

        @Test func `a connection by TLS trusts only its authority, for the name that it was made for`() async throws {
            let place = try await server.place(authority: server.certificate)
            #expect(try await !server.store(place).exists())
            let connection = try await MySQLConnection.connect(
                to: place.address, user: "keeper", password: TestServer.password, authority: server.certificate, within: .seconds(5))
            let cipher = try await connection.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'", within: .seconds(5)).rows
            #expect(cipher.first?[1].map { !$0.isEmpty } == true)
            await connection.close()
            var other = place
            other.authority = server.foreignCertificate
            await #expect(throws: StoreError.self) { try await server.store(other).exists() }
        }
    }
}
