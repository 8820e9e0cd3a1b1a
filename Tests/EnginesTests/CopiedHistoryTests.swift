import FleetModel
import MySQLClient
import Testing

@testable import Engines

@Suite struct HistoryTests {
    private func upTo(_ position: String, of state: String) throws -> String {
        try #require(GTIDHistory(state)).upTo(try #require(GTIDSet(position))).description
    }

    @Test(arguments: [
        // All who wrote before the last one.
        ("7-1-100,7-2-200,7-3-300", "7-3-300", "7-1-100,7-2-200,7-3-300"),
        // Who wrote the position has gone on: the position is where it stood.
        ("7-1-100,7-2-200,7-3-350", "7-3-300", "7-1-100,7-2-200,7-3-300"),
        // Who has written since may have written before: that is not known.
        ("7-1-400,7-2-200,7-3-350", "7-3-300", "7-2-200,7-3-300"),
        // By number, not by the order in which they are named.
        ("7-1-250,7-3-300,7-2-200", "7-3-300", "7-2-200,7-1-250,7-3-300"),
        // Of a source that has not what the copy ends with nothing is known of the copy.
        ("7-1-100,7-2-200,7-3-299", "7-3-300", "7-3-300"), ("7-1-100,7-2-300", "7-3-300", "7-3-300"), ("", "7-3-300", "7-3-300"),
        // Another one's transaction of the same number is another history.
        ("7-1-100,7-2-300,7-3-300", "7-3-300", "7-1-100,7-3-300"),
        // Each domain by itself; one in which the copy has no position is not claimed.
        ("7-1-100,7-3-300,8-1-9,8-4-20,9-1-1", "7-3-300,8-4-20", "7-1-100,7-3-300,8-1-9,8-4-20"),
        ("7-1-100,7-3-300,8-1-9", "7-3-300,8-4-20", "7-1-100,7-3-300,8-4-20"),
        ("7-1-100", "", ""),
    ])
    func `a copy has of its source's history what it surely holds`(_ state: String, _ position: String, _ expected: String) throws {
        #expect(try upTo(position, of: state) == expected)
    }

    @Test func `what a server has applied it holds, whether its log names it or not`() throws {
        let applied = try #require(GTIDSet("7-1-100,8-1-5"))
        let history = try #require(GTIDHistory("7-2-200,8-1-9")).merged(with: applied)
        #expect(history.description == "7-1-100,7-2-200,8-1-9")
        #expect(history.holds(domain: 7, serverID: 1, sequence: 100) && !history.holds(domain: 7, serverID: 1, sequence: 101))
    }
}

extension RealServers {
    @Suite struct CopiedHistory {
        private static let hanging: SQL =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'"

        /// The lead goes to `next`, without a failure; it writes a row.
        private func lead(_ host: TestHost, from old: Int, to next: Int, epoch: Int64, others: [Int], row: Int) async throws {
            #expect(try await eventually { try await host.areEqual([old, next]) })
            let position = try #require(try await host.perform(.demote(epoch: epoch), on: old).position)
            try await host.perform(.promote(epoch: epoch, position: position, semiSync: false), on: next)
            for ordinal in [old] + others { try await host.perform(.replicate(source: host.peer(next)), on: ordinal) }
            _ = try await host.sql(next, "INSERT INTO shop.rows VALUES (\(row))")
        }

        private func join(_ host: TestHost, _ ordinal: Int, copyOf writer: Int) async throws {
            try await host.clone(ordinal, from: writer)
            try await host.perform(.prepareReplica(ordinal: ordinal), on: writer, secrets: TestHost.secrets)
            try await host.perform(.start, on: ordinal)
            try await host.perform(.replicate(source: host.peer(writer)), on: ordinal)
        }

        private func rejoin(_ host: TestHost, _ ordinal: Int, to source: Int) async throws -> TaskResult {
            try await host.perform(.rejoin(source: host.peer(source)), on: ordinal)
        }

        private func state(_ host: TestHost, _ ordinal: Int) async throws -> Set<Substring> {
            Set((try await host.sql(ordinal, "SELECT @@GLOBAL.gtid_binlog_state").first ?? "").split(separator: ","))
        }

