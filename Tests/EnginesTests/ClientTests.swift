import Glibc
import MySQLClient
import Testing

@testable import Engines

extension RealServers {
    @Suite struct Client {
        private static func connect(_ host: TestHost) async throws -> MySQLConnection {
            try await MySQLConnection.connect(to: .socket(host.layout(1).socket), user: host.host.administrator, within: .seconds(5))
        }

        @Test func `statements are bounded, interrupted, and their errors told`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let connection = try await Self.connect(host)
            let odd = "it's \\ \"odd\"\n\0 ü 😀"
            #expect(try await connection.query("SELECT \(odd), NULL, 7", within: .seconds(5)).rows == [[odd, nil, "7"]])
            let error = await #expect(throws: MySQLError.self) { try await connection.query("SELECT nothing", within: .seconds(5)) }
            #expect(error?.kind == .server && error?.code == 1054 && error?.sqlState == "42S22")
            #expect(await connection.isUsable)

            let began = ContinuousClock.now
            let late = await #expect(throws: MySQLError.self) { try await connection.query("SELECT SLEEP(20)", within: .milliseconds(200)) }
            #expect(late?.kind == .timedOut)
            #expect(ContinuousClock.now - began < .seconds(5))
            #expect(await !connection.isUsable)
            #expect(await #expect(throws: MySQLError.self) { try await connection.query("SELECT 1", within: .seconds(5)) }?.kind == .connection)
            await connection.close()
            await connection.close()
        }

        @Test func `a cancelled task does not wait for its statement`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let connection = try await Self.connect(host)
            let began = ContinuousClock.now
            let waiting = Task { try await connection.query("SELECT SLEEP(20)", within: .seconds(60)) }
            #expect(try await eventually {
                try await host.sql(1, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'").first == "1"
            })
            waiting.cancel()
            await #expect(throws: CancellationError.self) { try await waiting.value }
            #expect(ContinuousClock.now - began < .seconds(15))
        }

        @Test func `nobody listening is told at once, and a frozen server within the bound`() async throws {
            let host = try TestHost()
            let absent = await #expect(throws: MySQLError.self) {
                try await MySQLConnection.connect(to: .socket(host.directory + "/none"), user: "x", within: .seconds(5))
            }
            #expect(absent?.kind == .connection && absent?.code == 2002)
            let closed = await #expect(throws: MySQLError.self) {
                try await MySQLConnection.connect(to: .tcp(host: "127.0.10.250", port: 13499), user: "x", within: .seconds(5))
            }
            #expect(closed?.kind == .connection)
            // A listener whose queue takes the connection and that never greets.
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(listener) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.10.251")
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let named = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &length) }
            }
            try #require(bound == 0 && named == 0 && listen(listener, 1) == 0)
            let began = ContinuousClock.now
            let silent = await #expect(throws: MySQLError.self) {
                try await MySQLConnection.connect(
                    to: .tcp(host: "127.0.10.251", port: Int(address.sin_port.bigEndian)), user: "x", within: .milliseconds(300))
            }
            #expect(silent?.kind == .timedOut)
            #expect(ContinuousClock.now - began < .seconds(5))
        }
    }
}
