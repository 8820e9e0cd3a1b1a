import FleetModel

/// Units that are to get a pass, in two lanes: what happened to a unit goes ahead of what is only due again, so that a
/// commit does not wait for a fleet of 100,000 to be looked at. Within a lane the longest waiting is first.
///
/// A unit is told apart by its `lane` in `UnitState`: an entry that it has left since is passed over.
struct UnitQueue: Sendable {
    enum Lane: Sendable, Hashable, Comparable {
        /// Its manifest, a fact, an attempt or a request asks for a pass.
        case changed
        /// Its interval is over, or a new leader sees it for the first time.
        case due
    }

    private var changed = Fifo<UnitID>()
    private var due = Fifo<UnitID>()
    /// Passes of the first lane since the last of the second.
    private var ahead = 0

    /// After so many passes ahead of it the second lane has one: what is due is late under a flood, and never forgotten.
    static let aheadMax = 8

    func isEmpty(takesDue: Bool) -> Bool { changed.isEmpty && (due.isEmpty || !takesDue) }
    /// With entries that their units have left.
    var count: Int { changed.count + due.count }

    mutating func append(_ unit: UnitID, _ lane: Lane) {
        switch lane {
        case .changed: changed.append(unit)
        case .due: due.append(unit)
        }
    }

    /// The next entry, and the lane that it stood in; only of the first lane unless `takesDue`.
    mutating func next(takesDue: Bool) -> (unit: UnitID, lane: Lane)? {
        if takesDue, ahead >= UnitQueue.aheadMax || changed.isEmpty, let unit = due.popFirst() {
            ahead = 0
            return (unit, .due)
        }
        guard let unit = changed.popFirst() else { return nil }
        ahead += 1
        return (unit, .changed)
    }
}

/// A queue whose both ends cost the same, however long it is.
struct Fifo<Element: Sendable>: Sendable {
    private var incoming: [Element] = []
    /// Reversed: the first is at the end.
    private var outgoing: [Element] = []

    var isEmpty: Bool { incoming.isEmpty && outgoing.isEmpty }
    var count: Int { incoming.count + outgoing.count }

    mutating func append(_ element: Element) { incoming.append(element) }

    mutating func popFirst() -> Element? {
        if outgoing.isEmpty {
            swap(&incoming, &outgoing)
            outgoing.reverse()
        }
        return outgoing.popLast()
    }
}
