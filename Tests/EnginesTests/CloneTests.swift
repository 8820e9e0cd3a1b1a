import FleetModel
import Glibc
import MySQLClient
import Testing

@testable import Engines

extension TestHost {
    /// Clones an instance from a donor, as agent and server do it; `altered` stands between them.
    @discardableResult
    func clone(
        _ ordinal: Int, from donor: Int, donorDriver: MariaDBDriver? = nil, blueprint: InstanceBlueprint? = nil,
        progress: @escaping @Sendable (EngineProgress) -> Void = { _ in },
        altered: @escaping @Sendable (CopyDestination) -> CopyDestination = { $0 }
    ) async throws -> TaskResult {
        let (ready, readyNow) = AsyncStream<CopyDestination>.makeStream()
        let (ended, endedNow) = AsyncStream<String?>.makeStream()
        let work = EngineWork(
            attempt: "c", instance: id(ordinal), clusterName: "orders",
            action: .clone(blueprint ?? self.blueprint(ordinal), donor: peer(donor)), copyReady: { readyNow.yield($0) }, copyEnded: ended)
        return try await withThrowingTaskGroup(of: TaskResult?.self) { group in
            group.addTask { try await self.driver.perform(work, report: progress) }
            group.addTask {
                for await destination in ready {
                    do {
                        try await (donorDriver ?? self.driver).sendCopy(self.id(donor), to: altered(destination)) { _ in }
                        endedNow.yield(nil)
                    } catch {
                        endedNow.yield("\(error)")
                    }
                }
                return nil
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            return TaskResult()
        }
    }

    /// Nothing of ours works on an instance's files.
    func hasNoProcesses(_ ordinal: Int) -> Bool {
        ProcessIdentity.all { words in words.contains { $0.contains(layout(ordinal).directory + "/") } }.isEmpty
    }
}

extension RealServers {
    @Suite struct Cloning {
        @Test(arguments: [1, 2]) func `a clone of the writer and of a replica joins and holds every row`(donor: Int) async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            _ = try await host.sql(1, "CREATE DATABASE shop")
            _ = try await host.sql(1, "CREATE TABLE shop.rows (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(100))")
            _ = try await host.sql(1, "INSERT INTO shop.rows (text) SELECT seq FROM shop.seq_1_to_5000")
            #expect(try await eventually { try await host.database(2).appliedPosition == host.database(1).binlogPosition })
            let before = try await host.database(donor).binlogPosition
            let made = try await host.clone(3, from: donor)
            #expect(made.acted && made.engineVersion?.hasPrefix("10.11.") == true)
            #expect(try await host.database(donor).binlogPosition == before)
            #expect(try await host.clone(3, from: donor).acted == false)
            try await host.perform(.prepareReplica(ordinal: 3), on: 1, secrets: TestHost.secrets)
            try await host.perform(.start, on: 3)
            try await host.perform(.replicate(source: host.peer(1)), on: 3)
            _ = try await host.sql(1, "INSERT INTO shop.rows (text) VALUES ('after')")
            #expect(try await eventually { try await host.database(3).binlogPosition == host.database(1).binlogPosition })
            #expect(try await eventually { try await host.sql(3, "SELECT COUNT(*) FROM shop.rows").first == "5001" })
            #expect(try await host.perform(.acknowledge(source: host.peer(1)), on: 3).acted)
            #expect(!Files.exists(host.layout(3).copiedPosition))
            #expect(try await host.observe(3).directory == .ready)
        }

        @Test(arguments: [false, true]) func `one that was taken out of service is moved aside, kept, and copied anew`(stillRuns: Bool) async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            _ = try await host.sql(1, "CREATE DATABASE shop")
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            if stillRuns {
                try Files.write(host.layout(2).retiredMark, "an agent was killed before it had stopped it\n")
            } else {
                try await host.perform(.retire, on: 2)
            }
            #expect(try await host.observe(2).directory == .retired)
            // Nothing but a copy takes its place.
            #expect(await #expect(throws: EngineError.self) { try await host.perform(.install(host.blueprint(2)), on: 2) }?.kind == .refused)
            #expect(try await host.clone(2, from: 1).acted)
            let place = host.host.setAsideDirectory + "/\(host.id(2))-1"
            #expect(Files.names(in: host.host.setAsideDirectory) == ["\(host.id(2))-1"])
            #expect(try Files.text(place + "/SET-ASIDE")?.contains("taken out of service") == true)
            #expect(Files.exists(place + "/data/shop") && host.hasNoProcesses(2))
            #expect(try await host.observe(2).directory == .ready)
            try await host.perform(.start, on: 2)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
            try await host.perform(.acknowledge(source: host.peer(1)), on: 2)
            _ = try await host.sql(1, "CREATE DATABASE after")
            #expect(try await eventually { try await host.areEqual([1, 2]) })
        }

