import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

/// An agent that stood still, and holds a galera writer open.
@Suite struct `Agents that stood still` {
    private let close = AgentDirective.closeItself(orders1, clusterName: "orders")

    private func member(readOnly: Bool = false) -> InstanceReport {
        var report = running(readOnly: readOnly)
        report.database?.galera = GaleraReport(isReady: true, isPrimaryComponent: true, state: .synced, stateUUID: "u", size: 3)
        return report
    }

    /// It serves, and is the open writer of its cluster.
    private func serving(_ report: InstanceReport) -> Bench {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: false))))
        var bench = Bench(journal: state)
        _ = bench.serve([report])
        return bench
    }

    @Test func `one that wakes much later than it wanted to closes the writer, until an order opens it`() {
        var bench = serving(member())
        let woken = bench.settle(bench(.woke, after: .seconds(30)), [member()])
        #expect(woken.count { $0 == close } == 1)
        // Still the writer by the journal: a server affirms it, or has another one.
        #expect(bench.machine.journal.instances[orders1]?.grant != nil)
        let after = bench.settle(bench(.selfCloseEnded(orders1, error: nil)), [member(readOnly: true)])
        #expect(!after.contains(close))
        let open = order("o", .open(epoch: 1, semiSync: false))
        #expect(bench.offer(open).contains(.perform(open)))
    }

    @Test func `a close that failed is tried again, unless a server has spoken`() {
        var bench = serving(member())
        #expect(bench.settle(bench(.woke, after: .seconds(30)), [member()]).contains(close))
        #expect(!bench.settle(bench(.selfCloseEnded(orders1, error: "no answer")), [member()]).contains(close))
        #expect(bench.settle(bench(.woke, after: AgentLimits.selfCloseRetry), [member()]).contains(close))
        bench.settle(bench(.selfCloseEnded(orders1, error: "no answer")), [member()])
        _ = bench.complete(order("o", .open(epoch: 1, semiSync: false)), leaving: [member()])
        #expect(!bench.settle(bench(.woke, after: .seconds(2)), [member()]).contains(close))
    }

    @Test func `one that is woken when it wanted to, or a little later, closes nothing`() {
        var bench = serving(member())
        for _ in 0..<40 { #expect(!bench.settle(bench(.woke, after: .milliseconds(900)), [member()]).contains(close)) }
        #expect(!bench.settle(bench(.woke, after: AgentLimits.sleptMin), [member()]).contains(close))
    }

    @Test func `other writers, and members that are not the writer, are left as they are`() {
        var alone = serving(running(readOnly: false))
        #expect(!alone.settle(alone(.woke, after: .seconds(30)), [running(readOnly: false)]).contains(close))
        var replica = Bench()
        _ = replica.serve([member(readOnly: true)])
        #expect(!replica.settle(replica(.woke, after: .seconds(30)), [member(readOnly: true)]).contains(close))
    }
}
