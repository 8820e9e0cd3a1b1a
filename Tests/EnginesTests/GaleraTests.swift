import FleetModel
import Glibc
import MySQLClient
import Planning
import Synchronization
import Testing

@testable import Engines

/// A galera cluster on one host: members at addresses of their own, with ports that no other test has.
struct GaleraCluster {
    let host: TestHost
    let historyBytes: Int64
    let ordinals: [Int]

    init(_ ordinals: [Int] = [1, 2, 3], historyBytes: Int64 = 16 << 20, host: TestHost? = nil) throws {
        self.host = try host ?? TestHost()
        self.ordinals = ordinals
        self.historyBytes = historyBytes
    }

    func blueprint(_ ordinal: Int) -> InstanceBlueprint {
        var blueprint = host.blueprint(ordinal)
        var records = ClusterRecords(uid: host.uid, name: "orders", gtidDomain: 7)
        records.members = ordinals.map { ordinal in
            let peer = host.peer(ordinal)
            return MemberRecord(
                ordinal: ordinal, host: peer.host, zone: "zone", address: peer.address, port: peer.port, serverID: Int64(ordinal),
                groupPort: peer.port + 1200, transferPort: peer.port + 1400)
        }
        let small = ["character_set_server": "utf8mb4", "innodb_buffer_pool_size": "67108864", "innodb_log_file_size": "16777216"]
        blueprint.configuration = MariaDBConfiguration.render(
            records.members[ordinals.firstIndex(of: ordinal) ?? 0], gtidDomain: 7, parameters: small.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
            group: GaleraGroup(records, historyBytes: historyBytes))
        return blueprint
    }

    /// The founder, open, with a table; then the others, cloned from it and joined. Returns the history.
    func found() async throws -> String {
        try await host.perform(.install(blueprint(1)), on: 1)
        let founded = try await host.perform(.foundComponent(epoch: 1), on: 1)
        let uuid = try #require(founded.recovered?.stateUUID)
        try await host.perform(.initialize(replicas: []), on: 1)
        try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
        _ = try await host.sql(1, "CREATE DATABASE shop")
        _ = try await host.sql(1, "CREATE TABLE shop.sales (id BIGINT PRIMARY KEY, text TEXT)")
        _ = try await host.sql(1, "INSERT INTO shop.sales SELECT seq, SHA1(seq) FROM shop.seq_1_to_1000")
        for ordinal in ordinals.dropFirst() { try await add(ordinal, from: ordinals[0], uuid) }
        return uuid
    }

    func add(_ ordinal: Int, from donor: Int, _ uuid: String) async throws {
        try await host.clone(ordinal, from: donor, blueprint: blueprint(ordinal))
        try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: ordinal)
    }

    func galera(_ ordinal: Int) async throws -> GaleraReport { try #require(try await host.database(ordinal).galera) }

    func count(_ ordinal: Int) async throws -> String? { try await host.sql(ordinal, "SELECT COUNT(*) FROM shop.sales").first }

    /// Rows and GTIDs are the same everywhere.
    func isEqual() async throws -> Bool {
        var seen: Set<String> = []
        for ordinal in ordinals {
            let answer = try await host.sql(ordinal, "SELECT CONCAT(COUNT(*), ' ', SUM(CRC32(text)), ' ', @@gtid_binlog_pos) FROM shop.sales")
            seen.insert(answer.first ?? "")
        }
        return seen.count == 1
    }

    func kill(_ ordinal: Int) throws {
        let process = try #require(ProcessIdentity(try Files.text(host.layout(ordinal).processRecord) ?? ""))
        process.send(SIGKILL)
    }

    func awaitDeath(of ordinals: [Int]) async throws {
        for ordinal in ordinals {
            let process = try #require(ProcessIdentity(try Files.text(host.layout(ordinal).processRecord) ?? ""))
            #expect(try await eventually { !process.isAlive })
        }
    }
}

/// Keys that a server has acknowledged, written one after the other until it does not answer any more.
final class AcknowledgedKeys: Sendable {
    private let keys = Mutex<[Int64]>([])

    var all: [Int64] { keys.withLock { $0 } }

