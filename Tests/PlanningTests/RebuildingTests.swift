import FleetModel
import Planning
import Testing

/// A lost store is made anew from git and agents; one that was put back is brought up to date.
struct RebuildingTests {
    /// A converged fleet, its agents' reports as the engine makes them.
    private func converged(_ cluster: Cluster = TestFleet.orders()) throws -> TestFleet {
        var fleet = TestFleet(cluster)
        fleet.converge()
        let records = try #require(fleet.orders)
        for member in records.members {
            fleet.change(member.ordinal) { report in
                report.clusterName = "orders"
                report.epoch = records.epoch
                report.isWriter = member.ordinal == records.primary
                report.origin = InstanceOrigin(
                    address: member.address, serverID: member.serverID, gtidDomain: records.gtidDomain, engineVersion: "10.11.19")
                report.database?.replicationAccounts = records.members.map(\.ordinal)
            }
        }
        return fleet
    }

    private func facts(_ fleet: TestFleet, known: FleetRecords = FleetRecords(storeID: "store-2")) -> RebuildFacts {
        RebuildFacts(fleet: fleet.fleet, reports: fleet.observed.mapValues(\.report), known: known, now: fleet.now)
    }

    private func without(_ hosts: String...) -> RebuildChoices {
        var choices = RebuildChoices()
        choices.without = Set(hosts)
        return choices
    }

    private func writer(_ writer: RebuildChoices.Writer) -> RebuildChoices {
        var choices = RebuildChoices()
        choices.writers["orders"] = writer
        return choices
    }

    @Test func `records come back from what agents see, and an undisturbed fleet has nothing to do but affirm its writer`() throws {
        var fleet = try converged()
        let before = try #require(fleet.orders)
        let proposal = Planner.rebuild(facts(fleet))
        #expect(proposal.refusals.isEmpty && proposal.strays.isEmpty && proposal.mistakes.isEmpty)
        let records = try #require(proposal.records.clusters["orders"])
        #expect(records.uid == before.uid && records.members == before.members && records.primary == 1 && records.isFounded)
        #expect(records.gtidDomain == before.gtidDomain && records.engineVersion == "10.11.19")
        #expect(records.epoch == before.epoch + 1 && records.ackSet == [2, 3] && records.preparedReplicas == [1, 2, 3])
        #expect(proposal.records.nextServerNumber == fleet.records.nextServerNumber)
        #expect(proposal.records.nextDomainNumber == fleet.records.nextDomainNumber)
        fleet.records = proposal.records
        #expect(fleet.converge().outline == "open 1")
        #expect(fleet.converge().outline == "")
    }

    @Test func `the same facts give the same digest, a moved position too, and another fact another one`() throws {
        var fleet = try converged()
        let digest = Planner.rebuild(facts(fleet)).digest
        fleet.change(2) { $0.database?.appliedPosition = GTIDSet("16777217-16777217-99") ?? GTIDSet() }
        fleet.now = fleet.now + .seconds(3)
        #expect(Planner.rebuild(facts(fleet)).digest == digest)
        #expect(Planner.rebuild(facts(fleet), without("hz-c-2")).digest == digest)
        fleet.change(2) { $0.epoch = 9 }
        #expect(Planner.rebuild(facts(fleet)).digest != digest)
    }

    @Test func `a galera cluster is not made from what agents see, and one that is known is asked of all its members`() throws {
        var fleet = try converged()
        fleet.edit { ($0.topology, $0.durability) = (.galera, .async) }
        let lost = Planner.rebuild(facts(fleet))
        #expect(lost.records.clusters.isEmpty && lost.refusals.first?.contains("galera") == true)
        var known = fleet.records
        known.clusters["orders"]?.galera = GaleraRecords(
            stateUUID: "6f-1", component: [1, 2], recovery: RecoveryIntent(epoch: 2, began: fleet.now), inconsistent: [2])
        let records = try #require(Planner.rebuild(facts(fleet, known: known)).records.clusters["orders"])
        #expect(records.galera == GaleraRecords(stateUUID: "6f-1", component: [1, 2, 3], inconsistent: [2]))
    }

    @Test func `two clusters of one name are told, not guessed`() throws {
        var fleet = try converged()
        fleet.change(3) { $0.id = InstanceID(clusterUID: "other", ordinal: 3) }
        let proposal = Planner.rebuild(facts(fleet))
        #expect(proposal.records.clusters.isEmpty)
        #expect(proposal.refusals.first?.contains("2 clusters") == true)
    }