        /// A row on the writer that nobody receives, for which its client waits; then the writer is killed.
        private func leaveTail(_ host: TestHost, on writer: Int, without replicas: [Int]) async throws -> GTIDSet {
            for ordinal in replicas { _ = try await host.sql(ordinal, "STOP SLAVE IO_THREAD") }
            let sequence = try await host.database(writer).binlogPosition.sequences + 1
            let waiting = Task { try await host.sql(writer, "INSERT INTO shop.rows VALUES (666)") }
            defer { waiting.cancel() }
            #expect(try await eventually { try await host.sql(writer, Self.hanging).first != "0" })
            let position = try await host.fence(writer)
            #expect(position.sequences == sequence)
            return position
        }

        /// All four with three writers in their logs, but for 4, a copy of the third one that replicates from it.
        private func threeWriters() async throws -> TestHost {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            try await lead(host, from: 1, to: 2, epoch: 2, others: [3], row: 2)
            try await lead(host, from: 2, to: 3, epoch: 3, others: [1], row: 3)
            try await join(host, 4, copyOf: 3)
            return host
        }

        @Test(arguments: [false, true]) func `a promoted copy takes back the writer that it was made of, and denies what it lacks alone`(hasTail: Bool) async throws {
            let host = try await threeWriters()
            #expect(try await eventually { try await host.areEqual([3, 4]) })
            #expect(try await state(host, 4) == state(host, 3))
            #expect(try await state(host, 4).count == 3)
            _ = try await host.sql(3, "INSERT INTO shop.rows VALUES (4)")
            #expect(try await eventually { try await host.areEqual([1, 2, 3, 4]) })
            var tail: GTIDSet?
            if hasTail {
                _ = try await host.sql(3, "SET GLOBAL rpl_semi_sync_master_enabled = ON")
                tail = try await leaveTail(host, on: 3, without: [1, 2, 4])
            } else {
                try await host.perform(.fence(epoch: 4), on: 3)
            }
            let position = try await host.revoke(4, epoch: 4).position
            try await host.perform(.promote(epoch: 4, position: position, semiSync: false), on: 4)
            for ordinal in [1, 2] { try await host.perform(.replicate(source: host.peer(4)), on: ordinal) }
            _ = try await host.sql(4, "INSERT INTO shop.rows VALUES (5)")
            let result = try await rejoin(host, 3, to: 4)
            #expect(result.position != nil)
            let kept = host.layout(3).tailAside
            #expect(Files.exists(kept) == hasTail)
            if let tail {
                #expect(try Files.text(kept + "/1/gtids") == "\(tail) not held by 127.0.10.4:\(host.peer(4).port)\n")
                #expect(result.note?.contains("\(tail), not held by 127.0.10.4") == true)
            } else {
                #expect(result.note?.contains("not held") != true)
            }
            #expect(try await eventually { try await host.areEqual([4, 1, 2, 3]) })
            for ordinal in 1...4 { #expect(try await host.rows(ordinal) == [1, 2, 3, 4, 5]) }
        }

        @Test func `of a writer that was lost before the copy was made only its unacknowledged row is told as lost`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            let tail = try await leaveTail(host, on: 1, without: [2])
            try await host.perform(.promote(epoch: 2, position: try await host.revoke(2).position, semiSync: false), on: 2)
            _ = try await host.sql(2, "INSERT INTO shop.rows VALUES (2)")
            try await join(host, 3, copyOf: 2)
            try await lead(host, from: 2, to: 3, epoch: 3, others: [], row: 3)
            let result = try await rejoin(host, 1, to: 3)
            // The copy's own log begins after what 1 lacks: from there 1 cannot go on, and says so, not that rows are lost.
            let note = try #require(result.note)
            if result.position != nil {
                // It was seen to run before the source's refusal came: whoever looks at it next sees that.
                #expect(note.contains("\(tail), not held by 127.0.10.3:\(host.peer(3).port)"), "\(note)")
                #expect(try await eventually { try await host.database(1).replication?.ioErrorCode == 1236 })
                return
            }
            #expect(result.acted)
            #expect(note.contains("moved aside") && note.contains("cannot replicate from 127.0.10.3"), "\(note)")
            #expect(note.contains("\(tail), not held by 127.0.10.3:\(host.peer(3).port)"), "\(note)")
            let kept = host.host.setAsideDirectory + "/\(host.id(1))-1/tail-aside/1/gtids"
            #expect(try Files.text(kept) == "\(tail) not held by 127.0.10.3:\(host.peer(3).port)\n")
        }
    }
}
