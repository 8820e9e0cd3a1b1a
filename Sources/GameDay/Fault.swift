package import FleetModel

/// One thing that a game day does to a cluster, or a sabotage: what must never be done, to show that the check sees it.
package struct Fault: Sendable, Hashable {
    /// Who of the cluster is meant, as it was when the fault began, unless said otherwise.
    package enum Target: Sendable, Hashable {
        case primary
        /// The replica with the lowest ordinal.
        case replica
        case replicas
        /// Every instance in the primary's zone.
        case primaryZone
        /// Whoever takes over, once it takes writes: such a step waits for that.
        case promoted
    }

    /// From whom somebody is cut off.
    package enum Peers: Sendable, Hashable { case everybody, replicas, servers }

    /// What is expected of the primary.
    package enum Expectation: String, Sendable, Hashable {
        /// Another instance takes over.
        case another
        /// It stays.
        case same
        /// Either is right.
        case either
    }

    /// How long writes may be missing for: what the project aims at. To miss it is told, and fails nothing.
    package struct Aim: Sendable, Hashable {
        /// A gap has to be shorter.
        package var below: Duration
        /// Whose gap counts; where there are several, the longest.
        package var sorts: Set<ClientSort>

        static func pooled(_ below: Duration) -> Aim { Aim(below: below, sorts: [.pooled]) }
        static func everybody(_ below: Duration) -> Aim { Aim(below: below, sorts: [.pooled, .reconnecting]) }

        /// Nil where nobody's gap was measured.
        package func isMissed(by gaps: [ClientSort: Duration]) -> Bool? {
            gaps.filter { sorts.contains($0.key) }.values.max().map { $0 >= below }
        }
    }

    package enum Act: Sendable, Hashable {
        /// `order` without what depends on the cluster.
        case order(FaultOrder, Target, Peers)
        /// A planned change of primary.
        case switchover
        /// Clients of their own write to the replica.
        case strayWrites
    }

    package struct Step: Sendable, Hashable {
        /// Since the fault began.
        package var at: Duration
        package var act: Act

        /// All steps of its moment wait with it.
        var waitsForPromotion: Bool {
            if case .order(_, .promoted, _) = act { true } else { false }
        }
    }

    package var name: String
    /// What is done, and what should follow: a line.
    package var summary: String
    package var expectation: Expectation
    /// Nil: there is none.
    package var aim: Aim?
    package var isSabotage: Bool
    package var steps: [Step]

    /// Until everything has healed by itself.
    package var duration: Duration {
        steps.reduce(.zero) { longest, step in
            guard case .order(let order, _, _) = step.act else { return max(longest, step.at) }
            return max(longest, step.at + .milliseconds(order.milliseconds))
        } + Fault.strikeMargin
    }

    /// A fault strikes a moment after its agent has answered.
    static let strikeMargin: Duration = .seconds(1)
}

/// A member of the cluster as a fault finds it.
package struct Member: Sendable, Hashable {
    package var name: String
    package var ordinal: Int
    package var zone: String
    package var address: String
    package var port: Int

    package init(name: String, ordinal: Int, zone: String, address: String, port: Int) {
        self.name = name
        self.ordinal = ordinal
        self.zone = zone
        self.address = address
        self.port = port
    }
}

/// The members in service, and which of them takes writes.
package struct Members: Sendable, Hashable {
    package var primary: Member
    /// By ordinal.
    package var replicas: [Member]

    package init(primary: Member, replicas: [Member]) {
        self.primary = primary
        self.replicas = replicas.sorted { $0.ordinal < $1.ordinal }
    }

    package var all: [Member] { ([primary] + replicas).sorted { $0.ordinal < $1.ordinal } }

    func members(_ target: Fault.Target) -> [Member] {
        switch target {
        // Of the members as they are once another has taken over.
        case .primary, .promoted: [primary]
        case .replica: Array(replicas.prefix(1))
        case .replicas: replicas
        case .primaryZone: all.filter { $0.zone == primary.zone }
        }
    }

    /// The orders that a step comes to, each with its instance.
    package func orders(_ order: FaultOrder, _ target: Fault.Target, _ peers: Fault.Peers) -> [(Member, FaultOrder)] {
        var order = order
        switch peers {
        case .everybody: break
        case .replicas: order.peers = replicas.map(\.address)
        case .servers: order.peers = ["servers"]
        }
        return members(target).map { ($0, order) }
    }
}
