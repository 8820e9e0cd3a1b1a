package import FleetModel

/// Rules that every backend keeps, in one place with their sentences.
package enum StoreRules {
    /// Whether the records of a cluster with this uid and epoch may be replaced by these.
    package static func checkReplacement(uid: String, epoch: Int64, by new: ClusterRecords) throws(StoreError) {
        guard uid == new.uid else {
            throw StoreError.conflict("cluster \(new.name) is \(uid); records of \(new.uid) cannot take its place")
        }
        guard epoch <= new.epoch else {
            throw StoreError.conflict("the epoch of cluster \(new.name) is \(epoch) and cannot go back to \(new.epoch)")
        }
    }

    /// Counters in the order server, domain, clusters made.
    package static func checkCounters(
        old: (Int64, Int64, Int64), new: (Int64, Int64, Int64)
    ) throws(StoreError) {
        guard new.0 >= old.0, new.1 >= old.1, new.2 >= old.2 else {
            throw StoreError.conflict("the counters are \(old) and cannot go back to \(new)")
        }
    }

    /// Whether a member's host and port are its own: a retired one is a directory that is kept, and listens on nothing.
    package static func holdsPlace(_ phase: MemberPhase) -> Bool {
        switch phase {
        case .active, .leaving: true
        case .retired, .purged: false
        }
    }

    package static let notRebuilding = StoreError.conflict("the store is not being rebuilt: its rebuild was approved before")

    /// A value that only one may have; `what` is `server id 7`, the others `orders-2`.
    package static func isTaken(_ what: String, by other: String, wantedBy name: String) -> StoreError {
        .conflict("\(what) is both \(other)'s and \(name)'s")
    }

    package static func attemptIsKnown(_ id: String) -> StoreError {
        .conflict("attempt \(id) is known already")
    }

    package static func keyIsOpen(_ key: String, by attempt: String) -> StoreError {
        .conflict("attempt \(attempt) of task \(key) is still open")
    }
}
