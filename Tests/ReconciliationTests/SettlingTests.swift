import FleetModel
import Manifests
import MetadataStore
import Planning
import Reconciliation
import Testing

/// Gives every cluster records without members, and finds nothing to do.
private struct QuietPlanner: PlacingPlanner {
    func allocate(_ fleet: DesiredFleet, _ records: FleetRecords, changed: Set<String>?, loads: HostLoads?) -> Allocation {
        var allocation = Allocation(records: records)
        for name in (changed ?? Set(fleet.clusters.keys)).sorted()
        where fleet.clusters[name] != nil && records.clusters[name] == nil {
            allocation.records.clusters[name] = ClusterRecords(uid: "uid-" + name, name: name, gtidDomain: Int64(name.count))
            allocation.changed.insert(name)
        }
        return allocation
    }

    func rehearse(_ situation: ClusterSituation) -> Rehearsal {
        var rehearsal = Rehearsal(unit: UnitID(.cluster, situation.name))
        var decision = Decision(records: situation.records)
        decision.conditions = [Condition(.ready, true, reason: "Converged")]
        rehearsal.first = decision
        return rehearsal
    }
}

/// When a unit has come to rest, and what is left of one that is gone.
@Suite struct SettlingTests {
    private let orders = UnitID(.cluster, "orders")
    private let pager = UnitID(.alertChannel, "pager")
    private let host = UnitID(.host, "host-1")

    private func led(_ planner: any UnitPlanner = QuietPlanner()) throws -> Drive {
        var drive = Drive(planner)
        let ends = try drive.lead()
        #expect(ends)
        return drive
    }

    private func fleet(_ commit: String) -> DesiredFleet { DesiredFleet(revision: Revision(commit: commit)) }

    private func add(_ name: String, accounts: [AccountSpec] = [], to fleet: inout DesiredFleet) {
        let cluster = Cluster(
            metadata: Metadata(name: name), engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .single,
            placement: [Placement(zone: "a", replicas: 1)],
            resources: ClusterResources(memoryBytes: 1 << 28, storageBytes: 1 << 30), accounts: accounts)
        fleet.clusters[name] = Declared(value: cluster, file: "c.yaml", line: 1, revision: fleet.revision.commit)
    }

    private func read(_ fleet: DesiredFleet, changed: [UnitID], held: [UnitID: [Diagnostic]] = [:]) -> LoopEvent {
        let all = held.values.flatMap { $0 }
        return .revisionRead(
            RevisionRead(
                source: "fleet", revision: fleet.revision,
                assembly: Assembly(fleet: fleet, changed: changed, held: held, diagnostics: all)))
    }

    private func isWaiting(_ drive: Drive, _ unit: UnitID?) -> Bool {
        if case .waiting = drive.machine.settled(unit) { return true }
        return false
    }

    private func isForgotten(_ drive: Drive, _ unit: UnitID) -> Bool {
        drive.machine.view(at: drive.now).units[unit] == nil
    }

    @Test func `what an earlier manifest came to does not settle the unit while the new one's secrets are read`() throws {
        var drive = try led()
        var first = fleet("c1")
        add("orders", to: &first)
        let ends1 = drive.handle(read(first, changed: [orders]))
        #expect(ends1 && drive.machine.settled(orders) == .converged)
        var second = fleet("c2")
        add("orders", accounts: [AccountSpec(name: "app", host: "%", passwordFrom: .file("app"), grants: [])], to: &second)
        let ends2 = drive.handle(read(second, changed: [orders]))
        #expect(ends2 && isWaiting(drive, orders) && isWaiting(drive, nil))
        let ends3 = drive.handle(.resolved(orders, fingerprints: ["app@%": "f"], problems: []))
        #expect(ends3 && drive.machine.settled(orders) == .converged)
    }

    @Test func `a request waits until secrets were read again`() throws {
        var drive = try led()
        var first = fleet("c1")
        add("orders", accounts: [AccountSpec(name: "app", host: "%", passwordFrom: .file("app"), grants: [])], to: &first)
        let ends1 = drive.handle(read(first, changed: [orders]))
        let ends2 = drive.handle(.resolved(orders, fingerprints: ["app@%": "f"], problems: []))
        #expect(ends1 && ends2 && drive.machine.settled(orders) == .converged)
        let ends3 = drive.handle(.request(.reconcile(orders, by: "ann")))
        #expect(ends3 && isWaiting(drive, orders))
        let ends4 = drive.handle(.resolved(orders, fingerprints: ["app@%": "f"], problems: []))
        #expect(ends4 && drive.machine.settled(orders) == .converged)
    }

    @Test func `a channel whose script the server does not know is stalled, and says which there are`() throws {
        var drive = Drive(QuietPlanner()) { $0.scripts = ["note"] }
        let led = try drive.lead()
        var first = fleet("c1")
        with(channel: "pager", in: &first)
        let ends1 = drive.handle(read(first, changed: [pager]))
        let status = try #require(drive.machine.view(at: drive.now).units[pager])
        #expect(led && ends1 && status.isStalled && status.findings.map(\.reason) == ["ScriptUnknown"])
        #expect(status.findings.first?.message.contains("no script `page` (it declares `note`)") == true)
        #expect(status.findings.first?.message.hasPrefix("a.yaml:1") == true)
    }

    private func with(channel: String, in fleet: inout DesiredFleet) {
        let value = AlertChannel(metadata: Metadata(name: channel), target: .script(name: "page", timeout: .seconds(5)))
        fleet.channels[channel] = Declared(value: value, file: "a.yaml", line: 1, revision: fleet.revision.commit)
    }

