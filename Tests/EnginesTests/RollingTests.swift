import FleetModel
import Glibc
import MySQLClient
import Testing

@testable import Engines

/// A second version of MariaDB, as it is unpacked beside the host's own: a server of its own that this host has, with
/// another number in its mouth. Tests/EndToEnd runs two real versions.
private struct OtherVersion {
    /// Of the host's own series, and no release.
    static let version = "10.11.99"

    /// `breaks`: the server ends at once.
    static func unpack(on host: TestHost, breaks: Bool = false, without tool: String? = nil) throws {
        let base = host.host.enginesDirectory + "/mariadb-" + version
        try Files.makeDirectory(base + "/usr/sbin")
        try Files.makeDirectory(base + "/usr/bin")
        for name in ["mariadb", "mariadb-check", "mariadb-backup", "mbstream", "mariadb-binlog"] where name != tool {
            try #require(symlink("/usr/bin/" + name, base + "/usr/bin/" + name) == 0)
        }
        // It goes by the server's number, which is not its own here.
        let upgrade = "#!/bin/sh\nexec /usr/bin/mariadb-upgrade \"$@\" --skip-version-check\n"
        try Files.write(base + "/usr/bin/mariadb-upgrade", upgrade, mode: 0o755)
        try #require(symlink("/usr/share", base + "/usr/share") == 0)
        try #require(symlink("/usr/lib", base + "/usr/lib") == 0)
        let start = breaks ? "echo '[ERROR] mariadbd: a bad build' >&2; exit 1" : "exec /usr/sbin/mariadbd \"$@\" --version=\(version)-MariaDB"
        let script = """
            #!/bin/sh
            case "$*" in *--version) echo "mariadbd  Ver \(version)-MariaDB for debian-linux-gnu on x86_64"; exit;; esac
            \(start)

            """
        try Files.write(base + "/usr/sbin/mariadbd", script, mode: 0o755)
    }
}

extension RealServers {
    @Suite struct Rolling {
        private static func running(_ host: TestHost, _ ordinal: Int) throws -> ProcessIdentity {
            try #require(ProcessIdentity(Files.text(host.layout(ordinal).processRecord) ?? ""))
        }

        /// The host's own version.
        private static func own(_ host: TestHost) async throws -> String {
            try #require(await host.driver.binaries().first { $0.path == "/usr/sbin/mariadbd" }?.version)
        }

        @Test func `a restart by a configuration that does not start goes back, at once and again`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            let good = host.configuration(2), bad = host.configuration(2, parameters: ["innodb_flush_method": "sideways"])
            try await host.perform(.configure(configuration: bad), on: 2)
            let error = await #expect(throws: EngineError.self) { try await host.perform(.restart(isPrimary: false), on: 2) }
            #expect(error?.kind == .permanent && error?.message.contains("sideways") == true && error?.message.contains("as it was before") == true)
            var report = try await host.observe(2)
            #expect(report.process == .running && report.startedParameters["innodb_flush_method"] == nil)
            #expect(report.refusedStart?.configDigest == SHA256.hex(bad) && report.configDigest == SHA256.hex(bad))
            #expect(try await report.refusedStart?.engineVersion == Self.own(host))
            #expect(report.refusedStart?.message.contains("sideways") == true)
            // Killed, it is started by its agent as it was, without the other being tried again.
            let logged = Files.size(host.layout(2).errorLog)
            try Self.running(host, 2).send(SIGKILL)
            #expect(try await eventually { try await host.observe(2).process == .stopped })
            try await host.driver.startClosed(host.id(2))
            let log = String(decoding: try #require(try Files.bytes(host.layout(2).errorLog, from: logged)), as: UTF8.self)
            #expect(!log.contains("sideways"))
            // Ordered, it is tried.
            await #expect(throws: EngineError.self) { try await host.perform(.restart(isPrimary: false), on: 2) }
            try await host.perform(.configure(configuration: good), on: 2)
            report = try await host.observe(2)
            #expect(report.refusedStart == nil && report.process == .running)
            #expect(try await host.perform(.restart(isPrimary: false), on: 2).acted == false)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
        }

        @Test func `one that is taken back runs by what it did before, and is not tried again by its agent`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try OtherVersion.unpack(on: host)
            let own = try await Self.own(host)
            let changed = host.configuration(2, parameters: ["back_log": "91"])
            func dieAndStart() async throws {
                try Self.running(host, 2).send(SIGKILL)
                #expect(try await eventually { try await host.observe(2).process == .stopped })
                try await host.anotherDriver().startClosed(host.id(2))
            }
            let error = await #expect(throws: EngineError.self) { try await host.perform(.takeBack(reason: "no"), on: 2) }
            #expect(error?.message.contains("is not known") == true)
            try await host.perform(.configure(configuration: changed), on: 2)
            try await host.perform(.restart(isPrimary: false), on: 2)
            #expect(try await host.observe(2).startedParameters["back_log"] == "91")
            try await host.perform(.takeBack(reason: "no"), on: 2)
            for dies in [false, true] {
                if dies { try await dieAndStart() }
                let report = try await host.observe(2)
                #expect(report.process == .running && report.database?.readOnly == true && report.startedParameters["back_log"] == nil)
                #expect(report.refusedStart == RefusedStart(configDigest: SHA256.hex(changed), engineVersion: own, message: "no"))
            }
            await #expect(throws: EngineError.self) { try await host.perform(.takeBack(reason: "no"), on: 2) }
            try await host.perform(.configure(configuration: host.configuration(2)), on: 2)
            #expect(try await host.observe(2).refusedStart == nil)
            try await host.perform(.upgrade(isPrimary: false, version: OtherVersion.version), on: 2)
            try await host.perform(.takeBack(reason: "slow"), on: 2)
            for dies in [false, true] {
                if dies { try await dieAndStart() }
                let report = try await host.observe(2)
                #expect(report.database?.version == own && report.origin?.engineVersion == own)
                #expect(report.refusedStart?.engineVersion == OtherVersion.version && report.refusedStart?.message == "slow")
            }
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
        }