    @Test func `kept directories of an earlier cluster of the name are left as they are`() throws {
        var fleet = try converged()
        fleet.observed["hz-b-2"]?.report.instances = [
            InstanceReport(id: InstanceID(clusterUID: "older", ordinal: 1), clusterName: "orders", port: 3306, directory: .retired)
        ]
        let proposal = Planner.rebuild(facts(fleet))
        #expect(proposal.refusals.isEmpty && proposal.records.clusters["orders"]?.members.count == 3)
        #expect(proposal.strays.map(\.host) == ["hz-b-2"])
    }

    @Test func `two writers under one epoch are refused, whatever the operator names`() throws {
        var fleet = try converged()
        fleet.change(2) { $0.isWriter = true }
        for choices in [RebuildChoices(), writer(.instance(1)), writer(.instance(2))] {
            #expect(Planner.rebuild(facts(fleet), choices).refusals.contains { $0.contains("each named the writer") })
        }
        fleet.change(2) { $0.epoch += 1 }
        #expect(Planner.rebuild(facts(fleet)).records.clusters["orders"]?.primary == 2)
    }

    @Test func `without a writer the operator names the instance that has every write, and no other`() throws {
        var fleet = try converged()
        fleet.change(1) { $0.isWriter = false; $0.database?.readOnly = true }
        let ahead = GTIDSet(domains: [7: GTIDSet.Last(serverID: 1, sequence: 500)])
        for ordinal in 1...3 { fleet.change(ordinal) { $0.database?.appliedPosition = GTIDSet(); $0.database?.binlogPosition = GTIDSet() } }
        for ordinal in 1...2 { fleet.change(ordinal) { $0.database?.binlogPosition = ahead } }
        #expect(Planner.rebuild(facts(fleet)).refusals.contains { $0.contains("no agent names a writer") })
        #expect(Planner.rebuild(facts(fleet), writer(.instance(3))).refusals.contains { $0.contains("may hold writes") })
        let proposal = Planner.rebuild(facts(fleet), writer(.instance(2)))
        #expect(proposal.refusals.isEmpty && proposal.records.clusters["orders"]?.primary == 2)
        let left = Planner.rebuild(facts(fleet), writer(.nobody))
        #expect(left.refusals.isEmpty && left.records.clusters["orders"]?.primary == nil)
        fleet.records = left.records
        #expect(fleet.converge().waves.isEmpty)
    }

    @Test func `a known writer is not changed by naming another`() throws {
        let fleet = try converged()
        #expect(Planner.rebuild(facts(fleet), writer(.instance(2))).refusals.contains { $0.contains("orders-1 is its writer") })
        #expect(Planner.rebuild(facts(fleet), writer(.nobody)).refusals.contains { $0.contains("orders-1 is its writer") })
        #expect(Planner.rebuild(facts(fleet), writer(.instance(1))).refusals.isEmpty)
    }

    @Test func `what stands still is held to hold data: it is never founded anew`() throws {
        var fleet = try converged()
        for ordinal in 1...3 { fleet.change(ordinal) { $0.process = .stopped; $0.database = nil; $0.isWriter = false } }
        let proposal = Planner.rebuild(facts(fleet))
        #expect(proposal.records.clusters["orders"]?.isFounded == true && !proposal.refusals.isEmpty)
    }

    @Test func `a silent host is waited for, or left out with its numbers and acknowledgements passed over`() throws {
        var fleet = try converged()
        let before = try #require(fleet.orders)
        let gone = try #require(before.member(3)).host
        fleet.observed[gone] = nil
        #expect(Planner.rebuild(facts(fleet)).silent == [gone])
        let proposal = Planner.rebuild(facts(fleet), without(gone))
        let records = try #require(proposal.records.clusters["orders"])
        #expect(proposal.refusals.isEmpty && records.members.map(\.ordinal) == [1, 2] && records.ackSet == [2, 3])
        #expect(proposal.records.nextServerNumber > fleet.records.nextServerNumber)
        #expect(proposal.clusters[0].notes.count == 2)
        fleet.records = proposal.records
        fleet.seeEmpty(gone)
        _ = fleet.allocate()
        let after = try #require(fleet.orders)
        #expect(after.members.map(\.ordinal) == [1, 2, 4])
        #expect(!before.members.map(\.serverID).contains(try #require(after.member(4)).serverID))
    }

