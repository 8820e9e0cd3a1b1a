// Which of two clusters leads: a standby follows another cluster, and the lead moves between them.

/// Where a cluster is a standby: whom it follows. All its members are closed then, and its recorded primary is its head,
/// which replicates from there.
package struct StandbyRole: Sendable, Hashable {
    package var clusterUID: String
    package var name: String
    /// The lead was taken from it, and its manifest has not said since that it follows.
    package var isSuperseded: Bool

    package init(clusterUID: String, name: String, isSuperseded: Bool = false) {
        self.clusterUID = clusterUID
        self.name = name
        self.isSuperseded = isSuperseded
    }
}

/// A lead that is being ended: under this epoch the primary is closed, and then the cluster follows `to`.
package struct StepDown: Sendable, Hashable {
    package var to: StandbyRole
    package var epoch: Int64

    package init(to: StandbyRole, epoch: Int64) {
        self.to = to
        self.epoch = epoch
    }
}

/// The end of a lead: the cluster takes no writes any more, and whoever holds `position` holds every one that it took.
package struct DemotionToken: Sendable, Hashable, CustomStringConvertible {
    package var clusterUID: String
    /// The epoch under which it was closed.
    package var epoch: Int64
    package var position: GTIDSet

    package init(clusterUID: String, epoch: Int64, position: GTIDSet) {
        self.clusterUID = clusterUID
        self.epoch = epoch
        self.position = position
    }

    /// Domains are joined by `+`: a comma ends a value in YAML's flow style.
    private var body: String { "\(clusterUID).\(epoch)." + position.description.split(separator: Character(",")).joined(separator: "+") }

    /// `77e19d9f04.7.16777217-16777217-1234.ccd48916`: uid, epoch, position and the first digits of their digest, against
    /// a slip of the hand.
    package var description: String { body + "." + Self.check(body) }

    /// Reads what `description` writes; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: Character("."), omittingEmptySubsequences: false).map { String($0) }
        guard parts.count == 4, !parts[0].isEmpty, let epoch = Int64(parts[1]), 
            let position = GTIDSet(parts[2].split(separator: Character("+")).joined(separator: ","))
        else { return nil }
        self.init(clusterUID: parts[0], epoch: epoch, position: position)
        guard Self.check(body) == parts[3] else { return nil }
    }

    private static func check(_ body: String) -> String { String(SHA256.hex(body).prefix(8)) }
}

/// How a cluster that was a standby came to lead.
package struct LeadTaken: Sendable, Hashable {
    /// The uid of the cluster that led before; its own where it took back the end of its lead.
    package var from: String
    /// The epoch under which it leads: above all that the other one led under.
    package var epoch: Int64
    /// What it held when it began to lead.
    package var position: GTIDSet
    /// How many commits that the other one was seen to have were given up; nil: it was demoted, and none were.
    package var loss: Int64?

    package init(from: String, epoch: Int64, position: GTIDSet, loss: Int64? = nil) {
        self.from = from
        self.epoch = epoch
        self.position = position
        self.loss = loss
    }
}
