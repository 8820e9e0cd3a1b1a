import FleetModel
import FoundationEssentials
import Reconciliation
import Server
import Testing

/// A file with this text in a directory of its own, for the time of `body`.
private func withFile<Value>(_ text: String, _ body: (String) throws -> Value) throws -> Value {
    let directory = FileManager.default.temporaryDirectory.appending(path: "evenkeel-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let file = directory.appending(path: "server.yaml")
    try Data(text.utf8).write(to: file)
    return try body(file.path())
}

private func problem(_ text: String) throws -> String {
    try withFile(text) { file in
        do throws(ConfigurationError) {
            _ = try ServerConfiguration(file: file)
            return ""
        } catch {
            return error.description
        }
    }
}

struct ConfigurationTests {
    @Test func `an address that others reach is refused without TLS, and the error says how to mend it`() throws {
        let message = try problem("listen: 0.0.0.0:7070")
        #expect(message.contains("there is no TLS"))
        #expect(message.contains("tls: auto"))
    }

    @Test(arguments: ["10.0.0.1:7070", "127.evil.example:7070", "[::]:7070", "example.org:7070", "127.0.0.1.evil:7070"])
    func `only loopback goes without TLS`(address: String) throws {
        #expect(try problem("listen: \"\(address)\"").contains("there is no TLS"))
    }

    @Test(arguments: ["127.0.0.1:7070", "127.8.9.10:7070", "[::1]:7070", "localhost:7070"])
    func `loopback goes without TLS`(address: String) throws {
        #expect(try problem("listen: \"\(address)\"").isEmpty)
    }

    @Test func `TLS of our own opens every address`() throws {
        #expect(try problem("listen: 0.0.0.0:7070\ntls: auto").isEmpty)
        #expect(try problem("listen: 0.0.0.0:7070\ntls: {auto: [control.example.org]}").isEmpty)
    }

    @Test func `a misspelt field is an error`() throws {
        #expect(try problem("tsl: auto").contains("unknown field \"tsl\""))
        #expect(try problem("sources: [{name: a, url: b, brunch: main}]").contains("unknown field \"brunch\""))
        #expect(try problem("tls: {certificate: a}").contains("both certificate and key"))
    }

    @Test func `a store that several servers share is reached by TLS, or on this machine`() throws {
        let url = "url: \"mysql://evenkeel@db.example.org/evenkeel\""
        #expect(try problem("store: {\(url)}").contains("Add `ca: FILE`"))
        #expect(try problem("store: {\(url), ca: ca.pem}").isEmpty)
        #expect(try problem("store: {\(url), socket: /run/s}").isEmpty)
        #expect(try problem("store: {url: \"mysql://evenkeel@127.0.0.1:3307/evenkeel\"}").isEmpty)
        #expect(try problem("store: {\(url), ca: ca.pem}\nlisten: 0.0.0.0:7070\ntls: auto").contains("publicURL"))
        #expect(try problem("store: {\(url), password: a}").contains("unknown field \"password\""))
        let secret = try problem("store: {url: \"mysql://evenkeel:hunter2@127.0.0.1/evenkeel\"}")
        #expect(secret.contains("passwordFile") && !secret.contains("hunter2"))
    }

    @Test func `what is not YAML is told with its place`() throws {
        #expect(try problem("listen: [a").contains("server.yaml:"))
        #expect(try problem("data: a\ndata: b").contains("\"data\" is here twice"))
        #expect(try problem("a: &x 1\nb: *x").contains("aliases are not taken here"))
    }

    @Test func `every field is read`() throws {
        let text = """
            listen: 127.0.0.1:7171
            data: ./state
            name: one
            sources:
              - {name: fleet, url: ./fleet, branch: trunk, folder: live, interval: 5s, onInvalid: holdRevision}
            secrets: {root: /etc/secrets, environment: [APP]}
            scripts: {page: {path: /bin/true, arguments: [-x, "1"]}}
            unitInterval: 500ms
            leaseDuration: 2m
            backupsKept: 3
            failovers: {perCluster: 2, perZone: 9, window: 30m, coolDown: 90s}
            """
        let configuration = try withFile(text) { try ServerConfiguration(file: $0) }
        #expect(configuration.port == 7171)
        #expect(configuration.dataDirectory.hasSuffix("/state") && configuration.dataDirectory.hasPrefix("/"))
        #expect(configuration.sources.map(\.branch) == ["trunk"])
        #expect(configuration.sources.map(\.interval) == [.seconds(5)])
        #expect(configuration.sources.map(\.onInvalid) == [.holdRevision])
        #expect(configuration.environmentAllowed == ["APP"])
        #expect(configuration.scripts["page"]?.arguments == ["-x", "1"])
        #expect(configuration.unitInterval == .milliseconds(500))
        #expect(configuration.leaseDuration == .seconds(120))
        #expect(configuration.backupsKept == 3)
        #expect(configuration.failovers.perCluster == 2 && configuration.failovers.perZone == 9)
        #expect(configuration.failovers.perRegion == 40 && configuration.failovers.window == .seconds(1800))
        #expect(configuration.failovers.coolDown == .seconds(90))
    }

    @Test func `a lost fleet key is not replaced where clusters derive from it`() throws {
        try withFile("data: data") { file in
            let configuration = try ServerConfiguration(file: file)
            try PrivateFile.makeDirectory(configuration.dataDirectory)
            #expect(throws: ConfigurationError.self) { _ = try FileSecrets(configuration, mayMakeKey: false) }
            #expect(!FileManager.default.fileExists(atPath: configuration.fleetKeyPath))
            let made = try FileSecrets(configuration, mayMakeKey: true).fleetKey()
            #expect(made.count == FileSecrets.keyBytes)
            #expect(try FileSecrets(configuration, mayMakeKey: false).fleetKey() == made)
        }
    }
}
