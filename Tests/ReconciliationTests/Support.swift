import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import SourceControl

/// A fleet repository in memory: commits one after the other.
final actor ScriptedRepository: FleetRepository {
    private var commits: [(info: CommitInfo, files: [String: String])] = []
    private var failure: SourceError?
    private var told: String?

    func push(_ files: [String: String]) {
        let id = String(repeating: "a", count: 38) + String(commits.count + 10)
        let parents = commits.last.map { [$0.info.id] } ?? []
        commits.append((CommitInfo(id: id, author: "ann", subject: "change \(commits.count)", seconds: 1, parents: parents), files))
    }

    func fail(_ error: SourceError?) { failure = error }

    func fetch(since: String?, onNews: @escaping @Sendable () -> Void) async throws(SourceError) -> CommitInfo {
        if let failure { throw failure }
        guard let last = commits.last else { throw SourceError.emptyRepository(location: "memory") }
        if last.info.id != told {
            told = last.info.id
            onNews()
        }
        return last.info
    }

    func tidy() async {}

    func commit(_ id: String) async throws(SourceError) -> CommitInfo { try found(id).info }

    func entries(of commit: String) async throws(SourceError) -> [TreeEntry] {
        try found(commit).files.sorted { $0.key < $1.key }.map { path, text in
            TreeEntry(path: path, id: SHA256.hex(text), size: text.utf8.count, kind: .file)
        }
    }

    func contents(of entry: TreeEntry, limit: Int) async throws(SourceError) -> [UInt8] {
        for commit in commits { if let text = commit.files[entry.path], SHA256.hex(text) == entry.id { return Array(text.utf8) } }
        throw SourceError.commitMissing(entry.path)
    }

    func history(from commit: String, limit: Int) async throws(SourceError) -> [CommitInfo] {
        commits.reversed().map(\.info)
    }

    private func found(_ id: String) throws(SourceError) -> (info: CommitInfo, files: [String: String]) {
        guard let commit = commits.first(where: { $0.info.id == id }) else { throw SourceError.commitMissing(id) }
        return commit
    }
}

struct FixedSecrets: SecretProvider {
    func resolve(_ reference: SecretReference) async throws -> String { "secret" }
    func fleetKey() -> [UInt8] { [UInt8](repeating: 1, count: 32) }
    func groupCertificate(of instance: InstanceID, authority: Int64, now: Instant) -> String { "certificate of \(instance) by \(authority)" }
    func expectedAuthentication(password: String) -> String { "*" + password }
}

struct RealTime: TimeSource {
    private let began = ContinuousClock.now

    func now() -> Instant { Instant(milliseconds: 1_000_000) + began.duration(to: .now) }
    func sleep(until instant: Instant) async throws { try await Task.sleep(for: max(instant - now(), .zero)) }
}

enum Manifest {
    static let places = """
        apiVersion: evenkeel.dev/v1
        kind: Region
        metadata: {name: hz}
        spec: {locationCode: 1, default: true}
        ---
        apiVersion: evenkeel.dev/v1
        kind: AvailabilityZone
        metadata: {name: zone-a}
        spec: {region: hz, rooms: [r1]}
        ---
        apiVersion: evenkeel.dev/v1
        kind: Host
        metadata: {name: host-1}
        spec: {zone: zone-a, address: 127.0.1.1}
        """

    static func cluster(_ name: String, port: Int, extra: String = "") -> String {
        """
        apiVersion: evenkeel.dev/v1
        kind: Cluster
        metadata: {name: \(name)}
        spec:
          engine: {type: mariadb, version: "10.11"}
          topology: single
          placement: [{zone: zone-a, replicas: 1}]
          port: \(port)
          resources: {memory: 256Mi, storage: 1Gi}
        \(extra)
        """
    }
}

/// A reconciler on a store in memory, with a repository in memory.
struct Bench {
    let store = MemoryStore()
    let repository = ScriptedRepository()
    let reconciler: Reconciler
    let clock = RealTime()

    init() {
        let repository = repository
        reconciler = Reconciler(
            store: store,
            configuration: ReconcilerConfiguration(
                serverName: "test", sources: [SourceConfiguration(name: "fleet", url: "memory")], leaderURL: "http://here",
                mirrorDirectory: "/nonexistent", seed: 1),
            secrets: FixedSecrets(), clock: clock, repository: { _ in repository })
    }

    /// Runs the reconciler while the body does; the body's waits are bounded by `until`.
    func run(_ body: (Bench) async throws -> Void) async throws {
        try await withThrowingTaskGroup { group in
            let reconciler = reconciler
            group.addTask { try await reconciler.run() }
            try await until { $0.isLeader }
            try await body(self)
            group.cancelAll()
        }
    }

    /// Waits until the view is as asked for, at most 30 s.
    func until(_ isDone: (FleetView) -> Bool) async throws {
        let deadline = clock.now() + .seconds(30)
        while clock.now() < deadline {
            let view = await reconciler.view()
            if isDone(view) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw TimeIsOver()
    }
}

struct TimeIsOver: Error {}
