import FleetModel
import MySQLClient
import Testing

@testable import Engines

/// Tests with real servers run one at a time: the machine is small.
@Suite(.serialized) struct RealServers {}

extension RealServers {
    @Suite struct Founding {
        @Test func `an instance is installed, started closed, and seen`() async throws {
            let host = try TestHost()
            let made = try await host.perform(.install(host.blueprint(1)), on: 1)
            #expect(made.acted && made.engineVersion?.hasPrefix("10.11.") == true)
            #expect(try await host.observe(1).process == .stopped)
            #expect(try await host.observe(1).configDigest == SHA256.hex(host.configuration(1)))
            let started = try await host.perform(.start, on: 1)
            #expect(started.readBack["innodb_buffer_pool_size"] == "67108864")
            let report = try await host.observe(1)
            #expect(report.process == .running && report.directory == .ready && report.clusterName == "orders")
            #expect(report.startedParameters["character_set_server"] == "utf8mb4")
            let database = try #require(report.database)
            #expect(database.readOnly && !database.isInitialized && database.serverID == 1)
            #expect(database.accounts == [] && database.databases == [] && database.binlogPosition.isEmpty)
            #expect(await host.driver.instances() == [host.id(1)])
            let catalog = try #require(await host.driver.catalogs().first)
            #expect(catalog.dynamic.contains("max_connections") && catalog.fixed.contains("innodb_log_buffer_size"))
            #expect(try await host.perform(.install(host.blueprint(1)), on: 1).acted == false)
            #expect(try await host.perform(.start, on: 1).acted == false)
        }

        @Test func `three instances become a cluster that acknowledges`() async throws {
            let host = try TestHost()
            try await host.make([1, 2, 3])
            try await host.perform(.initialize(replicas: [2, 3]), on: 1, secrets: TestHost.secrets)
            for replica in [2, 3] {
                try await host.perform(.replicate(source: host.peer(1)), on: replica)
                try await host.perform(.acknowledge(source: host.peer(1)), on: replica)
            }
            try await host.perform(.open(epoch: 1, semiSync: true), on: 1)
            let writer = try await host.database(1)
            #expect(!writer.readOnly && writer.semiSyncPrimary && writer.isInitialized)
            #expect(try await eventually { try await host.database(1).semiSyncClients == 2 })
            _ = try await host.sql(1, "CREATE DATABASE shop")
            _ = try await host.sql(1, "CREATE TABLE shop.rows (id INT PRIMARY KEY)")
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1), (2)")
            for replica in [2, 3] {
                #expect(try await eventually { try await host.database(replica).binlogPosition == host.database(1).binlogPosition })
                let database = try await host.database(replica)
                #expect(database.readOnly && database.semiSyncReplica && database.isInitialized)
                #expect(database.replication?.ioRunning == true && database.replication?.sqlRunning == true)
                #expect(database.databases.map(\.name) == ["shop"])
                // The binlog has a group a moment before its rows are seen.
                #expect(try await eventually { try await host.sql(replica, "SELECT COUNT(*) FROM shop.rows").first == "2" })
                #expect(try await host.sql(replica, "SELECT CONVERT_TZ('2024-07-01 12:00:00', 'UTC', 'Europe/Berlin')").first == "2024-07-01 14:00:00")
                #expect(try await host.perform(.replicate(source: host.peer(1)), on: replica).acted)
                #expect(try await host.perform(.replicate(source: host.peer(1)), on: replica).acted == false)
                #expect(try await host.perform(.acknowledge(source: host.peer(1)), on: replica).acted)
                #expect(try await host.perform(.acknowledge(source: host.peer(1)), on: replica).acted == false)
            }
            #expect(try await host.perform(.initialize(replicas: [2, 3]), on: 1, secrets: TestHost.secrets).acted == false)
            #expect(try await host.perform(.open(epoch: 1, semiSync: true), on: 1).acted == false)
        }
    }
}
