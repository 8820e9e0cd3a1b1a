import FleetModel
import Glibc
import MySQLClient
import Synchronization
import Testing

@testable import Engines

extension TestHost {
    /// A writer with two replicas that receive and do not apply, and rows that only their relay logs hold besides it.
    fileprivate static func withRelayTail(_ rows: ClosedRange<Int> = 1...20, before: (TestHost) async throws -> Void = { _ in }) async throws
        -> (host: TestHost, position: GTIDSet)
    {
        let host = try TestHost()
        try await host.found()
        try await host.makeShop()
        #expect(try await eventually { try await host.areEqual() })
        try await before(host)
        for ordinal in [2, 3] { _ = try await host.sql(ordinal, "STOP SLAVE SQL_THREAD") }
        for row in rows { _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (\(row))") }
        let position = try await host.database(1).binlogPosition
        #expect(try await eventually {
            for ordinal in [2, 3] where try await host.database(ordinal).replication?.receivedPosition != position { return false }
            return true
        })
        return (host, position)
    }

    fileprivate func kill(_ ordinals: [Int]) async throws {
        for ordinal in ordinals { try server(ordinal).send(SIGKILL) }
        for ordinal in ordinals { #expect(try await eventually { try await self.observe(ordinal).process == .stopped }) }
    }

    /// What its agent does with a replica that was killed.
    fileprivate func restart(_ ordinal: Int) async throws {
        try await driver.startClosed(id(ordinal))
        #expect(try await driver.resumeReplication(id(ordinal), acknowledges: true))
    }

    fileprivate func promote(_ ordinal: Int, _ position: GTIDSet, by driver: MariaDBDriver? = nil) async throws -> [String] {
        try await performTelling(.promote(epoch: 2, position: position, semiSync: true), on: ordinal, by: driver)
    }

    /// What it said that it does.
    fileprivate func performTelling(_ action: Action, on ordinal: Int, by driver: MariaDBDriver? = nil) async throws -> [String] {
        let told = Mutex<[String]>([])
        let work = EngineWork(
            attempt: "a", instance: id(ordinal), clusterName: "orders", action: action,
            secrets: ["replicationPassword": Self.secrets["replicationPassword.\(ordinal)"] ?? ""])
        _ = try await (driver ?? self.driver).perform(work) { progress in told.withLock { $0.append(progress.phase) } }
        return told.withLock { $0 }
    }

    /// How many rows its binary log tells to write.
    fileprivate func rowsLogged(_ ordinal: Int) async throws -> Int {
        var count = 0
        for log in try await sql(ordinal, "SHOW BINARY LOGS").records.compactMap({ $0["Log_name"] }) {
            let events = try await sql(ordinal, "SHOW BINLOG EVENTS IN \(log)").records
            count += events.count { $0["Event_type"]?.hasPrefix("Write_rows") == true }
        }
        return count
    }

    fileprivate func hasNoRescue(_ ordinal: Int) async throws -> Bool {
        let connections = try await sql(ordinal, "SHOW ALL SLAVES STATUS").records.compactMap { $0["Connection_name"] }
        let mode = try await sql(ordinal, "SELECT @@GLOBAL.slave_exec_mode, @@GLOBAL.server_id").rows.first
        return connections.allSatisfy(\.isEmpty) && mode == ["STRICT", String(ordinal)]
            && Files.names(in: layout(ordinal).data).allSatisfy { !$0.contains("rescue") }
    }
}

private let fromRelayLogs = "from the relay logs of its last life"

