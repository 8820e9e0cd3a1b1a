import CopyTLS
import FleetModel
import Glibc
import MySQLClient
import Synchronization
import Testing

@testable import Engines

extension TestHost {
    func server(_ ordinal: Int) throws -> ProcessIdentity {
        try #require(ProcessIdentity(try Files.text(layout(ordinal).processRecord) ?? ""))
    }

    func revoke(_ ordinal: Int, epoch: Int64 = 2) async throws -> (position: GTIDSet, acted: Bool) {
        let result = try await perform(.revoke(epoch: epoch), on: ordinal)
        return (try #require(result.position), result.acted)
    }

    /// Ends a writer; the last position in its log, which is told once no thread of the killed process is in a sync any more.
    func fence(_ ordinal: Int) async throws -> GTIDSet {
        var position: GTIDSet?
        #expect(try await eventually {
            position = try await perform(.fence(epoch: 2), on: ordinal).position
            return position != nil
        })
        return try #require(position)
    }

    /// Whether a revocation ended the process, as it does where receiving does not stop in time.
    func isKilled(_ ordinal: Int) async throws -> Bool { try await observe(ordinal).process == .stopped }

    /// All have what the writer has.
    func areEqual(_ ordinals: [Int] = [1, 2, 3]) async throws -> Bool {
        let position = try await database(ordinals[0]).binlogPosition
        for ordinal in ordinals where try await database(ordinal).binlogPosition != position { return false }
        return true
    }

    func files(_ ordinal: Int) -> BinlogPositions { BinlogPositions(layout: layout(ordinal)) }
}

extension GTIDSet {
    fileprivate func isFurther(than other: GTIDSet) -> Bool { contains(other) && self != other }
}

private func timed<Answer>(_ what: String, _ body: () async throws -> Answer) async throws -> (answer: Answer, took: Duration) {
    let began = ContinuousClock.now
    let answer = try await body()
    let took = ContinuousClock.now - began
    print("\(what): \(took.milliseconds) ms")
    return (answer, took)
}

/// Stopping has 1.5 s and the end of a killed process 1 s, then files are read; what hangs takes 10 s.
private let revokedWithin: Duration = .seconds(4)

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000 }
}

/// A launcher that waits before it starts anything until it is let go.
private struct HeldLauncher: ProcessLauncher {
    let isAsked = Flag()
    let go: AsyncStream<Void>
    var setsUser: Bool { DetachedLauncher().setsUser }

    func launch(_ order: LaunchOrder) async throws -> ProcessIdentity? {
        _ = isAsked.raise()
        for await _ in go { break }
        return try await DetachedLauncher().launch(order)
    }
}

