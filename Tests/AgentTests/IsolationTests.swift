import ControlAPI
import FleetModel
import Testing

@testable import Agent

/// What a failover asks of an agent goes before whatever else it does to an instance, and lasts.
@Suite struct `Isolation` {
    private let source = Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)

    private func writer() -> JournalState {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: true))))
        return state
    }

    private func replica() -> JournalState {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, following: Following(acknowledges: true))))
        return state
    }

    private func acts(_ directives: [AgentDirective]) -> [AgentDirective] {
        directives.filter { directive in
            switch directive {
            case .startClosed, .openByGrant, .resumeReplication: true
            default: false
            }
        }
    }

    @Test func `a fenced writer is neither started nor opened again, also after a restart of the agent`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let fence = order("f", .fence(epoch: 2))
        let begun = bench.offer(fence)
        #expect(begun.first == .journal([
            .instance(orders1, InstanceJournal(epoch: 2)),
            .accepted(JournalledAttempt(id: "f", instance: orders1, action: "fence", epoch: 2)),
        ]))
        #expect(begun.contains(.perform(fence)))
        var restarted = Bench(journal: bench.machine.journal)
        var seen = bench.settle(bench(.processExited(orders1)), [stopped()])
        seen += bench.settle(bench(.attemptEnded(attempt: "f", done)), [stopped()])
        seen += bench.settle(bench(.woke, after: .seconds(120)), [stopped()])
        #expect(acts(seen) == [])
        // Killed or not when the agent ended: it stays as it is.
        #expect(acts(restarted.settle(restarted(.started), [stopped()])) == [])
        #expect(acts(restarted.settle(restarted(.woke, after: .seconds(120)), [running()])) == [])
    }

    @Test func `a revoked replica does not replicate on by itself, also when it was killed, also after a restart of the agent`() {
        var bench = Bench(journal: replica())
        _ = bench.serve([running(replicates: true)])
        bench.settle(bench.offer(order("r", .revoke(epoch: 2))), [running(replicates: true)])
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 2, shouldRun: true))
        var seen = bench.settle(bench(.attemptEnded(attempt: "r", done)), [running(hasSource: true)])
        seen += bench.settle(bench(.woke, after: .seconds(60)), [running(hasSource: true)])
        #expect(acts(seen) == [])
        // Killed, it is started closed, and no more.
        let killed = bench.settle(bench(.processExited(orders1)), [stopped()])
        #expect(acts(killed) == [.startClosed(orders1)])
        #expect(acts(bench.settle(bench(.closedStartEnded(orders1, error: nil)), [running(hasSource: true)])) == [])
        var restarted = Bench(journal: bench.machine.journal)
        #expect(acts(restarted.settle(restarted(.started), [running(hasSource: true)])) == [])
    }

    @Test func `a fence waits neither for a start nor for an opening by the grant`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        #expect(acts(bench.settle(bench(.processExited(orders1)), [stopped()])) == [.startClosed(orders1)])
        let fence = order("f", .fence(epoch: 2))
        #expect(bench.offer(fence).contains(.perform(fence)))
        #expect(acts(bench.settle(bench(.closedStartEnded(orders1, error: "it was isolated")), [stopped()])) == [])
        #expect(acts(bench.settle(bench(.attemptEnded(attempt: "f", done)), [stopped()])) == [])

        bench = Bench(journal: writer())
        #expect(acts(bench.serve([running()])).count == 1)
        #expect(bench.offer(fence).contains(.perform(fence)))
        #expect(acts(bench.settle(bench(.grantEnded(orders1, opened: true)), [running(readOnly: false)])) == [])
        bench.settle(bench(.attemptEnded(attempt: "f", done)), [stopped()])
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 2))
    }

    @Test func `a fence of a higher epoch goes past an attempt that does not end, and its end leaves nothing`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        bench.settle(bench.offer(order("o", .open(epoch: 1, semiSync: true))), [running(readOnly: false)])
        let fence = order("f", .fence(epoch: 2))
        let begun = bench.offer(fence)
        #expect(begun.contains(.cancelAttempt("o")) && begun.contains(.perform(fence)))
        bench.settle(bench(.sent), [stopped()])
        bench.settle(bench(.attemptEnded(attempt: "f", done)), [stopped()])
        bench.settle(bench(.attemptEnded(attempt: "o", done)), [stopped()])
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 2))
        #expect(acts(bench.settle(bench(.woke, after: .seconds(60)), [stopped()])) == [])
        let same = order("g", .open(epoch: 2, semiSync: true))
        bench.settle(bench.offer(same), [stopped()])
        #expect(bench.settle(bench.offer(order("h", .fence(epoch: 2))), [stopped()]) == [
            ended("h", .refused("attempt g (open) works on c1-1"))
        ])
    }

    @Test func `a revocation waits for what works on its instance, but not for long`() {
        var bench = Bench(journal: replica())
        _ = bench.serve([running(replicates: true)])
        bench.settle(bench.offer(order("c", .close)), [running(replicates: true)])
        let revoke = order("r", .revoke(epoch: 2))
        #expect(bench.offer(revoke) == [.cancelAttempt("c")])
        #expect(bench.machine.journal.instances[orders1]?.epoch == 1)
        #expect(!bench(.woke, after: .milliseconds(499)).contains(.perform(revoke)))
        #expect(bench.machine.wakeAt.map { $0 <= bench.now + .milliseconds(1) } == true)
        #expect(bench(.woke, after: .milliseconds(1)).contains(.perform(revoke)))
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 2, shouldRun: true))

        // What ends at once is waited for.
        bench = Bench(journal: replica())
        _ = bench.serve([running(replicates: true)])
        bench.settle(bench.offer(order("c", .close)), [running(replicates: true)])
        _ = bench.offer(revoke)
        #expect(bench(.attemptEnded(attempt: "c", .cancelled)).contains(.perform(revoke)))

        // A start closed makes nothing receive.
        bench = Bench(journal: replica())
        _ = bench.serve([running(replicates: true)])
        bench.settle(bench(.processExited(orders1)), [stopped()])
        #expect(!bench.offer(revoke).contains(.perform(revoke)))
        #expect(bench(.woke, after: .milliseconds(500)).contains(.perform(revoke)))
        #expect(acts(bench(.closedStartEnded(orders1, error: nil))) == [])
    }

    @Test func `an order that waits gives way to one that isolates`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        bench.settle(bench.offer(order("c", .close)), [running(readOnly: false)])
        let demote = order("d", .demote(epoch: 2))
        _ = bench.offer(demote)
        let fence = order("f", .fence(epoch: 3))
        #expect(bench.offer(fence).contains(.perform(fence)))
        let told = bench.settle(bench(.attemptEnded(attempt: "c", .cancelled)), [running(readOnly: false)])
            + bench.settle(bench(.sent), [running(readOnly: false)])
        #expect(!told.contains(.perform(demote)))
    }

    /// Nor does its end count before that: an agent that is started again would know nothing of it.
    @Test func `a writer is killed though the journal cannot be written, and stays down`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let before = bench
        let fence = order("f", .fence(epoch: 2))
        #expect(bench.offer(fence).first.map { if case .journal = $0 { true } else { false } } == true)
        bench = before
        let event = AgentEvent.received(.offer(fence))
        #expect(bench.settle(bench(.journalFailed(reason: "frozen", event: event)), [stopped()]).contains(.perform(fence)))
        #expect(bench.settle(bench.offer(fence), [stopped()]).contains(.perform(fence)) == false)
        #expect(acts(bench.settle(bench(.processExited(orders1)), [stopped()])) == [])
        let told = bench.settle(bench(.attemptEnded(attempt: "f", done)), [stopped()])
        #expect(!told.contains(ended("f", done)))
        #expect(told.contains(.send(.attempt(AttemptStatus(id: "f", state: .running(AttemptProgress(phase: "waiting for the agent's journal")))))))
        let again = bench.settle(bench.offer(fence), [stopped()])
        #expect(!again.contains(.perform(fence)) && !again.contains(ended("f", done)))
        #expect(acts(bench.settle(bench(.woke, after: .milliseconds(500)), [stopped()])) == [])
        let saved = bench(.woke, after: .milliseconds(500))
        #expect(saved.first == .journal([.instance(orders1, InstanceJournal(epoch: 2))]))
        let left = bench.settle(saved, [stopped()])
        #expect(acts(left) == [] && left.contains(ended("f", done)))
    }

    @Test func `a rejoin that is broken off leaves nothing to be started, one that ends well a replica`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([stopped()])
        bench = Bench(journal: writer())
        _ = bench.serve([running()])
        bench.settle(bench(.grantEnded(orders1, opened: false)), [running()])
        let rejoin = order("j", .rejoin(source: source), epoch: 2)
        bench.settle(bench.offer(rejoin), [running()])
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 2))
        var restarted = Bench(journal: bench.machine.journal)
        #expect(acts(restarted.settle(restarted(.started), [stopped()])) == [])
        let attached = AttemptOutcome.succeeded(TaskResult(position: GTIDSet()))
        var moved = bench
        bench.settle(bench(.attemptEnded(attempt: "j", attached)), [running(replicates: true)])
        #expect(bench.machine.journal.instances[orders1]
            == InstanceJournal(epoch: 2, shouldRun: true, following: Following(acknowledges: false)))
        // Moved aside, it has no position, and there is nothing to run.
        moved.settle(moved(.attemptEnded(attempt: "j", done)), [])
        #expect(moved.machine.journal.instances[orders1] == InstanceJournal(epoch: 2))
    }
}
