import FleetModel
import Testing

@testable import Planning

/// What we made leaves the inventory only when it is gone for good, and is in it before it is there.
struct InventoryTests {
    private func position(_ sequence: Int64) -> GTIDSet { GTIDSet(domains: [7: .init(serverID: 1, sequence: sequence)]) }

    private func absorbing(_ outcome: AttemptOutcome, _ name: String, _ fleet: inout TestFleet) throws {
        let decision = Planner.step(fleet.situation())
        let task = try #require(decision.tasks.first { $0.action.name == name })
        fleet.records.clusters["orders"] = Planner.absorb(outcome, of: task, into: decision.records, at: fleet.now, jitter: 0)
    }

    @Test func `an account whose order may have been carried out is ours to drop`() throws {
        var fleet = TestFleet.founded()
        fleet.edit { $0.accounts.append(AccountSpec(name: "bill", host: "127.%", passwordFrom: .file("bill"), grants: [])) }
        fleet.secrets["bill@127.%"] = "beef"
        try absorbing(.refused("it is not the writer"), "ensureAccount", &fleet)
        fleet.edit { $0.accounts.removeLast() }
        for ordinal in 1...3 { fleet.change(ordinal) { $0.database?.accounts.append(AccountFacts(name: "bill", host: "127.%")) } }
        fleet.now = fleet.now + .seconds(5)
        for host in TestFleet.hostNames { fleet.observed[host]?.renewed = fleet.now }
        #expect(Planner.step(fleet.situation()).tasks.map(\.action) == [.dropAccount(name: "bill", host: "127.%")])
    }

    @Test func `a drop that no replica has received is not forgotten`() throws {
        var fleet = TestFleet.founded()
        for ordinal in 1...3 {
            fleet.change(ordinal) {
                $0.database?.binlogPosition = position(100)
                $0.database?.appliedPosition = position(100)
            }
        }
        fleet.edit { $0.accounts = [] }
        // Seen on the writer before it is acknowledged.
        fleet.change(1) {
            $0.database?.accounts = []
            $0.database?.binlogPosition = position(101)
        }
        #expect(Planner.step(fleet.situation()).records.accounts.keys.sorted() == ["app@127.%"])
        fleet.change(2) { $0.database?.replication?.receivedPosition = position(101) }
        #expect(Planner.step(fleet.situation()).records.accounts.isEmpty)
    }

    @Test func `nothing is written for us while nobody acknowledges`() {
        var fleet = TestFleet.founded()
        fleet.edit { $0.databases.append(DatabaseSpec(name: "billing")) }
        for ordinal in 2...3 { fleet.change(ordinal) { $0.database?.replication?.ioRunning = false } }
        let decision = Planner.step(fleet.situation())
        #expect(!decision.tasks.contains { $0.action.name == "ensureDatabase" })
        #expect(decision.waits.contains { $0.reason == .fact("acknowledgement") })
    }

    @Test func `a founding whose opening was ordered counts as founded, whatever becomes of the order`() throws {
        var fleet = TestFleet()
        _ = fleet.allocate()
        for _ in 0..<20 {
            let decision = Planner.step(fleet.situation())
            fleet.records.clusters["orders"] = decision.records
            if decision.tasks.contains(where: { $0.action.name == "open" }) {
                #expect(decision.records.isFounded && decision.records.isSemiSync)
                return
            }
            for task in decision.tasks { fleet.carryOut(task) }
        }
        Issue.record("it was never opened")
    }

    @Test func `a replica declared while a cluster is founded gets its account`() throws {
        var fleet = TestFleet()
        _ = fleet.allocate()
        for _ in 0..<20 where fleet.orders?.preparedReplicas.isEmpty ?? true {
            let decision = Planner.step(fleet.situation())
            fleet.records.clusters["orders"] = decision.records
            for task in decision.tasks { fleet.carryOut(task) }
        }
        fleet.edit { $0.placement = TestFleet.orders([1, 2, 1]).placement }
        let rehearsal = fleet.converge()
        #expect(rehearsal.outline.contains("prepareReplica 1"))
        #expect(fleet.orders?.preparedReplicas == [1, 2, 3, 4])
    }

    @Test func `a closed writer that nobody can acknowledge for is copied`() {
        var fleet = TestFleet.founded()
        fleet.change(1) { $0.database?.readOnly = true }
        for ordinal in 2...3 {
            guard let host = fleet.orders?.member(ordinal)?.host else { continue }
            fleet.seeEmpty(host)
        }
        let clones = Planner.step(fleet.situation()).tasks.filter { $0.action.name == "clone" }
        #expect(clones.first?.alsoBusy?.ordinal == 1)
    }

    @Test func `a primary that was set to replicate stops`() {
        var fleet = TestFleet.founded()
        fleet.change(1) {
            $0.database?.replication = ReplicationReport(sourceHost: "127.0.9.2", sourcePort: 3306, ioRunning: true, sqlRunning: true)
        }
        let decision = Planner.step(fleet.situation())
        #expect(decision.findings.contains { $0.reason == "WrongSource" && $0.isDrift })
        #expect(decision.tasks.map(\.action.name) == ["promote"] && decision.records.epoch == fleet.orders?.epoch)
    }
}