    func write(on host: TestHost, _ ordinal: Int, from first: Int64) async {
        guard let connection = try? await MySQLConnection.connect(to: .socket(host.layout(ordinal).socket), user: host.host.administrator, within: .seconds(5))
        else { return }
        var key = first
        while (try? await connection.query("INSERT INTO shop.sales VALUES (\(key), 'x')", within: .seconds(30))) != nil {
            keys.withLock { $0.append(key) }
            key += 1
        }
        await connection.close()
    }
}

extension RealServers {
    @Suite struct Galera {
        @Test func `a founder is cloned, clones join, rows and GTIDs are equal, and the writer moves`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            for ordinal in cluster.ordinals {
                let galera = try await cluster.galera(ordinal)
                #expect(galera.isInComponent(of: uuid) && galera.members == [1, 2, 3] && galera.size == 3)
                #expect(try await host.database(ordinal).readOnly == (ordinal != 1))
            }
            #expect(try await eventually { try await cluster.isEqual() })

            _ = try await host.sql(1, "CREATE EVENT shop.hourly ON SCHEDULE EVERY 1 HOUR DO DELETE FROM shop.sales WHERE id = 0")
            let moved = try #require(try await host.perform(.demote(epoch: 2), on: 1).sequence)
            try await host.perform(.promote(epoch: 2, position: GTIDSet(), semiSync: false, sequence: moved), on: 2)
            await #expect(throws: EngineError.self) {
                try await host.perform(.promote(epoch: 2, position: GTIDSet(), semiSync: false, sequence: moved + 1000), on: 3)
            }
            #expect(try await host.database(3).readOnly)
            let event: SQL = "SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_NAME = 'hourly'"
            #expect(try await host.sql(2, event).first == "ENABLED")
            #expect(try await eventually { try await host.sql(1, event).first == "SLAVESIDE_DISABLED" })
            _ = try await host.sql(2, "INSERT INTO shop.sales VALUES (2000, 'moved')")
            #expect(try await eventually { try await cluster.isEqual() })

            // Planned: it leaves in good order, and comes back by what it missed.
            try await host.perform(.configure(configuration: cluster.blueprint(3).configuration + "max_connections=77\n"), on: 3)
            #expect(try await host.perform(.restart(isPrimary: false), on: 3).readBack["max_connections"] == "77")
            #expect(try await eventually { try await cluster.isEqual() })
            await #expect(throws: EngineError.self) { try await host.perform(.foundComponent(epoch: 2), on: 3) }

