import FleetModel
import Glibc
import MySQLClient
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Scanning {
        private static let soon = Duration.seconds(10)

        @Test func `what a server has written and received is read from its files as it says itself`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            let statements: [SQL] = [
                "CREATE TABLE shop.aria (id INT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(10)) ENGINE = Aria",
                "INSERT INTO shop.aria (text) VALUES ('a'), ('b')",
                "INSERT INTO shop.rows SELECT seq FROM shop.seq_1_to_5000",
                "SET @a = 1", "CREATE TABLE shop.made SELECT 7 AS id", "FLUSH BINARY LOGS",
                "DELETE FROM shop.rows WHERE id > 100", "ALTER TABLE shop.rows ADD COLUMN text TEXT",
                "DROP TABLE shop.made", "FLUSH BINARY LOGS",
            ]
            for statement in statements {
                _ = try await host.sql(1, statement)
                let position = try await host.database(1).binlogPosition
                #expect(try host.files(1).written(until: .now + Self.soon) == position, "\(statement)")
                #expect(try await eventually { try await host.database(2).replication?.receivedPosition == position })
                #expect(try host.files(2).received(until: .now + Self.soon) == position, "\(statement)")
            }
            let connection = try await MySQLConnection.connect(
                to: .socket(host.layout(1).socket), user: host.host.administrator, within: .seconds(5))
            for statement in ["XA START 'x'", "INSERT INTO shop.rows VALUES (9001, '')", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'"] as [SQL] {
                try await connection.query(statement, within: .seconds(5))
            }
            await connection.close()
            #expect(try await host.database(1).binlogPosition == host.files(1).written(until: .now + Self.soon))
            #expect(try await eventually { try await host.areEqual([1, 2]) })
            #expect(try host.files(2).received(until: .now + Self.soon) == (await host.database(1).binlogPosition))
            // A directory whose server has ended tells the same.
            let position = try await host.database(1).binlogPosition
            try host.server(1).send(SIGKILL)
            #expect(try await eventually { try await host.observe(1).process == .stopped })
            #expect(try host.files(1).written(until: .now + Self.soon) == position)
        }

        @Test func `a log that ends in the middle of a group is read up to the one before it`() async throws {
            let host = try TestHost()
            try await host.make([1])
            try await host.perform(.initialize(replicas: [1]), on: 1, secrets: TestHost.secrets)
            try await host.perform(.open(epoch: 1, semiSync: false), on: 1)
            _ = try await host.sql(1, "CREATE DATABASE shop")
            _ = try await host.sql(1, "CREATE TABLE shop.rows (id INT PRIMARY KEY)")
            let before = try await host.database(1).binlogPosition
            _ = try await host.sql(1, "INSERT INTO shop.rows VALUES (1), (2)")
            let after = try await host.database(1).binlogPosition
            let file = try #require(host.files(1).logs("binlog", in: host.layout(1).data).last)
            var whole = BinlogScan(keeping: { _ in true })
            try whole.read(file, until: .now + Self.soon)
            #expect(whole.position == after && whole.groups.count == Int(after.sequences))
            let last = try #require(whole.groups.last)
            let size = Files.size(file)
            let torn = host.directory + "/torn"
            #expect(last.offset < size && size - last.offset < 1000)
            for end in stride(from: last.offset, to: size, by: 1) {
                try Files.copy(file, to: torn)
                try #require(truncate(torn, off_t(end)) == 0)
                var scan = BinlogScan()
                try scan.read(torn, until: .now + Self.soon)
                #expect(scan.position == before, "cut at \(end)")
            }
            // The end of a long file is found, too.
            let bytes = try #require(try Files.bytes(file, from: 0))
            let previous = whole.groups[whole.groups.count - 2]
            var long = Array(bytes[..<Int(last.offset)])
            for _ in 0..<100_000 { long += bytes[Int(previous.offset)..<Int(last.offset)] }
            long += bytes[Int(last.offset)...]
            let longFile = try #require(fopen(host.directory + "/long", "w"))
            #expect(fwrite(long, 1, long.count, longFile) == long.count)
            #expect(fclose(longFile) == 0)
            var end = BinlogScan(keeping: { $0.sequence == last.sequence })
            try end.read(host.directory + "/long", until: .now + .seconds(300))
            #expect(end.groups.map(\.sequence) == [last.sequence] && end.others == 100_000 + whole.groups.count - 1)
            #expect(end.lastOthers.last?.sequence == previous.sequence && (BinlogScan.othersMax..<2 * BinlogScan.othersMax).contains(end.lastOthers.count))
            // Room that was never written is zeros.
            try #require(truncate(torn, off_t(size + 5000)) == 0)
            var zeros = BinlogScan()
            try zeros.read(torn, until: .now + Self.soon)
            #expect(zeros.position == before)
            try Files.write(torn, "no log at all")
            var none = BinlogScan()
            #expect(throws: EngineError.self) { try none.read(torn, until: .now + Self.soon) }
        }
    }
}
