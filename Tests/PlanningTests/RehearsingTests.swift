import FleetModel
@testable import Planning
import Testing

/// What a rehearsal leaves out, and what it takes over from another one.
@Suite struct RehearsingTests {
    @Test func `a rehearsal that ends with its first wave begins like a whole one`() {
        var fleet = TestFleet()
        _ = fleet.allocate()
        for _ in 0..<40 {
            let (brief, whole) = (Planner.rehearseFirstWave(fleet.situation()), Planner.rehearse(fleet.situation()))
            #expect(brief.waves.map(\.tasks) == whole.waves.prefix(1).map(\.tasks))
            #expect(brief.first?.records == whole.first?.records && brief.first?.waits == whole.first?.waits)
            #expect(brief.findings == whole.findings && brief.refusal == nil)
            fleet.carryOutStep()
        }
        #expect(fleet.orders?.isFounded == true && Planner.rehearse(fleet.situation()).waves.isEmpty)
    }

    @Test func `what an earlier rehearsal rendered changes no plan, also where the manifest is another one now`() {
        var fleet = TestFleet()
        fleet.converge()
        let earlier = Planner.rehearse(fleet.situation()).configurations
        #expect(earlier != nil)
        fleet.edit { $0.parameters["max_connections"] = "300" }
        var given = fleet.situation()
        given.configurations = earlier
        let (with, without) = (Planner.rehearse(given), Planner.rehearse(fleet.situation()))
        #expect(with.waves.map(\.tasks) == without.waves.map(\.tasks))
        #expect(!with.waves.isEmpty && with.outline == without.outline)
        // Of the same manifest it is used, and renders the same.
        given.configurations = with.configurations
        let again = Planner.rehearse(given)
        #expect(again.waves.map(\.tasks) == without.waves.map(\.tasks) && again.configurations === with.configurations)
    }
}
