import FleetModel
import Testing

@testable import Planning

/// What an agent would go on with alone is what its instance does, also after orders that failed or were given up.
struct AffirmingTests {
    private func founded(_ counts: [Int]) -> TestFleet {
        TestFleet.founded(TestFleet.orders(counts))
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

    @Test func `a replica that its agent would not start again is ordered to where it is`() {
        var fleet = founded([0, 2, 1])
        fleet.change(2) { report in
            report.resumes = .replicates
            report.isSupervised = false
        }
        #expect(fleet.carryOutStep().tasks.map(\.action.name) == ["replicate"])
        #expect(fleet.carryOutStep().isConverged)
    }

    @Test func `a galera member that its agent would not start again is ordered to join once more, and left as it is`() {
        var fleet = TestFleet(GaleraTests.orders())
        fleet.converge()
        fleet.tellGroup(at: 100)
        for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.isSupervised = ordinal != 3 } }
        let decision = fleet.carryOutStep()
        #expect(decision.names == ["joinComponent 3"] && decision.tasks.first?.isVoluntary == false)
        #expect(decision.tasks.first?.summary == "let its agent start it again without a server")
        #expect(fleet.carryOutStep().isConverged)
        // The primary is affirmed as the writer, never joined.
        fleet.change(1) { report in
            report.isSupervised = false
            report.isWriter = true
        }
        #expect(fleet.carryOutStep().names == ["open 1"])
        #expect(fleet.carryOutStep().isConverged)
    }

    @Test func `an agent that knows it, or that tells nothing, is left alone`() {
        var fleet = founded([0, 2, 1])
        fleet.change(2) { $0.resumes = .replicates }
        fleet.change(3) { $0.resumes = .acknowledges }
        #expect(fleet.carryOutStep().isConverged)
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.isSupervised = true } }
        #expect(fleet.carryOutStep().isConverged)
        for ordinal in [2, 3] { fleet.change(ordinal) { ($0.resumes, $0.isSupervised) = (nil, nil) } }
        #expect(fleet.carryOutStep().isConverged)
    }
}
