import FleetModel
import Glibc
import MySQLClient
import Synchronization
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Rejoining {
        private static let hanging: SQL =
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'"

        /// A writer that two replicas acknowledge, all with one row.
        private static func shop() async throws -> TestHost {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            #expect(try await eventually { try await host.areEqual() })
            return host
        }

        /// The others go on without instance 1: 2 becomes the writer, and has a row more.
        private static func failOver(_ host: TestHost) async throws {
            let positions = [try await host.revoke(2).position, try await host.revoke(3).position]
            #expect(positions[0] == positions[1])
            async let promoted = host.perform(.promote(epoch: 2, position: positions[0], semiSync: true), on: 2)
            async let attached = host.perform(.replicate(source: host.peer(2), acknowledges: true), on: 3)
            _ = try await (promoted, attached)
            _ = try await host.sql(2, "INSERT INTO shop.rows VALUES (1000)")
        }

        /// A row on the writer that nobody acknowledges, and what follows it; then it is killed.
        private static func leaveTail(_ host: TestHost, then more: [SQL] = []) async throws -> GTIDSet {
            for ordinal in [2, 3] { _ = try await host.sql(ordinal, "STOP SLAVE IO_THREAD") }
            var waiting: [Task<MySQLRows, any Error>] = []
            defer { for task in waiting { task.cancel() } }
            for (index, statement) in (["INSERT INTO shop.rows VALUES (666)"] + more).enumerated() {
                waiting.append(Task { try await host.sql(1, statement) })
                let sequence = try await host.database(2).binlogPosition.sequences + Int64(index) + 1
                #expect(try await eventually { try host.files(1).written(until: .now + .seconds(5)).sequences == sequence })
            }
            // A group is in the log before it is synced, and waits only then.
            #expect(try await eventually { try await host.sql(1, Self.hanging).first != "0" })
            let position = try await host.fence(1)
            #expect(position.sequences > (try await host.database(2).binlogPosition.sequences))
            return position
        }

        private func rejoin(_ host: TestHost) async throws -> (result: TaskResult, told: [String]) {
            let told = Mutex<[String]>([])
            let began = ContinuousClock.now
            let work = EngineWork(
                attempt: "r", instance: host.id(1), clusterName: "orders", action: .rejoin(source: host.peer(2)),
                secrets: ["replicationPassword": "first-secret"])
            let result = try await host.driver.perform(work) { progress in told.withLock { $0.append(progress.phase) } }
            let phases = told.withLock { $0 }
            print("rejoin: \((ContinuousClock.now - began) / .milliseconds(1)) ms, \(phases.last ?? "")")
            return (result, phases)
        }

        @Test func `a lost writer whose tail the new one holds is attached without a copy`() async throws {
            let host = try await Self.shop()
            try await host.perform(.fence(epoch: 2), on: 1)
            try await Self.failOver(host)
            let (result, _) = try await rejoin(host)
            #expect(result.acted && result.position != nil)
            let member = try await host.database(1)
            #expect(member.readOnly && !member.semiSyncPrimary && !member.semiSyncReplica && member.replication?.sourceHost == "127.0.10.2")
            #expect(try await eventually { try await host.areEqual() })
            #expect(try await eventually { try await host.rows(1) == [1, 1000] })
            #expect(!Files.exists(host.layout(1).tailAside))
            #expect(try await rejoin(host).result.acted == false)
            try await host.perform(.acknowledge(source: host.peer(2)), on: 1)
        }

        @Test func `a row that nobody acknowledged is cut, kept beside, and the member attached`() async throws {
            let host = try await Self.shop()
            let tail = try await Self.leaveTail(host)
            try await Self.failOver(host)
            let (result, told) = try await rejoin(host)
            #expect(result.position != nil)
            let kept = host.layout(1).tailAside + "/1"
            #expect(told.last == result.note && result.note?.contains("\(tail), not held by 127.0.10.2:\(host.peer(2).port), kept in \(kept)") == true)
            #expect(try await eventually { try await host.areEqual() })
            #expect(try await eventually { try await host.rows(1) == [1, 1000] })
            #expect(try Files.text(kept + "/gtids") == "\(tail) not held by 127.0.10.2:\(host.peer(2).port)\n")
            #expect(try Files.text(kept + "/tail.sql")?.contains("@1=666") == true)
        }

        @Test func `a member that holds for good what its cluster does not is moved aside, and cloned anew`() async throws {
            let host = try await Self.shop()
            let tail = try await Self.leaveTail(host)
            try await Self.failOver(host)
            for set in 1...3 {
                // Started as usual, it commits its tail.
                if set == 1 { try await host.driver.startClosed(host.id(1)) } else { try await diverge(host) }
                let (result, told) = try await rejoin(host)
                #expect(result.acted && result.position == nil)
                let place = host.host.instancesDirectory + "/set-aside/\(host.id(1))-\(set)"
                #expect(told.last?.contains(place) == true)
                let first = host.host.setAsideDirectory + "/\(host.id(1))-1"
                // Told when there is no room for the next one, before it is removed, and when it was.
                #expect((result.note?.contains("the next one removes \(first)") == true) == (set == 2))
                #expect(told.contains { $0.hasPrefix("removing \(first):") } == (set == 3))
                #expect((result.note?.contains("removed for room: \(first) ") == true) == (set == 3))
                if set == 1 { #expect(told.last?.contains("\(tail)") == true) }
                #expect(await host.driver.observe(host.id(1), fingerprintKey: nil) == nil)
                #expect(await host.driver.instances() == [host.id(2), host.id(3)])
                #expect(try Files.text(place + "/SET-ASIDE")?.contains("holds what 127.0.10.2") == true)
                #expect(host.hasNoProcesses(1))
                try await host.clone(1, from: 2)
                try await host.perform(.start, on: 1)
                try await host.perform(.replicate(source: host.peer(2)), on: 1)
                #expect(try await eventually { try await host.areEqual() })
                #expect(try await eventually { try await host.rows(1) == host.rows(2) })
            }
            #expect(Files.names(in: host.host.setAsideDirectory) == ["\(host.id(1))-2", "\(host.id(1))-3"])
        }

        /// A row that came to a replica by no way that it should.
        private func diverge(_ host: TestHost) async throws {
            _ = try await host.sql(1, "STOP SLAVE")
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (777)")
        }

        @Test func `a tail of more files than four is kept whole, each of its transactions as text`() async throws {
            let host = try await Self.shop()
            // Nobody acknowledges, and nothing waits for it: a lead that goes on alone.
            for ordinal in [2, 3] { _ = try await host.sql(ordinal, "STOP SLAVE IO_THREAD") }
            _ = try await host.sql(1, "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
            let first = try await host.database(1).binlogPosition.sequences + 1
            for row in 1...7 {
                _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (\(2000 + row))")
                _ = try await host.sql(1, "FLUSH BINARY LOGS")
            }
            let last = try await host.database(1).binlogPosition.sequences
            #expect(last - first == 6)
            _ = try await host.fence(1)
            try await Self.failOver(host)
            let (result, _) = try await rejoin(host)
            let tails = [host.layout(1).tailAside, host.host.setAsideDirectory + "/\(host.id(1))-1/tail-aside"]
            let kept = try #require(tails.first(where: Files.exists)) + "/1"
            #expect(result.note?.contains("7-1-\(first) to 7-1-\(last) (7)") == true)
            #expect(try Files.text(kept + "/gtids")?.split(separator: "\n").count == 7)
            let text = try #require(try Files.text(kept + "/tail.sql"))
            for row in 1...7 { #expect(text.contains("@1=\(2000 + row)")) }
        }

        @Test func `what a start cut and the new writer holds is told, too, and comes back`() async throws {
            let host = try await Self.shop()
            // Rows that both acknowledged are cut with the tail where InnoDB had not flushed that they were committed.
            let acknowledged = try await host.database(1).binlogPosition.sequences
            _ = try await Self.leaveTail(host)
            try await Self.failOver(host)
            let end = try LogEnd(
                of: host.files(1).logs("binlog", in: host.layout(1).data), against: #require(GTIDHistory("7-1-\(acknowledged),7-2-\(acknowledged + 1)")),
                until: .now + .seconds(10))
            #expect(end.lacking.map(\.sequence) == [acknowledged + 1] && end.held.last?.sequence == acknowledged && !end.holdsEarlier)
            let (result, _) = try await rejoin(host)
            let note = try #require(result.note)
            // Where its start left the row that everybody acknowledged, it is in nobody's way.
            let wasCut = note.contains("7-1-\(acknowledged), held by 127.0.10.2:\(host.peer(2).port) and fetched from there")
            #expect(wasCut == note.contains("and fetched from there"))
            print("the acknowledged row was \(wasCut ? "cut" : "left"): \(note)")
            #expect(Files.exists(host.layout(1).tailAside + "/1/gtids-held") == wasCut)
            #expect(try await eventually { try await host.rows(1) == [1, 1000] })
            #expect(!Files.exists(host.layout(1).untold))
        }

        @Test func `what a try that failed after its start cut is told by the one that ends well`() async throws {
            let host = try await Self.shop()
            let tail = try await Self.leaveTail(host)
            try await Self.failOver(host)
            let source = try host.server(2)
            let work = EngineWork(
                attempt: "r", instance: host.id(1), clusterName: "orders", action: .rejoin(source: host.peer(2)),
                secrets: ["replicationPassword": "first-secret"])
            // From its start on the source says nothing.
            let error = await #expect(throws: EngineError.self) {
                try await host.driver.perform(work) { progress in
                    if progress.phase.hasPrefix("starting without") { source.send(SIGSTOP) }
                }
            }
            source.send(SIGCONT)
            #expect(error?.kind == .transient && Files.exists(host.layout(1).untold))
            #expect(try await host.observe(1).process == .running)
            let (result, _) = try await rejoin(host)
            #expect(result.note?.contains("its start cut ") == true && result.note?.contains("\(tail), not held by 127.0.10.2") == true)
            #expect(!Files.exists(host.layout(1).untold))
            #expect(Files.names(in: host.layout(1).tailAside) == ["1"])
        }

        @Test func `the third tail that is kept removes the first, and says so before and after`() async throws {
            let host = try await Self.shop()
            try Files.makeDirectory(host.layout(1).tailAside)
            for old in [3, 4] {
                try Files.makeDirectory(host.layout(1).tailAside + "/\(old)")
                try Files.write(host.layout(1).tailAside + "/\(old)/gtids", "7-9-\(old)\n")
            }
            _ = try await Self.leaveTail(host)
            try await Self.failOver(host)
            let (result, told) = try await rejoin(host)
            let first = host.layout(1).tailAside + "/3"
            #expect(told.contains { $0.hasPrefix("removing \(first):") } && result.note?.contains("removed for room: \(first) ") == true)
            #expect(result.note?.contains("the next one removes \(host.layout(1).tailAside)/4") == true)
            #expect(Files.names(in: host.layout(1).tailAside) == ["4", "5"])
        }

        @Test func `each transaction that a start cut is told as held or not, and those before what is known are not passed over`() {
            let all = (1...6).map { LoggedGroup(domain: 7, serverID: 1, sequence: $0, offset: 4) }
            let source = Peer(ordinal: 2, host: "b", address: "10.0.0.2", port: 3306)
            let end = LogEnd(lacking: Array(all[4...]), held: Array(all[..<4]), holdsEarlier: true)
            let some = end.cut(downTo: GTIDSet(domains: [7: .init(serverID: 1, sequence: 2)]))
            #expect(some.text(source, kept: nil) == "4 transactions: 7-1-3 to 7-1-4 (2), held by 10.0.0.2:3306 and fetched from there; 7-1-5 to 7-1-6 (2), not held by 10.0.0.2:3306")
            let unknown = end.cut(downTo: GTIDSet()).text(source, kept: nil)
            #expect(unknown.hasPrefix("at least 6 transactions: ") && unknown.contains("whatever is before 7-1-1 and held by it, too, is not listed"))
            let none = end.cut(downTo: GTIDSet(domains: [7: .init(serverID: 1, sequence: 6)]))
            #expect(none.isEmpty)
        }

        @Test func `many transactions are told as ranges, and how many are not listed`() {
            let row = (1...5).map { LoggedGroup(domain: 7, serverID: 1, sequence: $0, offset: 4) }
            let other = LoggedGroup(domain: 7, serverID: 2, sequence: 6, offset: 4)
            #expect((row + [other]).ranges == "7-1-1 to 7-1-5 (5), 7-2-6")
            let apart = (1...30).map { LoggedGroup(domain: 7, serverID: 1, sequence: $0 * 2, offset: 4) }
            #expect(apart.ranges.hasSuffix("7-1-40 and 10 more, up to 7-1-60"))
        }

        @Test func `a tail that cannot be cut moves the member aside`() async throws {
            let host = try await Self.shop()
            _ = try await Self.leaveTail(host, then: ["CREATE TABLE shop.later (id INT)"])
            try await Self.failOver(host)
            let (result, told) = try await rejoin(host)
            #expect(result.position == nil)
            #expect(told.last?.contains("moved aside") == true && result.note?.contains("(2), not held by 127.0.10.2") == true)
            #expect(await host.driver.instances() == [host.id(2), host.id(3)])
        }

        @Test func `a replica that was out of reach applies what it has and follows the new writer`() async throws {
            let host = try await Self.shop()
            _ = try await host.sql(1, "SET GLOBAL rpl_semi_sync_master_enabled = OFF")
            let positions = try await host.revoke(2).position
            try await host.perform(.fence(epoch: 2), on: 1)
            try await host.perform(.promote(epoch: 2, position: positions, semiSync: false), on: 2)
            _ = try await host.sql(2, "INSERT INTO shop.rows VALUES (1000)")
            let work = EngineWork(
                attempt: "r", instance: host.id(3), clusterName: "orders", action: .rejoin(source: host.peer(2)),
                secrets: ["replicationPassword": "third-secret"])
            #expect(try await host.driver.perform(work) { _ in }.position != nil)
            #expect(try await eventually { try await host.areEqual([2, 3]) })
            #expect(try await eventually { try await host.rows(3) == [1, 1000] })
        }

        @Test func `a member whose rows are others is moved aside, though its position fits`() async throws {
            let host = try await Self.shop()
            // By no way that its binary log shows; the new writer's next row is the same one.
            try await host.stranger(1, ["INSERT INTO shop.rows VALUES (1000)"]).close()
            try await host.perform(.fence(epoch: 2), on: 1)
            try await Self.failOver(host)
            // Whether it comes to the row at once or a moment later.
            var (result, told) = try await rejoin(host)
            if result.position != nil {
                #expect(try await eventually { try await host.database(1).replication?.sqlError.contains("1000") == true })
                (result, told) = try await rejoin(host)
            }
            #expect(result.acted && result.position == nil)
            #expect(told.last?.contains("Duplicate entry") == true)
            #expect(await host.driver.instances() == [host.id(2), host.id(3)])
        }

        @Test func `nothing rejoins while it is writable, nor to one that is not the writer`() async throws {
            let host = try await Self.shop()
            try await Self.failOver(host)
            let writable = await #expect(throws: EngineError.self) { try await rejoin(host) }
            #expect(writable?.kind == .refused && writable?.message.contains("open for writing") == true)
            try await host.perform(.fence(epoch: 2), on: 1)
            let work = EngineWork(
                attempt: "r", instance: host.id(1), clusterName: "orders", action: .rejoin(source: host.peer(3)),
                secrets: ["replicationPassword": "first-secret"])
            let closed = await #expect(throws: EngineError.self) { try await host.driver.perform(work) { _ in } }
            #expect(closed?.kind == .refused && closed?.message.contains("not the writer") == true)
            #expect(try await host.observe(1).process == .stopped)
        }
    }
}
