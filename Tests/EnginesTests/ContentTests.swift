import FleetModel
import MySQLClient
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Content {
        private static func account(_ grants: [Grant]) -> AccountSpec {
            AccountSpec(name: "app", host: "127.%", passwordFrom: .file("app"), grants: grants)
        }

        private static func ensure(_ grants: [Grant], on host: TestHost, password: String = "app-secret") async throws -> TaskResult {
            try await host.perform(.ensureAccount(account(grants), fingerprint: ""), on: 1, secrets: ["accountPassword": password])
        }

        private static func open(_ host: TestHost) async throws {
            try await host.make([1])
            try await host.perform(.initialize(replicas: [1]), on: 1, secrets: TestHost.secrets)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
        }

        @Test func `an account becomes exactly what is declared, and nothing is written where it is`() async throws {
            let host = try TestHost()
            try await Self.open(host)
            _ = try await host.sql(1, "CREATE DATABASE other")
            _ = try await host.sql(1, "CREATE TABLE other.table_1 (id INT)")
            let key = "00ff10"
            let first = [Grant(on: "my_shop.*", privileges: ["INSERT", "SELECT"]), Grant(on: "other.table_1", privileges: ["SELECT"])]
            #expect(try await Self.ensure(first, on: host).acted)
            let position = try await host.database(1).binlogPosition
            #expect(try await Self.ensure(first, on: host).acted == false)
            #expect(try await host.database(1).binlogPosition == position)
            let facts = try #require(try await host.database(1, key: key).accounts.first)
            #expect(facts.key == "app@127.%" && facts.grants == first)
            let expected = Fingerprint.account(NativePassword.authenticationString("app-secret"), key: [0, 255, 16])
            #expect(facts.fingerprint == expected)
            #expect(try await host.database(1).accounts.first?.fingerprint == nil)

            let second = [Grant(on: "my_shop.*", privileges: ["SELECT", "UPDATE"], withGrantOption: true)]
            #expect(try await Self.ensure(second, on: host).acted)
            #expect(try await host.database(1).accounts.first?.grants == second)
            let all = [Grant(on: "my_shop.*", privileges: ["ALL PRIVILEGES"])]
            #expect(try await Self.ensure(all, on: host).acted)
            #expect(try await host.database(1).accounts.first?.grants == all)
            #expect(try await Self.ensure(first, on: host).acted)
            #expect(try await host.database(1).accounts.first?.grants == first)

            #expect(try await Self.ensure(first, on: host, password: "changed").acted)
            #expect(try await host.database(1, key: key).accounts.first?.fingerprint != expected)
        }

        @Test func `what an operator did to an account by hand is seen and undone`() async throws {
            let host = try TestHost()
            try await Self.open(host)
            let wanted = [Grant(on: "my_shop.*", privileges: ["SELECT"])]
            _ = try await Self.ensure(wanted, on: host)
            let before = try await host.database(1, key: "00").accounts
            for (statement, isSeen) in [
                ("GRANT ALL PRIVILEGES ON *.* TO 'app'@'127.%' WITH GRANT OPTION", true),
                ("GRANT SELECT ON `my_shop`.* TO 'app'@'127.%'", true),
                ("CREATE ROLE boss", false), ("GRANT boss TO 'app'@'127.%'", true),
                ("CREATE DATABASE d", false), ("CREATE TABLE d.t (a INT, b INT)", false),
                ("GRANT SELECT (a, b), UPDATE (a) ON d.t TO 'app'@'127.%'", true),
                ("CREATE PROCEDURE d.p() SELECT 1", false), ("GRANT EXECUTE ON PROCEDURE d.p TO 'app'@'127.%'", true),
                ("ALTER USER 'app'@'127.%' ACCOUNT LOCK", true), ("ALTER USER 'app'@'127.%' IDENTIFIED BY 'other'", true),
                ("REVOKE SELECT ON `my\\_shop`.* FROM 'app'@'127.%'", true), ("DROP USER 'app'@'127.%'", true),
            ] {
                _ = try await host.sql(1, SQL(verbatim: statement))
                guard isSeen else { continue }
                #expect(try await host.database(1, key: "00").accounts != before, "\(statement)")
                #expect(try await Self.ensure(wanted, on: host).acted, "\(statement)")
                #expect(try await host.database(1, key: "00").accounts == before, "\(statement)")
            }
            #expect(try await host.perform(.dropAccount(name: "app", host: "127.%"), on: 1).acted)
            #expect(try await host.perform(.dropAccount(name: "app", host: "127.%"), on: 1).acted == false)
            #expect(try await host.database(1).accounts == [])
        }

        @Test func `a database is made with its character set, changed, and dropped`() async throws {
            let host = try TestHost()
            try await Self.open(host)
            let odd = "we`ird-name"
            let spec = DatabaseSpec(name: odd, characterSet: "latin1")
            #expect(try await host.perform(.ensureDatabase(spec), on: 1).acted)
            #expect(try await host.perform(.ensureDatabase(spec), on: 1).acted == false)
            #expect(try await host.database(1).databases == [DatabaseFacts(name: odd, characterSet: "latin1", collation: "latin1_swedish_ci")])
            let changed = DatabaseSpec(name: odd, characterSet: "utf8mb4", collation: "utf8mb4_bin")
            #expect(try await host.perform(.ensureDatabase(changed), on: 1).acted)
            #expect(try await host.database(1).databases == [DatabaseFacts(name: odd, characterSet: "utf8mb4", collation: "utf8mb4_bin")])
            let unknown = DatabaseSpec(name: "x", characterSet: "klingon")
            #expect(await #expect(throws: EngineError.self) { try await host.perform(.ensureDatabase(unknown), on: 1) }?.kind == .permanent)
            #expect(try await host.perform(.dropDatabase(name: odd), on: 1).acted)
            #expect(try await host.perform(.dropDatabase(name: odd), on: 1).acted == false)
            await #expect(throws: EngineError.self) { try await host.perform(.dropDatabase(name: "mysql"), on: 1) }
        }

        @Test func `variables are set, written down, and read back as the server has them`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let parameters = [
                "innodb_buffer_pool_size": "100000000", "max_connections": "1000000", "sql_mode": "TRADITIONAL",
                "slow_query_log": "on", "max_allowed_packet": "32M", "long_query_time": "0.5",
            ]
            let configuration = host.configuration(1, parameters: parameters)
            let result = try await host.perform(
                .setVariables(values: parameters.mapValues { $0 }, configuration: configuration), on: 1)
            #expect(result.readBack["max_connections"] == "100000")
            #expect(result.readBack["slow_query_log"] == "ON")
            #expect(result.readBack["max_allowed_packet"] == "33554432")
            #expect(result.readBack["long_query_time"] == "0.500000")
            #expect(result.readBack["sql_mode"]?.contains("STRICT_ALL_TABLES") == true)
            let report = try await host.observe(1)
            #expect(report.configDigest == SHA256.hex(configuration))
            #expect(report.startedParameters["max_connections"] == nil)
            for (name, value) in result.readBack { #expect(report.database?.variables[name] == value) }

            // A start reads the same back.
            try await host.perform(.restart(isPrimary: false), on: 1)
            let restarted = try await host.perform(.start, on: 1).readBack
            #expect(restarted["innodb_buffer_pool_size"] == "99614720")

            let back = try await host.perform(
                .setVariables(values: ["slow_query_log": nil], configuration: host.configuration(1)), on: 1)
            #expect(back.readBack["slow_query_log"] == "OFF")
        }

        @Test(arguments: [("no_such_variable", "1"), ("innodb_log_buffer_size", "1M"), ("max_connections", "many"), ("binlog_row_image", "HALF")])
        func `a variable or value that the server refuses changes nothing`(name: String, value: String) async throws {
            let host = try TestHost()
            try await host.make([1])
            let before = try await host.observe(1).configDigest
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(
                    .setVariables(values: [name: value], configuration: host.configuration(1, parameters: [name: value])), on: 1)
            }
            #expect(error?.kind == .permanent && error?.message.contains(name) == true)
            #expect(try await host.observe(1).configDigest == before)
        }

        @Test func `what ours does outside the writer takes no GTID`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let before = try await host.database(1).binlogPosition
            #expect(try await eventually { try await host.database(2).binlogPosition == before })
            let configuration = host.configuration(2, parameters: ["max_connections": "99"])
            try await host.perform(.setVariables(values: ["max_connections": "99"], configuration: configuration), on: 2)
            try await host.perform(.restart(isPrimary: false), on: 2)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            try await host.perform(.acknowledge(source: host.peer(1)), on: 2)
            #expect(try await host.database(2).binlogPosition == before)
        }
    }
}
