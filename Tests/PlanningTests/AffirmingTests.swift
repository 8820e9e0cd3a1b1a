import FleetModel
import Testing

@testable import Planning

/// What an agent would go on with alone is what its instance does, also after orders that failed or were given up.
struct AffirmingTests {
    private func founded(_ counts: [Int]) -> TestFleet {
        var fleet = TestFleet(TestFleet.orders(counts))
        fleet.converge()
        return fleet
    }

    @Test(arguments: [Resumption.nothing, .replicates])
    func `a replica that acknowledges is ordered to where its agent does not know it`(resumes: Resumption) {
        var fleet = founded([1, 1, 1])
        fleet.change(2) { $0.resumes = resumes }
        let decision = fleet.carryOutStep()
        #expect(decision.tasks.map(\.action.name) == ["acknowledge"] && decision.tasks.first?.isVoluntary == false)
        #expect(decision.tasks.first?.summary == "let it replicate on without a server")
        #expect(fleet.carryOutStep().isConverged)
    }

    @Test(arguments: [Resumption.nothing, .acknowledges])
    func `a replica that does not acknowledge is never brought back to`(resumes: Resumption) {
        var fleet = founded([0, 2, 1])
        fleet.change(2) { $0.resumes = resumes }
        #expect(fleet.carryOutStep().tasks.map(\.action.name) == ["replicate"])
        #expect(fleet.carryOutStep().isConverged)
    }

    @Test func `an agent that knows it, or that tells nothing, is left alone`() {
        var fleet = founded([0, 2, 1])
        fleet.change(2) { $0.resumes = .replicates }
        fleet.change(3) { $0.resumes = .acknowledges }
        #expect(fleet.carryOutStep().isConverged)
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.resumes = nil } }
        #expect(fleet.carryOutStep().isConverged)
    }
}
