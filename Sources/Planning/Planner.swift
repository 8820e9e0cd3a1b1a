package import FleetModel

/// The pure functions that decide everything. Same input, same output, byte for byte.
package enum Planner {
    /// The version of the rules, part of every plan's digest.
    package static let version = 1
}

package struct Allocation: Sendable {
    package var records: FleetRecords
    /// Clusters whose records changed.
    package var changed: Set<String> = []
    package var problems: [AllocationProblem] = []
    /// What the hosts hold now, for the next allocation; nil where it was neither given nor needed.
    package var loads: HostLoads?

    package init(records: FleetRecords) { self.records = records }
}

/// Why a cluster could not be placed: it is held as it is.
package struct AllocationProblem: Sendable, Hashable {
    package var cluster: String
    /// `spec.placement[1].replicas`, `spec.port` …
    package var field: String
    package var message: String
    package var help: String

    package init(cluster: String, field: String, message: String, help: String) {
        self.cluster = cluster
        self.field = field
        self.message = message
        self.help = help
    }
}

/// One unit's plan: its waves to the end, and what they end in.
package struct Rehearsal: Sendable {
    package struct Wave: Sendable {
        package var tasks: [PlannedTask]
        /// Waits that the rehearsal passed before this wave by moving its clock or applying their declared outcome.
        package var waited: [Wait]

        package init(tasks: [PlannedTask], waited: [Wait] = []) {
            self.tasks = tasks
            self.waited = waited
        }
    }

    package var unit: UnitID
    package var waves: [Wave] = []
    /// What is still waited for at the end (an unseen host, an approval).
    package var waits: [Wait] = []
    package var findings: [Finding] = []
    package var warnings: [String] = []
    /// Why the plan was refused: an invariant that a task would break. Then `waves` ends before that wave.
    package var refusal: String?
    package var conditions: [Condition] = []
    /// The first step's decision: what a pass of the loop writes and dispatches.
    package var first: Decision?
    /// The configurations that its tasks carry, with their digests.
    var rendered: [RenderedConfiguration] = []
    /// For the next rehearsal of the same cluster.
    package internal(set) var configurations: ConfigurationCache?

    package init(unit: UnitID) { self.unit = unit }
}
