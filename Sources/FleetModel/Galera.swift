// What is only so in a galera cluster. Sequence numbers there count the write sets of one history, which its state uuid
// names: two of different histories say nothing about each other.

/// What an instance is in its group, `wsrep_local_state`.
package enum GaleraState: String, Sendable, Hashable, CaseIterable {
    /// In no component (0), or a number that is not known.
    case outside
    /// Receives what it missed (1).
    case joining
    /// In the component, and does not hold it up: it gives a copy, or was told to (2).
    case donor
    /// Has all, and applies what it has queued (3).
    case joined
    /// In the component, and keeps up (4).
    case synced
    /// Voted out: its rows differ (5).
    case inconsistent
}

/// What a running instance says of the component that it is in.
package struct GaleraReport: Sendable, Hashable {
    /// `wsrep_ready`: it answers queries. The one fact that decides; the others' words lag behind it.
    package var isReady: Bool
    /// `wsrep_cluster_status` is `Primary`.
    package var isPrimaryComponent: Bool
    package var state: GaleraState
    /// Of the history that it goes on with; empty where it has none.
    package var stateUUID: String
    /// How many are in its component.
    package var size: Int
    /// `wsrep_cluster_conf_id`; -1 outside of a primary component.
    package var viewNumber: Int64
    /// The last write set that it has applied; -1: none.
    package var lastCommitted: Int64
    /// The first write set that it can still give to one that comes back.
    package var cachedDownTo: Int64
    /// The share of the time since the last status reset that flow control stopped writes for, in thousandths.
    package var flowControlPaused: Int64
    /// Write sets that wait to be applied here.
    package var receiveQueue: Int64
    /// Ordinals, sorted, of those in its component.
    package var members: [Int]

    package init(
        isReady: Bool, isPrimaryComponent: Bool, state: GaleraState, stateUUID: String, size: Int = 0, viewNumber: Int64 = -1,
        lastCommitted: Int64 = -1, cachedDownTo: Int64 = 0, flowControlPaused: Int64 = 0, receiveQueue: Int64 = 0, members: [Int] = []
    ) {
        self.isReady = isReady
        self.isPrimaryComponent = isPrimaryComponent
        self.state = state
        self.stateUUID = stateUUID
        self.size = size
        self.viewNumber = viewNumber
        self.lastCommitted = lastCommitted
        self.cachedDownTo = cachedDownTo
        self.flowControlPaused = flowControlPaused
        self.receiveQueue = receiveQueue
        self.members = members
    }

    /// Whether it can take and answer queries as a part of this history's primary component.
    package func isInComponent(of stateUUID: String) -> Bool {
        isReady && isPrimaryComponent && !stateUUID.isEmpty && self.stateUUID == stateUUID && (state == .synced || state == .donor)
    }
}

/// The last primary view that an instance was in, as its own file has it: there only where it did not leave in good order.
package struct ComponentView: Sendable, Hashable {
    /// Grows with each view that follows from another.
    package var number: Int64
    /// Who made it: two of one number and different makers are different.
    package var maker: String
    /// The instance's own name in views; another one after each start.
    package var own: String
    /// Sorted names, its own among them.
    package var members: [String]

    package init(number: Int64, maker: String, own: String, members: [String]) {
        self.number = number
        self.maker = maker
        self.own = own
        self.members = members
    }

    /// Whether both mean the same view, seen by one member or by two.
    package func isSame(as other: ComponentView) -> Bool {
        number == other.number && maker == other.maker && members == other.members
    }
}

/// What the directory of an instance whose process is dead holds: that far it comes up by itself.
package struct RecoveredPosition: Sendable, Hashable {
    package var stateUUID: String
    package var sequence: Int64
    /// Nil where it left in good order, or was in no primary view since it was made.
    package var view: ComponentView?
    /// It left its component in good order, and took no part since.
    package var leftInOrder: Bool
    /// It left as the last one: nobody can be further.
    package var leftLast: Bool
    /// It was voted out once: its position says nothing about its rows.
    package var wasInconsistent: Bool

    package init(
        stateUUID: String, sequence: Int64, view: ComponentView? = nil, leftInOrder: Bool = false, leftLast: Bool = false,
        wasInconsistent: Bool = false
    ) {
        self.stateUUID = stateUUID
        self.sequence = sequence
        self.view = view
        self.leftInOrder = leftInOrder
        self.leftLast = leftLast
        self.wasInconsistent = wasInconsistent
    }
}

/// A new primary component out of a lost one, that has begun and not ended.
package struct RecoveryIntent: Sendable, Hashable {
    package var epoch: Int64
    package var began: Instant
    /// Who is started as the first, and the position that it was read to have; nil until all are read.
    package var from: Int?
    package var position: Int64?
    /// Whether somebody who was not read is given up (`recovery.acceptLoss`).
    package var acceptsLoss: Bool
    /// True once it may have been started: from then on only forwards.
    package var isPastReturn: Bool

    package init(
        epoch: Int64, began: Instant, from: Int? = nil, position: Int64? = nil, acceptsLoss: Bool = false, isPastReturn: Bool = false
    ) {
        self.epoch = epoch
        self.began = began
        self.from = from
        self.position = position
        self.acceptsLoss = acceptsLoss
        self.isPastReturn = isPastReturn
    }
}

/// What a galera cluster's records have beside the others.
package struct GaleraRecords: Sendable, Hashable {
    /// Names the cluster's one history; empty until its founder has told it.
    package var stateUUID: String
    /// Superset of those who can be in the primary component, by ordinal, sorted: each is in it before it is started the
    /// first time, and leaves it when the others refuse it.
    package var component: [Int]
    package var recovery: RecoveryIntent?
    /// Ordinals, sorted, of members that were voted out, until they are made anew.
    package var inconsistent: [Int]
    /// Which authority vouches for the members: the epoch of the last recovery that gave somebody up, who has no certificate of
    /// it and is let in no more; 0 before the first.
    package var authority: Int64

    package init(
        stateUUID: String = "", component: [Int] = [], recovery: RecoveryIntent? = nil, inconsistent: [Int] = [], authority: Int64 = 0
    ) {
        self.authority = authority
        self.stateUUID = stateUUID
        self.component = component
        self.recovery = recovery
        self.inconsistent = inconsistent
    }
}

/// What is known of the one file by which a member is let into its group: its certificate, the key of that, and the certificate
/// of the group's authority. One file, so that it is replaced whole.
package struct GroupCertificate: Sendable, Hashable {
    /// Until when it is good.
    package var ends: Instant
    /// Which of the group's authorities vouches for it (`GaleraRecords.authority`).
    package var authority: Int64

    package init(ends: Instant, authority: Int64 = 0) {
        self.ends = ends
        self.authority = authority
    }

    /// What stands before the certificates, for agents, which read none of them.
    package var firstLine: String { "# group certificate: ends \(ends.milliseconds), authority \(authority)\n" }

    /// Nil where the text is no such file's.
    package init?(_ text: String) {
        let words = text.prefix { $0 != "\n" }.split(separator: " ").map { $0.filter { $0 != "," } }
        guard words.count == 7, words[0] == "#", words[3] == "ends", words[5] == "authority", let ends = Int64(words[4]), let authority = Int64(words[6])
        else { return nil }
        self.init(ends: Instant(milliseconds: ends), authority: authority)
    }
}
