import FleetModel
import MySQLClient
import Synchronization
import Testing

@testable import Engines

/// Writes one row after another through whichever instance takes writes, and remembers those that were acknowledged.
final class WritingClient: Sendable {
    private let host: TestHost
    private let ordinals: [Int]
    private let state = Mutex((next: 1, acknowledged: Set<Int>()))

    init(_ host: TestHost, _ ordinals: [Int]) {
        self.host = host
        self.ordinals = ordinals
    }

    var acknowledged: Set<Int> { state.withLock { $0.acknowledged } }

    func run() async {
        while !Task.isCancelled {
            for ordinal in ordinals {
                guard
                    let connection = try? await MySQLConnection.connect(
                        to: .tcp(host: host.peer(ordinal).address, port: host.peer(ordinal).port), user: "app", password: "app-secret",
                        within: .seconds(1))
                else { continue }
                while !Task.isCancelled {
                    let row = state.withLock { state in
                        defer { state.next += 1 }
                        return state.next
                    }
                    guard (try? await connection.query("INSERT INTO shop.rows VALUES (\(row))", within: .seconds(5))) != nil else { break }
                    state.withLock { _ = $0.acknowledged.insert(row) }
                }
                await connection.close()
            }
        }
    }
}

extension TestHost {
    func makeShop() async throws {
        try await perform(.ensureDatabase(DatabaseSpec(name: "shop")), on: 1)
        _ = try await sql(1, "CREATE TABLE shop.rows (id INT PRIMARY KEY)")
        let app = AccountSpec(
            name: "app", host: "127.%", passwordFrom: .file("app"),
            grants: [Grant(on: "shop.*", privileges: ["DELETE", "INSERT", "SELECT", "UPDATE"])])
        try await perform(.ensureAccount(app, fingerprint: ""), on: 1, secrets: ["accountPassword": "app-secret"])
    }

    func rows(_ ordinal: Int) async throws -> Set<Int> {
        Set(try await sql(ordinal, "SELECT id FROM shop.rows").rows.compactMap { $0[0].flatMap { Int($0) } })
    }
}

extension RealServers {
    @Suite struct Switchover {
        @Test func `a planned change of writer under a writing client loses nothing`() async throws {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            let client = WritingClient(host, [1, 2, 3])
            let writing = Task { await client.run() }
            defer { writing.cancel() }
            #expect(try await eventually { client.acknowledged.count > 50 })
            // Replica 3 waits for the candidate before it is re-pointed: a replica may not be ahead of its source.
            try await host.perform(.replicate(source: host.peer(2)), on: 3)
            try await host.perform(.acknowledge(source: host.peer(2)), on: 3)
            let before = client.acknowledged.count
            let position = try #require(try await host.perform(.demote(epoch: 2), on: 1).position)
            #expect(try await host.database(1).readOnly)
            try await host.perform(.promote(epoch: 2, position: position, semiSync: true), on: 2)
            #expect(try await host.perform(.promote(epoch: 2, position: position, semiSync: true), on: 2).acted == false)
            try await host.perform(.replicate(source: host.peer(2)), on: 1)
            try await host.perform(.acknowledge(source: host.peer(2)), on: 1)
            #expect(try await eventually { client.acknowledged.count > before + 50 })
            writing.cancel()
            await writing.value
            let writer = try await host.database(2)
            #expect(!writer.readOnly && writer.semiSyncPrimary && !writer.semiSyncReplica && writer.replication == nil)
            for ordinal in [1, 2, 3] {
                #expect(try await eventually { try await host.database(ordinal).binlogPosition == host.database(2).binlogPosition })
                // Rows are seen after their group is in the log.
                #expect(try await eventually { client.acknowledged.subtracting(try await host.rows(ordinal)) == [] })
            }
            let old = try await host.database(1)
            #expect(old.readOnly && !old.semiSyncPrimary && old.semiSyncReplica)
        }