        @Test func `a clone that has written nothing can be promoted and serve replicas`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.clone(3, from: 1)
            try await host.perform(.prepareReplica(ordinal: 3), on: 1, secrets: TestHost.secrets)
            try await host.perform(.start, on: 3)
            try await host.perform(.replicate(source: host.peer(1)), on: 3)
            #expect(try await eventually { try await host.database(3).appliedPosition == host.database(1).binlogPosition })
            let position = try #require(try await host.perform(.demote(epoch: 2), on: 1).position)
            try await host.perform(.promote(epoch: 2, position: position, semiSync: false), on: 3)
            try await host.perform(.replicate(source: host.peer(3)), on: 1)
            try await host.perform(.replicate(source: host.peer(3)), on: 2)
            _ = try await host.sql(3, "CREATE DATABASE later")
            for ordinal in [1, 2] {
                #expect(try await eventually { try await host.database(ordinal).databases.map(\.name) == ["later"] })
            }
        }

        @Test func `a receiver takes no copy without the token, and a donor sends none to another certificate`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let wrongCertificate = await #expect(throws: EngineError.self) {
                try await host.clone(2, from: 1, altered: { destination in
                    var altered = destination
                    altered.certificateDigest = String(repeating: "0", count: 64)
                    return altered
                })
            }
            #expect(wrongCertificate?.message.contains("certificate") == true)
            let wrongToken = await #expect(throws: EngineError.self) {
                try await host.clone(2, from: 1, altered: { destination in
                    var altered = destination
                    altered.token = String(repeating: "0", count: 64)
                    return altered
                })
            }
            #expect(wrongToken?.message.contains("token") == true)
            #expect(try await host.observe(2).directory == .halfMade)
            #expect(Files.names(in: host.layout(2).data).isEmpty && host.hasNoProcesses(2))
            #expect(try await host.clone(2, from: 1).acted)
        }

        @Test func `a donor that dies during a copy leaves a marked directory and no process`() async throws {
            let host = try TestHost()
            try await host.make([1])
            _ = try await host.sql(1, "CREATE DATABASE big")
            _ = try await host.sql(1, "CREATE TABLE big.rows (id INT PRIMARY KEY, text LONGTEXT)")
            _ = try await host.sql(1, "INSERT INTO big.rows SELECT seq, REPEAT(SHA2(seq, 512), 2000) FROM big.seq_1_to_400")
            let donor = try #require(ProcessIdentity(Files.text(host.layout(1).processRecord) ?? ""))
            let error = await #expect(throws: EngineError.self) {
                try await host.clone(2, from: 1, progress: { progress in
                    guard progress.phase == "copying", progress.done > 1 << 20 else { return }
                    for backup in ProcessIdentity.all(where: { words in words.contains("--target-dir=" + host.layout(1).temporary + "/backup") }) {
                        backup.send(SIGKILL)
                    }
                    donor.send(SIGKILL)
                })
            }
            #expect(error?.message.contains("donor") == true)
            #expect(try await host.observe(2).directory == .halfMade)
            #expect(host.hasNoProcesses(2))
            try await host.perform(.start, on: 1)
            #expect(try await host.clone(2, from: 1).acted)
            #expect(try await host.observe(2).directory == .ready)
        }

        @Test func `a cancelled clone leaves no process, and is made anew`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let (begun, beginNow) = AsyncStream<Void>.makeStream()
            let cloning = Task {
                defer { beginNow.finish() }
                return try await host.clone(2, from: 1, progress: { if $0.done > 0 { beginNow.yield() } })
            }
            for await _ in begun { break }
            cloning.cancel()
            await #expect(throws: CancellationError.self) { try await cloning.value }
            #expect(try await eventually { host.hasNoProcesses(2) })
            #expect(try await host.observe(2).directory == .halfMade)
            #expect(try await host.clone(2, from: 1).acted)
        }
    }
}