extension RealServers {
    @Suite struct Failover {
        @Test(arguments: [false, true]) func `a lost writer under a writing client is replaced, and no acknowledged row is lost`(
            isFencedFirst: Bool
        ) async throws {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            let client = WritingClient(host, [1, 2, 3])
            let writing = Task { await client.run() }
            defer { writing.cancel() }
            #expect(try await eventually { client.acknowledged.count > 200 })
            let began = ContinuousClock.now
            var tail: GTIDSet?
            if isFencedFirst {
                tail = try await timed("fence of a writer under load") { try await host.fence(1) }.answer
            } else {
                try host.server(1).send(SIGKILL)
            }
            async let second = host.revoke(2)
            async let third = host.revoke(3)
            let revoked = [2: try await second.position, 3: try await third.position]
            print("revoked after \((ContinuousClock.now - began).milliseconds) ms")
            let candidate = try #require(revoked[3]).isFurther(than: try #require(revoked[2])) ? 3 : 2
            let position = try #require(revoked[candidate])
            #expect(revoked.values.allSatisfy { position.contains($0) })
            // What the lost writer's log ends with nobody may have, but nobody has more.
            if let tail { #expect(tail.contains(position)) }
            let before = client.acknowledged.count
            async let promoted = host.perform(.promote(epoch: 2, position: position, semiSync: true), on: candidate)
            async let attached = host.perform(.replicate(source: host.peer(candidate), acknowledges: true), on: 5 - candidate)
            _ = try await (promoted, attached)
            print("writable after \((ContinuousClock.now - began).milliseconds) ms")
            #expect(try await eventually { client.acknowledged.count > before + 50 })
            writing.cancel()
            await writing.value
            #expect(try await eventually { try await host.areEqual([candidate, 5 - candidate]) })
            for ordinal in [2, 3] {
                #expect(try await eventually { client.acknowledged.subtracting(try await host.rows(ordinal)) == [] })
            }
            let writer = try await host.database(candidate)
            #expect(!writer.readOnly && writer.semiSyncPrimary)
        }

        @Test func `a revoked replica receives and acknowledges nothing more, and applies what it has`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            _ = try await host.sql(2, "STOP SLAVE SQL_THREAD")
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            let position = try await host.database(1).binlogPosition
            let (first, took) = try await timed("revoke") { try await host.revoke(2) }
            #expect(first.acted && first.position == position && took < revokedWithin)
            // On a machine that is too busy to stop it in time it is as in the tests below.
            if try await host.isKilled(2) { return }
            let replica = try await host.database(2)
            #expect(replica.replication?.ioRunning == false && replica.replication?.sqlRunning == true && !replica.semiSyncReplica)
            #expect(try await eventually { try await host.rows(2) == [1] })
            let hanging = Task { try await host.sql(1, "INSERT INTO shop.rows VALUES (2)") }
            defer { hanging.cancel() }
            #expect(try await eventually {
                try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'").first == "1"
            })
            let second = try await host.revoke(2)
            #expect(!second.acted && second.position == position)
            #expect(try await host.rows(2) == [1])
        }

        @Test func `a replica of a writer that is frozen is revoked in time`() async throws {
            let host = try TestHost()
            try await host.found()
            try await host.makeShop()
            let position = try await host.database(1).binlogPosition
            #expect(try await eventually { try await host.areEqual() })
            // So long would a thread that ends wait for the writer, were it not woken.
            for replica in [2, 3] { _ = try await host.sql(replica, "SET GLOBAL rpl_semi_sync_slave_kill_conn_timeout = 30") }
            try host.server(1).send(SIGSTOP)
            let (first, took) = try await timed("revoke, the writer frozen") { try await host.revoke(2) }
            #expect(first.acted && first.position == position && took < revokedWithin)
            #expect(try await host.revoke(3).position == position)
            let killed = try await [host.isKilled(2), host.isKilled(3)]
            #expect(killed != [true, true], "neither stopped receiving in time")
            // What does not stop in time is killed: then its files count. Either way it receives nothing.
            let again = try await host.revoke(2)
            #expect(!again.acted && again.position == position)
            let (fenced, tookFence) = try await timed("fence of a frozen writer") { try await host.perform(.fence(epoch: 2), on: 1) }
            #expect(fenced.acted && fenced.position == position && tookFence < revokedWithin)
            #expect(try await host.observe(1).process == .stopped)
        }

        @Test func `a replica that does not answer is killed, and its relay logs say what it received`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            _ = try await host.sql(2, "STOP SLAVE SQL_THREAD")
            for row in 1...5 { _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (\(row))") }
            let position = try await host.database(1).binlogPosition
            try host.server(2).send(SIGSTOP)
            let (first, took) = try await timed("revoke of a frozen replica") { try await host.revoke(2) }
            #expect(first.acted && first.position == position && took < revokedWithin)
            #expect(try await host.observe(2).process == .stopped)
            let again = try await host.revoke(2)
            #expect(!again.acted && again.position == position)
            #expect(try await host.observe(2).process == .stopped)
            // Started closed, and even made to ask its source again: what it received before still counts.
            try await host.driver.startClosed(host.id(2))
            #expect(try await host.revoke(2).position == position)
            try host.server(1).send(SIGKILL)
            #expect(try await host.driver.resumeReplication(host.id(2), acknowledges: true))
            let third = try await host.revoke(2)
            #expect(third.acted && third.position == position)
            if try await host.isKilled(2) { return }
            #expect(try await host.database(2).appliedPosition != position)
        }

        @Test func `work that does not end keeps nobody from being isolated`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            // A replica that waits for a table that is locked drains for ever.
            let blocker = try await MySQLConnection.connect(
                to: .socket(host.layout(2).socket), user: host.host.administrator, within: .seconds(5))
            try await blocker.query("LOCK TABLES shop.rows READ", within: .seconds(5))
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1)")
            let position = try await host.database(1).binlogPosition
            let draining = Task { try await host.perform(.replicate(source: host.peer(3)), on: 2) }
            #expect(try await eventually { try await host.database(2).replication?.ioRunning == false })
            let (revoked, took) = try await timed("revoke during a drain") { try await host.revoke(2) }
            #expect(revoked.position == position && took < revokedWithin)
            await #expect(throws: CancellationError.self) { try await draining.value }
            await blocker.close()
            if try await !host.isKilled(2) { #expect(try await eventually { try await host.rows(2) == [1] }) }
            let error = await #expect(throws: EngineError.self) { try await host.revoke(1) }
            #expect(error?.kind == .refused)
        }

        @Test func `fencing twice kills once and gives one position, by a later agent too`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            let position = try await host.database(1).binlogPosition
            let later = host.anotherDriver()
            let work = EngineWork(attempt: "f", instance: host.id(1), clusterName: "orders", action: .fence(epoch: 2))
            let first = try await later.perform(work) { _ in }
            #expect(first.acted && first.position == position)
            #expect(try host.server(1).isAlive == false)
            let (second, _) = try await timed("fence of what is stopped") { try await host.perform(.fence(epoch: 2), on: 1) }
            #expect(!second.acted && second.position == position)
            // Nothing there at all.
            let absent = try await host.perform(.fence(epoch: 2), on: 4)
            #expect(!absent.acted && absent.position == nil)
        }

        @Test func `a start that is under way when its instance is fenced comes to nothing`() async throws {
            let host = try TestHost()
            try await host.make([1])
            try host.server(1).send(SIGKILL)
            #expect(try await eventually { try await host.observe(1).process == .stopped })
            let (go, goNow) = AsyncStream<Void>.makeStream()
            let launcher = HeldLauncher(go: go)
            var held = host.host
            held.launcher = launcher
            let driver = MariaDBDriver(held, transport: TLSCopyTransport())
            let starting = Task { try await driver.startClosed(host.id(1)) }
            #expect(try await eventually { !launcher.isAsked.raise() })
            let work = EngineWork(attempt: "f", instance: host.id(1), clusterName: "orders", action: .fence(epoch: 2))
            #expect(try await driver.perform(work) { _ in }.acted == false)
            goNow.finish()
            await #expect(throws: (any Error).self) { try await starting.value }
            #expect(try await eventually { host.hasNoProcesses(1) })
            // A later one is another matter.
            try await driver.startClosed(host.id(1))
            #expect(try await host.observe(1).process == .running)
        }
    }
}