        @Test func `a writer whose commits wait for an acknowledgement is not demoted, and stays writable`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            let waiting = Task { try await host.sql(1, "INSERT INTO shop.rows VALUES (1)") }
            #expect(try await eventually {
                try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'").first == "1"
            })
            let error = await #expect(throws: EngineError.self) { try await host.perform(.demote(epoch: 2), on: 1) }
            #expect(error?.kind == .transient && error?.message.contains("still writable") == true)
            #expect(try await !host.database(1).readOnly)
            _ = try await host.sql(2, "START SLAVE IO_THREAD")
            _ = try await waiting.value
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted == false)
        }

        /// A session at work, until it is closed.
        private static func busy(_ host: TestHost, _ statements: [SQL]) async throws -> MySQLConnection {
            let connection = try await MySQLConnection.connect(to: .socket(host.layout(1).socket), user: host.host.administrator, within: .seconds(5))
            for statement in statements.dropLast() { try await connection.query(statement, within: .seconds(5)) }
            if let last = statements.last { Task { try await connection.query(last, within: .seconds(120)) } }
            return connection
        }

        /// Until the server shows the thread of a session as one that has run for two seconds, or until none shows.
        private static func runs(_ host: TestHost, _ mark: String) async throws -> Bool {
            try await eventually {
                try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE TIME >= 2 AND ID <> CONNECTION_ID() AND INFO LIKE \("%" + mark + "%")").first != "0"
            }
        }

        @Test func `a long statement that changes rows refuses a demotion before anybody is held up`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            for (mark, statements) in [
                ("INSERT", ["INSERT INTO shop.rows SELECT 4711 + SLEEP(600) FROM DUAL WHERE 'secret' <> ''"]),
                ("FOR UPDATE", ["INSERT INTO shop.rows VALUES (1)", "SELECT id, SLEEP(600) FROM shop.rows FOR UPDATE"]),
                ("CREATE", ["CREATE TABLE shop.made AS SELECT SLEEP(600)"]),
            ] as [(String, [SQL])] {
                let session = try await Self.busy(host, statements)
                #expect(try await Self.runs(host, mark))
                let error = await #expect(throws: EngineError.self) { try await host.perform(.demote(epoch: 2), on: 1) }
                #expect(error?.kind == .refused && error?.message.contains("goes on taking writes: thread ") == true, "\(mark): \(error?.message ?? "")")
                #expect(error?.message.contains("of \(host.host.administrator)@localhost has run for ") == true)
                #expect(error?.message.contains("4711") == false && error?.message.contains("secret") == false)
                // Nobody waits for a lock that the demotion asks for.
                #expect(try await !host.database(1).readOnly)
                #expect(try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SET %read_only%' AND ID <> CONNECTION_ID()").first == "0")
                for id in try await host.sql(1, "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE \("%" + mark + "%") AND ID <> CONNECTION_ID()").rows.compactMap({ $0[0] }) {
                    _ = try await host.sql(1, "KILL \(verbatim: id)")
                }
                await session.close()
                #expect(try await eventually { try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(600)%' AND ID <> CONNECTION_ID()").first == "0" })
            }
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
        }

        @Test func `LOCK TABLES WRITE of an idle session refuses a demotion, and READ does not`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            let writing = try await host.stranger(1, ["LOCK TABLES shop.rows WRITE"])
            let error = await #expect(throws: EngineError.self) { try await host.perform(.demote(epoch: 2), on: 1) }
            #expect(error?.kind == .refused && error?.message.contains("shop.rows by LOCK TABLES … WRITE") == true, "\(error?.message ?? "")")
            #expect(try await !host.database(1).readOnly)
            try await writing.query("UNLOCK TABLES", within: .seconds(5))
            try await writing.query("LOCK TABLES shop.rows READ", within: .seconds(5))
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
            await writing.close()
        }

        @Test func `a long SELECT, a backup and a global read lock hold no demotion up`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            for statements in [
                ["SELECT SLEEP(600) FROM shop.rows"],
                ["START TRANSACTION", "SELECT id FROM shop.rows FOR UPDATE", "DO SLEEP(600)"],
                ["LOCK TABLES shop.rows READ", "DO SLEEP(600)"],
                ["FLUSH TABLES WITH READ LOCK", "DO SLEEP(600)"],
                ["BACKUP STAGE START", "BACKUP STAGE FLUSH", "BACKUP STAGE BLOCK_DDL", "BACKUP STAGE BLOCK_COMMIT", "DO SLEEP(600)"],
            ] as [[SQL]] {
                let session = try await Self.busy(host, statements)
                #expect(try await Self.runs(host, "SLEEP(600)"))
                #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
                for id in try await host.sql(1, "SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(600)%' AND ID <> CONNECTION_ID()").rows.compactMap({ $0[0] }) {
                    _ = try await host.sql(1, "KILL \(verbatim: id)")
                }
                await session.close()
                try await host.perform(.open(epoch: 2, semiSync: true), on: 1)
            }
        }

        @Test func `a statement is shown without what it carries`() {
            #expect(SwitchoverHolder.shown("UPDATE  t1 SET a = 'it''s', b=\"x\\\"y\", c = -12.5e3 /* 7 */ WHERE `id 9` = 0xff") == "UPDATE t1 SET a = ?, b=?, c = -? WHERE `id 9` = ?")
            #expect(SwitchoverHolder.shown("INSERT INTO t VALUES ('never ends") == "INSERT INTO t VALUES (?")
            #expect(SwitchoverHolder.shown(String(repeating: "ab ", count: 100)).count == SwitchoverHolder.shownMax + 1)
            for quiet in ["SELECT 'UPDATE'", "(SELECT 1)", "show tables", "SET @a = (SELECT 1)", "FLUSH TABLES WITH READ LOCK", "-- DELETE\nSELECT 1"] {
                #expect(!SwitchoverHolder.changes(quiet), "\(quiet)")
            }
            for loud in ["/* SELECT */ update t set a=1", "SELECT 1 FROM t FOR UPDATE", "SET STATEMENT max_statement_time=1 FOR DELETE FROM t", "CALL p()", "alter table t force"] {
                #expect(SwitchoverHolder.changes(loud), "\(loud)")
            }
        }

        @Test func `a candidate that lacks the position is not promoted`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let ahead = GTIDSet(domains: [7: .init(serverID: 1, sequence: 1_000_000)])
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(.promote(epoch: 2, position: ahead, semiSync: false), on: 2)
            }
            #expect(error?.kind == .refused)
            let database = try await host.database(2)
            #expect(database.readOnly && database.replication?.ioRunning == true)
        }

        @Test func `the writer is opened only once a replica acknowledges`() async throws {
            let host = try TestHost()
            try await host.make([1, 2])
            try await host.perform(.initialize(replicas: [1, 2]), on: 1, secrets: TestHost.secrets)
            #expect(try await host.driver.openByGrant(host.id(1), semiSync: true, within: .milliseconds(300)) == false)
            #expect(try await host.database(1).readOnly)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            #expect(try await host.driver.openByGrant(host.id(1), semiSync: true, within: .milliseconds(300)) == false)
            try await host.perform(.acknowledge(source: host.peer(1)), on: 2)
            #expect(try await host.driver.openByGrant(host.id(1), semiSync: true, within: .seconds(10)))
            let database = try await host.database(1)
            #expect(!database.readOnly && database.semiSyncPrimary)
        }

        @Test func `a replica that was made writable is closed again`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let position = try await host.database(1).binlogPosition
            #expect(try await eventually { try await host.database(2).binlogPosition == position })
            _ = try await host.sql(2, "SET GLOBAL read_only = 0")
            #expect(try await !host.database(2).readOnly)
            #expect(try await host.perform(.close, on: 2).acted)
            #expect(try await host.database(2).readOnly)
            #expect(try await host.perform(.close, on: 2).acted == false)
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(.ensureDatabase(DatabaseSpec(name: "errant")), on: 2)
            }
            #expect(error?.kind == .refused)
            #expect(try await host.database(2).binlogPosition == position)
        }

        @Test func `what a replica received is applied before it is pointed elsewhere, its applier stopped or not`() async throws {
            let host = try TestHost()
            try await host.found([1, 2, 3])
            try await host.makeShop()
            #expect(try await eventually { try await host.database(3).binlogPosition == host.database(1).binlogPosition })
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            _ = try await host.sql(3, "STOP SLAVE SQL_THREAD")
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1), (2)")
            #expect(try await eventually { try await host.database(3).replication?.receivedPosition == host.database(1).binlogPosition })
            #expect(try await host.rows(3) == [])
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            // Nothing is sent any more: the rows are in this replica's relay log alone, as far as it knows.
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
            try await host.perform(.replicate(source: host.peer(2)), on: 3)
            #expect(try await host.rows(3) == [1, 2])
        }

        @Test func `events run on the new writer`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            _ = try await host.sql(1, "CREATE EVENT shop.tick ON SCHEDULE EVERY 1 HOUR DO DELETE FROM shop.rows")
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            #expect(try await host.sql(2, "SELECT STATUS FROM information_schema.EVENTS").first == "SLAVESIDE_DISABLED")
            let position = try #require(try await host.perform(.demote(epoch: 2), on: 1).position)
            try await host.perform(.promote(epoch: 2, position: position, semiSync: false), on: 2)
            #expect(try await host.sql(2, "SELECT STATUS FROM information_schema.EVENTS").first == "ENABLED")
            #expect(try await host.sql(2, "SELECT @@event_scheduler").first == "ON")
            #expect(try await host.sql(1, "SELECT @@event_scheduler").first == "OFF")
        }

        @Test func `a promotion that is cancelled once it takes writes ends by its normal end`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            for number in 1...2 {
                _ = try await host.sql(1, "CREATE EVENT shop.\(identifier: "tick\(number)") ON SCHEDULE EVERY 1 HOUR DO DELETE FROM shop.rows")
            }
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            let position = try #require(try await host.perform(.demote(epoch: 2), on: 1).position)
            // They are enabled after the point of no return, which waits for this: there is time to cancel.
            let blocker = try await host.stranger(2, ["LOCK TABLES mysql.event READ"])
            let promotion = Task { try await host.perform(.promote(epoch: 2, position: position, semiSync: false), on: 2) }
            // Not by the events' status: who reads that table waits behind who is to write it.
            #expect(try await eventually {
                try await host.sql(2, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER EVENT%'").first == "1"
            })
            #expect(try await host.sql(2, "SELECT @@read_only").first == "0")
            promotion.cancel()
            await blocker.close()
            #expect(try await promotion.value.acted)
            let writer = try await host.database(2)
            #expect(!writer.readOnly && writer.replication == nil)
            let disabled: SQL = "SELECT COUNT(*) FROM information_schema.EVENTS WHERE STATUS = 'SLAVESIDE_DISABLED'"
            #expect(try await host.sql(2, disabled).first == "0")
            #expect(try await host.sql(2, "SELECT @@event_scheduler").first == "ON")
        }

        @Test func `a promotion that is cancelled before that is cancelled, and has opened nothing`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            let ahead = GTIDSet(domains: [7: .init(serverID: 1, sequence: 1_000_000)])
            let promotion = Task { try await host.perform(.promote(epoch: 2, position: ahead, semiSync: false), on: 2) }
            #expect(try await eventually {
                try await host.sql(2, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT MASTER_GTID_WAIT%'").first == "1"
            })
            promotion.cancel()
            await #expect(throws: CancellationError.self) { try await promotion.value }
            let candidate = try await host.database(2)
            #expect(candidate.readOnly && candidate.replication?.ioRunning == true && candidate.replication?.sqlRunning == true)
        }

        @Test func `a writer that is started again runs no event before it is opened`() async throws {
            let host = try TestHost()
            try await host.make([1], parameters: ["event_scheduler": "ON"])
            try await host.perform(.initialize(replicas: [1]), on: 1, secrets: TestHost.secrets)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
            _ = try await host.sql(1, "CREATE DATABASE shop")
            _ = try await host.sql(1, "CREATE TABLE shop.rows (id INT PRIMARY KEY AUTO_INCREMENT)")
            _ = try await host.sql(1, "CREATE EVENT shop.tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.rows VALUES ()")
            #expect(try await eventually { try await !host.rows(1).isEmpty })
            try #require(ProcessIdentity(Files.text(host.layout(1).processRecord) ?? "")).send(9)
            #expect(try await eventually { try await host.observe(1).process == .stopped })
            try await host.driver.startClosed(host.id(1))
            let rows = try await host.rows(1)
            // Twice the event's interval, by the server's own clock.
            _ = try await host.sql(1, "SELECT SLEEP(2.2)")
            #expect(try await host.rows(1) == rows)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
            #expect(try await eventually { try await host.rows(1).count > rows.count })
        }
    }
}
