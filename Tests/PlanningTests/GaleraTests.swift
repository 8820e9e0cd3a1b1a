import FleetModel
import Testing

@testable import Planning

/// A galera cluster of three, as the planner makes and keeps it.
struct GaleraTests {
    static func orders(_ counts: [Int] = [1, 1, 1]) -> Cluster {
        var cluster = TestFleet.orders(counts)
        cluster.topology = .galera
        cluster.durability = .async
        return cluster
    }

    private func founded(_ counts: [Int] = [1, 1, 1]) -> TestFleet {
        var fleet = TestFleet(Self.orders(counts))
        fleet.converge()
        fleet.tellGroup(at: 100)
        return fleet
    }

    private func reasons(_ plan: Rehearsal) -> [String] { plan.findings.map(\.reason) }

    // MARK: Making

    @Test func `three empty hosts become a component with one open member`() throws {
        var fleet = TestFleet(Self.orders())
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline == """
                install 1 | foundComponent 1 | initialize 1 | open 1 | clone 2 | joinComponent 2, ensureDatabase 1 | \
                clone 3, ensureAccount 1 | joinComponent 3
                """)
        #expect(plan.waits.isEmpty)
        let records = try #require(fleet.orders)
        #expect(records.primary == 1 && records.epoch == 1 && records.isFounded)
        #expect(records.galera?.component == [1, 2, 3] && records.galera?.stateUUID == "(known after)")
        let again = fleet.converge()
        #expect(again.outline == "" && again.waits.isEmpty && again.findings.isEmpty)
    }

    @Test func `a founder whose end was not heard founds nothing twice`() throws {
        var fleet = TestFleet(Self.orders())
        _ = fleet.allocate()
        fleet.carryOutStep()
        let founding = fleet.recordStep()
        #expect(founding.names == ["foundComponent 1"])
        let task = try #require(founding.tasks.first)
        fleet.fail(task)
        // It ended all the same, and then died.
        fleet.pass(.seconds(5))
        let reading = fleet.recordStep()
        #expect(reading.names == ["readPosition 1"])
        fleet.change(1) { $0.recovered = RecoveredPosition(stateUUID: "u", sequence: 3) }
        let recovering = fleet.recordStep()
        #expect(recovering.records.galera?.stateUUID == "u" && recovering.records.epoch == 2)
        #expect(recovering.names == ["fence 1"])
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.hasPrefix("fence 1 | recoverComponent 1 | initialize 1 | open 1 | clone 2"))
    }

    @Test func `a lost directory and a new member are copied from one that is not the writer`() {
        var fleet = founded()
        fleet.declare(Self.orders([2, 2, 1]))
        fleet.addHosts()
        let grown = fleet.converge()
        #expect(grown.refusal == nil)
        #expect(grown.outline.contains("clone 4") && grown.outline.contains("clone 5"))
        for task in grown.waves.flatMap(\.tasks) {
            if case .clone(_, let donor) = task.action { #expect(donor.ordinal != 1) }
        }
        #expect(fleet.orders?.galera?.component == [1, 2, 3, 4, 5])
        #expect(fleet.converge().outline == "")
    }

    @Test func `a member that is replaced goes only after its successor has come`() {
        var fleet = founded()
        fleet.declare(Self.orders([1, 2, 0]))
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        // Whoever comes or goes is in everybody's file.
        #expect(plan.outline == "clone 4, configure 1 | joinComponent 4, configure 2 | retire 3 | configure 1, configure 2, configure 4")
        #expect(fleet.orders?.galera?.component == [1, 2, 4])
    }

    @Test func `a majority in one zone is told in every plan`() {
        var fleet = TestFleet(Self.orders([1, 2, 0]))
        let plan = fleet.converge()
        #expect(plan.warnings.contains { $0.contains("2 of 3 instances are in zone zone-b") })
        #expect(reasons(fleet.converge()) == ["MajorityInZone"])
    }

    @Test func `a cluster that holds data is not turned into galera, nor back`() {
        var fleet = founded()
        fleet.declare(TestFleet.orders())
        #expect(Planner.step(fleet.situation()).conditions.first?.reason == "TopologyRefused")
        var other = TestFleet()
        other.converge()
        other.declare(Self.orders())
        let decision = Planner.step(other.situation())
        #expect(decision.tasks.isEmpty && decision.conditions.first?.reason == "TopologyRefused" && !decision.isConverged)
    }

    // MARK: Keeping

    @Test func `a dead member joins again, and nobody else is touched`() {
        var fleet = founded()
        fleet.change(3) { $0.process = .stopped }
        let plan = fleet.converge()
        #expect(plan.outline == "readPosition 3 | joinComponent 3" && reasons(plan) == ["InstanceDown"])
    }

    @Test func `one that cannot be read is tried all the same`() throws {
        var fleet = founded()
        fleet.change(3) { $0.process = .stopped }
        fleet.fail(try #require(fleet.recordStep().tasks.first))
        fleet.pass(.seconds(70))
        #expect(fleet.recordStep().names == ["joinComponent 3"])
    }

    @Test func `one outside is left to the network, and closed where it is open`() {
        var fleet = founded()
        fleet.leaveGroup(3)
        let plan = Planner.step(fleet.situation())
        #expect(plan.tasks.isEmpty && plan.findings.map(\.reason) == ["NodeOutside"])
        fleet.change(3) { $0.database?.readOnly = false }
        #expect(Planner.step(fleet.situation()).names == ["close 3"])
    }

    @Test func `one whose rows differ is moved aside and copied, and never joined as it is`() throws {
        var fleet = founded()
        fleet.change(3) { report in
            report.isInconsistent = true
            report.database?.galera?.state = .inconsistent
            report.database?.galera?.isReady = false
        }
        fleet.dropFromGroup(3)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline == "rejoin 3 | clone 3 | joinComponent 3")
        #expect(reasons(plan) == ["Inconsistent"])
        #expect(fleet.orders?.galera?.inconsistent == [])
        // Its agent may forget; the store does not.
        fleet.change(3) { $0.process = .stopped }
        fleet.dropFromGroup(3)
        fleet.records.clusters["orders"]?.galera?.inconsistent = [3]
        let task = try #require(Planner.step(fleet.situation()).tasks.first)
        let join = PlannedTask(
            unit: task.unit, target: task.target, action: .joinComponent(epoch: 1, stateUUID: "(known after)"), cause: .observation(""), summary: "")
        #expect(Invariants.violation([join], in: fleet.situation())?.contains("rows that differ") == true)
    }

    @Test(arguments: [false, true]) func `one that is wanted again once it was taken out of service is copied anew`(wasVotedOut: Bool) throws {
        var fleet = founded()
        fleet.change(3) { report in
            report.directory = .retired
            report.process = .stopped
            report.isInconsistent = wasVotedOut
        }
        if wasVotedOut { fleet.records.clusters["orders"]?.galera?.inconsistent = [3] }
        let held = Planner.step(fleet.situation())
        #expect(held.tasks.isEmpty && held.waits.contains { $0.message.contains("to apply what orders-3 may have alone") })
        fleet.dropFromGroup(3)
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline == "clone 3 | joinComponent 3" && reasons(plan).isEmpty, "\(plan.outline)")
        #expect(plan.waves.first?.tasks.first?.summary == "clone from orders-2; its old directory is moved aside and kept")
        #expect(fleet.orders?.galera?.inconsistent == [] && fleet.orders?.galera?.component == [1, 2, 3])
        #expect(fleet.converge().outline == "")
    }

    @Test func `one that was given up after it was taken out of service is copied anew`() {
        var fleet = founded()
        fleet.change(3) { report in
            report.directory = .retired
            report.process = .stopped
        }
        fleet.dropFromGroup(3)
        fleet.records.clusters["orders"]?.leftBehind = [3]
        fleet.records.clusters["orders"]?.galera?.component = [1, 2]
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline == "clone 3 | joinComponent 3", "\(plan.outline)")
        #expect(fleet.orders?.leftBehind == [] && fleet.orders?.galera?.component == [1, 2, 3])
    }

    @Test func `one that missed more than anybody keeps is copied anew`() {
        var fleet = founded()
        for ordinal in [1, 2] { fleet.change(ordinal) { $0.database?.galera?.cachedDownTo = 60 } }
        fleet.change(3) { report in
            report.process = .stopped
            report.recovered = RecoveredPosition(stateUUID: "(known after)", sequence: 58)
        }
        let plan = fleet.converge()
        #expect(plan.outline == "rejoin 3 | clone 3 | joinComponent 3" && reasons(plan).contains("HistoryTooShort"))
        fleet.change(3) { report in
            report.process = .stopped
            report.recovered = RecoveredPosition(stateUUID: "(known after)", sequence: 59)
        }
        #expect(fleet.converge().outline == "joinComponent 3")
    }

    @Test func `nobody is made anew before another one has applied what it may have alone`() {
        var fleet = founded()
        fleet.change(3) { report in
            report.process = .stopped
            report.recovered = RecoveredPosition(stateUUID: "v", sequence: 108)
            report.isInconsistent = true
        }
        let held = Planner.step(fleet.situation())
        #expect(held.tasks.isEmpty && held.waits.contains { $0.message.contains("to apply what orders-3 may have alone") })
        fleet.change(2) { $0.database?.galera?.members = [1, 2] }
        #expect(Planner.step(fleet.situation()).names == ["rejoin 3"])
    }

    @Test func `another history is killed, never joined, and copied over`() {
        var fleet = founded()
        fleet.change(3) { $0.database?.galera?.stateUUID = "v" }
        let plan = fleet.recordStep()
        #expect(plan.names == ["fence 3"] && plan.findings.map(\.reason) == ["ForeignComponent"])
        fleet.change(3) { report in
            report.process = .stopped
            report.recovered = RecoveredPosition(stateUUID: "v", sequence: 100)
        }
        #expect(fleet.recordStep().names == [])
        fleet.dropFromGroup(3)
        #expect(fleet.recordStep().names == ["rejoin 3"])
    }

    @Test func `a start that ended twice is given up for a copy`() throws {
        var fleet = founded()
        fleet.change(3) { report in
            report.process = .stopped
            report.recovered = RecoveredPosition(stateUUID: "(known after)", sequence: 100)
        }
        fleet.dropFromGroup(3)
        for _ in 1...2 {
            fleet.pass(.seconds(70))
            let decision = fleet.recordStep()
            #expect(decision.names == ["joinComponent 3"])
            fleet.fail(try #require(decision.tasks.first))
        }
        fleet.pass(.seconds(70))
        let plan = fleet.converge()
        #expect(plan.outline == "rejoin 3 | clone 3 | joinComponent 3" && reasons(plan).contains("JoinRefused"))
        #expect(fleet.orders?.failures.isEmpty == true)
    }

    @Test func `a certificate is renewed long before it ends, and nobody is restarted for it`() {
        var fleet = founded()
        let day: Duration = .seconds(24 * 3600), now = fleet.now
        fleet.change(2) { $0.groupCertificate = GroupCertificate(ends: now + day * 61) }
        #expect(fleet.converge().outline == "")
        fleet.change(2) { $0.groupCertificate = GroupCertificate(ends: now + day * 59) }
        fleet.change(1) { $0.groupCertificate = GroupCertificate(ends: now + day * 13) }
        fleet.edit { $0.suspend = true }
        let step = fleet.recordStep()
        #expect(step.names == ["renewCertificate 1", "renewCertificate 2"] && step.findings.map(\.reason).filter { $0 == "CertificateEnds" }.count == 1)
        let plan = fleet.converge()
        #expect(plan.outline == "renewCertificate 1, renewCertificate 2")
        #expect(fleet.converge().outline == "")
    }

    @Test func `one whose queue stops the writes of all is named`() {
        var fleet = founded()
        fleet.change(2) { $0.database?.galera?.receiveQueue = 888 }
        #expect(Planner.step(fleet.situation()).findings.map(\.reason) == ["HeldBack"])
    }

    @Test func `a fixed parameter restarts one after the other, the writer last and after a move`() {
        var fleet = founded()
        fleet.edit { $0.parameters["back_log"] = "200" }
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline == """
                configure 1, configure 2, configure 3 | restart 2 | restart 3 | demote 1 | promote 2 | restart 1 | demote 2 | promote 1
                """)
        #expect(fleet.converge().outline == "")
    }

    // MARK: The writer

    @Test func `the writer moves to a wanted zone when it has applied what the old one had`() throws {
        var fleet = founded()
        fleet.edit { $0.preferredZones = ["zone-b"] }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline == "demote 1 | promote 2")
        let promotion = try #require(plan.waves.last?.tasks.first)
        #expect(promotion.action == .promote(epoch: 2, position: GTIDSet(), semiSync: false, sequence: 100))
        #expect(fleet.orders?.primary == 2 && fleet.orders?.switchover == nil)
    }

    @Test func `a move that fails opens the old one again`() throws {
        var fleet = founded()
        fleet.edit { $0.preferredZones = ["zone-b"] }
        let demotion = fleet.carryOutStep()
        #expect(demotion.names == ["demote 1"])
        let promotion = fleet.recordStep()
        #expect(promotion.names == ["promote 2"] && promotion.records.primary == 2)
        fleet.fail(try #require(promotion.tasks.first))
        let back = fleet.recordStep()
        #expect(back.names == ["open 1"] && back.records.primary == 1 && back.records.epoch == 3)
        #expect(back.findings.map(\.reason).contains("SwitchoverAbandoned"))
    }

    @Test func `a dead writer is replaced at once, and joins again`() throws {
        var fleet = founded()
        fleet.change(1) { $0.process = .stopped }
        let decision = fleet.recordStep()
        #expect(decision.names.sorted() == ["promote 2", "readPosition 1"])
        #expect(decision.records.primary == 2 && decision.records.epoch == 2 && decision.records.failovers.count == 1)
        for task in decision.tasks { #expect(!task.isVoluntary) }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && fleet.orders?.galera?.component == [1, 2, 3])
    }

    @Test func `a suspended cluster gets another writer all the same, and who is dead joins`() {
        var fleet = founded()
        fleet.edit { $0.suspend = true }
        fleet.change(1) { $0.process = .stopped }
        #expect(fleet.recordStep().names.sorted() == ["promote 2", "readPosition 1"])
        fleet.killAll([1: 100, 2: 104, 3: 117])
        #expect(fleet.converge().outline.contains("recoverComponent 3"))
        #expect(fleet.orders?.galera?.component == [1, 2, 3])
    }

    @Test func `a silent writer is replaced once the others went on without it, and not before`() {
        var fleet = founded()
        fleet.pass(.seconds(5), except: [1])
        #expect(fleet.recordStep().records.primary == 1)
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.database?.galera?.members = [2, 3] } }
        let decision = fleet.recordStep()
        #expect(decision.names == ["promote 2"] && decision.records.primary == 2)
        #expect(decision.findings.first { $0.reason == "Failover" }?.message.hasPrefix("UnreachablePrimary") == true)
    }

    @Test func `a former writer that wakes up open is closed`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.primary = 2
        fleet.records.clusters["orders"]?.epoch = 2
        fleet.change(2) { report in
            report.database?.readOnly = false
            report.isWriter = true
            report.epoch = 2
        }
        #expect(fleet.recordStep().names == ["close 1"])
    }

    @Test func `a budget that is spent holds the role at one that stays, and not at one that is to leave`() {
        var fleet = founded()
        fleet.records.clusters["orders"]?.failovers = [30, 20, 10].map { FailoverMark(at: fleet.now - .seconds($0), zone: "zone-a") }
        fleet.change(1) { $0.process = .stopped }
        let held = Planner.step(fleet.situation())
        #expect(held.records.primary == 1 && held.findings.contains { $0.reason == "FailoverBudgetSpent" })
        fleet.records.clusters["orders"]?.members[0].phase = .leaving
        let moved = fleet.recordStep()
        #expect(moved.records.primary == 2 && moved.names.contains("promote 2"))
        #expect(!moved.findings.contains { $0.reason == "FailoverBudgetSpent" })
    }

    @Test func `a manual failover leaves the role where it is`() {
        var fleet = founded()
        fleet.edit { $0.failover = .manual }
        fleet.change(1) { $0.process = .stopped }
        let decision = fleet.recordStep()
        #expect(decision.names == ["readPosition 1"] && decision.records.primary == 1)
        #expect(decision.findings.map(\.reason).contains("FailoverManual"))
        fleet.records.clusters["orders"]?.isFailoverRequested = true
        let asked = fleet.recordStep()
        #expect(asked.records.primary == 2 && !asked.records.isFailoverRequested)
    }

    // MARK: Recovery

    @Test func `all killed: everybody is stopped and read, and the highest begins`() throws {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 124, 3: 117])
        let plan = fleet.converge()
        #expect(plan.refusal == nil)
        #expect(
            plan.outline.hasPrefix(
                "fence 1, fence 2, fence 3 | readPosition 1, readPosition 2, readPosition 3 | recoverComponent 2 | open 2, joinComponent 1, joinComponent 3"))
        let records = try #require(fleet.orders)
        #expect(records.galera?.recovery == nil && records.galera?.component == [1, 2, 3])
        #expect(reasons(plan) == ["ComponentLost"])
    }

    @Test func `nobody begins while one of the last component cannot be read, and its return ends the hold`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 124, 3: 117])
        fleet.pass(.seconds(15), except: [3])
        let held = fleet.converge()
        #expect(held.outline == "" && reasons(held) == ["ComponentLost", "RecoveryHeld"])
        #expect(held.findings.first { $0.reason == "RecoveryHeld" }?.message.contains("orders-3 on hz-c-1 cannot be read") == true)
        fleet.pass(.seconds(1))
        #expect(fleet.converge().outline.contains("recoverComponent 2"))
    }

    @Test func `one that was never heard since the server began holds a recovery, and can be given up`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 104, 3: 117])
        fleet.observed["hz-c-1"] = nil
        #expect(fleet.recordStep().findings.contains { $0.reason == "RecoveryHeld" })
        fleet.edit { $0.recoveryAcceptLoss = 1 }
        #expect(fleet.recordStep().names == ["fence 1", "fence 2"] && fleet.orders?.leftBehind == [3])
    }

    @Test func `the first of the next component that died unseen is killed and read again, with all others`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 124, 3: 117])
        fleet.carryOutStep()
        fleet.carryOutStep()
        #expect(fleet.recordStep().names == ["recoverComponent 2"] && fleet.orders?.epoch == 2)
        // It began, and what it was to be told is not known; its agent starts it again, as any other.
        fleet.change(2) { $0.recovered = nil }
        #expect(fleet.recordStep().names == ["fence 1", "fence 2", "fence 3"] && fleet.orders?.epoch == 3)
    }

    @Test func `the first of the next component that runs and is none is let be for a while, and then killed and read again`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 124, 3: 117])
        fleet.carryOutStep()
        fleet.carryOutStep()
        fleet.recordStep()
        fleet.change(2) { report in
            report.process = .starting
            report.recovered = nil
        }
        #expect(fleet.recordStep().names == [] && fleet.orders?.epoch == 2)
        fleet.pass(GaleraProcedure.selfMendMax)
        fleet.change(2) { $0.process = .starting }
        #expect(fleet.recordStep().names == ["fence 1", "fence 2", "fence 3"] && fleet.orders?.epoch == 3)
    }

    @Test func `a writer whose host is lost in the middle of a task is replaced`() throws {
        var fleet = founded()
        fleet.pass(.seconds(5), except: [1])
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.database?.galera?.members = [2, 3] } }
        let id = InstanceID(clusterUID: fleet.orders?.uid ?? "", ordinal: 1)
        let task = PlannedTask(
            unit: UnitID(.cluster, "orders"), target: .instance(id, host: "hz-a-1"), action: .dropDatabase(name: "old"), isVoluntary: true,
            cause: .observation(""), summary: "")
        let decision = Planner.step(fleet.situation([RunningAttempt(id: "a1", task: task, started: fleet.now)]))
        #expect(decision.names == ["promote 2"])
    }

    @Test func `a loss that is accepted goes on without that member, which never joins as it is`() throws {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 104, 3: 117])
        fleet.pass(.seconds(15), except: [3])
        fleet.edit { $0.recoveryAcceptLoss = 7 }
        #expect(fleet.recordStep().tasks.isEmpty)
        fleet.edit { $0.recoveryAcceptLoss = 1 }
        let plan = fleet.converge()
        #expect(plan.refusal == nil && plan.outline.contains("recoverComponent 2"))
        #expect(fleet.orders?.leftBehind == [3] && fleet.orders?.galera?.component == [1, 2])
        // No certificate that it has is of the authority by which the others are let in from the new epoch on.
        #expect(fleet.orders?.galera?.authority == 2)
        // It was alive all along, and comes back in a component of its own.
        fleet.pass(.seconds(1))
        fleet.change(3) { report in
            report.process = .running
            report.database?.readOnly = false
        }
        let back = fleet.converge()
        #expect(back.refusal == nil && back.outline.hasPrefix("fence 3 | rejoin 3 | clone 3 | joinComponent 3"), "\(back.outline)")
        #expect(fleet.orders?.leftBehind == [] && fleet.orders?.galera?.component == [1, 2, 3])
    }

    @Test func `records that were put back learn by which authority the members are let in, and one of an older is renewed`() {
        var fleet = founded()
        let ends = fleet.now + GaleraProcedure.certificateLeftMin * 2
        for ordinal in [1, 2] { fleet.change(ordinal) { $0.groupCertificate = GroupCertificate(ends: ends, authority: 4) } }
        #expect(fleet.converge().outline == "" && fleet.orders?.galera?.authority == 4)
        fleet.change(3) { $0.groupCertificate = GroupCertificate(ends: ends, authority: 1) }
        #expect(fleet.converge().outline == "renewCertificate 3" && fleet.orders?.galera?.authority == 4)
    }

    @Test func `one that was given up is given no certificate as it is`() throws {
        var fleet = founded()
        fleet.records.clusters["orders"]?.leftBehind = [3]
        fleet.change(3) { $0.process = .stopped }
        let target = TaskTarget.instance(InstanceID(clusterUID: try #require(fleet.orders).uid, ordinal: 3), host: "hz-c-1")
        let renewal = PlannedTask(unit: UnitID(.cluster, "orders"), target: target, action: .renewCertificate, cause: .observation(""), summary: "")
        #expect(Invariants.violation([renewal], in: fleet.situation())?.contains("let in again") == true)
    }

    @Test func `one that was given up, and is named again by records that were put back, is never begun with`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 104, 3: 117])
        fleet.records.clusters["orders"]?.leftBehind = [3]
        let held = fleet.converge()
        #expect(held.refusal == nil && !held.outline.contains("recoverComponent"))
        #expect(Planner.step(fleet.situation()).findings.contains { $0.reason == "RecoveryHeld" })
    }

    @Test func `an accepted loss is that of one epoch, and never of all`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 104, 3: 117])
        fleet.pass(.seconds(15), except: [1, 2, 3])
        fleet.edit { $0.recoveryAcceptLoss = 1 }
        #expect(fleet.recordStep().tasks.isEmpty && fleet.orders?.leftBehind == [])
        fleet.pass(.seconds(1), except: [3])
        #expect(fleet.recordStep().names == ["fence 1", "fence 2"])
        #expect(fleet.orders?.leftBehind == [3] && fleet.orders?.epoch == 2)
        // Another one is silent meanwhile: it was not spoken of.
        fleet.pass(.seconds(15), except: [2, 3])
        let plan = fleet.converge()
        #expect(fleet.orders?.leftBehind == [3] && !plan.outline.contains("recoverComponent"))
    }

    @Test func `members that wait for each other are let, for a while`() {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 104, 3: 117])
        for ordinal in [2, 3] { fleet.change(ordinal) { $0.process = .starting } }
        let waiting = fleet.recordStep()
        #expect(waiting.tasks.isEmpty && waiting.waits.contains { $0.message.contains("to find each other") })
        fleet.pass(.seconds(21))
        #expect(fleet.recordStep().names == ["fence 1", "fence 2", "fence 3"])
    }

    @Test func `instances whose looks do not end are not killed for it`() {
        var fleet = founded()
        for ordinal in [1, 2, 3] { fleet.change(ordinal) { $0.process = .unresponsive } }
        for _ in 1...3 {
            #expect(fleet.recordStep().tasks.isEmpty)
            fleet.pass(.seconds(30))
        }
    }

    @Test func `a component is begun only by whoever holds most of those who were read`() throws {
        var fleet = founded()
        fleet.killAll([1: 100, 2: 124, 3: 117])
        // Killed, read, begun.
        let begun = (1...3).map { _ in fleet.carryOutStep().names }
        #expect(begun.last == ["recoverComponent 2"])
        // As it was before the last task had its effect.
        fleet.killAll([1: 100, 2: 124, 3: 117])
        for (ordinal, sequence) in [1: 100, 2: 124, 3: 117] {
            fleet.change(ordinal) { $0.recovered = RecoveredPosition(stateUUID: "(known after)", sequence: Int64(sequence)) }
        }
        func recover(_ ordinal: Int, _ position: Int64) -> String? {
            fleet.records.clusters["orders"]?.galera?.recovery?.from = ordinal
            guard let records = fleet.orders, let member = records.member(ordinal) else { return nil }
            let task = PlannedTask(
                unit: UnitID(.cluster, "orders"), target: .instance(InstanceID(clusterUID: records.uid, ordinal: ordinal), host: member.host),
                action: .recoverComponent(epoch: records.epoch, stateUUID: "(known after)", position: position), isVoluntary: false,
                cause: .observation(""), summary: "")
            return Invariants.violation([task], in: fleet.situation())
        }
        #expect(recover(2, 124) == nil)
        #expect(recover(3, 117)?.contains("instance 2 holds 124") == true)
        #expect(recover(2, 123)?.contains("instance 2 holds 124") == true)
        fleet.change(3) { $0.recovered = nil }
        #expect(recover(2, 124)?.contains("not dead and read") == true)
    }
}

