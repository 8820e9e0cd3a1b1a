import FleetModel
import Glibc
import MySQLClient
import Testing

@testable import Engines

extension GaleraCluster {
    /// What a server gives a member whose group's authority is this one.
    fileprivate func secrets(_ ordinal: Int, authority: Int64 = 0, now: Instant = .wall) throws -> [String: String] {
        ["groupCertificate": try host.groupCertificate(ordinal, authority: authority, now: now)]
    }

    /// How often a member's log tells of a connection that came about and was of no member. Of those that did not come about it
    /// tells too.
    fileprivate func refusals(by ordinal: Int) throws -> Int {
        (try Files.text(host.layout(ordinal).errorLog) ?? "").split(separator: "\n").count { line in
            line.contains("Failed to establish connection") && !line.contains("refused") && !line.contains("timed out")
        }
    }

    /// While it tries to get in it is killed, once the member that it calls has refused it.
    fileprivate func isRefused(_ ordinal: Int, by member: Int, _ start: @Sendable @escaping () async throws -> Void) async throws -> Bool {
        let before = try refusals(by: member)
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await start()
                    return false
                } catch {
                    // By the kill: refused, or cancelled.
                    return true
                }
            }
            let isTold = try await eventually { try refusals(by: member) > before }
            let isIn = await host.driver.observe(host.id(ordinal), fingerprintKey: nil)?.database?.galera?.isReady == true
            try await host.perform(.fence(epoch: 1), on: ordinal)
            let isEnded = try await group.next() ?? false
            return isTold && !isIn && isEnded
        }
    }
}

/// What a port says to somebody who speaks no TLS, within two seconds.
private func answerInClear(at address: String, _ port: Int) throws -> [UInt8] {
    let connection = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(connection) }
    var bound = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &bound, socklen_t(MemoryLayout<timeval>.size))
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = in_port_t(port).bigEndian
    #expect(inet_pton(AF_INET, address, &place.sin_addr) == 1)
    let status = withUnsafePointer(to: &place) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    #expect(status == 0)
    var bytes = [UInt8](repeating: 0, count: 64)
    let words = Array("in clear\n".utf8)
    #expect(send(connection, words, words.count, Int32(MSG_NOSIGNAL)) == words.count)
    let count = recv(connection, &bytes, bytes.count, 0)
    return Array(bytes.prefix(max(0, count)))
}

extension RealServers {
    @Suite struct GaleraCertificates {
        @Test func `nobody without a certificate of the group's authority gets in, and nothing goes in clear`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            let keys = AcknowledgedKeys()
            async let writing: Void = keys.write(on: host, 1, from: 1_000_000)
            for ordinal in cluster.ordinals {
                var facts = stat()
                #expect(stat(host.layout(ordinal).groupCertificate, &facts) == 0 && facts.st_mode & 0o777 == 0o600)
                #expect(try await host.observe(ordinal).groupCertificate?.authority == 0)
            }
            try await host.perform(.fence(epoch: 1), on: 3)
            #expect(try await eventually { try await cluster.galera(1).size == 2 })

