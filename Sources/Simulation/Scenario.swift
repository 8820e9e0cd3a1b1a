package import FleetModel
import Reconciliation

/// What a world is about: its clusters, the commits that they go through, and how much of both a seed is given.
package struct Scenario: Sendable {
    package enum Story: Sendable {
        /// The demo's cluster is founded, changed, moved.
        case demo
        /// Through commits that are rolled out instead, some of them refused by every server.
        case rolling
        /// Two clusters in two regions, between which the lead moves.
        case leading
        /// A cluster of that topology.
        case galera
    }

    package var story: Story
    /// What a primary of the demo's or the rolling cluster does that nobody is left to acknowledge for.
    package var whenAlone: WhenAlone
    /// Every commit in every world of the demo, and not in one of `Scenario.allCommitsEvery` alone.
    package var hasAllCommits: Bool
    /// Every rehearsal to its end, and not in one world of `Scenario.foreseenEvery` alone.
    package var isForeseen: Bool
    /// All of `RareFaults` in every world that has faults.
    package var hasAllFaults: Bool

    package init(
        _ story: Story = .demo, whenAlone: WhenAlone = .wait, hasAllCommits: Bool = false, isForeseen: Bool = false, hasAllFaults: Bool = false
    ) {
        (self.story, self.whenAlone, self.hasAllCommits, self.isForeseen) = (story, whenAlone, hasAllCommits, isForeseen)
        self.hasAllFaults = hasAllFaults
    }

    private static let allCommitsEvery: UInt64 = 16
    private static let foreseenEvery: UInt64 = 64

    /// In every eighth world the writer's host is lost for good: that one never converges, but has a writer. Not between two
    /// clusters: nobody may give up there what the lost host alone may hold.
    func losesHost(_ seed: UInt64) -> Bool { seed % 8 == 5 && story != .leading }
    /// In every second one of those so is the host of whoever is to take over.
    func losesTwo(_ seed: UInt64) -> Bool { seed % 16 == 5 && story == .demo }
    /// Nobody moves what is left of a cluster then: after the next ones all who stay could be of one zone.
    private static let lastCommitOfTwo = 6

    /// In every sixteenth galera world the writer begins again beside those who were a component without it.
    func isApart(_ seed: UInt64) -> Bool { seed % 16 == 7 && story == .galera }
    /// Before it becomes one of five.
    private static let lastCommitApart = 4

    /// In one world of five two servers compete for the lease.
    func servers(_ seed: UInt64) -> Int { seed % 5 == 4 ? 2 : 1 }

    /// In every second world all servers are away for a while in the end.
    func losesServers(_ seed: UInt64) -> Bool { seed % 2 == 0 && !losesHost(seed) }

    func rareFaults(_ seed: UInt64) -> Set<RareFaults> {
        if seed == 0 { return [] }
        return hasAllFaults ? Set(RareFaults.allCases) : RareFaults.drawn(seed)
    }

    func foresees(_ seed: UInt64) -> Bool { isForeseen || seed % Scenario.foreseenEvery == 0 }

    /// What most worlds of the demo go through is a part of its commits: what goes wrong does so between two or three of
    /// them, and what is left over is looked for at the end of each world.
    func script(_ seed: UInt64) -> Script {
        switch story {
        case .demo:
            let commits = losesTwo(seed) ? Script.whole.ending(with: Scenario.lastCommitOfTwo) : Script.whole
            let script = commits.altered { $0.whenAlone = whenAlone }
            if hasAllCommits || seed % Scenario.allCommitsEvery == 0 { return script }
            // Apart from the world's own source, from which all that happens there is drawn.
            var source = SeededGenerator(seed: ~seed)
            return script.part(from: Int.random(in: 0...script.lastPart, using: &source))
        case .rolling: return Script.rolling.altered { $0.whenAlone = whenAlone }
        case .leading: return Script.leading.altered { $0.whenAlone = whenAlone }
        case .galera: return isApart(seed) ? Script.galera.ending(with: Scenario.lastCommitApart) : Script.galera
        }
    }
}
