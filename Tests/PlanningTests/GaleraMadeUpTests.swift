import FleetModel
import Testing

@testable import Planning

/// When a member has all that another one was acknowledged: by walking every history of so many steps.
struct GaleraMadeUpTests {
    /// Instance 1 commits, and leaves; instance 2 receives both in one order and applies them one after the other.
    private struct World {
        enum Item { case write, view }

        var received: [Item] = []
        var taken = 0
        var isApplying = false
        var applied = 0
        var acknowledged = 0
        var hasLeft = false
        var hasNewView = false
        var told: GaleraReport?

        enum Step: CaseIterable { case commit, leave, take, apply, look }

        /// Nil where it cannot happen now.
        func after(_ step: Step) -> World? {
            var next = self
            switch step {
            case .commit:
                guard !hasLeft else { return nil }
                next.received.append(.write)
                next.acknowledged += 1
            case .leave:
                guard !hasLeft else { return nil }
                next.received.append(.view)
                next.hasLeft = true
            case .take:
                guard taken < received.count, !isApplying else { return nil }
                next.taken += 1
                if received[taken] == .view { next.hasNewView = true } else { next.isApplying = true }
            case .apply:
                guard isApplying else { return nil }
                (next.isApplying, next.applied) = (false, applied + 1)
            case .look:
                next.told = GaleraReport(
                    isReady: true, isPrimaryComponent: true, state: .synced, stateUUID: "u", receiveQueue: Int64(received.count - taken),
                    members: hasNewView ? [2, 3] : [1, 2, 3])
            }
            return next
        }
    }

    /// Whether 1 was given up by the word of 2 in any history, with what 2 does not have yet.
    private func losesBy(_ rule: (GaleraReport) -> Bool) -> Bool {
        var front = [World()]
        for _ in 0..<8 {
            front = front.flatMap { world in World.Step.allCases.compactMap { world.after($0) } }
            if front.contains(where: { $0.hasLeft && $0.applied < $0.acknowledged && $0.told.map(rule) == true }) { return true }
        }
        return false
    }

    @Test func `a view without the other one says that all of it is applied, and an empty queue does not`() {
        #expect(!losesBy { GaleraProcedure.hasAppliedAll(of: 1, $0) })
        #expect(losesBy { $0.receiveQueue == 0 })
    }

    @Test func `nobody's word counts who does not keep up, or names nobody`() {
        let group = GaleraReport(isReady: true, isPrimaryComponent: true, state: .synced, stateUUID: "u", members: [2, 3])
        #expect(GaleraProcedure.hasAppliedAll(of: 1, group) && !GaleraProcedure.hasAppliedAll(of: 3, group))
        for alter in [{ $0.members = [] }, { $0.state = .joined }, { $0.state = .donor }] as [(inout GaleraReport) -> Void] {
            var other = group
            alter(&other)
            #expect(!GaleraProcedure.hasAppliedAll(of: 1, other))
        }
    }
}
