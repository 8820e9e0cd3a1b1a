import Foundation
import MetadataStore
import MySQLClient
import Synchronization
import Testing

@testable import MySQLStore

/// Tests that use the one server: one after another, because bounds of seconds are among what they look at.
@Suite(.serialized) enum OnOneDatabase {}

/// A database server of the tests' own on a loopback address, in a directory of its own below `/tmp`; a run has one.
final class TestServer: Sendable {
    static let port = 13990
    static let password = "correct horse"
    private let directory: String
    private let process: Process
    private static let numbers = Mutex(0)

    /// Throws what went wrong for every test that needs it.
    static let running = Result { try TestServer() }

    var certificate: String { directory + "/ca.pem" }
    /// Of the same name, by somebody else.
    var foreignCertificate: String { directory + "/other.pem" }

    private init() throws {
        directory = NSTemporaryDirectory() + "ek-mysqlstore-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        for (key, certificate) in [("key", "ca"), ("other-key", "other")] {
            try TestServer.run("/usr/bin/openssl", [
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "\(directory)/\(key).pem", "-out", "\(directory)/\(certificate).pem",
            ])
        }
        try TestServer.run("/usr/bin/mariadb-install-db", [
            "--no-defaults", "--datadir=\(directory)/data", "--auth-root-authentication-method=normal", "--skip-test-db",
            "--user=\(NSUserName())",
        ])
        try Data(
            """
            CREATE USER keeper@'127.0.0.1' IDENTIFIED BY '\(TestServer.password)';
            GRANT ALL ON *.* TO keeper@'127.0.0.1';

            """.utf8
        ).write(to: URL(fileURLWithPath: directory + "/init.sql"))
        process = try TestServer.start(directory)
        atexit { TestServer.end() }
    }

    private static func start(_ directory: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/sbin/mariadbd")
        process.arguments = [
            "--no-defaults", "--datadir=\(directory)/data", "--port=\(port)", "--bind-address=127.0.0.1",
            "--socket=\(directory)/s", "--init-file=\(directory)/init.sql", "--log-error=\(directory)/error.log",
            "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M", "--user=\(NSUserName())", "--skip-name-resolve",
            "--ssl-cert=\(directory)/ca.pem", "--ssl-key=\(directory)/key.pem", "--event-scheduler=OFF",
            // Nothing here outlives the machine.
            "--innodb-flush-method=nosync",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    private static func end() {
        guard case .success(let server) = running else { return }
        kill(server.process.processIdentifier, SIGKILL)
        server.process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: server.directory)
    }

    private static func run(_ program: String, _ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Trouble(description: "\(program) ended with \(process.terminationStatus)") }
    }

    struct Trouble: Error, CustomStringConvertible { var description: String }

    /// A new, empty database.
    func place(port: Int = TestServer.port, host: String = "127.0.0.1", authority: String? = nil) async throws -> MySQLStorePlace {
        let number = Self.numbers.withLock { next in
            next += 1
            return next
        }
        let name = "store_\(number)"
        let connection = try await administrator()
        try await connection.query("CREATE DATABASE \(identifier: name) CHARACTER SET latin1", within: .seconds(20))
        await connection.close()
        guard let place = MySQLStorePlace(url: "mysql://keeper@\(host):\(port)/\(name)", authority: authority) else {
            throw Trouble(description: "no place")
        }
        return place
    }

    /// Waits until it answers.
    func administrator() async throws -> MySQLConnection {
        let end = ContinuousClock.now + .seconds(60)
        while true {
            do {
                return try await MySQLConnection.connect(
                    to: .tcp(host: "127.0.0.1", port: TestServer.port), user: "keeper", password: TestServer.password, within: .seconds(5))
            } catch let error as MySQLError where ContinuousClock.now < end && error.kind != .tooLarge {
                try await Task.sleep(for: .milliseconds(100))
            }
        }
    }

    func store(
        _ place: MySQLStorePlace, url: String = "http://127.0.0.1:7070", retention: StoreRetention = StoreRetention(),
        clock: MySQLStore.LeaseClock = .caller
    ) -> MySQLStore {
        MySQLStore(place, password: TestServer.password, serverURL: url, retention: retention, clock: clock)
    }

    /// An empty store: that of the test before, emptied, because its tables take seconds to make.
    func emptyStore(retention: StoreRetention = StoreRetention()) async throws -> MySQLStore {
        if let place = Self.emptied.withLock({ $0 }) {
            try await empty(place)
            return store(place, retention: retention)
        }
        let store = store(try await place(), retention: retention)
        try await store.make()
        Self.emptied.withLock { $0 = store.place }
        return store
    }

    private static let emptied = Mutex<MySQLStorePlace?>(nil)

    private func empty(_ place: MySQLStorePlace) async throws {
        let connection = try await administrator()
        try await connection.query("USE \(identifier: place.database)", within: .seconds(20))
        let tables = try await connection.query("SHOW TABLES", within: .seconds(20)).rows.compactMap { $0[0] }
        for table in tables where table != "schema_steps" {
            try await connection.query("DELETE FROM \(identifier: table)", within: .seconds(20))
        }
        try await connection.query(Schema.firstRow(MySQLStore.newIdentity(), nil), within: .seconds(20))
        await connection.close()
    }
}
