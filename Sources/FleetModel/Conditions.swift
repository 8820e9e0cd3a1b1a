// Conditions and events: what people and alert channels are told.

/// The condition types, in Kubernetes' manner: Ready sums up, the others say why not.
package enum ConditionType: String, Sendable, Hashable, CaseIterable {
    /// Everything is as declared.
    case ready = "Ready"
    /// Tasks run or are about to.
    case reconciling = "Reconciling"
    /// No progress without a change from outside: an invalid manifest, a task that fails again and again.
    case stalled = "Stalled"
    /// Observed departs from what was in force, without a commit or an act of ours.
    case drifted = "Drifted"
    /// Fewer instances serve than declared.
    case degraded = "Degraded"
    case suspended = "Suspended"
    /// The manifest says hands off until a moment that has not come.
    case maintenance = "Maintenance"
}

package struct Condition: Sendable, Hashable {
    package var type: ConditionType
    package var isTrue: Bool
    /// One CamelCase word for machines: `InvalidManifest`, `InstanceDown`.
    package var reason: String
    package var message: String
    package var lastTransition: Instant

    package init(_ type: ConditionType, _ isTrue: Bool, reason: String, message: String = "", lastTransition: Instant = Instant(milliseconds: 0)) {
        self.type = type
        self.isTrue = isTrue
        self.reason = reason
        self.message = message
        self.lastTransition = lastTransition
    }
}

/// A problem or drift that a step found, named so that it is told once and its end is told too.
package struct Finding: Sendable, Hashable, Comparable {
    /// `InstanceDown`, `ReplicationBroken`, `ParameterDrift`, `AccountDrift` …
    package var reason: String
    /// `orders-2`, or the account, parameter, database: what makes it one with the same finding of the next pass.
    package var subject: String
    package var host: String
    package var message: String
    package var isDrift: Bool
    /// What it concerns is in maintenance: shown, and no alert begins with it or ends without it.
    package var isMuted = false

    package init(reason: String, subject: String, host: String = "", message: String, isDrift: Bool) {
        self.reason = reason
        self.subject = subject
        self.host = host
        self.message = message
        self.isDrift = isDrift
    }

    package static func < (left: Finding, right: Finding) -> Bool {
        (left.reason, left.subject, left.message) < (right.reason, right.subject, right.message)
    }
}

/// Something that happened, in the order it happened, kept in the store for a while.
package struct Event: Sendable, Hashable {
    package enum Level: String, Sendable, Hashable, CaseIterable { case info, warning, error }

    package var time: Instant
    package var unit: UnitID
    package var level: Level
    package var reason: String
    package var message: String

    package init(time: Instant, unit: UnitID, level: Level, reason: String, message: String) {
        self.time = time
        self.unit = unit
        self.level = level
        self.reason = reason
        self.message = message
    }
}

/// Something that a pass waits for.
package struct Wait: Sendable, Hashable {
    package enum Reason: Sendable, Hashable {
        /// Nothing before this moment (a retry, retainFor).
        case time(Instant)
        /// The host's first or next report.
        case host(String)
        /// The end of running attempts.
        case attempt(String)
        /// An operator.
        case approval(String)
        /// A limit that admit holds.
        case budget(String)
        /// A removed instance's directory is kept until then; this alone does not keep a unit from being converged.
        case retention(Instant)
        /// Something that only the database can reach, such as catching up.
        case fact(String)
    }

    /// The approval that a suspended unit waits for.
    package static let resume = "resume"

    package var reason: Reason
    package var message: String

    package init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }
}
