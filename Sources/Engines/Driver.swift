package import FleetModel

/// How one engine is observed and an action carried out on its host. A driver decides nothing: it checks, acts,
/// verifies, and tells.
///
/// Every call is bounded in time by the driver itself. Calls for different instances may overlap; the agent never lets
/// two attempts work on one instance at once, but a look may come at any moment.
package protocol EngineDriver: Sendable {
    /// Engine binaries on this host, sorted.
    func binaries() async -> [EngineBinary]
    /// Bytes free where instances are made; bytes of memory in all.
    func capacity() async -> (storageFreeBytes: Int64, memoryTotalBytes: Int64)
    /// Instances whose directory carries our identity file, sorted, running or not.
    func instances() async -> [InstanceID]
    /// One look, bounded to 2 s. `fingerprintKey`: hex key for account fingerprints, nil where it is not known yet.
    /// `epoch`, `isWriter` and `resumes` of the result are the agent's to fill in.
    func observe(_ instance: InstanceID, fingerprintKey: String?) async -> InstanceReport?
    /// Variable catalogs of the versions that were seen running here.
    func catalogs() async -> [VariableCatalog]
    /// Carries out an order. Throws `EngineError`; `CancellationError` after clean-up when its task was cancelled.
    func perform(_ work: EngineWork, report: @escaping @Sendable (EngineProgress) -> Void) async throws -> TaskResult
    /// Starts an instance closed after its process ended without our doing. Idempotent.
    func startClosed(_ instance: InstanceID) async throws
    /// Opens the writer as the writer's grant allows, without a server: semi-sync first, then, where `semiSync`, waits
    /// up to `within` until a replica is attached semi-synchronously; only then read-only off. False: not yet.
    func openByGrant(_ instance: InstanceID, semiSync: Bool, within: Duration) async throws -> Bool
    /// Lets a replica that was started closed go on replicating from the source that it had, without a server:
    /// acknowledging where `acknowledges`, which is set before its threads start. False: it has no source.
    func resumeReplication(_ instance: InstanceID, acknowledges: Bool) async throws -> Bool
    /// Whether the host of any of these answers by its database port within the time: its server greets, or nobody listens.
    /// True where that cannot be told.
    func answers(anyOf peers: [Peer], within: Duration) async -> Bool
    /// The donor's side of a clone.
    func sendCopy(_ instance: InstanceID, to endpoint: CopyDestination, report: @escaping @Sendable (EngineProgress) -> Void) async throws
    /// Instances whose process ended without the driver's doing, as it happens, whoever had started it. One that ends
    /// before it first answers is told by the call that started it.
    var exits: AsyncStream<InstanceID> { get }
    /// Instances of which something stands still since just now, as a look shows: their disk takes no writes.
    var stalls: AsyncStream<InstanceID> { get }
}

extension EngineDriver {
    /// For engines whose replicas attach by themselves, or only by order.
    package func resumeReplication(_ instance: InstanceID, acknowledges: Bool) async throws -> Bool { false }

    /// For engines of which only looks tell.
    package var stalls: AsyncStream<InstanceID> { AsyncStream { $0.finish() } }

    /// For engines without a greeting: nobody is ever known not to answer.
    package func answers(anyOf peers: [Peer], within: Duration) async -> Bool { true }
}

/// An order as the driver needs it.
package struct EngineWork: Sendable {
    package var attempt: String
    package var instance: InstanceID
    package var clusterName: String
    package var action: Action
    package var secrets: [String: String]
    /// Called once by a clone when the receiver listens; the agent passes it to the donor through the server.
    package var copyReady: @Sendable (CopyDestination) -> Void
    /// How the donor's side ended, for a clone that waits: nil error is success.
    package var copyEnded: AsyncStream<String?>

    package init(
        attempt: String, instance: InstanceID, clusterName: String, action: Action, secrets: [String: String] = [:],
        copyReady: @escaping @Sendable (CopyDestination) -> Void = { _ in },
        copyEnded: AsyncStream<String?> = AsyncStream { $0.finish() }
    ) {
        self.attempt = attempt
        self.instance = instance
        self.clusterName = clusterName
        self.action = action
        self.secrets = secrets
        self.copyReady = copyReady
        self.copyEnded = copyEnded
    }
}

package struct CopyDestination: Sendable, Hashable {
    package var address: String
    package var port: Int
    package var token: String
    package var certificateDigest: String

    package init(address: String, port: Int, token: String, certificateDigest: String) {
        self.address = address
        self.port = port
        self.token = token
        self.certificateDigest = certificateDigest
    }
}

package struct EngineProgress: Sendable, Hashable {
    package var phase: String
    package var done: Int64
    package var total: Int64

    package init(phase: String, done: Int64 = 0, total: Int64 = 0) {
        self.phase = phase
        self.done = done
        self.total = total
    }
}

/// Why an action did not reach its effect. The sentence says what failed, why, and how to mend it; no secret is in it.
package struct EngineError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, Hashable {
        /// The precondition does not hold now; observe and decide again.
        case refused
        /// May pass by itself.
        case transient
        /// Will not pass without a change from outside (disk full, configuration refused).
        case permanent
        /// This driver does not know the action.
        case unsupported
    }

    package var kind: Kind
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    package var description: String { message }
}
