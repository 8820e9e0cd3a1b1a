import FleetModel

/// What can be done about a lost component.
enum Recoverable: Hashable {
    /// Why somebody who may have been in the last component holds a recovery up.
    enum Doubt: Hashable {
        /// Its process is not known to be dead, or its position was not read since.
        case unread
        /// It was voted out once: its position says nothing about its rows.
        case inconsistent
        /// Its data belong to another history, or to none.
        case foreign
    }

    /// Who is to be the first of the next component, and the position that its data were read to have.
    case start(Int, at: Int64)
    /// Nobody is started: what speaks against it, by ordinal.
    case held([Int: Doubt])
    /// Nobody is started: one of them was in a view with somebody whom the records never named.
    case heldByStranger(Int)
}

extension Planner {
    /// Who may be started as the first of a new component after one was lost, and holds every write that was acknowledged.
    ///
    /// A commit is acknowledged once each member of the component has received it and the one that answers has it on disk; the
    /// positions of all are prefixes of one order. So the highest position of *all* who may have been in the last component,
    /// or in one before it whose last write sets the others may not have applied, holds everything; one that was not read may
    /// be the only one that has a commit on disk. That is why the newest view is not enough: who left it last may be further.
    ///
    /// - Parameters:
    ///   - component: ordinals, all who may be in it (`GaleraRecords.component`).
    ///   - reads: of those whose processes are dead, and that were read since, what their data hold.
    ///   - stateUUID: the recorded history.
    ///   - named: how many instances the records have ever named.
    ///   - strangersGivenUp: whether those whom the records do not name are given up (`recovery.acceptLoss`).
    ///   - rank: of several that hold the same the least is started.
    static func recoverable(
        component: [Int], reads: [Int: RecoveredPosition], of stateUUID: String, named: Int, strangersGivenUp: Bool = false,
        rank: (Int) -> Int = { $0 }
    ) -> Recoverable {
        var doubts: [Int: Recoverable.Doubt] = [:]
        var counted: [(ordinal: Int, read: RecoveredPosition)] = []
        for ordinal in component {
            if let read = reads[ordinal] {
                if let doubt = doubt(of: read, stateUUID) { doubts[ordinal] = doubt } else { counted.append((ordinal, read)) }
            } else {
                doubts[ordinal] = .unread
            }
        }
        guard doubts.isEmpty else { return .held(doubts) }
        if !strangersGivenUp, let witness = witnessOfStranger(counted, named) { return .heldByStranger(witness) }
        let first = counted.min {
            ($1.read.sequence, rank($0.ordinal), $0.ordinal) < ($0.read.sequence, rank($1.ordinal), $1.ordinal)
        }
        guard let first else { return .held(doubts) }
        return .start(first.ordinal, at: first.read.sequence)
    }

    private static func doubt(of read: RecoveredPosition, _ stateUUID: String) -> Recoverable.Doubt? {
        if read.wasInconsistent { return .inconsistent }
        return stateUUID.isEmpty || read.stateUUID != stateUUID || read.sequence < 0 ? .foreign : nil
    }

    /// A view names each instance once, by a name that it has until its next start. Where more names are nobody's who was read
    /// than there are other instances, one of them is of an instance that the records lost.
    private static func witnessOfStranger(_ counted: [(ordinal: Int, read: RecoveredPosition)], _ named: Int) -> Int? {
        let owned = counted.compactMap { $0.read.view?.own }
        return counted.first { _, read in
            guard let view = read.view else { return false }
            let known = owned.count { view.members.contains($0) }
            return view.members.count - known > named - known
        }?.ordinal
    }
}
