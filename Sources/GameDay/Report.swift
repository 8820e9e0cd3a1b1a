import FleetModel
package import JSONStream

/// A run's row.
package struct FaultReport: JSONDocument, Hashable {
    package var fault = ""
    /// Of a fault that is run several times: which of them, from 1.
    package var round: Int?
    /// The value of the column `run` of its rows.
    package var run = ""
    package var isSabotage = false
    /// Longest time without an acknowledged write; nil: not measured.
    package var pooledMilliseconds: Int64?
    package var reconnectingMilliseconds: Int64?
    package var aimMilliseconds: Int64?
    /// Nil: there is no aim, or nothing was measured.
    package var isAimMissed: Bool?
    /// Received and not applied at the fault, by replica.
    package var behind: [String: Int64] = [:]
    package var acknowledged = 0
    package var refused = 0
    package var unknown = 0
    package var unknownFound = 0
    package var lost = 0
    /// Some of the lost ids.
    package var lostIDs: [Int64] = []
    /// By instance: rows of this run, and acknowledged ones that are missing.
    package var rows: [String: Int] = [:]
    package var missing: [String: Int] = [:]
    package var primaryBefore = ""
    package var primaryAfter = ""
    /// Seconds from the fault until the cluster had converged again.
    package var settledMilliseconds: Int64?
    package var isOK = false
    package var verdict = ""

    package init() {}

    static let lostShown = 20

    package static let fields: [JSONField<Self>] = [
        JSONField("fault", \.fault),
        JSONField("round", ifPresent: \.round),
        JSONField("run", \.run),
        JSONField("sabotage", \.isSabotage),
        JSONField("pooledMilliseconds", ifPresent: \.pooledMilliseconds),
        JSONField("reconnectingMilliseconds", ifPresent: \.reconnectingMilliseconds),
        JSONField("aimMilliseconds", ifPresent: \.aimMilliseconds),
        JSONField("aimMissed", ifPresent: \.isAimMissed),
        JSONField("behind", \.behind),
        JSONField("acknowledged", \.acknowledged),
        JSONField("refused", \.refused),
        JSONField("unknown", \.unknown),
        JSONField("unknownFound", \.unknownFound),
        JSONField("lost", \.lost),
        JSONField("lostIDs", \.lostIDs),
        JSONField("rows", \.rows),
        JSONField("missing", \.missing),
        JSONField("primaryBefore", \.primaryBefore),
        JSONField("primaryAfter", \.primaryAfter),
        JSONField("settledMilliseconds", ifPresent: \.settledMilliseconds),
        JSONField("ok", \.isOK),
        JSONField("verdict", \.verdict),
    ]

    /// What is known before it has begun.
    package init(_ fault: Fault, round: Int?) {
        self.fault = fault.name
        self.round = round
        isSabotage = fault.isSabotage
        aimMilliseconds = fault.aim?.below.milliseconds
    }

    /// Whether the fault struck and was judged.
    package var isDone: Bool { !verdict.isEmpty && !isRefused }

    /// Not done at all.
    package var isRefused: Bool { verdict.hasPrefix(Verdict.refusedPrefix) }

    mutating func take(_ findings: Findings, _ aim: Fault.Aim?) {
        isAimMissed = aim?.isMissed(by: findings.gaps)
        pooledMilliseconds = findings.gaps[.pooled].map(\.milliseconds)
        reconnectingMilliseconds = findings.gaps[.reconnecting].map(\.milliseconds)
        acknowledged = findings.acknowledged
        refused = findings.refused
        unknown = findings.unknown
        unknownFound = findings.unknownFound
        lost = findings.lost.count
        lostIDs = Array(findings.lost.prefix(FaultReport.lostShown))
        rows = findings.held
        missing = findings.missing
    }
}
