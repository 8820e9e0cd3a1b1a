import FleetModel
import Glibc
import Testing

@testable import Engines

extension RealServers {
    @Suite struct PeerProbing {
        @Test func `a host answers with a server's greeting or a refusal, and a frozen server does not`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let bound = Duration.milliseconds(500)
            #expect(await host.driver.answers(anyOf: [host.peer(1)], within: .seconds(5)))
            // Nobody listens there.
            #expect(await host.driver.answers(anyOf: [host.peer(2)], within: bound))
            let server = try host.server(1)
            server.send(SIGSTOP)
            let began = ContinuousClock.now
            #expect(await !host.driver.answers(anyOf: [host.peer(1)], within: bound))
            #expect(ContinuousClock.now - began >= bound && ContinuousClock.now - began < .seconds(5))
            #expect(await host.driver.answers(anyOf: [host.peer(1), host.peer(2)], within: bound))
            #expect(await !host.driver.answers(anyOf: [], within: bound))
            // What cannot be looked up tells nothing.
            let unknown = Peer(ordinal: 3, host: "c", address: "no such name", port: 3306)
            #expect(await host.driver.answers(anyOf: [unknown], within: bound))
            server.send(SIGCONT)
            #expect(await host.driver.answers(anyOf: [host.peer(1)], within: .seconds(5)))
            // Nobody logged in or failed to.
            #expect(try Files.text(host.layout(1).errorLog)?.contains("Access denied") == false)
        }
    }
}