        @Test func `a database that dies with a bad configuration in its file comes back all the same`() async throws {
            let host = try TestHost()
            try await host.make([1])
            try await host.perform(.configure(configuration: host.configuration(1, parameters: ["innodb_flush_method": "sideways"])), on: 1)
            try Self.running(host, 1).send(SIGKILL)
            #expect(try await eventually { try await host.observe(1).process == .stopped })
            try await host.driver.startClosed(host.id(1))
            let report = try await host.observe(1)
            #expect(report.process == .running && report.refusedStart?.message.contains("sideways") == true)
        }

        @Test func `another version of the series is found, started by, and gone back from`() async throws {
            let host = try TestHost()
            try await host.found([1, 2])
            try await host.makeShop()
            let own = try await Self.own(host)
            await #expect(throws: EngineError.self) {
                try await host.perform(.upgrade(isPrimary: false, version: OtherVersion.version), on: 2)
            }
            #expect(try await host.database(2).replication?.sqlRunning == true, "nothing was touched")
            try OtherVersion.unpack(on: host)
            #expect(await host.driver.binaries().map(\.version).contains(OtherVersion.version))
            _ = try await host.sql(1, "INSERT INTO shop.rows SELECT seq FROM shop.seq_1_to_500")
            let result = try await host.perform(.upgrade(isPrimary: false, version: OtherVersion.version), on: 2)
            #expect(result.acted && result.engineVersion == OtherVersion.version)
            var report = try await host.observe(2)
            #expect(report.database?.version == OtherVersion.version && report.origin?.engineVersion == OtherVersion.version)
            #expect(report.database?.readOnly == true && report.refusedStart == nil)
            #expect(try await host.rows(2).count == 500, "what it had received was applied first")
            #expect(try await host.perform(.upgrade(isPrimary: false, version: OtherVersion.version), on: 2).acted == false)
            // Killed, it is started by the same.
            try Self.running(host, 2).send(SIGKILL)
            #expect(try await eventually { try await host.observe(2).process == .stopped })
            try await host.anotherDriver().startClosed(host.id(2))
            #expect(try await host.database(2).version == OtherVersion.version)
            try await host.perform(.upgrade(isPrimary: false, version: own), on: 2)
            report = try await host.observe(2)
            #expect(report.database?.version == own && report.origin?.engineVersion == own)
            try await host.perform(.replicate(source: host.peer(1)), on: 2)
        }

        @Test func `a version that does not start is left for the one before`() async throws {
            let host = try TestHost()
            try await host.make([1])
            try OtherVersion.unpack(on: host, breaks: true)
            let own = try await Self.own(host)
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(.upgrade(isPrimary: true, version: OtherVersion.version), on: 1)
            }
            #expect(error?.message.contains("a bad build") == true)
            let report = try await host.observe(1)
            #expect(report.database?.version == own && report.origin?.engineVersion == own)
            #expect(report.refusedStart?.engineVersion == OtherVersion.version)
            // Wanted no more, it is forgotten.
            #expect(try await host.perform(.configure(configuration: host.configuration(1)), on: 1).acted)
            #expect(try await host.observe(1).refusedStart == nil)
        }

        @Test func `an upgrade is not begun without its tools, nor to another series`() async throws {
            let host = try TestHost()
            try await host.make([1])
            let process = try Self.running(host, 1)
            try OtherVersion.unpack(on: host, without: "mariadb-backup")
            let error = await #expect(throws: EngineError.self) {
                try await host.perform(.upgrade(isPrimary: true, version: OtherVersion.version), on: 1)
            }
            #expect(error?.message.contains("mariadb-backup") == true)
            await #expect(throws: EngineError.self) { try await host.perform(.upgrade(isPrimary: true, version: "11.4.2"), on: 1) }
            #expect(process.isAlive)
        }

        @Test func `system tables of another series are brought up without a row in the binlog`() async throws {
            let host = try TestHost()
            try await host.make([1])
            try OtherVersion.unpack(on: host)
            let mark = host.layout(1).data + "/mysql_upgrade_info"
            try Files.write(mark, "10.6.5-MariaDB")
            let before = try await host.database(1).binlogPosition
            try await host.perform(.upgrade(isPrimary: true, version: OtherVersion.version), on: 1)
            #expect(try Files.text(mark)?.hasPrefix("10.11.") == true)
            #expect(try await host.database(1).binlogPosition == before)
        }
    }
}
