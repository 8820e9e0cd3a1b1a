package import FleetModel
package import Planning

/// What happens to a revision with an error in it.
package enum InvalidPolicy: String, Sendable, Hashable, CaseIterable {
    /// The error holds its own unit at the last good manifest; every other unit goes on.
    case holdUnit
    /// The whole revision is held until a revision without an error comes.
    case holdRevision
}

/// A fleet repository, as the server's configuration names it.
package struct SourceConfiguration: Sendable, Hashable {
    package var name: String
    /// A path, or an URL that `git` understands (file, https, ssh).
    package var url: String
    package var branch: String
    /// The folder within the repository that holds the manifests; empty: all of it.
    package var folder: String
    /// How often it is looked at without being asked; a tenth of it is jitter.
    package var interval: Duration
    package var onInvalid: InvalidPolicy

    package init(
        name: String, url: String, branch: String = "main", folder: String = "", interval: Duration = .seconds(30),
        onInvalid: InvalidPolicy = .holdUnit
    ) {
        self.name = name
        self.url = url
        self.branch = branch
        self.folder = folder
        self.interval = interval
        self.onInvalid = onInvalid
    }
}

/// All that the loop needs to know from the server's configuration.
package struct ReconcilerConfiguration: Sendable {
    /// Names the holder of the lease, together with this run; unique among the servers of a store.
    package var serverName: String
    package var sources: [SourceConfiguration]
    package var policy: PlanningPolicy
    /// Where agents and clients reach this server, told to those who ask another one.
    package var leaderURL: String
    /// The directory of the bare mirrors, one a source.
    package var mirrorDirectory: String
    /// Every unit gets a pass at least so often, with a tenth of it as jitter.
    package var unitInterval: Duration
    /// How long the lease is good without a renewal. It is renewed three times in that time.
    package var leaseDuration: Duration
    /// The names of the scripts that alert channels may run.
    package var scripts: Set<String>
    /// The seed of the jitter.
    package var seed: UInt64

    package init(
        serverName: String, sources: [SourceConfiguration], policy: PlanningPolicy = PlanningPolicy(),
        failovers: FailoverBudget = FailoverBudget(), leaderURL: String, mirrorDirectory: String, unitInterval: Duration = .seconds(60),
        leaseDuration: Duration = .seconds(15), scripts: Set<String> = [], seed: UInt64
    ) {
        self.serverName = serverName
        self.sources = sources
        self.policy = policy
        self.policy.failovers = failovers
        self.leaderURL = leaderURL
        self.mirrorDirectory = mirrorDirectory
        self.unitInterval = unitInterval
        self.leaseDuration = leaseDuration
        self.scripts = scripts
        self.seed = seed
    }
}

/// The clock of the loop: a monotonic clock anchored to the wall clock at start (see `Instant`).
package protocol TimeSource: Sendable {
    func now() -> Instant
    /// Returns at `instant`, or throws `CancellationError` when its task is cancelled.
    func sleep(until instant: Instant) async throws
}