    @Test func `a writer that may be on a host left out is replaced by nobody`() throws {
        var fleet = try converged()
        let host = try #require(fleet.orders?.member(1)).host
        fleet.observed[host] = nil
        var choices = without(host)
        #expect(Planner.rebuild(facts(fleet), choices).refusals.contains { $0.contains("left out") })
        choices.writers["orders"] = .instance(2)
        #expect(Planner.rebuild(facts(fleet), choices).refusals.contains { $0.contains("left out") })
        choices.writers["orders"] = .nobody
        let proposal = Planner.rebuild(facts(fleet), choices)
        #expect(proposal.refusals.isEmpty && proposal.records.clusters["orders"]?.primary == nil)
    }

    @Test func `a declared cluster of which nothing was found is new only where every host was seen`() throws {
        var fleet = TestFleet()
        #expect(Planner.rebuild(facts(fleet)).clusters.map(\.standing) == [.new])
        #expect(Planner.rebuild(facts(fleet)).refusals.isEmpty)
        fleet.observed["hz-a-1"] = nil
        var choices = without("hz-a-1")
        #expect(Planner.rebuild(facts(fleet), choices).refusals.count == 1)
        choices.create = ["orders"]
        #expect(Planner.rebuild(facts(fleet), choices).refusals.isEmpty)
    }

    @Test func `names of nothing are mistakes`() throws {
        var choices = without("hz-x-9")
        choices.writers = ["nothing": .nobody, "orders": .instance(9)]
        choices.create = ["orders"]
        let proposal = Planner.rebuild(facts(try converged()), choices)
        #expect(proposal.mistakes.count == 4)
    }

    // MARK: Over a backup

    @Test func `an older backup keeps what it knows, and takes what agents know better`() throws {
        var fleet = try converged()
        var base = fleet.records
        base.storeID = "store-2"
        base.clusters["orders"]?.suspended = true
        base.clusters["orders"]?.databases["legacy"] = .delete
        base.clusters["orders"]?.switchover = SwitchoverIntent(from: 1, to: 2, epoch: 1, began: fleet.now, reason: "old")
        // A fourth replica came later, and the third went.
        let third = try #require(fleet.orders?.member(3))
        fleet.edit { $0.placement[1].replicas = 2; $0.placement[2].replicas = 0 }
        fleet.observed[third.host]?.report.instances = []
        let second = try #require(fleet.orders?.member(2))
        var report = try #require(fleet.observed[second.host]?.report.instances.first)
        report.id.ordinal = 4
        report.origin?.serverID = third.serverID + 5
        report.origin?.address = "127.0.9.3"
        let other = second.host == "hz-b-1" ? "hz-b-2" : "hz-b-1"
        fleet.observed[other]?.report.instances = [report]
        let proposal = Planner.rebuild(facts(fleet, known: base))
        #expect(proposal.refusals.isEmpty)
        let records = try #require(proposal.records.clusters["orders"])
        #expect(records.suspended && records.databases["legacy"] == .delete && records.switchover == nil)
        #expect(records.members.map(\.ordinal) == [1, 2, 3, 4] && records.member(3)?.phase == .purged)
        #expect(records.member(4)?.host == other && records.member(4)?.phase == .active)
        #expect(proposal.records.nextServerNumber == ((third.serverID + 5) & 0xff_ffff) + 1)
    }

    @Test func `a member on a silent host stays as the backup has it`() throws {
        var fleet = try converged()
        let base = fleet.records
        let third = try #require(fleet.orders?.member(3))
        fleet.observed[third.host] = nil
        let proposal = Planner.rebuild(facts(fleet, known: base), without(third.host))
        #expect(proposal.refusals.isEmpty && proposal.records.clusters["orders"]?.member(3) == third)
        #expect(proposal.records.clusters["orders"]?.ackSet == [2, 3])
    }

    @Test func `a directory that was retired since keeps its whole time`() throws {
        var fleet = try converged()
        let base = fleet.records
        fleet.change(3) { $0.directory = .retired; $0.process = .stopped; $0.database = nil }
        let phase = Planner.rebuild(facts(fleet, known: base)).records.clusters["orders"]?.member(3)?.phase
        let retainFor = try #require(fleet.fleet.clusters["orders"]).value.retainFor
        #expect(phase == .retired(until: fleet.now + retainFor))
    }
}
