import ControlAPI
import FleetModel
import Testing

@testable import Agent

@Suite struct `Supervision` {
    /// A journal that says: the writer under epoch 1, to be run.
    private func writer(semiSync: Bool = true) -> JournalState {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: semiSync))))
        return state
    }

    private func grantAsked(_ semiSync: Bool = true) -> AgentDirective {
        .openByGrant(orders1, semiSync: semiSync, within: AgentLimits.grantWithin)
    }

    private func opens(_ directives: [AgentDirective]) -> Bool {
        directives.contains { if case .openByGrant = $0 { true } else { false } }
    }

    private func starts(_ directives: [AgentDirective]) -> Bool { directives.contains(.startClosed(orders1)) }

    @Test func `a killed process is started closed at once, and only if it should run`() {
        var bench = Bench()
        _ = bench.serve([running()])
        #expect(!starts(bench(.processExited(orders1))))
        bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        let directives = bench(.processExited(orders1))
        #expect(withoutObservations(directives) == [.look(orders1, fingerprintKey: nil), .startClosed(orders1)])
    }

    @Test func `a killed writer is started closed, and opened by its grant until that succeeds`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        #expect(withoutObservations(bench(.processExited(orders1))) == [
            .look(orders1, fingerprintKey: nil), .startClosed(orders1), change(.none, epoch: 1),
        ])
        bench.settle(bench(.looked(orders1, stopped())), [stopped()])
        #expect(withoutObservations(bench(.closedStartEnded(orders1, error: nil))) == [
            .lookAtHost, .look(orders1, fingerprintKey: nil),
        ])
        #expect(withoutObservations(bench(.looked(orders1, running()))) == [grantAsked()])
        bench.settle(bench(.sent), [running()])
        #expect(!opens(bench.settle(bench(.grantEnded(orders1, opened: false)), [running()])))
        #expect(!opens(bench.settle(bench(.woke, after: .milliseconds(900)), [running()])))
        #expect(opens(bench.settle(bench(.woke, after: .milliseconds(100)), [running()])))
        let opened = bench.settle(bench(.grantEnded(orders1, opened: true)), [running(readOnly: false)])
        #expect(opened.contains(change(.primary, epoch: 1)))
        #expect(!opens(bench.settle(bench(.woke, after: .seconds(5)), [running(readOnly: false)])))
    }

    @Test func `in maintenance a killed process stays down, over a restart of its agent, until the end`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        let held = bench(.received(.holdStart(orders1, lasting: .seconds(60))))
        #expect(held.contains { if case .journal = $0 { true } else { false } })
        #expect(!starts(bench(.processExited(orders1))))
        #expect(!starts(bench.settle(bench(.woke, after: .seconds(30)), [stopped()])))
        #expect(bench.machine.journal.instances[orders1]?.startHeldUntil != nil)
        // Of an agent that begins anew from the same journal, with the clock going on.
        var again = Bench(journal: bench.machine.journal)
        again.now = bench.now
        #expect(!starts(again.settle(again(.started), [stopped()])))
        #expect(starts(again.settle(again(.woke, after: .seconds(31)), [stopped()])))
    }

    @Test func `a maintenance that was taken back ends at once, and is told until then`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        _ = bench(.received(.holdStart(orders1, lasting: .seconds(60))))
        #expect(!starts(bench(.processExited(orders1))))
        bench.settle(bench(.looked(orders1, stopped())), [stopped()])
        #expect(starts(bench(.received(.holdStart(orders1, lasting: .zero)))))
        #expect(bench.machine.journal.instances[orders1]?.startHeldUntil == nil)
    }

    @Test func `a writer that is found stopped or closed when the agent starts is brought back without a server`() {
        var bench = Bench(journal: writer(semiSync: false))
        #expect(starts(bench.settle(bench(.started), [stopped()])))
        bench = Bench(journal: writer(semiSync: false))
        #expect(bench.settle(bench(.started), [running()]).contains(grantAsked(false)))
        bench = Bench(journal: writer())
        #expect(!opens(bench.settle(bench(.started), [running(readOnly: false)])))
    }

    @Test(arguments: [
        Action.demote(epoch: 2), .close, .retire, .replicate(source: Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)),
        .start,
    ])
    func `the grant ends on disk before what may end it is begun, and with a higher epoch`(action: Action) {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let directives = bench.offer(order("t", action, epoch: action == .start ? 2 : 1))
        guard case .journal(let entries) = directives.first else {
            Issue.record("nothing was written")
            return
        }
        let written = entries.compactMap { if case .instance(_, let instance) = $0 { instance } else { nil } }
        #expect(written.count == 1 && written[0].grant == nil && written[0].epoch >= 1)
        var restarted = Bench(journal: bench.machine.journal)
        #expect(!opens(restarted.settle(restarted(.started), [running()])))
    }

    @Test(arguments: [Action.open(epoch: 2, semiSync: true), .promote(epoch: 2, position: GTIDSet(), semiSync: true)])
    func `the grant begins when opening or promoting has succeeded, not before`(action: Action) {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", action, epoch: 2)), [running()])
        #expect(bench.machine.journal.instances[orders1]?.grant == nil)
        bench.settle(bench(.attemptEnded(attempt: "t", done)), [running(readOnly: false)])
        #expect(bench.machine.journal.instances[orders1]
            == InstanceJournal(epoch: 2, shouldRun: true, grant: WriterGrant(semiSync: true)))
    }

    @Test func `a writer that is affirmed under a higher epoch is the primary all the while`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let changes = bench.complete(order("t", .open(epoch: 3, semiSync: true), epoch: 3), leaving: [running(readOnly: false)])
            .filter { if case .roleChanged = $0 { true } else { false } }
        #expect(changes == [change(.primary, epoch: 3)])
    }

    @Test func `a failed promotion leaves no grant`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", .promote(epoch: 2, position: GTIDSet(), semiSync: true))), [running()])
        bench.settle(bench(.attemptEnded(attempt: "t", .failed("late"))), [running()])
        #expect(bench.machine.journal.instances[orders1]?.grant == nil)
    }

    @Test func `a process that ends again and again is started ever later, up to a minute`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        var waits: [Int64] = []
        for _ in 0..<9 {
            let died = bench.now
            var directives = bench.settle(bench(.processExited(orders1)), [stopped()])
            while !starts(directives) { directives = bench.settle(bench(.woke, after: .milliseconds(100)), [stopped()]) }
            waits.append((bench.now - died).milliseconds)
            bench.settle(bench(.closedStartEnded(orders1, error: nil)), [running()])
        }
        #expect(waits == [0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000])
        bench.settle(bench(.woke, after: .seconds(130)), [running()])
        #expect(starts(bench.settle(bench(.processExited(orders1)), [stopped()])))
    }

    @Test func `an end that an attempt meant is not undone, and what it left stopped is started after it`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        bench.settle(bench.offer(order("u", .restart(isPrimary: false))), [running()])
        #expect(!starts(bench.settle(bench(.processExited(orders1)), [stopped()])))
        #expect(starts(bench.settle(bench(.attemptEnded(attempt: "u", .failed("no memory"))), [stopped()])))
    }

    @Test func `a retired instance stays down, also after a restart of the agent`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        let retire = order("u", .retire)
        bench.settle(bench.offer(retire), [running()])
        var restarted = Bench(journal: bench.machine.journal)
        #expect(!starts(restarted.settle(restarted(.started), [stopped()])))
        bench.settle(bench(.processExited(orders1)), [stopped()])
        #expect(!starts(bench.settle(bench(.attemptEnded(attempt: "u", done)), [stopped()])))
    }

    @Test func `a restart that the agent did not survive leaves the instance to supervision`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        bench.settle(bench.offer(order("t", .restart(isPrimary: true))), [running(readOnly: false)])
        var restarted = Bench(journal: bench.machine.journal)
        #expect(starts(restarted.settle(restarted(.started), [stopped()])))
        #expect(restarted.settle(restarted(.closedStartEnded(orders1, error: nil)), [running()]).contains(grantAsked()))
    }

    @Test func `an order waits for a start or an opening that is under way, then is taken`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        bench.settle(bench(.processExited(orders1)), [stopped()])
        let demote = order("t", .demote(epoch: 2))
        #expect(bench.offer(demote) == [])
        #expect(bench.machine.journal.instances[orders1]?.epoch == 1)
        #expect(bench(.closedStartEnded(orders1, error: nil)).contains(.perform(demote)))
        #expect(!opens(bench.settle(bench(.looked(orders1, running())), [running()])))
    }

    private let source = Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)

    private func resumes(_ directives: [AgentDirective]) -> Bool {
        directives.contains { if case .resumeReplication = $0 { true } else { false } }
    }

    @Test(arguments: [false, true])
    func `a killed replica replicates on as it did, without a server`(acknowledges: Bool) {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .replicate(source: source)), leaving: [running(replicates: true)])
        if acknowledges { _ = bench.complete(order("u", .acknowledge(source: source)), leaving: [running(replicates: true)]) }
        _ = bench(.disconnected(reason: "the server is gone", jitter: 0))
        #expect(starts(bench.settle(bench(.processExited(orders1)), [stopped()])))
        // Before anyone sees it standing still.
        #expect(bench(.closedStartEnded(orders1, error: nil)) == [
            .resumeReplication(orders1, acknowledges: acknowledges)
        ])
        let after = bench.settle(bench(.resumeEnded(orders1, resumed: true)), [running(replicates: true)])
        #expect(!resumes(after) && !resumes(bench.settle(bench(.woke, after: .seconds(60)), [running(hasSource: true)])))
    }

    @Test func `an instance that answers only after its start was given up takes up its role all the same`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        var recovering = stopped()
        recovering.process = .starting
        bench.settle(bench(.processExited(orders1)), [recovering])
        bench.settle(bench(.closedStartEnded(orders1, error: "does not answer yet")), [recovering])
        #expect(!opens(bench.settle(bench(.woke, after: .seconds(30)), [recovering])))
        #expect(opens(bench.settle(bench(.woke, after: .seconds(2)), [running()])))
    }

    @Test func `a replica that could not replicate on is tried again, until it does or is told otherwise`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .replicate(source: source)), leaving: [running(replicates: true)])
        bench.settle(bench(.processExited(orders1)), [stopped()])
        _ = bench(.closedStartEnded(orders1, error: nil))
        bench.settle(bench(.resumeEnded(orders1, resumed: false)), [running(hasSource: true)])
        #expect(!resumes(bench.settle(bench(.woke, after: .milliseconds(4900)), [running(hasSource: true)])))
        #expect(resumes(bench.settle(bench(.woke, after: .milliseconds(100)), [running(hasSource: true)])))
        bench.settle(bench(.resumeEnded(orders1, resumed: false)), [running(hasSource: true)])
        _ = bench.complete(order("u", .start, epoch: 2), leaving: [running(hasSource: true)])
        #expect(!resumes(bench.settle(bench(.woke, after: .seconds(60)), [running(hasSource: true)])))
    }

    @Test func `what a restart of the agent finds standing still replicates on, and what somebody stopped does not`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .replicate(source: source)), leaving: [running(replicates: true)])
        let stoppedByHand = bench.settle(bench(.woke, after: .seconds(10)), [running(hasSource: true)])
        #expect(!resumes(stoppedByHand + bench.settle(bench(.woke, after: .seconds(60)), [running(hasSource: true)])))
        var restarted = Bench(journal: bench.machine.journal)
        #expect(resumes(restarted.settle(restarted(.started), [running(hasSource: true)])))
    }

    @Test func `after an order that leaves it closed, its server goes on first`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let restarted = bench.complete(order("t", .restart(isPrimary: true)), leaving: [running()])
        #expect(!opens(restarted + bench.settle(bench(.woke, after: .milliseconds(4900)), [running()])))
        #expect(opens(bench.settle(bench(.woke, after: .milliseconds(100)), [running()])))
    }

    @Test func `a half-made or absent instance is not started`() {
        var bench = Bench(journal: writer())
        var report = stopped()
        report.directory = .halfMade
        #expect(!starts(bench.settle(bench(.started), [report])))
        bench = Bench(journal: writer())
        #expect(!starts(bench.settle(bench(.started), [])))
    }

    @Test func `roles are told once, with their epoch, and again when either changes`() {
        var bench = Bench(journal: writer())
        #expect(bench.serve([running(readOnly: false)]).filter { $0 == change(.primary, epoch: 1) }.count == 1)
        #expect(bench.settle(bench(.woke, after: .seconds(2)), [running(readOnly: false, sequence: 5)]).allSatisfy { $0.message != nil })
        let demoted = bench.complete(order("t", .demote(epoch: 2)), leaving: [running()])
        #expect(demoted.contains(change(.none, epoch: 2)))
        let source = Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)
        let attached = bench.complete(order("u", .replicate(source: source), epoch: 2), leaving: [running(replicates: true)])
        #expect(attached.contains(change(.replica, epoch: 2)))
    }
}
