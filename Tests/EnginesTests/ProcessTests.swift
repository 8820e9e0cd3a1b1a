import FleetModel
import Glibc
import MySQLClient
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Processes {
        private static func process(_ host: TestHost, _ ordinal: Int) throws -> ProcessIdentity {
            try #require(ProcessIdentity(Files.text(host.layout(ordinal).processRecord) ?? ""))
        }

        /// The next exit that a driver tells, and how long it took; nil where none came in time.
        private static func nextExit(_ driver: MariaDBDriver, within bound: Duration = .seconds(5)) async -> InstanceID? {
            await withTaskGroup(of: InstanceID?.self) { group in
                group.addTask {
                    for await id in driver.exits { return id }
                    return nil
                }
                group.addTask {
                    try? await Task.sleep(for: bound)
                    return nil
                }
                defer { group.cancelAll() }
                return await group.next() ?? nil
            }
        }

        @Test(arguments: [false, true]) func `a killed database is seen at once and started closed`(byLaterAgent: Bool) async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let driver = byLaterAgent ? host.anotherDriver() : host.driver
            #expect(await driver.observe(host.id(1), fingerprintKey: nil)?.process == .running)
            let began = ContinuousClock.now
            try Self.process(host, 1).send(SIGKILL)
            #expect(await Self.nextExit(driver) == host.id(1))
            #expect(ContinuousClock.now - began < .seconds(2))
            #expect(await driver.observe(host.id(1), fingerprintKey: nil)?.process == .stopped)
            try await driver.startClosed(host.id(1))
            try await driver.startClosed(host.id(1))
            let database = try #require(await driver.observe(host.id(1), fingerprintKey: nil)?.database)
            #expect(database.readOnly && !database.semiSyncPrimary && database.replication == nil)
        }

        @Test func `a process that no record names is found and not started twice`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let running = try Self.process(host, 1)
            try Files.remove(host.layout(1).processRecord)
            let later = host.anotherDriver()
            #expect(await later.observe(host.id(1), fingerprintKey: nil)?.process == .running)
            try await later.startClosed(host.id(1))
            #expect(running.isAlive)
            // Nor is a backup, which reads the server's file too, mistaken for it.
            try Files.remove(host.layout(1).processRecord)
            let backup = try PipedTool(
                Spawn(executable: "/bin/sh", arguments: ["-c", "sleep 60; :", "sh", "--defaults-file=" + host.layout(1).started]),
                .output, errorsAt: "/dev/null")
            running.send(SIGKILL)
            #expect(try await eventually { !running.isAlive })
            #expect(await host.anotherDriver().observe(host.id(1), fingerprintKey: nil)?.process == .stopped)
            await backup.end()
            try await later.startClosed(host.id(1))
            // A number that is used again is not taken for the database.
            let other = ProcessIdentity(id: getpid(), started: 1, boot: running.boot)
            try Files.write(host.layout(1).processRecord, other.description)
            #expect(!other.isAlive)
            #expect(await host.anotherDriver().observe(host.id(1), fingerprintKey: nil)?.process == .running)
        }

        @Test func `our own stop is no exit to act on, and a replica drops nothing over a restart`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            _ = try await host.sql(1, "INSERT INTO shop.rows SELECT seq FROM shop.seq_1_to_500")
            let ordered = host.configuration(2, parameters: ["max_connections": "77"])
            #expect(try await host.perform(.configure(configuration: ordered), on: 2).acted)
            #expect(try await host.perform(.configure(configuration: ordered), on: 2).acted == false)
            #expect(try await host.observe(2).startedParameters["max_connections"] == nil)
            let restarted = try await host.perform(.restart(isPrimary: false), on: 2)
            #expect(restarted.acted && restarted.readBack["max_connections"] == "77")
            #expect(try await host.perform(.restart(isPrimary: false), on: 2).acted == false)
            let report = try await host.observe(2)
            #expect(report.startedParameters["max_connections"] == "77")
            #expect(report.database?.replication?.ioRunning == false && report.database?.readOnly == true)
            #expect(try await host.rows(2).count == 500)
            #expect(Files.names(in: host.layout(2).relayAside).count == 1)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            #expect(await Self.nextExit(host.driver, within: .milliseconds(300)) == nil)
        }

        @Test func `a writer is restarted closed, and its clients are told no before it stops`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.perform(.configure(configuration: host.configuration(1, parameters: ["max_connections": "66"])), on: 1)
            #expect(try await host.perform(.restart(isPrimary: true), on: 1).readBack["max_connections"] == "66")
            let database = try await host.database(1)
            #expect(database.readOnly && !database.semiSyncPrimary)
            try await host.perform(.open(epoch: 1, semiSync: true), on: 1)
            #expect(try await !host.database(1).readOnly)
        }

        @Test func `a frozen database is unresponsive, and a look at it ends`() async throws {
            let host = try TestHost()
            try await host.make([1])
            #expect(try await host.observe(1).process == .running)
            let process = try Self.process(host, 1)
            process.send(SIGSTOP)
            defer { kill(process.id, SIGCONT) }
            let began = ContinuousClock.now
            let report = try await host.observe(1)
            #expect(report.process == .unresponsive && report.database == nil)
            // A look has 2 s; what is bounded next, a connection, has 5 s.
            #expect(ContinuousClock.now - began < .milliseconds(4500))
            // The handshake of a new connection is bounded too.
            #expect(await host.anotherDriver().observe(host.id(1), fingerprintKey: nil)?.process == .unresponsive)
            process.send(SIGCONT)
            #expect(try await eventually { try await host.observe(1).process == .running })
        }

        @Test func `a configuration that was changed or deleted by hand shows`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let ordered = SHA256.hex(host.configuration(1))
            #expect(try await host.observe(1).configDigest == ordered)
            let path = host.layout(1).configuration
            let text = try #require(try Files.text(path))
            try Files.write(path, text + "max_connections=5\n")
            let changed = try await host.observe(1).configDigest
            #expect(changed != nil && changed != ordered)
            try Files.remove(path)
            #expect(try await host.observe(1).configDigest == nil)
            #expect(try await host.perform(.configure(configuration: host.configuration(1)), on: 1).acted)
            #expect(try await host.observe(1).configDigest == ordered)
            try Files.remove(path)
            try Self.process(host, 1).send(SIGKILL)
            #expect(await Self.nextExit(host.driver) == host.id(1))
            try await host.driver.startClosed(host.id(1))
            #expect(try await host.observe(1).configDigest == ordered)
        }

        @Test func `a server that refuses its configuration says why`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let wrong = host.configuration(1, parameters: ["innodb_flush_method": "sideways"])
            try await host.perform(.configure(configuration: wrong), on: 1)
            let error = await #expect(throws: EngineError.self) { try await host.perform(.restart(isPrimary: false), on: 1) }
            #expect(error?.kind == .permanent && error?.message.contains("sideways") == true)
            let unknown = await #expect(throws: EngineError.self) {
                try await host.perform(.install(host.blueprint(2, parameters: ["no_such_variable": "1"])), on: 2)
                try await host.perform(.start, on: 2)
            }
            #expect(unknown?.kind == .permanent && unknown?.message.contains("no_such_variable") == true)
        }

        @Test func `a data directory whose path is too long for a socket works all the same`() async throws {
            let host = try TestHost(subdirectory: String(repeating: "long/", count: 20))
            #expect(!host.layout(1).socket.hasPrefix(host.directory))
            try await host.make([1])
            #expect(try await host.observe(1).process == .running)
            try await host.perform(.retire, on: 1)
            try await host.perform(.purge, on: 1)
            #expect(!Files.exists(host.layout(1).socketDirectory))
        }

        @Test func `a directory that others made is not touched`() async throws {
            let host = try TestHost()
            try Files.makeDirectory(host.layout(1).data)
            try Files.write(host.layout(1).data + "/precious", "data")
            let error = await #expect(throws: EngineError.self) { try await host.perform(.install(host.blueprint(1)), on: 1) }
            #expect(error?.kind == .permanent)
            #expect(try Files.text(host.layout(1).data + "/precious") == "data")
            try await host.perform(.install(host.blueprint(2)), on: 2)
            var other = host.blueprint(2)
            other.serverID = 99
            #expect(await #expect(throws: EngineError.self) { try await host.perform(.install(other), on: 2) }?.kind == .refused)
        }

        @Test func `a half-made instance is made again, and its processes ended first`() async throws {
            let host = try TestHost()
            try await host.make([1])
            // As if the agent had been killed between the data directory and the mark's removal.
            let running = try Self.process(host, 1)
            try Files.write(host.layout(1).halfMadeMark, "")
            #expect(try await host.observe(1).directory == .halfMade)
            #expect(await #expect(throws: EngineError.self) { try await host.perform(.start, on: 1) }?.kind == .refused)
            #expect(try await host.perform(.install(host.blueprint(1)), on: 1).acted)
            #expect(!running.isAlive)
            #expect(try await host.perform(.start, on: 1).acted)
        }

        @Test func `a retired instance stays stopped until it is purged`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            #expect(await #expect(throws: EngineError.self) { try await host.perform(.purge, on: 2) }?.kind == .refused)
            #expect(try await host.perform(.retire, on: 2).acted)
            #expect(try await host.perform(.retire, on: 2).acted == false)
            let report = try await host.observe(2)
            #expect(report.directory == .retired && report.process == .stopped && report.usedBytes > 1 << 20)
            await #expect(throws: EngineError.self) { try await host.driver.startClosed(host.id(2)) }
            #expect(try await host.perform(.purge, on: 2).acted)
            #expect(try await host.perform(.purge, on: 2).acted == false)
            #expect(await host.driver.observe(host.id(2), fingerprintKey: nil) == nil)
            #expect(await host.driver.instances() == [host.id(1)])
            #expect(!Files.exists(host.layout(2).directory))
        }
    }
}