extension RealServers {
    @Suite struct RelayLogRescue {
        @Test(arguments: [1, 3]) func `rows that only the relay logs of a killed replica hold are there once it is promoted`(
            starts: Int
        ) async throws {
            let (host, position) = try await TestHost.withRelayTail()
            try await host.kill([1, 2, 3])
            // Each start of its threads throws the server's own relay logs away.
            for start in 1...starts {
                if start > 1 { try await host.kill([2, 3]) }
                for ordinal in [2, 3] { try await host.restart(ordinal) }
            }
            for ordinal in [2, 3] {
                #expect(try await host.database(ordinal).appliedPosition != position)
                #expect(try await host.revoke(ordinal).position == position)
            }
            #expect(try await host.promote(2, position).contains { $0.contains(fromRelayLogs) })
            #expect(try await host.rows(2) == Set(1...20))
            // Before it is pointed elsewhere, though the new writer has all of it: that one may be lost next.
            let attached = try await host.performTelling(.replicate(source: host.peer(2), acknowledges: true), on: 3)
            #expect(attached.contains { $0.contains(fromRelayLogs) })
            _ = try await host.sql(2, "INSERT INTO shop.rows VALUES (1000)")
            #expect(try await eventually { try await host.areEqual([2, 3]) })
            #expect(try await eventually { try await host.rows(3) == Set(1...20).union([1000]) })
            for ordinal in [2, 3] { #expect(try await host.hasNoRescue(ordinal)) }
            // What is aside is of an earlier source, and counts no more.
            #expect(RelayLogsAside(host.layout(2)).counted.isEmpty && RelayLogsAside(host.layout(3)).counted.isEmpty)
        }

        @Test func `a candidate that is killed between its revocation and its promotion takes over all the same`() async throws {
            let (host, position) = try await TestHost.withRelayTail()
            try await host.kill([1])
            // The applier is held up until the process ends.
            let blocker = try await host.stranger(2, ["BEGIN", "INSERT INTO shop.rows VALUES (5)"])
            #expect(try await host.revoke(2).position == position)
            #expect(try await eventually { try await host.rows(2) == Set(1...4) })
            try await host.kill([2])
            await blocker.close()
            try await host.driver.startClosed(host.id(2))
            #expect(try await host.database(2).replication?.receivedPosition != position)
            _ = try await host.promote(2, position)
            #expect(try await host.rows(2) == Set(1...20))
        }

        @Test(arguments: [1, 100]) func `a torn tail ends the rescue with the last complete group`(bytes: Int64) async throws {
            let (host, position) = try await TestHost.withRelayTail()
            try await host.kill([1, 2])
            let last = try #require(host.files(2).logs(BinlogPositions.relayName, in: host.layout(2).data).last { Files.size($0) > 1000 })
            #expect(truncate(last, off_t(Files.size(last) - bytes)) == 0)
            try await host.restart(2)
            let torn = try await host.revoke(2).position
            #expect(torn.sequences == position.sequences - 1)
            await #expect(throws: EngineError.self) { try await host.promote(2, position) }
            #expect(try await host.database(2).readOnly)
            _ = try await host.promote(2, torn)
            #expect(try await host.rows(2) == Set(1...19))
            #expect(try await host.hasNoRescue(2))
        }

        /// The server that is killed while it throws relay logs away refuses to replicate until they are made anew.
        @Test func `a replica whose list of relay logs names one that is gone replicates on`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            for row in 1...2 {
                try await host.kill([2])
                for log in host.files(2).logs(BinlogPositions.relayName, in: host.layout(2).data) { try Files.remove(log) }
                if row == 1 {
                    try await host.restart(2)
                } else {
                    try await host.driver.startClosed(host.id(2))
                    try await host.perform(.replicate(source: host.peer(1), acknowledges: true), on: 2)
                }
                _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (\(row))")
                #expect(try await eventually { try await host.areEqual([1, 2]) })
            }
        }

        @Test func `a replica that is killed right after an account came to it replicates on`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            for row in 1...2 {
                #expect(try await eventually { try await host.areEqual([1, 2]) })
                // The log has it, and InnoDB writes the position out within the second.
                _ = try await host.sql(1, "CREATE USER u\(row)@localhost")
                #expect(try await eventually { try await host.areEqual([1, 2]) })
                try await host.kill([2])
                if row == 1 {
                    try await host.restart(2)
                } else {
                    try await host.driver.startClosed(host.id(2))
                    try await host.perform(.replicate(source: host.peer(1), acknowledges: true), on: 2)
                }
                _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (\(row))")
            }
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            #expect(try await eventually { try await host.rows(2) == [1, 2] })
        }

        @Test func `a rescue that is cut short is begun again and finished`() async throws {
            let (host, position) = try await TestHost.withRelayTail()
            try await host.kill([1, 2])
            try await host.restart(2)
            for row in [5, 9, 13] {
                // Somebody's lock holds the applier up at that row.
                let blocker = try await host.stranger(2, ["BEGIN", "INSERT INTO shop.rows VALUES (\(row))"])
                let promoting = Task { try await host.promote(2, position) }
                #expect(try await eventually { try await host.rows(2) == Set(1..<row) })
                switch row {
                case 5:
                    try await host.kill([2])
                    await #expect(throws: (any Error).self) { try await promoting.value }
                    try await host.restart(2)
                case 9:
                    // A later failover wants it back. It does not stop in time while it waits for the lock.
                    #expect(try await host.revoke(2).position == position)
                    await #expect(throws: (any Error).self) { try await promoting.value }
                    try await host.restart(2)
                default:
                    // The agent is killed, the server goes on.
                    let later = host.anotherDriver()
                    async let again = host.promote(2, position, by: later)
                    promoting.cancel()
                    try await blocker.query("ROLLBACK", within: .seconds(5))
                    _ = try? await promoting.value
                    _ = try await again
                }
                await blocker.close()
            }
            #expect(try await host.rows(2) == Set(1...20))
            #expect(try await host.hasNoRescue(2))
            #expect(try await !host.database(2).readOnly)
        }

