package import Logging
package import MetadataStore

import Crypto
import FleetModel
import FoundationEssentials
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Monitoring
import NIOCore
import Reconciliation
import ServiceLifecycle
import UnixSignals

/// `evenkeel serve`: store, loop, monitor and HTTP as services of one group, started in that order and stopped in the
/// reverse.
package struct ServerProcess: Sendable {
    private let configuration: ServerConfiguration
    private let logger: Logger

    package init(_ configuration: ServerConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Opens a store below the data directory; throws `StoreError.inUse` where another server has it.
    package typealias StoreOpener = @Sendable (ServerConfiguration) async throws -> any MetadataStore

    /// Runs until a signal (SIGTERM, SIGINT) or a failure.
    package func run(openStore: StoreOpener) async throws {
        try PrivateFile.makeDirectory(configuration.dataDirectory)
        // The store before the fleet key: a key without a store means that the store was lost.
        let store = try await openStore(configuration)
        let state = try await store.load()
        let isUsed = !state.records.clusters.isEmpty || state.credentials.contains { $0.role == .agent }
        let shared = store as? any SharedStore
        let hasOthers = try await SharedKey.isThere(shared, configuration)
        let secrets = try FileSecrets(configuration, mayMakeKey: !isUsed && !hasOthers)
        try await SharedKey.check(secrets.fleetKey(), shared, configuration)
        let builder = try serverBuilder()
        let clock = SystemTime()
        let reconciler = Reconciler(
            store: store, configuration: loopConfiguration(), secrets: secrets, clock: clock)
        let tokens = Tokens(store: store, credentials: state.credentials)
        let control = ControlPlane(
            reconciler: reconciler, tokens: tokens, membership: Membership(fleetKey: secrets.fleetKey()), clock: clock)
        let application = Application(
            router: APIRouter.router(control), server: builder,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), serverName: "evenkeel"),
            onServerRunning: { [logger, configuration] _ in
                logger.info("serving", metadata: ["url": "\(configuration.url)"])
            }, logger: logger)
        let alone: [ServiceGroupConfiguration.ServiceConfiguration] = shared == nil
            ? [.init(service: DailyBackup(configuration: configuration, reconciler: reconciler, store: store, clock: clock, logger: logger), successTerminationBehavior: .ignore)]
            : [.init(service: CredentialKeeper(tokens: tokens, clock: clock, logger: logger), successTerminationBehavior: .ignore)]
        let group = ServiceGroup(
            configuration: .init(
                services: alone + [
                    .init(service: LoopService(reconciler: reconciler), successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: LoopLog(reconciler: reconciler, logger: logger), successTerminationBehavior: .ignore),
                    .init(service: FirstAdministrator(configuration: configuration, control: control, logger: logger), successTerminationBehavior: .ignore),
                    .init(service: alertKeeper(reconciler, store, clock), successTerminationBehavior: .ignore),
                    .init(service: application, successTerminationBehavior: .gracefullyShutdownGroup),
                ], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }

    private func alertKeeper(_ reconciler: Reconciler, _ store: any MetadataStore, _ clock: SystemTime) -> AlertKeeper {
        AlertKeeper(
            reconciler: reconciler, store: store,
            scripts: configuration.scripts.mapValues { AlertScript(path: $0.path, arguments: $0.arguments) },
            url: configuration.url, clock: clock, logger: logger)
    }

    private func loopConfiguration() -> ReconcilerConfiguration {
        ReconcilerConfiguration(
            serverName: configuration.name.isEmpty ? ProcessInfo.processInfo.hostName : configuration.name,
            sources: configuration.sources, failovers: configuration.failovers, leaderURL: configuration.url, mirrorDirectory: configuration.mirrorDirectory,
            unitInterval: configuration.unitInterval, leaseDuration: configuration.leaseDuration,
            scripts: Set(configuration.scripts.keys),
            seed: UInt64.random(in: 0...UInt64.max))
    }

    /// A connection on which nothing comes though something should, or that nobody uses, is closed: longer than clients
    /// keep one, and than any agent is silent.
    private static let idleTimeout = TimeAmount.seconds(90)

    private func serverBuilder() throws -> HTTPServerBuilder {
        let http = HTTPServerBuilder.http1(configuration: .init(idleTimeout: ServerProcess.idleTimeout))
        let files: (certificate: String, key: String)
        switch configuration.tls {
        case .off: return http
        case .files(let certificate, let key): files = (certificate, key)
        case .automatic(let names):
            let all = names + [configuration.host, "localhost", "127.0.0.1"].filter { !names.contains($0) && $0 != "0.0.0.0" && $0 != "::" }
            let made = try Authority.files(in: configuration.authorityDirectory, names: all)
            logger.info("the server's certificate is signed by our own authority", metadata: ["authority": "\(made.authority)"])
            files = (made.certificate, made.key)
        }
        return try .tls(http, tlsConfiguration: try ServerTLS.configuration(certificate: files.certificate, key: files.key))
    }
}

/// Runs `body` until it ends or the group is to stop, which is no failure.
func untilGracefulShutdown(_ body: @escaping @Sendable () async throws -> Void) async throws {
    do {
        try await cancelWhenGracefulShutdown(body)
    } catch is CancellationError {
        return
    }
}

/// The loop as a service: a graceful shutdown ends it after HTTP has ended, and it gives its lease back.
struct LoopService: Service {
    let reconciler: Reconciler

    func run() async throws {
        try await untilGracefulShutdown { try await reconciler.run() }
    }
}

/// Makes the first administrator's token where there is none, and leaves it in a private file.
struct FirstAdministrator: Service {
    let configuration: ServerConfiguration
    let control: ControlPlane
    let logger: Logger

    private static let tryAgain = Duration.milliseconds(100)

    func run() async throws {
        guard await !control.tokens.hasAdministrator else { return }
        guard let path = configuration.adminTokenFile else { return }
        try await untilGracefulShutdown {
            // Credentials are written under the leader's term.
            while await !control.reconciler.leader().isLeader {
                try await control.clock.sleep(until: control.now + FirstAdministrator.tryAgain)
            }
            // Another server that shares the store may have made one before.
            try await control.tokens.refresh()
            guard await !control.tokens.hasAdministrator else { return }
            let token = try await control.tokens.make(
                role: .admin, subject: "admin", validity: nil, now: control.now, term: try await control.term())
            if let slash = path.lastIndex(of: "/") { try PrivateFile.makeDirectory(String(path[..<slash])) }
            try PrivateFile.replace(path, Array((token + "\n").utf8))
            logger.notice("made the first administrator's token", metadata: ["file": "\(path)"])
        }
    }
}

/// Copies the store once a day (and at the start, when the last copy is older), and keeps the newest few.
struct DailyBackup: Service {
    let configuration: ServerConfiguration
    let reconciler: Reconciler
    let store: any MetadataStore
    let clock: any TimeSource
    let logger: Logger

    private static let interval = Duration.seconds(24 * 3600)
    private static let look = Duration.seconds(600)
    private static let wait = Duration.seconds(1)

    func run() async throws {
        try await untilGracefulShutdown {
            while true {
                // A store that is being rebuilt takes no good copy's place. Before the lead nothing is known of it.
                while await !reconciler.view().isLeader { try await clock.sleep(until: clock.now() + DailyBackup.wait) }
                if await !reconciler.isRebuilding { await backUpIfDue() }
                try await clock.sleep(until: clock.now() + DailyBackup.look)
            }
        }
    }

    /// When our copies were made, in seconds since 1970, the oldest first; other files are none of ours.
    private var copies: [Int64] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: configuration.backupDirectory)) ?? []
        return names.filter { $0.hasPrefix("evenkeel-") && $0.hasSuffix(".sqlite") }
            .compactMap { Int64($0.dropFirst(9).dropLast(7)) }.sorted()
    }

    private func path(_ copy: Int64) -> String { "\(configuration.backupDirectory)/evenkeel-\(copy).sqlite" }

    func backUpIfDue() async {
        let now = clock.now()
        if let last = copies.last, now - Instant(milliseconds: last * 1000) < DailyBackup.interval { return }
        let path = path(now.milliseconds / 1000)
        do {
            try PrivateFile.makeDirectory(configuration.backupDirectory)
            try await store.backUp(to: path)
            for old in copies.dropLast(configuration.backupsKept) { try FileManager.default.removeItem(atPath: self.path(old)) }
        } catch {
            logger.error("the store's backup failed", metadata: ["path": "\(path)", "error": "\(error)"])
        }
    }
}
