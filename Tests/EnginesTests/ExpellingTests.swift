import FleetModel
import MySQLClient
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Expelling {
        @Test func `a replica that is refused is gone for good, the other one acknowledges, and it is let in again`() async throws {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            #expect(try await host.database(1).connectedReplicas == [2, 3])
            #expect(try await eventually { try await host.database(3).appliedPosition == host.database(1).binlogPosition })
            let result = try await host.perform(.expel(ordinal: 3), on: 1)
            #expect(result.acted)
            let position = try #require(result.position)
            #expect(try await eventually { try await host.observe(2).database?.appliedPosition.contains(position) == true })
            #expect(try await host.perform(.expel(ordinal: 3), on: 1).acted == false)
            // The lock is the writer's own: no other member has it, and no GTID was taken.
            #expect(try await host.database(1).binlogPosition == position)
            #expect(try await host.database(1).replicationAccounts == [1, 2])
            #expect(try await host.database(2).replicationAccounts == [1, 2, 3])
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            #expect(try await host.database(1).connectedReplicas == [2])
            #expect(try await host.rows(3) == [])

            try await host.perform(.prepareReplica(ordinal: 3), on: 1, secrets: TestHost.secrets)
            try await host.perform(.replicate(source: host.peer(1), acknowledges: true), on: 3)
            #expect(try await eventually { try await host.rows(3) == [1] })
            #expect(try await eventually { try await host.database(1).connectedReplicas == [2, 3] })
        }

        @Test func `where nobody is left to acknowledge one is let in again without waiting for an acknowledgement`() async throws {
            let host = try TestHost()
            try await host.found()
            for ordinal in [2, 3] { try await host.perform(.expel(ordinal: ordinal), on: 1) }
            #expect(try await eventually { try await host.database(1).semiSyncClients == 0 })
            let before = try await host.database(1).binlogPosition
            for ordinal in [2, 3] {
                try await host.perform(.prepareReplica(ordinal: ordinal), on: 1, secrets: TestHost.secrets)
            }
            #expect(try await host.database(1).binlogPosition == before)
            #expect(try await host.database(1).replicationAccounts == [1, 2, 3])
            try await host.perform(.replicate(source: host.peer(1), acknowledges: true), on: 2)
            try await host.makeShop()
        }

        @Test func `an account that is missing is made by a writer on which nobody acknowledges`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.perform(.expel(ordinal: 2), on: 1)
            #expect(try await eventually { try await host.database(1).semiSyncClients == 0 })
            let before = try await host.database(1).binlogPosition
            try await host.perform(.prepareReplica(ordinal: 7), on: 1, secrets: ["replicationPassword.7": "secret seven"])
            #expect(try await host.database(1).replicationAccounts.contains(7))
            #expect(try await host.database(1).binlogPosition == before)
        }

        @Test func `a closed writer refuses too, is opened without anybody, and tells still who is connected`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.perform(.close, on: 1)
            #expect(try await host.perform(.expel(ordinal: 2), on: 1).acted)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
            try await host.makeShop()
            let alone = try await host.database(1)
            #expect(!alone.readOnly && !alone.semiSyncPrimary && alone.connectedReplicas == [])
            try await host.perform(.prepareReplica(ordinal: 2), on: 1, secrets: TestHost.secrets)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            #expect(try await eventually { try await host.database(1).connectedReplicas == [2] })
        }

        @Test func `only the writer refuses`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let error = await #expect(throws: EngineError.self) { try await host.perform(.expel(ordinal: 1), on: 2) }
            #expect(error?.kind == .refused)
        }
    }
}