        @Test(arguments: [false, true]) func `an applier that a row stopped which is there already loses nothing of what came after`(
            isKilled: Bool
        ) async throws {
            let (host, position) = try await TestHost.withRelayTail { host in
                let stranger = try await host.stranger(2, ["INSERT INTO shop.rows VALUES (7)"])
                await stranger.close()
            }
            _ = try await host.sql(2, "START SLAVE SQL_THREAD")
            #expect(try await eventually { try await host.database(2).replication?.sqlRunning == false })
            try await host.kill(isKilled ? [1, 2] : [1])
            if isKilled { try await host.restart(2) }
            #expect(try await host.revoke(2).position == position)
            #expect(try await host.promote(2, position).contains { $0.contains("setting rows back") })
            #expect(try await host.rows(2) == Set(1...20))
            #expect(try await host.database(2).binlogPosition == position)
            // Whoever replicates from it gets every row.
            #expect(try await host.rowsLogged(2) == 20)
            #expect(try await host.hasNoRescue(2))
        }

        @Test(arguments: [false, true]) func `a replica that is attached again loses nothing that it had not applied`(
            isResumed: Bool
        ) async throws {
            let (host, position) = try await TestHost.withRelayTail { host in
                let stranger = try await host.stranger(2, ["INSERT INTO shop.rows VALUES (7)"])
                await stranger.close()
            }
            _ = try await host.sql(2, "START SLAVE SQL_THREAD")
            #expect(try await eventually { try await host.database(2).replication?.sqlRunning == false })
            try await host.kill([1])
            if isResumed {
                _ = try await host.sql(2, "STOP SLAVE")
                #expect(try await host.driver.resumeReplication(host.id(2), acknowledges: true))
            } else {
                await #expect(throws: (any Error).self) { try await host.perform(.replicate(source: host.peer(1), acknowledges: true), on: 2) }
            }
            #expect(try await host.revoke(2).position == position)
            _ = try await host.promote(2, position)
            #expect(try await host.rows(2) == Set(1...20))
        }

        @Test func `what cannot be applied promotes nobody, and stays aside`() async throws {
            let (host, position) = try await TestHost.withRelayTail { host in
                let stranger = try await host.stranger(2, ["ALTER TABLE shop.rows RENAME TO shop.elsewhere"])
                await stranger.close()
            }
            try await host.kill([1, 2])
            try await host.restart(2)
            #expect(try await host.revoke(2).position == position)
            let error = await #expect(throws: EngineError.self) { try await host.promote(2, position) }
            #expect(error?.kind == .permanent && error?.message.contains(host.layout(2).relayAside) == true)
            #expect(try await host.database(2).readOnly)
            #expect(try await host.hasNoRescue(2))
            let stranger = try await host.stranger(2, ["ALTER TABLE shop.elsewhere RENAME TO shop.rows"])
            await stranger.close()
            _ = try await host.promote(2, position)
            #expect(try await host.rows(2) == Set(1...20))
        }

        @Test func `who comes back applies nothing that the writer does not hold`() async throws {
            let (host, position) = try await TestHost.withRelayTail(1...2)
            // Row 666 reaches replica 3 alone, which does not acknowledge.
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            _ = try await host.sql(3, "SET GLOBAL rpl_semi_sync_slave_enabled = OFF")
            _ = try await host.sql(3, "STOP SLAVE IO_THREAD")
            _ = try await host.sql(3, "START SLAVE IO_THREAD")
            let hanging = Task { try await host.sql(1, "INSERT INTO shop.rows VALUES (666)") }
            defer { hanging.cancel() }
            #expect(try await eventually { try await host.database(3).replication?.receivedPosition.sequences == position.sequences + 1 })
            try await host.kill([1, 3])
            _ = try await host.promote(2, try await host.revoke(2).position)
            _ = try await host.sql(2, "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
            _ = try await host.sql(2, "INSERT INTO shop.rows VALUES (1000)")
            try await host.restart(3)
            let told = try await host.performTelling(.rejoin(source: host.peer(2)), on: 3)
            #expect(!told.contains { $0.contains("moved aside") })
            #expect(try await eventually { try await host.rows(3) == [1, 2, 1000] })
            #expect(try await eventually { try await host.areEqual([2, 3]) })
            let written = try await host.database(2).binlogPosition
            #expect(try await host.revoke(3).position == written)
        }
    }
}
