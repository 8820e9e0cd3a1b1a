package import FleetModel
package import Reconciliation

/// What the routes work on.
package struct ControlPlane: Sendable {
    package let reconciler: Reconciler
    package let tokens: Tokens
    package let membership: Membership
    package let clock: any TimeSource

    package init(reconciler: Reconciler, tokens: Tokens, membership: Membership, clock: any TimeSource) {
        self.membership = membership
        self.reconciler = reconciler
        self.tokens = tokens
        self.clock = clock
    }

    package var now: Instant { clock.now() }

    /// Where the leader is, when it is another server and is known.
    package var leaderURL: String? {
        get async {
            let view = await reconciler.leader()
            return view.isLeader ? nil : view.leaderURL
        }
    }

    /// The leader's term; throws where this server does not lead.
    package func term() async throws -> Int64 {
        let view = await reconciler.leader()
        guard view.isLeader else { throw APIError.notLeader(view.leaderURL) }
        return view.term
    }
}