            // Another authority's; its own, a month after its end.
            let strangers = [
                try cluster.secrets(3, authority: 9), try cluster.secrets(3, now: Instant(milliseconds: Instant.wall.milliseconds - 120 * 86_400_000)),
            ]
            for secrets in strangers {
                #expect(
                    try await cluster.isRefused(3, by: 1) {
                        try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3, secrets: secrets)
                    })
                #expect(try await cluster.galera(1).size == 2)
            }
            // By its agent alone, with the certificate that it has on disk.
            #expect(try await cluster.isRefused(3, by: 1) { try await host.driver.startClosed(host.id(3)) })

            // In clear: it is started as it was before, and nobody is answered who speaks so.
            let clear = cluster.blueprint(3).configuration.split(separator: "\n", omittingEmptySubsequences: false).map { line in
                line.hasPrefix("wsrep_provider_options") ? line.split(separator: ";").filter { !$0.hasPrefix("socket.ssl") }.joined(separator: ";") : String(line)
            }.joined(separator: "\n")
            try await host.perform(.configure(configuration: clear), on: 3)
            try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3)
            #expect(try await host.observe(3).refusedStart?.message.contains("in clear") == true)
            #expect(try Files.text(host.layout(3).started)?.contains("socket.ssl_ca=") == true)
            for ordinal in cluster.ordinals {
                let answer = try answerInClear(at: host.peer(ordinal).address, host.peer(ordinal).port + 1200)
                // Nothing, or that it is no TLS. A group in clear would greet.
                #expect(answer.isEmpty || answer.first == 0x15, "\(answer)")
            }
            #expect(try await cluster.galera(1).size == 3)
            let written = keys.all.count
            #expect(try await eventually { keys.all.count > written })
            try cluster.kill(1)
            await writing
        }

        @Test func `a renewal restarts nobody and disturbs no write, and the new one counts from then on`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            let keys = AcknowledgedKeys()
            async let writing: Void = keys.write(on: host, 1, from: 1_000_000)
            #expect(try await eventually { keys.all.count > 50 })
            let (view, processes) = (try await cluster.galera(1).viewNumber, try cluster.ordinals.map { try Files.text(host.layout($0).processRecord) })
            // Another authority's, so that it can be seen which one counts.
            for ordinal in cluster.ordinals {
                let before = keys.all.count
                try await host.perform(.renewCertificate, on: ordinal, secrets: try cluster.secrets(ordinal, authority: 5))
                #expect(try await host.observe(ordinal).groupCertificate?.authority == 5)
                #expect(try await eventually { keys.all.count > before + 50 })
            }
            #expect(try await cluster.galera(1).viewNumber == view)
            #expect(try cluster.ordinals.map { try Files.text(host.layout($0).processRecord) } == processes)

            try await host.perform(.fence(epoch: 1), on: 3)
            #expect(try await eventually { try await cluster.galera(1).size == 2 })
            #expect(
                try await cluster.isRefused(3, by: 1) {
                    try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3, secrets: try cluster.secrets(3))
                })
            try await host.perform(.joinComponent(epoch: 1, stateUUID: uuid), on: 3, secrets: try cluster.secrets(3, authority: 5))
            #expect(try await cluster.galera(1).size == 3)
            let ended = keys.all.count
            #expect(try await eventually { keys.all.count > ended })
            try cluster.kill(1)
            await writing
        }

        @Test func `whoever was given up does not get in, whatever its agent does`() async throws {
            let cluster = try GaleraCluster()
            let host = cluster.host
            let uuid = try await cluster.found()
            for ordinal in [3, 1, 2] { try cluster.kill(ordinal) }
            try await cluster.awaitDeath(of: cluster.ordinals)
            let position = try #require(try await host.perform(.readPosition, on: 1).recovered).sequence
            #expect(try await host.perform(.readPosition, on: 2).recovered?.sequence == position)
            // 3 is silent, and given up under epoch 2.
            try await host.perform(.recoverComponent(epoch: 2, stateUUID: uuid, position: position), on: 1, secrets: try cluster.secrets(1, authority: 2))
            try await host.perform(.joinComponent(epoch: 2, stateUUID: uuid), on: 2, secrets: try cluster.secrets(2, authority: 2))
            try await host.perform(.open(epoch: 2, semiSync: false), on: 1)
            _ = try await host.sql(1, "INSERT INTO shop.sales VALUES (5000, 'without it')")

            #expect(try await cluster.isRefused(3, by: 1) { try await host.driver.startClosed(host.id(3)) })
            #expect(try await cluster.galera(1).size == 2)
            // The same start with a certificate of the new authority would be let in: nothing else keeps it out.
            try await host.perform(.joinComponent(epoch: 2, stateUUID: uuid), on: 3, secrets: try cluster.secrets(3, authority: 2))
            #expect(try await cluster.galera(1).size == 3)
        }
    }
}