            // By what it does not start it is not kept out.
            try await host.perform(.configure(configuration: cluster.blueprint(3).configuration + "no_such_variable=1\n"), on: 3)
            let refused = await #expect(throws: EngineError.self) { try await host.perform(.restart(isPrimary: false), on: 3) }
            #expect(refused?.message.contains("no_such_variable") == true, "\(String(describing: refused))")
            let report = try await host.observe(3)
            #expect(report.refusedStart != nil && report.database?.galera?.isInComponent(of: uuid) == true)
            #expect(try await host.perform(.joinComponent(epoch: 2, stateUUID: uuid), on: 3).acted == false)
        }

        @Test func `all killed under load are recovered from the highest, and every acknowledged row is there`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            let acknowledged = AcknowledgedKeys()
            async let first: Void = acknowledged.write(on: host, 1, from: 1_000_000)
            async let second: Void = acknowledged.write(on: host, 1, from: 2_000_000)
            #expect(try await eventually { acknowledged.all.count > 200 })
            for ordinal in [3, 1, 2] { try cluster.kill(ordinal) }
            _ = await (first, second)
            try await cluster.awaitDeath(of: cluster.ordinals)

            var positions: [Int: RecoveredPosition] = [:]
            for ordinal in cluster.ordinals {
                #expect(try await host.observe(ordinal).recovered == nil)
                positions[ordinal] = try await host.perform(.readPosition, on: ordinal).recovered
                #expect(try await host.observe(ordinal).recovered == positions[ordinal])
            }
            let views = try cluster.ordinals.map { try #require(positions[$0]?.view) }
            #expect(views.allSatisfy { $0.isSame(as: views[0]) } && Set(views.map(\.own)) == Set(views[0].members))
            #expect(positions.values.allSatisfy { $0.stateUUID == uuid && !$0.leftInOrder && !$0.leftLast && !$0.wasInconsistent })
            let highest = try #require(positions.max { ($0.value.sequence, $1.key) < ($1.value.sequence, $0.key) })

            let wrong = await #expect(throws: EngineError.self) {
                try await host.perform(.recoverComponent(epoch: 2, stateUUID: uuid, position: highest.value.sequence + 1), on: highest.key)
            }
            #expect(wrong?.kind == .refused)
            try await host.perform(.recoverComponent(epoch: 2, stateUUID: uuid, position: highest.value.sequence), on: highest.key)
            #expect(try await host.observe(highest.key).recovered == nil)
            for ordinal in cluster.ordinals where ordinal != highest.key {
                try await host.perform(.joinComponent(epoch: 2, stateUUID: uuid), on: ordinal)
            }
            #expect(try await eventually { try await cluster.isEqual() })
            let keys = acknowledged.all
            for ordinal in cluster.ordinals {
                let there = Set(try await host.sql(ordinal, "SELECT id FROM shop.sales").rows.compactMap { $0[0].flatMap { Int64($0) } })
                #expect(keys.allSatisfy { there.contains($0) })
            }
        }

        @Test func `agents alone bring back members that all died, and none is open`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            let acknowledged = AcknowledgedKeys()
            async let writing: Void = acknowledged.write(on: host, 1, from: 1_000_000)
            #expect(try await eventually { acknowledged.all.count > 100 })
            for ordinal in [2, 1, 3] { try cluster.kill(ordinal) }
            await writing
            try await cluster.awaitDeath(of: cluster.ordinals)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for ordinal in cluster.ordinals { group.addTask { try await host.driver.startClosed(host.id(ordinal)) } }
                try await group.waitForAll()
            }
            for ordinal in cluster.ordinals {
                #expect(try await cluster.galera(ordinal).isInComponent(of: uuid))
                #expect(try await host.database(ordinal).readOnly)
                #expect(try await host.driver.openByGrant(host.id(ordinal), semiSync: false, within: .seconds(1)) == false)
            }
            #expect(try await eventually { try await cluster.isEqual() })
            let there = Set(try await host.sql(1, "SELECT id FROM shop.sales").rows.compactMap { $0[0].flatMap { Int64($0) } })
            #expect(acknowledged.all.allSatisfy { there.contains($0) })
        }

        @Test func `how many a group has, its configuration says`() {
            #expect(ConfigurationFile("wsrep_cluster_address=gcomm://a:1,b:1,c:1\n").groupSize == 3)
            #expect(ConfigurationFile("wsrep_on=OFF\n").groupSize == 0)
        }

        @Test func `who has no position is not started, whoever asks`() async throws {
            let cluster = try GaleraCluster([1])
            let host = cluster.host
            try await host.perform(.install(cluster.blueprint(1)), on: 1)
            let starts: [() async throws -> Void] = [
                { try await host.perform(.start, on: 1) }, { try await host.driver.startClosed(host.id(1)) },
                { try await host.perform(.joinComponent(epoch: 1, stateUUID: "6f"), on: 1) }, { try await host.perform(.readPosition, on: 1) },
            ]
            for start in starts {
                let error = await #expect(throws: EngineError.self) { try await start() }
                #expect(error?.kind == .refused && error?.message.contains("no position") == true)
            }
            #expect(try await host.observe(1).process == .stopped)
        }

        @Test func `a founder that dies before it is opened founds no second history`() async throws {
            let cluster = try GaleraCluster([1])
            let host = cluster.host
            try await host.perform(.install(cluster.blueprint(1)), on: 1)
            let first = try await host.perform(.foundComponent(epoch: 1), on: 1)
            #expect(try await host.perform(.foundComponent(epoch: 1), on: 1).acted == false)
            try cluster.kill(1)
            try await cluster.awaitDeath(of: [1])
            let second = try await host.perform(.foundComponent(epoch: 1), on: 1)
            #expect(first.acted && second.acted && first.recovered?.stateUUID == second.recovered?.stateUUID)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
            await #expect(throws: EngineError.self) { try await host.perform(.foundComponent(epoch: 1), on: 1) }
            // A copy has its donor's history.
            let pair = try GaleraCluster([1, 2], host: host)
            try await host.clone(2, from: 1, blueprint: pair.blueprint(2))
            let error = await #expect(throws: EngineError.self) { try await host.perform(.foundComponent(epoch: 1), on: 2) }
            #expect(error?.kind == .refused && error?.message.contains("founds nothing") == true)
        }

        @Test func `a joiner that missed more than anybody has ends with its data untouched, and is cloned`() async throws {
            let cluster = try GaleraCluster(historyBytes: 1 << 20)
            let host = cluster.host
            let uuid = try await cluster.found()
            try cluster.kill(3)
            try await cluster.awaitDeath(of: [3])
            #expect(try await eventually { try await cluster.galera(1).size == 2 })
            // More than the history holds, in transactions smaller than it.
            _ = try await host.sql(
                1, "BEGIN NOT ATOMIC FOR i IN 1..600 DO UPDATE shop.sales SET text = REPEAT('x', 4000) WHERE id = i; END FOR; END")
            let before = try #require(try await host.perform(.readPosition, on: 3).recovered)
            for ordinal in [1, 2] { #expect(try await cluster.galera(ordinal).cachedDownTo > before.sequence + 1) }
            let error = await #expect(throws: EngineError.self) { try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3) }
            #expect(error?.kind == .refused && error?.message.hasPrefix("HistoryTooShort") == true, "\(String(describing: error))")
            let after = try #require(try await host.observe(3).recovered)
            #expect(after.sequence == before.sequence && after.stateUUID == uuid)
            #expect(try await eventually { try await cluster.galera(1).isInComponent(of: uuid) })

            let note = try #require(try await host.perform(.rejoin(source: host.peer(1)), on: 3).note)
            #expect(note.contains("moved aside"))
            try await cluster.add(3, from: 2, uuid)
            #expect(try await eventually { try await cluster.isEqual() })
        }

        @Test func `one that was voted out is never started again`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            let stranger = try await host.stranger(3, ["SET SESSION wsrep_on = OFF", "DELETE FROM shop.sales WHERE id = 7"])
            await stranger.close()
            _ = try await host.sql(1, "UPDATE shop.sales SET text = 'x' WHERE id = 7")
            #expect(try await eventually { try await host.observe(3).isInconsistent })
            try cluster.kill(3)
            try await cluster.awaitDeath(of: [3])
            #expect(try await host.perform(.readPosition, on: 3).recovered?.wasInconsistent == true)
            let error = await #expect(throws: EngineError.self) { try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3) }
            #expect(error?.message.contains("voted out") == true)
            try await host.perform(.rejoin(source: host.peer(1)), on: 3)
            try await cluster.add(3, from: 2, uuid)
            #expect(try await eventually { try await cluster.isEqual() })
            #expect(try await host.observe(3).isInconsistent == false)
        }
    }
}

