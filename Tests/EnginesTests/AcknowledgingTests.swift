import FleetModel
import MySQLClient
import Testing

@testable import Engines

/// Commits that wait for the only replica that acknowledges are answered when it is back, and by nobody's help.
extension RealServers {
    @Suite struct Acknowledging {
        private static let waiting: SQL =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'"

        /// A writer and its only acker, with a table on both.
        private static func shop() async throws -> TestHost {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.database(2).binlogPosition == host.database(1).binlogPosition })
            return host
        }

        /// As the loop carries a task out: an attempt that failed is followed by another, a few times.
        @discardableResult
        private func carryOut(_ action: Action, on ordinal: Int, of host: TestHost) async throws -> TaskResult {
            for _ in 0..<2 {
                do { return try await host.perform(action, on: ordinal) } catch let error as EngineError where error.kind == .transient {}
            }
            return try await host.perform(action, on: ordinal)
        }

        /// Rows whose commits wait: the first for an acknowledgement, the others behind it.
        private func insert(_ rows: ClosedRange<Int>, on host: TestHost) async throws -> [Task<MySQLRows, any Error>] {
            var waiting: [Task<MySQLRows, any Error>] = []
            for row in rows {
                waiting.append(Task { try await host.sql(1, "INSERT INTO shop.rows VALUES (\(row))") })
                #expect(try await eventually {
                    try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT INTO shop.rows%'").first == String(waiting.count)
                })
            }
            #expect(try await eventually { try await host.sql(1, Self.waiting).first == "1" })
            return waiting
        }

        @Test func `commits that began while the only acker restarted end once it is attached`() async throws {
            let host = try await Self.shop()
            try await host.perform(.configure(configuration: host.configuration(2, parameters: ["back_log": "90"])), on: 2)
            #expect(try await host.perform(.restart(isPrimary: false), on: 2).acted)
            let waiting = try await insert(1...3, on: host)
            let attach = Action.replicate(source: host.peer(1), acknowledges: true)
            try await carryOut(attach, on: 2, of: host)
            for commit in waiting { _ = try await commit.value }
            #expect(try await eventually { try await host.rows(2) == [1, 2, 3] })
            #expect(try await host.perform(attach, on: 2).acted == false)
            #expect(try await host.database(2).semiSyncReplica)
            #expect(try await host.perform(.demote(epoch: 2), on: 1).acted)
        }

        @Test func `a probe waits as a commit does, alone, and is ended by nobody but who acknowledges`() async throws {
            let host = try await Self.shop()
            // With somebody to acknowledge it is over at once; the table of ours never has more than its row.
            for _ in 0..<2 { #expect(try await host.perform(.probe, on: 1).acted) }
            #expect(try await host.sql(1, Self.waiting).first == "0")
            #expect(try await host.sql(1, "SELECT COUNT(*) FROM evenkeel.initialized").first == "1")
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            #expect(try await host.perform(.probe, on: 1).acted)
            #expect(try await host.sql(1, Self.waiting).first == "1")
            #expect(try await host.perform(.probe, on: 1).acted == false)
            #expect(try await eventually(within: .seconds(20)) { try await host.database(1).areCommitsWaiting })
            #expect(try await host.sql(1, Self.waiting).first == "1")
            try await carryOut(.replicate(source: host.peer(1), acknowledges: true), on: 2, of: host)
            #expect(try await eventually { try await host.sql(1, Self.waiting).first == "0" })
            #expect(try await host.database(2).binlogPosition == host.database(1).binlogPosition)
            // Whoever does not take writes is not written to.
            await #expect(throws: EngineError.self) { try await host.perform(.probe, on: 2) }
        }

        @Test func `rows that a replica got before it acknowledged are acknowledged when it begins to`() async throws {
            let host = try await Self.shop()
            _ = try await host.sql(2, "STOP SLAVE")
            let waiting = try await insert(1...3, on: host)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            // The third waits for room in the binary log, so that two are all that the replica can get.
            #expect(try await eventually { try await host.rows(2).isSuperset(of: [1, 2]) })
            #expect(try await eventually(within: .seconds(20)) { try await host.database(1).areCommitsWaiting })
            try await carryOut(.acknowledge(source: host.peer(1)), on: 2, of: host)
            for commit in waiting { _ = try await commit.value }
            #expect(try await eventually { try await host.rows(2) == [1, 2, 3] })
            #expect(try await !host.database(1).areCommitsWaiting)
            #expect(try await host.database(1).semiSyncClients == 1)
            #expect(try await host.perform(.acknowledge(source: host.peer(1)), on: 2).acted == false)
        }

        @Test func `a row whose acknowledgement was lost is acknowledged again`() async throws {
            let host = try await Self.shop()
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            let waiting = try await insert(1...1, on: host)
            // The row comes unacknowledged; then the thread connects again as one that acknowledges, behind the row.
            _ = try await host.sql(2, "SET GLOBAL rpl_semi_sync_slave_enabled = OFF")
            _ = try await host.sql(2, "START SLAVE IO_THREAD")
            #expect(try await eventually { try await host.rows(2) == [1] })
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            _ = try await host.sql(2, "SET GLOBAL rpl_semi_sync_slave_enabled = ON")
            _ = try await host.sql(2, "START SLAVE IO_THREAD")
            #expect(try await eventually { try await host.sql(2, "SHOW STATUS LIKE 'Rpl_semi_sync_slave_status'").rows.first?[1] == "ON" })
            #expect(try await host.sql(1, Self.waiting).first == "1")
            try await carryOut(.acknowledge(source: host.peer(1)), on: 2, of: host)
            for commit in waiting { _ = try await commit.value }
        }

        @Test func `what a replica has not applied is not told to be there`() async throws {
            let host = try await Self.shop()
            _ = try await host.sql(2, "STOP SLAVE IO_THREAD")
            let waiting = try await insert(1...1, on: host)
            _ = try await host.sql(2, "SET GLOBAL rpl_semi_sync_slave_enabled = OFF")
            let blocker = try await MySQLConnection.connect(
                to: .socket(host.layout(2).socket), user: host.host.administrator, within: .seconds(5))
            try await blocker.query("LOCK TABLES shop.rows READ", within: .seconds(5))
            _ = try await host.sql(2, "START SLAVE IO_THREAD")
            #expect(try await eventually { try await host.database(2).replication?.receivedPosition == host.database(1).binlogPosition })
            try await carryOut(.acknowledge(source: host.peer(1)), on: 2, of: host)
            #expect(try await host.sql(1, Self.waiting).first == "1")
            await blocker.close()
            #expect(try await eventually { try await host.rows(2) == [1] })
            try await carryOut(.acknowledge(source: host.peer(1)), on: 2, of: host)
            for commit in waiting { _ = try await commit.value }
        }
    }
}
