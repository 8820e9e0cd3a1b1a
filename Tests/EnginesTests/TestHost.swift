import CopyTLS
import FleetModel
import Glibc
import GroupAuthority
import MySQLClient
import Planning
import Synchronization
import Testing

@testable import Engines

/// One host of a test: a data directory of its own below `/tmp`, a driver, and instances at addresses of 127.0.10.0/24.
/// At its end the processes that it started are killed and its directory is removed.
final class TestHost: Sendable {
    let directory: String
    let host: MariaDBHost
    let driver: MariaDBDriver
    /// Unique in a run, so that instances of tests that run at once have names of their own.
    let uid: String

    private static let numbers = Mutex(0)

    init(dataDirectory: String? = nil, uid: String? = nil, subdirectory: String = "") throws {
        let number = Self.numbers.withLock { next in
            next += 1
            return next
        }
        self.uid = uid ?? "t\(number)"
        if let dataDirectory {
            directory = dataDirectory
        } else {
            var template = Array("/tmp/ek-engines.XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw EngineError.system("make", "a test directory") }
            directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        chmod(directory, 0o755)
        host = MariaDBHost(dataDirectory: directory + (subdirectory.isEmpty ? "" : "/" + subdirectory), databaseUser: HostUser.named("mysql") == nil ? "nobody" : "mysql")
        driver = MariaDBDriver(host, transport: TLSCopyTransport())
    }

    deinit {
        for process in ProcessIdentity.all(where: { words in words.contains { $0.contains(directory + "/") } }) {
            kill(process.id, SIGKILL)
        }
        while !ProcessIdentity.all(where: { words in words.contains { $0.contains(directory + "/instances/") } }).isEmpty { usleep(1000) }
        try? Files.removeTree(directory)
    }

    func id(_ ordinal: Int) -> InstanceID { InstanceID(clusterUID: uid, ordinal: ordinal) }

    func layout(_ ordinal: Int) -> InstanceLayout { InstanceLayout(id(ordinal), in: host) }

    /// How a second driver, as of a restarted agent, sees the same host.
    func anotherDriver() -> MariaDBDriver { MariaDBDriver(host, transport: TLSCopyTransport()) }

    var portBase: Int { 13400 + (Int(uid.dropFirst()) ?? 0) % 25 * 4 }

    func peer(_ ordinal: Int) -> Peer {
        Peer(ordinal: ordinal, host: "host-\(ordinal)", address: "127.0.10.\(ordinal)", port: portBase + ordinal - 1)
    }

    func blueprint(_ ordinal: Int, parameters: [String: String] = [:], storageBytes: Int64 = 1 << 20) -> InstanceBlueprint {
        InstanceBlueprint(
            clusterName: "orders", port: peer(ordinal).port, address: peer(ordinal).address, serverID: Int64(ordinal),
            gtidDomain: 7, engineVersion: "10.11", configuration: configuration(ordinal, parameters: parameters),
            storageBytes: storageBytes)
    }

    /// What the server would order, with small sizes.
    func configuration(_ ordinal: Int, parameters: [String: String] = [:]) -> String {
        let member = MemberRecord(
            ordinal: ordinal, host: peer(ordinal).host, zone: "zone", address: peer(ordinal).address, port: peer(ordinal).port,
            serverID: Int64(ordinal))
        let small = ["innodb_log_file_size": "16777216", "innodb_buffer_pool_size": "67108864", "character_set_server": "utf8mb4"]
        let all = small.merging(parameters) { $1 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        return MariaDBConfiguration.render(member, gtidDomain: 7, parameters: all)
    }

    static let secrets = [
        "replicationPassword.1": "first-secret", "replicationPassword.2": "second-secret",
        "replicationPassword.3": "third-secret", "replicationPassword.4": "fourth-secret",
    ]

    @discardableResult
    func perform(_ action: Action, on ordinal: Int, secrets: [String: String] = [:]) async throws -> TaskResult {
        var secrets = secrets
        secrets["replicationPassword"] = Self.secrets["replicationPassword.\(ordinal)"]
        if secrets["groupCertificate"] == nil { secrets["groupCertificate"] = try groupCertificate(ordinal) }
        let work = EngineWork(
            attempt: "a", instance: id(ordinal), clusterName: "orders", action: action, secrets: secrets)
        return try await driver.perform(work) { _ in }
    }

    /// What the server gives a member of a galera cluster with the order to start.
    func groupCertificate(_ ordinal: Int, authority: Int64 = 0, now: Instant = .wall) throws -> String {
        try GroupAuthority(fleetKey: Array(uid.utf8), clusterUID: uid, number: authority).certificate(of: id(ordinal), now: now)
    }

    func observe(_ ordinal: Int, key: String? = nil) async throws -> InstanceReport {
        try #require(await driver.observe(id(ordinal), fingerprintKey: key))
    }

    func database(_ ordinal: Int, key: String? = nil) async throws -> DatabaseReport {
        try #require(try await observe(ordinal, key: key).database)
    }

    /// Installs and starts instances side by side.
    func make(_ ordinals: [Int], parameters: [String: String] = [:]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for ordinal in ordinals {
                group.addTask {
                    try await self.perform(.install(self.blueprint(ordinal, parameters: parameters)), on: ordinal)
                    try await self.perform(.start, on: ordinal)
                }
            }
            try await group.waitForAll()
        }
    }

    /// Three instances: 1 is the open writer, 2 and 3 acknowledge.
    func found(_ ordinals: [Int] = [1, 2, 3]) async throws {
        try await make(ordinals)
        let replicas = Array(ordinals.dropFirst())
        try await perform(.initialize(replicas: ordinals), on: 1, secrets: Self.secrets)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for ordinal in replicas {
                group.addTask {
                    try await self.perform(.replicate(source: self.peer(1)), on: ordinal)
                    try await self.perform(.acknowledge(source: self.peer(1)), on: ordinal)
                }
            }
            try await group.waitForAll()
        }
        try await perform(.open(epoch: 1, semiSync: true), on: 1)
    }

    /// A connection as an operator of this host has it, to look behind the driver's back and to break things.
    func sql(_ ordinal: Int, _ statement: SQL) async throws -> MySQLRows {
        let connection = try await MySQLConnection.connect(
            to: .socket(layout(ordinal).socket), user: host.administrator, within: .seconds(5))
        do {
            let rows = try await connection.query(statement, within: .seconds(120))
            await connection.close()
            return rows
        } catch {
            await connection.close()
            throw error
        }
    }

    /// A session that stands for somebody else's on that server, and is not binlogged.
    func stranger(_ ordinal: Int, _ statements: [SQL]) async throws -> MySQLConnection {
        let connection = try await MySQLConnection.connect(
            to: .socket(layout(ordinal).socket), user: host.administrator, within: .seconds(5))
        for statement in ["SET SESSION sql_log_bin = 0"] + statements { try await connection.query(statement, within: .seconds(5)) }
        return connection
    }
}

/// Waits for a condition, bounded by more than a busy disk needs; false where it never held.
func eventually(within bound: Duration = .seconds(60), _ condition: () async throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + bound
    while try await !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(5))
    }
    return true
}

extension Instant {
    /// By this host's clock.
    static var wall: Instant { Instant(milliseconds: Int64(time(nil)) * 1000) }
}