@Test func `Galera's own files are read whole or not at all`() {
    let view = """
        my_uuid: 2b1f
        #vwbeg
        view_id: 3 1a0e 7
        bootstrap: 0
        member: 2b1f 0
        member: 1a0e 0
        #vwend

        """
    #expect(GaleraFiles.view(view) == ComponentView(number: 7, maker: "1a0e", own: "2b1f", members: ["1a0e", "2b1f"]))
    for length in 0..<(view.utf8.count - 1) { #expect(GaleraFiles.view(String(view.prefix(length))) == nil) }
    let state = GaleraFiles.SavedState(stateUUID: "6f-1", sequence: -1, isSafeToBootstrap: true)
    #expect(GaleraFiles.SavedState(state.text) == state)
    #expect(GaleraFiles.SavedState("version: 2.1\nuuid: 6f-1\n") == nil)
    for (line, position) in [
        ("0 [Note] WSREP: Recovered position: 6f-1:12,7-1-9", 12), ("0 [Note] WSREP: Recovered position 6f-1:12", 12), ("WSREP: Recovered position: 6f-1:-1", -1),
    ] as [(String, Int64)] {
        let read = ErrorLog("before\n" + line + "\nafter").recoveredPosition
        #expect(read?.uuid == "6f-1" && read?.sequence == position)
    }
    #expect(ErrorLog("nothing of it").recoveredPosition == nil)
}
