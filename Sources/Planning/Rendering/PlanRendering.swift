package import FleetModel

/// What stands above a plan.
package struct PlanHead: Sendable {
    package var revision: Revision
    /// The plan's own time: its facts' ages count from it.
    package var now: Instant
    /// When the facts were taken; nil where nothing was ever seen.
    package var taken: Instant?
    package var hostsSeen: Int
    package var hostsDeclared: Int
    /// Age of the oldest report.
    package var ageMax: Duration?

    package init(
        revision: Revision, now: Instant, taken: Instant? = nil, hostsSeen: Int = 0, hostsDeclared: Int = 0, ageMax: Duration? = nil
    ) {
        self.revision = revision
        self.now = now
        self.taken = taken
        self.hostsSeen = hostsSeen
        self.hostsDeclared = hostsDeclared
        self.ageMax = ageMax
    }
}

/// What a plan comes to.
package struct PlanTotals: Sendable, Hashable {
    /// Units that were planned, and of them those with nothing to do and nothing to say.
    package var units = 0
    package var unchanged = 0
    package var counts = PlanCounts()
    package var refused = 0
    /// Units that wait at the end for what no rehearsal can supply.
    package var waiting = 0
    package var drifted = 0
    /// Of the units with tasks, those where every task only mends drift.
    package var driftOnly = 0
    package var changing = 0
    /// Clusters that could not be placed.
    package var problems = 0
    /// Hosts that were seen before and are silent now.
    package var silentHosts: Set<String> = []
    /// Names this plan: the same from the same manifests, facts and rules. Hex.
    package var digest = ""
    /// Of the facts and records that the plan relies on.
    package var factsDigest = ""
    /// The commit, or for what is not committed a digest of the values that the plan brings into force.
    package var revisionDigest = ""

    package init() {}

    /// The first digits of the digest, as people see it.
    package var shortDigest: String { String(digest.prefix(12)) }

    /// The exit code of the command line that shows this plan.
    package var exitStatus: Int {
        if problems > 0 { return 1 }
        if refused > 0 { return 3 }
        if !silentHosts.isEmpty { return 8 }
        if changing > driftOnly { return 2 }
        if driftOnly > 0 || drifted > 0 { return 6 }
        return waiting > 0 ? 4 : 0
    }

    mutating func add(_ plan: UnitPlan) {
        units += 1
        guard !plan.isEmpty else {
            unchanged += 1
            return
        }
        counts += plan.counts
        if plan.rehearsal.refusal != nil { refused += 1 }
        if !plan.waits.isEmpty { waiting += 1 }
        if plan.hasDrift { drifted += 1 }
        if !plan.rehearsal.waves.isEmpty { changing += 1 }
        if plan.isDriftOnly { driftOnly += 1 }
        for finding in plan.rehearsal.findings where finding.reason == "HostSilent" { silentHosts.insert(finding.host) }
    }

    static func += (left: inout PlanTotals, right: PlanTotals) {
        left.units += right.units
        left.unchanged += right.unchanged
        left.counts += right.counts
        left.refused += right.refused
        left.waiting += right.waiting
        left.drifted += right.drifted
        left.driftOnly += right.driftOnly
        left.changing += right.changing
        left.problems += right.problems
        left.silentHosts.formUnion(right.silentHosts)
    }
}

/// Why a cluster could not be placed, and where its manifest asks for it.
package struct PlanProblem: Sendable, Hashable {
    package var cluster: String
    package var field: String
    package var position: SourcePosition
    package var message: String
    package var help: String
}

/// One form of a plan. Units are rendered one by one, in any order and at the same time, and passed on in order, so that
/// a plan of any size is never in memory as a whole.
package protocol PlanRendering: Sendable {
    /// Bytes of units that are held back so that the head can tell the totals; a larger plan has its head without them.
    var headDelayBytes: Int { get }
    /// Stands between two units that are not empty.
    var separator: [UInt8] { get }
    func head(_ head: PlanHead, _ totals: PlanTotals?) -> [UInt8]
    /// Empty where there is nothing to say of the unit.
    func unit(_ plan: UnitPlan) -> [UInt8]
    func foot(_ head: PlanHead, _ totals: PlanTotals, _ problems: [PlanProblem]) -> [UInt8]
}
