package import FleetModel
import MySQLClient
import Synchronization

/// The driver of MariaDB 10.11 and its like on plain Linux hosts.
package final class MariaDBDriver: EngineDriver {
    private let host: MariaDBHost
    private let finder: BinaryFinder
    private let transport: any CopyTransport
    private let watch = ExitWatch()
    private let probe = PeerProbe()
    private let ended: AsyncStream<InstanceID>.Continuation
    package let exits: AsyncStream<InstanceID>
    private let stalled: AsyncStream<InstanceID>.Continuation
    package let stalls: AsyncStream<InstanceID>

    private struct State {
        var instances: [InstanceID: Known] = [:]
        var catalogs: [String: VariableCatalog] = [:]
    }

    private struct Known {
        var worker: InstanceWorker
        var look: InstanceLook
        var process: ServerProcess
        var stopper: InstanceStopper
        var calls: CallsInFlight
    }

    private let state = Mutex(State())

    /// Exits, and stalls, that nobody took yet; the oldest go first, for a look shows the same.
    static let exitsMax = 1024

    /// `transport` carries copies between hosts: `TLSCopyTransport()`.
    package init(_ host: MariaDBHost, transport: any CopyTransport) {
        self.host = host
        self.transport = transport
        finder = BinaryFinder(host.binaryDirectories, enginesIn: host.enginesDirectory)
        (exits, ended) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.exitsMax))
        (stalls, stalled) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.exitsMax))
    }

    private func known(_ id: InstanceID) -> Known {
        state.withLock { state in
            if let known = state.instances[id] { return known }
            let layout = InstanceLayout(id, in: host)
            let process = ServerProcess(layout, exits: watch) { [ended] id in ended.yield(id) }
            let calls = CallsInFlight()
            let known = Known(
                worker: InstanceWorker(layout, host: host, finder: finder, process: process),
                look: InstanceLook(layout, administrator: host.administrator, process: process) { [stalled] in stalled.yield(id) },
                process: process,
                stopper: InstanceStopper(layout, host: host, process: process, calls: calls), calls: calls)
            state.instances[id] = known
            return known
        }
    }

    package func binaries() async -> [EngineBinary] {
        await finder.all().map { EngineBinary(type: .mariadb, version: $0.version, path: $0.server, galeraProvider: GaleraProvider.path) }.sorted()
    }

    package func capacity() async -> (storageFreeBytes: Int64, memoryTotalBytes: Int64) {
        (Files.freeBytes(host.instancesDirectory), HostMemory.totalBytes)
    }

    package func instances() async -> [InstanceID] {
        Files.names(in: host.instancesDirectory).compactMap { InstanceID($0) }
            .filter { InstanceLayout($0, in: host).hasIdentity }.sorted()
    }

    package func observe(_ instance: InstanceID, fingerprintKey: String?) async -> InstanceReport? {
        let look = known(instance).look
        let report = await look.look(fingerprintKey: fingerprintKey)
        if let version = report?.database?.version, state.withLock({ $0.catalogs[version] == nil }),
            let catalog = await look.catalog()
        {
            state.withLock { $0.catalogs[version] = catalog }
        }
        return report
    }

    package func catalogs() async -> [VariableCatalog] {
        state.withLock { $0.catalogs.values.sorted { $0.version < $1.version } }
    }

    package func startClosed(_ instance: InstanceID) async throws {
        try await telling("could not start \(instance)", instance) {
            let known = known(instance)
            try await known.calls.run(.start) { _ = try await known.worker.startClosed() }
        }
    }

    package func openByGrant(_ instance: InstanceID, semiSync: Bool, within bound: Duration) async throws -> Bool {
        try await telling("could not open \(instance)", instance) {
            let known = known(instance)
            // Members have no source that would show who leads: the server opens one of them.
            if await known.worker.isMember { return false }
            return try await known.calls.run(.work) { try await known.worker.openIfAcked(semiSync: semiSync, within: bound) != nil }
        }
    }

    package func resumeReplication(_ instance: InstanceID, acknowledges: Bool) async throws -> Bool {
        try await telling("could not let \(instance) replicate on", instance) {
            let known = known(instance)
            return try await known.calls.run(.work) { try await known.worker.resumeReplication(acknowledges: acknowledges) }
        }
    }

    package func answers(anyOf peers: [Peer], within bound: Duration) async -> Bool {
        let deadline = ContinuousClock.now + bound
        // Looking a name up may take longer than that: then nothing is known.
        return (try? await waiting(atMost: bound + Self.probeSlack) { [probe] in await probe.answers(anyOf: peers, until: deadline) }) ?? true
    }

    private static let probeSlack: Duration = .milliseconds(500)

    package func sendCopy(
        _ instance: InstanceID, to endpoint: CopyDestination, report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws {
        try await telling("could not copy \(instance)", instance) {
            try await known(instance).worker.sendCopy(to: endpoint, over: transport, report)
        }
    }

    package func perform(
        _ work: EngineWork, report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        let name = "\(work.action.name) of \(work.clusterName)-\(work.instance.ordinal) failed"
        let known = known(work.instance)
        return try await telling(name, work.instance) {
            switch work.action {
            case .fence: try await known.calls.run(.isolating) { try await known.stopper.fence() }
            case .revoke: try await known.calls.run(.isolating) { try await known.stopper.revoke() }
            default:
                try await known.calls.run(.work) { [self] in
                    if await known.worker.isMember, let result = try await carryOutOnMember(work, known.worker, report) { return result }
                    return try await carryOut(work, known.worker, report)
                }
            }
        }
    }

    private func carryOut(
        _ work: EngineWork, _ worker: InstanceWorker, _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        switch work.action {
        case .clone(let blueprint, _): try await worker.clone(blueprint, work, over: transport, report)
        case .install(let blueprint): try await worker.install(blueprint, report)
        case .start: try await worker.start()
        case .configure(let configuration): try await worker.configure(configuration)
        case .restart(let isPrimary): try await worker.restart(isPrimary: isPrimary, report)
        case .upgrade(let isPrimary, let version): try await worker.upgrade(to: version, isPrimary: isPrimary, report)
        case .takeBack(let reason): try await worker.takeBack(for: reason, report)
        case .initialize(let replicas): try await worker.initialize(replicas: replicas, secrets: work.secrets)
        case .prepareReplica(let ordinal, let cluster):
            try await worker.prepareReplica(
                InstanceID(clusterUID: cluster.isEmpty ? work.instance.clusterUID : cluster, ordinal: ordinal), secrets: work.secrets)
        case .replicate(let source, let acknowledges):
            try await worker.replicate(
                from: source, acknowledges: acknowledges, password: work.secrets["replicationPassword"] ?? "", report)
        case .acknowledge(let source):
            try await worker.acknowledge(source, password: work.secrets["replicationPassword"] ?? "")
        case .probe: try await worker.probe()
        case .open(_, let semiSync): try await worker.open(semiSync: semiSync)
        case .close: try await worker.closeForWriting()
        case .setVariables(let values, let configuration):
            try await worker.setVariables(values, configuration: configuration)
        case .ensureDatabase(let spec): try await worker.ensureDatabase(spec)
        case .dropDatabase(let name): try await worker.dropDatabase(name)
        case .ensureAccount(let spec, _): try await worker.ensureAccount(spec, secrets: work.secrets)
        case .dropAccount(let name, let host): try await worker.dropAccount(name: name, host: host)
        case .demote: try await worker.demote()
        case .promote(_, let position, let semiSync, let refused, _):
            try await worker.promote(position: position, semiSync: semiSync, refusing: refused, report)
        case .retire: try await worker.retire()
        case .purge: try await worker.purge(report)
        case .expel(let ordinal): try await worker.expel(ordinal)
        case .rejoin(let source):
            try await worker.rejoin(to: source, password: work.secrets["replicationPassword"] ?? "", report)
        case .foundComponent, .joinComponent, .readPosition, .recoverComponent, .renewCertificate:
            throw EngineError(.refused, "\(work.instance) is of no galera cluster")
        case .revoke, .fence, .applyChannel:
            throw EngineError(.unsupported, "this driver does not know the action \(work.action.name)")
        }
    }

    /// What is done otherwise on a member of a galera cluster; nil: nothing is.
    private func carryOutOnMember(
        _ work: EngineWork, _ worker: InstanceWorker, _ report: @escaping @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult? {
        switch work.action {
        case .foundComponent: try await worker.foundComponent(secrets: work.secrets)
        case .joinComponent(_, let stateUUID): try await worker.joinComponent(of: stateUUID, secrets: work.secrets)
        case .readPosition: try await worker.readPosition()
        case .recoverComponent(_, let stateUUID, let position):
            try await worker.recoverComponent(of: stateUUID, at: position, secrets: work.secrets)
        case .renewCertificate: try await worker.renewCertificate(work.secrets)
        case .open: try await worker.openMember()
        case .promote(_, _, _, _, let sequence): try await worker.promoteMember(after: sequence)
        case .demote: try await worker.demoteMember()
        case .rejoin: try await worker.setMemberAside(report)
        case .replicate, .acknowledge, .prepareReplica, .expel, .probe:
            throw EngineError(.unsupported, "\(work.action.name) is not for a member of a galera cluster")
        default: nil
        }
    }

    /// A server on a disk with less than this left hangs, or says anything.
    static let freeMin: Int64 = 256 << 10

    /// Errors of a server become the driver's own, with what was being done.
    private func telling<Answer: Sendable>(
        _ doing: String, _ instance: InstanceID, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await body()
        } catch let error as MySQLError {
            let data = InstanceLayout(instance, in: host).data
            if Files.freeBytes(data) < Self.freeMin { throw EngineError.diskFull(at: data) }
            throw EngineError(error, doing: doing)
        }
    }
}
