package import FleetModel

/// What of the table of conditions alerts need. A reason that is not in it is a warning with the general advice.
enum AlertFacts {
    struct Fact {
        var severity: NamedCondition.Severity
        var telling: NamedCondition.Telling
        var mend: String
    }

    static func fact(_ reason: String, unit: UnitID) -> Fact {
        if let row = NamedCondition.of(reason) { return Fact(severity: row.severity, telling: row.telling, mend: row.mend) }
        let mend = "`evenkeel describe \(unit.kind.rawValue) \(unit.name)` shows what is known and what is being done."
        return Fact(severity: .warning, telling: .settled, mend: mend)
    }

    static func telling(_ reason: String) -> NamedCondition.Telling { NamedCondition.of(reason)?.telling ?? .settled }
}

/// What a pass found of one unit, as far as alerts need it.
package struct UnitAlerts: Sendable, Hashable {
    package var unit: UnitID
    /// The revision in force.
    package var revision: String
    /// All that is found now.
    package var findings: [Finding]
    /// Of these only a true `Stalled` counts, where no finding has its reason.
    package var conditions: [Condition]
    /// False while hosts of the unit have not reported yet: what is not found then is not over.
    package var isComplete: Bool

    package init(
        unit: UnitID, revision: String, findings: [Finding], conditions: [Condition], isComplete: Bool = true
    ) {
        self.unit = unit
        self.revision = revision
        self.findings = findings
        self.conditions = conditions
        self.isComplete = isComplete
    }

    /// The findings, and a stalled reconciliation that none of them explains.
    var all: [Finding] {
        // Of a cluster that is left alone nothing is expected to go on.
        let isLeftAlone = conditions.contains { $0.type == .maintenance && $0.isTrue }
        let stalled = conditions.filter { condition in
            !isLeftAlone && condition.type == .stalled && condition.isTrue && !findings.contains { $0.reason == condition.reason }
        }
        return findings
            + stalled.map { Finding(reason: $0.reason, subject: unit.name, message: $0.message, isDrift: false) }
    }

    /// So long a finding must stay before it is told. Drift and a stalled reconciliation are told at once, whatever they are.
    func settling(_ finding: Finding) -> Duration {
        let isStalled = conditions.contains { $0.type == .stalled && $0.isTrue && $0.reason == finding.reason }
        return finding.isDrift || isStalled ? .zero : AlertFacts.telling(finding.reason).settling
    }
}
