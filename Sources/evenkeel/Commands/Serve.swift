import ArgumentParser
import FoundationEssentials
import Logging
import MetadataStore
import Server

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the server: API, loop and monitor.",
        discussion: """
            The configuration is YAML, such as
              listen: 127.0.0.1:7070            # any other address needs tls
              data: /var/lib/evenkeel           # store, mirrors, keys
              sources:
                - {url: "git@example.org:fleet.git", branch: main, interval: 30s}
              secrets: {root: /etc/evenkeel/secrets}
              tls: auto                         # our own small authority, or
                                                # {certificate: FILE, key: FILE}
            Several servers share a database of MariaDB or MySQL as their store; one leads, the others take over:
              store: {url: "mysql://evenkeel@db.example.org:3306/evenkeel", passwordFile: store.password, ca: ca.pem}
            Every field is in Sources/Server/README.md; units for systemd are in manifests/systemd.

            A store that was lost, or put back from data/backups, is rebuilt by --rebuild: from git and from what the \
            agents tell, over what is in the store, if there is one. The server then only looks on until `evenkeel rebuild` \
            has shown what was found and it was approved; a restart meanwhile needs no flag.

            Examples:
              evenkeel serve --config /etc/evenkeel/server.yaml
              evenkeel serve --config /etc/evenkeel/server.yaml --rebuild
            """)

    @Option(help: "The server's configuration file.")
    var config: String
    @Flag(help: "Make a lost store anew, or bring a restored one up to date, from git and the agents. For one start, not for a unit file.")
    var rebuild = false
    @Flag(help: "Only check the configuration.")
    var check = false

    func run() async throws {
        let configuration: ServerConfiguration
        do {
            configuration = try Serve.read(config)
        } catch {
            throw CommandError(error.description)
        }
        if check { return Terminal.standardOutput.write("\(config): valid\n") }
        let level = Logger.Level(rawValue: configuration.logLevel) ?? .info
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        do {
            try await ServerProcess(configuration, logger: Logger(label: "evenkeel"))
                .run(openStore: { [rebuild] in try await StoreOpening.open($0, rebuild: rebuild) })
        } catch let error as CommandError {
            throw error
        } catch let error as ConfigurationError {
            throw CommandError(error.description)
        } catch StoreError.inUse(let holder) {
            throw CommandError(
                "another server (\(holder)) has the \(configuration.store == nil ? "store \(configuration.storePath)" : "data directory \(configuration.dataDirectory)")",
                help: "one server at a time uses \(configuration.store == nil ? "an SQLite store" : "a data directory"); stop the other one, or give this one a data directory of its own")
        } catch StoreError.unavailable(let sentence) {
            throw CommandError("the server stopped: \(sentence)")
        } catch {
            throw CommandError(error, listeningOn: configuration.address, setting: "`listen` in \(config)")
                ?? CommandError("the server stopped: \(error)")
        }
    }

    /// On a loopback address the first administrator's token is left for the user who starts the server.
    private static func read(_ file: String) throws(ConfigurationError) -> ServerConfiguration {
        var configuration = try ServerConfiguration(file: file)
        if configuration.adminTokenFile == nil {
            configuration.adminTokenFile = configuration.isLoopback
                ? TokenFile.path(forServer: configuration.url) : configuration.dataDirectory + "/admin.token"
        }
        return configuration
    }
}
