import ControlAPI
import FleetModel
import Testing

@testable import Agent

/// What a replica would go on with without a server is told to the server, which orders it again where it is less than
/// what the replica does.
@Suite struct ResumptionTests {
    private let source = Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306)
    private let replica = running(replicates: true, hasSource: true)

    private func resumes(_ directives: [AgentDirective]) -> Resumption? {
        let reports = directives.compactMap { directive in
            if case .send(.report(let report, _, _)) = directive { report } else { nil }
        }
        return reports.last?.instances.first?.resumes
    }

    @Test func `what an order left is told, also where one that was refused made it forgotten`() {
        var bench = Bench()
        _ = bench.serve([replica])
        let attached = bench.complete(order("a", .replicate(source: source)), leaving: [replica])
        #expect(resumes(attached + bench.settle(bench(.woke, after: .seconds(2)), [replica])) == .replicates)
        let acknowledges = bench.complete(order("b", .acknowledge(source: source)), leaving: [replica])
        #expect(resumes(acknowledges + bench.settle(bench(.woke, after: .seconds(2)), [replica])) == .acknowledges)
        let begun = bench.settle(bench.offer(order("c", .promote(epoch: 1, position: GTIDSet(), semiSync: true))), [replica])
        let refused = bench.settle(bench(.attemptEnded(attempt: "c", .refused("it has not applied all"))), [replica])
        #expect(resumes(begun + refused + bench.settle(bench(.woke, after: .seconds(2)), [replica])) == .nothing)
        let again = bench.complete(order("d", .acknowledge(source: source)), leaving: [replica])
        #expect(resumes(again + bench.settle(bench(.woke, after: .seconds(2)), [replica])) == .acknowledges)
    }
}