    @Test func `an alert channel that was removed is forgotten, and nobody waits for it`() throws {
        var drive = try led()
        var first = fleet("c1")
        with(channel: "pager", in: &first)
        let ends1 = drive.handle(read(first, changed: [pager]))
        #expect(ends1 && drive.machine.settled(pager) == .converged)
        let ends2 = drive.handle(read(fleet("c2"), changed: [pager]))
        #expect(ends2)
        #expect(drive.machine.settled(nil) == .converged)
        #expect(isForgotten(drive, pager))
        // Nor is it remembered later on, by its own interval or by the next leader.
        drive.now = drive.now + .seconds(200)
        let ends3 = drive.handle(.woke)
        #expect(ends3 && drive.machine.settled(nil) == .converged)
        #expect(drive.store.loadNow().conditions[pager] == nil)
    }

    @Test func `a held cluster without a place is forgotten once it is removed`() throws {
        var drive = try led()
        let error = Diagnostic(position: SourcePosition(file: "c.yaml", line: 3, column: 1), message: "no", unit: orders)
        let ends1 = drive.handle(read(fleet("c1"), changed: [], held: [orders: [error]]))
        #expect(ends1)
        guard case .stalled = drive.machine.settled(nil) else {
            Issue.record("the held cluster is not stalled")
            return
        }
        let ends2 = drive.handle(read(fleet("c2"), changed: []))
        #expect(ends2)
        #expect(drive.machine.settled(nil) == .converged)
        #expect(isForgotten(drive, orders))
        drive.now = drive.now + .seconds(200)
        let ends3 = drive.handle(.woke)
        #expect(ends3)
        #expect(drive.store.loadNow().conditions[orders] == nil)
    }

    @Test func `a host that is declared no more is forgotten with its silence`() throws {
        var drive = try led()
        var first = fleet("c1")
        let value = Host(metadata: Metadata(name: "host-1"), zone: "a", room: "r", address: "127.0.0.9")
        first.hosts["host-1"] = Declared(value: value, file: "h.yaml", line: 1, revision: "c1")
        let ends1 = drive.handle(read(first, changed: [host]))
        drive.now = drive.now + .seconds(100)
        let ends2 = drive.handle(.woke)
        #expect(ends1 && ends2 && drive.machine.view(at: drive.now).units[host]?.conditions.isEmpty == false)
        let ends3 = drive.handle(read(fleet("c2"), changed: [host]))
        let ends4 = drive.handle(.woke)
        #expect(ends3 && ends4)
        #expect(isForgotten(drive, host))
        #expect(drive.store.loadNow().conditions[host] == nil)
    }

    @Test func `agents that took their longest pause before the server was back are not told as silent`() throws {
        var drive = try led()
        var first = fleet("c1")
        let value = Host(metadata: Metadata(name: "host-1"), zone: "a", room: "r", address: "127.0.0.9")
        first.hosts["host-1"] = Declared(value: value, file: "h.yaml", line: 1, revision: "c1")
        let ends = drive.handle(read(first, changed: [host]))
        #expect(ends)
        for second in 1...20 {
            drive.now = drive.now + .seconds(1)
            let endsPass = drive.handle(.woke)
            let status = drive.machine.view(at: drive.now).units[host]
            let isTold = status?.conditions.contains { $0.reason == "AgentSilent" } ?? false
            #expect(endsPass && (isTold ? second >= 15 : second < 17), "after \(second) s")
        }
    }

    @Test func `an error that no unit owns is told by its source, and its end too`() throws {
        let source = UnitID(.source, "fleet")
        var drive = try led()
        let place = SourcePosition(file: "new.yaml", line: 3, column: 7)
        let stray = Diagnostic(position: place, message: "this is not YAML", help: "close the bracket")
        let owned = Diagnostic(position: SourcePosition(file: "c.yaml", line: 3, column: 1), message: "no", unit: orders)
        let assembly = Assembly(fleet: fleet("c1"), held: [orders: [owned]], diagnostics: [owned, stray])
        let ends1 = drive.handle(
            .revisionRead(RevisionRead(source: "fleet", revision: Revision(commit: "c1"), assembly: assembly)))
        let status = try #require(drive.machine.view(at: drive.now).units[source])
        #expect(ends1 && status.findings.map(\.subject) == ["new.yaml"])
        #expect(status.findings.first?.message.contains("new.yaml:3:7: this is not YAML (close the bracket)") == true)
        #expect(status.isStalled && status.conditions.contains { $0.reason == "InvalidManifest" })
        let ends2 = drive.handle(read(fleet("c2"), changed: []))
        let after = try #require(drive.machine.view(at: drive.now).units[source])
        #expect(ends2 && after.findings.isEmpty && !after.isStalled)
    }

    @Test func `conditions of a unit that is gone do not bring it back at the next start`() throws {
        var drive = Drive(QuietPlanner())
        let lease = try drive.store.acquireNow(holder: LeaseHolder(name: "test", run: 1), duration: .seconds(3600), now: drive.now)
        let gone = UnitID(.cluster, "two")
        try drive.store.commitNow(
            [.putConditions(gone, [Condition(.stalled, true, reason: "InvalidManifest", message: "no")])], term: lease.term)
        let ends1 = try drive.lead()
        let ends2 = drive.handle(read(fleet("c1"), changed: []))
        let ends3 = drive.handle(.woke)
        #expect(ends1 && ends2 && ends3)
        #expect(isForgotten(drive, gone))
        #expect(drive.store.loadNow().conditions[gone] == nil)
    }
}
