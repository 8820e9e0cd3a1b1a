package import FleetModel

/// When something is looked at, one look at a time.
struct LookState: Sendable {
    /// The next is begun then, unless one is under way.
    var due = Instant(milliseconds: 0)
    /// When the one under way began, and when it takes too long.
    var began: Instant?
    var overdue = Instant(milliseconds: 0)
    /// What it sees may be older than something that we know: its answer does not count.
    var isOutdated = false

    mutating func begin(at now: Instant) {
        began = now
        overdue = now + AgentLimits.lookMax
        isOutdated = false
        due = now + AgentLimits.lookInterval
    }

    /// Another look at once, which sees nothing from before now.
    mutating func renew(at now: Instant) {
        due = now
        isOutdated = began != nil
    }

    /// The moment that the answer's facts are from; nil where it does not count.
    mutating func end() -> Instant? {
        defer { began = nil }
        return isOutdated ? nil : began
    }
}

/// What a look saw, behind one reference: a watch is copied at every event, and a report is large.
final class SeenInstance: Sendable {
    let report: InstanceReport

    init(_ report: InstanceReport) { self.report = report }
}

/// One instance, as it is watched over.
struct Watch: Sendable {
    /// What the agent does to it by itself.
    enum Operation: Sendable { case startingClosed, openingByGrant, resumingReplication, fencingItself, closingItself }

    var look = LookState()
    var wasLookedAt = false
    /// As last seen; nil where it is not there.
    private(set) var seen: SeenInstance?
    var facts: InstanceReport? {
        get { seen?.report }
        set { seen = newValue.map { SeenInstance($0) } }
    }
    /// When the look that found them began: they are at least as old.
    var factsAt = Instant(milliseconds: 0)
    /// Something was done to it since; nothing is begun on these facts.
    var mustLook = true
    var operation: Operation?

    /// Starts in a row that did not last, and the moment before which it is not started again.
    var shortLives = 0
    var startedAt: Instant?
    var startAfter = Instant(milliseconds: 0)
    /// When to open it by its grant; nil: it is open, or not ours to open.
    var grantDue: Instant?
    /// When to let it replicate on; nil: it does, or is not ours to.
    var resumeDue: Instant?
    /// What the role hook last heard.
    var told: RoleChange?
    var contact = PeerContact()
    /// When to kill it, which was cut off.
    var selfFenceDue: Instant?
    /// When to make it read-only, which was open while this agent stood still.
    var selfCloseDue: Instant?
}

/// What a writer's agent hears of those who could be promoted in its place.
struct PeerContact: Sendable {
    /// When those who answered last were asked.
    var heard: Instant?
    /// When those were asked who have not answered yet; nil: nobody is asked.
    var asked: Instant?
    /// When the first of the questions in a row was asked that nobody answered.
    var unansweredSince: Instant?
    var askDue = Instant(milliseconds: 0)
}

/// An instance as the health port shows it.
package struct InstanceHealth: Sendable, Hashable {
    package var instance: InstanceID
    package var clusterName: String
    package var role: InstanceRole
    package var epoch: Int64
    /// Whether a replica's applier runs; true of a primary.
    package var isApplying: Bool
    /// When it was last seen so.
    package var seen: Instant

    package init(
        instance: InstanceID, clusterName: String, role: InstanceRole, epoch: Int64, isApplying: Bool, seen: Instant
    ) {
        self.instance = instance
        self.clusterName = clusterName
        self.role = role
        self.epoch = epoch
        self.isApplying = isApplying
        self.seen = seen
    }
}
