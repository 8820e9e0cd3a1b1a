package import JSONStream

// What a game day does to a host, on purpose. A fault is no task: no plan holds it, no record remembers it.

/// What is done to a host, or to the cluster's instance on it.
package enum FaultKind: String, Sendable, Hashable, CaseIterable {
    /// Nothing; the answer says how far the instance has received and applied.
    case measure
    /// SIGKILL for the database, `times` times.
    case killDatabase
    /// SIGSTOP for the database.
    case freezeDatabase
    /// SIGSTOP for the agent.
    case freezeAgent
    /// Packets are dropped without a word: see `peers`, `direction`, `percent`.
    case cut
    /// The host is gone: cut off from everybody, then its database is killed and its agent frozen.
    case loseHost
    /// A file fills the instance's file system.
    case fillDisk
    /// The instance's file system takes no writes: whoever writes waits.
    case stallDisk

    // Sabotage: what must never be done, so that a game day can show that it would see it.

    /// The primary acknowledges without a replica.
    case semiSyncOff
    /// A replica receives on and applies nothing.
    case stopApplier
    /// A replica receives on and applies nothing, though its applier runs: nobody who looks after it has anything to start.
    case holdApplier
    /// A replica is pointed at its source anew before it has applied what it received, which is thrown away.
    case repointUndrained
    /// A replica is killed and its relay logs are deleted.
    case purgeRelay
    /// The primary is killed, its agent frozen, and it is started again as anybody would: open, without semi-sync.
    case plainRestart
    /// A replica takes writes.
    case openForWriting

    /// Whether all of the host is hit, and not only the cluster's own instance.
    package var hitsHost: Bool {
        switch self {
        case .freezeAgent, .cut, .loseHost, .fillDisk, .stallDisk, .plainRestart: true
        default: false
        }
    }
}

/// Which way packets are dropped, as the host sees it.
package enum FaultDirection: String, Sendable, Hashable, CaseIterable { case both, incoming, outgoing }

extension FaultKind: JSONNamedCase {}
extension FaultDirection: JSONNamedCase {}

/// An order to an agent that was started with `--game-day`. Its fault heals by itself after `milliseconds`.
package struct FaultOrder: JSONDocument, Hashable {
    package var id = ""
    /// The game day that it belongs to.
    package var run = ""
    package var kind = FaultKind.measure
    /// The server fills it in.
    package var instance: InstanceID?
    /// The host's own, as its manifest has it.
    package var address = ""
    /// From when the agent has answered until it is healed.
    package var milliseconds: Int64 = 0
    /// `cut`: `address`, or `address:port` of a service; `servers` for the agent's servers. Empty: everybody.
    package var peers: [String] = []
    package var direction = FaultDirection.both
    /// `cut`: of a hundred packets.
    package var percent = 100
    /// `killDatabase`, with `everyMilliseconds` between two.
    package var times = 1
    package var everyMilliseconds: Int64 = 0

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("id", \.id),
        JSONField("run", \.run),
        JSONField("kind", \.kind),
        JSONField("instance", ifPresent: \.instance),
        JSONField("address", \.address),
        JSONField("milliseconds", \.milliseconds),
        JSONField("peers", \.peers),
        JSONField("direction", \.direction),
        JSONField("percent", \.percent),
        JSONField("times", \.times),
        JSONField("everyMilliseconds", \.everyMilliseconds),
    ]

    /// So long a fault may last.
    package static let millisecondsMax: Int64 = 120_000
}

/// The agent's answer: the fault strikes a moment after it was sent.
package struct FaultAnswer: JSONDocument, Hashable {
    package var id = ""
    /// Why nothing is done; nil: it strikes.
    package var refusal: String?
    /// Of a replica: transactions that it has received and not applied.
    package var behind: Int64?

    package init() {}

    package init(id: String, refusal: String? = nil, behind: Int64? = nil) {
        self.id = id
        self.refusal = refusal
        self.behind = behind
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("id", required: \.id),
        JSONField("refusal", ifPresent: \.refusal),
        JSONField("behind", ifPresent: \.behind),
    ]
}