extension Decision {
    /// `fence 1`, in the order of the wave.
    var names: [String] {
        tasks.map { task in
            guard case .instance(let id, _) = task.target else { return task.action.name }
            return "\(task.action.name) \(id.ordinal)"
        }
    }
}

extension TestFleet {
    /// One step, recorded, of which no task has its effect.
    @discardableResult
    mutating func recordStep() -> Decision {
        let decision = Planner.step(situation())
        records.clusters["orders"] = decision.records
        return decision
    }

    mutating func fail(_ task: PlannedTask) {
        guard let records = orders else { return }
        self.records.clusters["orders"] = Planner.absorb(.failed("no"), of: task, into: records, at: now, jitter: 0)
    }

    /// All running ones are in one component, at one position.
    mutating func tellGroup(at sequence: Int64) {
        let ordinals = (orders?.members ?? []).map(\.ordinal)
        for ordinal in ordinals {
            change(ordinal) { report in
                report.database?.galera?.lastCommitted = sequence
                report.database?.galera?.members = ordinals
                report.database?.galera?.size = ordinals.count
            }
        }
    }

    /// It runs, and is in a minority; the others went on.
    mutating func leaveGroup(_ ordinal: Int) {
        change(ordinal) { report in
            report.database?.galera?.isReady = false
            report.database?.galera?.isPrimaryComponent = false
            report.database?.galera?.state = .outside
        }
        dropFromGroup(ordinal)
    }

    /// The others went on without it.
    mutating func dropFromGroup(_ ordinal: Int) {
        for other in (orders?.members ?? []).map(\.ordinal) where other != ordinal {
            change(other) { $0.database?.galera?.members.removeAll { $0 == ordinal } }
        }
    }

    /// Every process is dead; their data come up that far.
    mutating func killAll(_ positions: [Int: Int64]) {
        for (ordinal, sequence) in positions {
            change(ordinal) { report in
                report.process = .stopped
                report.database?.galera?.lastCommitted = sequence
            }
        }
    }

    mutating func addHosts() {
        for (index, name) in ["hz-a-2", "hz-a-3"].enumerated() {
            let host = Host(metadata: Metadata(name: name), zone: Self.zone(of: name), room: "r1", address: "127.0.9.\(index + 10)")
            fleet.hosts[name] = Declared(value: host, file: "h.yaml", line: 1)
            seeEmpty(name)
            installGalera(name)
        }
    }
}
