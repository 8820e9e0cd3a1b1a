import Agent
import ArgumentParser
import AsyncHTTPClient
import CopyTLS
import Engines
import FleetModel
import FoundationEssentials
import Logging
import Server
import ServiceLifecycle
import UnixSignals

struct AgentCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Run a host's agent: observe, carry out tasks, supervise database processes.",
        discussion: """
            Databases outlive the agent: stopping or killing it never touches them. It dials out; nothing listens on the \
            host but the health port, where one is asked for, and one port during a copy (24400 to 24499). As root, where \
            systemd runs the host, each database is a unit of its own, evenkeel-<cluster>-<number>.service.

            Example:
              evenkeel agent --server https://control:7070 --host hz-a-1 \\
                --data /var/lib/evenkeel-agent --token-file hz-a-1.token --ca-file ca.pem
            """)

    @Option(help: "URLs of the servers, separated by commas.")
    var server: String
    @Option(help: "The host's name, as its manifest declares it.")
    var host: String
    @Option(help: "The directory of the agent's journal and of the instances.")
    var data: String
    @Option(help: "The file of the one-time enrolment token; needed until the agent is enrolled.")
    var tokenFile: String?
    @Option(help: "The certificate (PEM) of the authority that signed the servers'.")
    var caFile: String?
    @Option(help: "The user that database processes run as when the agent is root.")
    var dbUser = "mysql"
    @Option(help: "Answer health checks on this address: 200 on /primary or /replica.")
    var health: String?
    @Option(
        help: """
            A program (absolute path) to run when an instance's role changes; EVENKEEL_ROLE, EVENKEEL_EPOCH, \
            EVENKEEL_CLUSTER and EVENKEEL_INSTANCE say to what. Repeat for its arguments.
            """)
    var roleCommand: [String] = []
    @Flag(
        help: """
            Carry out the faults of `evenkeel gameday`, for clusters whose manifests say `gameDay: allowed`. Only on hosts \
            that carry nothing but test clusters.
            """)
    var gameDay = false
    @Option(help: "trace, debug, info, warning or error.")
    var logLevel = "info"

    func run() async throws {
        let level = Logger.Level(rawValue: logLevel) ?? .info
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        do {
            try await runAgent()
        } catch let error as CommandError {
            throw error
        } catch let error as ConfigurationError {
            throw CommandError(error.description)
        } catch {
            throw CommandError(error, listeningOn: health ?? "", setting: "--health")
                ?? CommandError("the agent stopped: \(error)")
        }
    }

    private func runAgent() async throws {
        let servers = server.split(separator: ",").map { ServerURL.trimmed($0) }
        guard !servers.isEmpty else { throw CommandError("--server names no server", help: "such as --server https://control:7070") }
        for url in servers { _ = try ServerURL.checked(url, setting: "--server") }
        let directory = data.hasPrefix("/") ? data : FileManager.default.currentDirectoryPath + "/" + data
        try AgentDirectory.make(directory)
        let (journal, state) = try FileJournal.open(directory: directory)
        let credential = try AgentCredential(host: host, dataDirectory: directory, enrolmentFile: tokenFile)
        let http = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: try Client.configuration(authorityFile: caFile))
        let databases = MariaDBHost(dataDirectory: directory, databaseUser: dbUser)
        let driver = MariaDBDriver(databases, transport: TLSCopyTransport())
        let logger = Logger(label: "evenkeel")
        let parts = AgentParts(
            host: host, version: Version.text, driver: driver, journal: journal,
            transport: HTTPAgentTransport(
                http: http, servers: servers, credential: credential,
                warn: { AgentCommand.log(AgentNotice(.warning, $0), logger) }),
            roleHook: roleCommand.isEmpty ? nil : try CommandRoleHook(command: roleCommand),
            faults: gameDay ? MariaDBFaults(databases, servers: servers.compactMap(ServerURL.addressAndPort)) : nil,
            log: { notice in AgentCommand.log(notice, logger) })
        let runner = AgentRunner(parts, state: state, clock: ContinuousClock(), startedAt: SystemTime().now())
        do {
            try await serve(runner, logger)
        } catch {
            // Why it ended counts; a client that is let go without this ends the process in its own way.
            try? await http.shutdown()
            throw error
        }
        try await http.shutdown()
    }

    private func serve(_ runner: AgentRunner, _ logger: Logger) async throws {
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(service: AgentService(runner: runner), successTerminationBehavior: .gracefullyShutdownGroup)
        ]
        if let health {
            services.append(.init(service: try HealthServer.application(health, runner: runner, logger: logger)))
        }
        let group = ServiceGroup(
            configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private static func log(_ notice: AgentNotice, _ logger: Logger) {
        let level: Logger.Level =
            switch notice.level {
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        logger.log(
            level: level, "\(notice.message)",
            metadata: notice.metadata.mapValues { .string($0) })
    }
}

extension MariaDBFaults: FaultInjector {}

/// The agent's loop as a service; ending it leaves the databases as they are.
struct AgentService: Service {
    let runner: AgentRunner

    func run() async throws {
        await cancelWhenGracefulShutdown { await runner.run() }
    }
}
