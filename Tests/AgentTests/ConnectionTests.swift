import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

@Suite struct `Connection` {
    @Test func `nothing is said before everything was looked at once`() {
        var bench = Bench()
        #expect(bench(.started) == [.lookAtHost])
        #expect(bench(.hostLooked(HostFacts(instances: [orders1, orders2]))) == [
            .look(orders1, fingerprintKey: nil), .look(orders2, fingerprintKey: nil),
        ])
        #expect(bench(.looked(orders1, running())) == [])
        #expect(bench(.looked(orders2, stopped(orders2))) == [.reconnect(after: .zero, url: nil)])
    }

    @Test func `a hello carries the promised term, every attempt and the whole state`() throws {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 7))
        state.apply(.accepted(JournalledAttempt(id: "b", instance: orders1, action: "start", epoch: 2)))
        state.apply(.accepted(JournalledAttempt(id: "a", instance: orders2, action: "start", epoch: 2)))
        state.apply(.ended(attempt: "a", .failed("full")))
        var bench = Bench(journal: state)
        bench.settle(bench(.started), [stopped()])
        let directives = bench(.connected)
        guard case .send(.hello(let version, let term, let attempts, let report, let digest, let delay)) = directives.first
        else { throw Missing.message }
        #expect(directives.count == 1)
        #expect(version == agentProtocolVersion)
        #expect(term == 7)
        #expect(attempts == [
            AttemptStatus(id: "a", state: .ended(.failed("full"))), AttemptStatus(id: "b", state: .accepted),
        ])
        #expect(report.host == "a1" && report.storeID == "s1" && report.instances == [told(stopped())])
        #expect(!digest.isEmpty && delay == .zero)
    }

    @Test func `a first welcome binds and promises on disk before the agent says so`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        let welcome = AgentEvent.received(.welcome(storeID: "s1", term: 3, fingerprintKeys: [:]))
        #expect(bench(welcome) == [
            .journal([.bound(storeID: "s1"), .promised(term: 3)]), .send(.promised(term: 3)),
        ])
        #expect(bench.machine.journal.term == 3)
    }

    @Test func `a welcome to a known store and term writes nothing`() {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 3))
        var bench = Bench(journal: state)
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        let welcome = AgentEvent.received(.welcome(storeID: "s1", term: 3, fingerprintKeys: [:]))
        #expect(bench(welcome) == [.send(.promised(term: 3))])
    }

    @Test(arguments: [("s2", Int64(9)), ("s1", Int64(2))])
    func `another store, or a term below the promised, is left`(store: String, term: Int64) {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 3))
        var bench = Bench(journal: state)
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        let directives = bench(.received(.welcome(storeID: store, term: term, fingerprintKeys: [:])))
        guard case .disconnect = directives.first, directives.count == 1 else {
            Issue.record("\(directives)")
            return
        }
        #expect(bench.machine.journal == state)
        #expect(bench.offer(order("t", .start, term: 9)) == [])
    }

    /// An agent of the store `s1` under term 3, greeted by a server whose store is being rebuilt.
    private func gathered() -> Bench {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 3))
        var bench = Bench(journal: state)
        bench.settle(bench(.started), [running()])
        bench.settle(bench(.connected), [running()])
        #expect(bench(.received(.gathering)) == [])
        return bench
    }

    @Test func `while a store is being rebuilt its server is told what is seen, and nothing is taken from it`() {
        var bench = gathered()
        let journal = bench.machine.journal
        let told = bench.settle(bench(.woke, after: .seconds(1)), [running()])
        #expect(told.compactMap(\.message).count == 1 && told.contains(where: \.isHeartbeat))
        let asked = bench.settle(bench(.received(.observe)), [running(readOnly: false)])
            + bench.settle(bench(.woke, after: .milliseconds(200)), [running(readOnly: false)])
        #expect(asked.contains { $0.isReport })
        #expect(bench.offer(order("t", .start, term: 9)) == [])
        #expect(bench(.received(.cancel(attempt: "t", term: 9))) == [])
        #expect(bench.machine.journal == journal)
    }

    @Test func `a server that is being rebuilt is left when it falls silent`() {
        var bench = gathered()
        let silence = AgentDirective.disconnect(reason: "the server fell silent")
        #expect(!bench.settle(bench(.woke, after: .seconds(9)), [running()]).contains(silence))
        bench.settle(bench(.received(.heartbeat())), [running()])
        #expect(!bench.settle(bench(.woke, after: .seconds(9)), [running()]).contains(silence))
        #expect(bench.settle(bench(.woke, after: .seconds(1)), [running()]).contains(silence))
    }

    @Test func `an adopted agent binds to the new store on disk before it says so, and the old one is refused from then on`() {
        var bench = gathered()
        bench.settle(bench(.received(.notLeader(url: "http://a"))), [running()])
        bench.settle(bench(.disconnected(reason: "closed", jitter: 0)), [running()])
        bench.settle(bench(.connected), [running()])
        let welcome = ServerMessage.welcome(storeID: "s2", term: 4, fingerprintKeys: [:], adopts: ["s0", "s1"])
        #expect(bench(.received(welcome)) == [.journal([.bound(storeID: "s2"), .promised(term: 4)]), .send(.promised(term: 4))])
        #expect(bench.machine.journal.storeID == "s2" && bench.machine.journal.term == 4)
        bench.settle(bench(.disconnected(reason: "closed", jitter: 0)), [running()])
        bench.settle(bench(.connected), [running()])
        let old = bench(.received(.welcome(storeID: "s1", term: 9, fingerprintKeys: [:])))
        #expect(old.count == 1 && bench.machine.journal.storeID == "s2")
        guard case .disconnect = old.first else {
            Issue.record("\(old)")
            return
        }
    }

    @Test(arguments: [(["s1"], 3), (["s0"], 9), ([], 9)] as [([String], Int64)])
    func `an adoption counts for the agents of the named stores, and under a higher term`(adopts: [String], term: Int64) {
        var bench = gathered()
        let directives = bench(.received(.welcome(storeID: "s2", term: term, fingerprintKeys: [:], adopts: adopts)))
        guard case .disconnect = directives.first, directives.count == 1 else {
            Issue.record("\(directives)")
            return
        }
        #expect(bench.machine.journal.storeID == "s1")
    }

    @Test func `a promise that cannot be written is not made`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        let welcome = AgentEvent.received(.welcome(storeID: "s1", term: 3, fingerprintKeys: [:]))
        let directives = bench(.journalFailed(reason: "full", event: welcome))
        #expect(directives == [.disconnect(reason: "the term cannot be promised: full")])
        #expect(bench.machine.journal == JournalState())
    }

    @Test func `reconnection backs off with jitter, and begins anew after a welcome`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        let most = (0..<8).map { _ in bench(.disconnected(reason: "refused", jitter: 1)) }
        #expect(most.map { $0.first } == [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000].map {
            .reconnect(after: .milliseconds($0), url: nil)
        })
        #expect(bench(.disconnected(reason: "refused", jitter: 0)) == [.reconnect(after: .milliseconds(200), url: nil)])
        bench.settle(bench(.connected), [])
        bench.settle(bench(.received(.welcome(storeID: "s1", term: 1, fingerprintKeys: [:]))), [])
        #expect(bench(.disconnected(reason: "closed", jitter: 1)) == [.reconnect(after: .milliseconds(500), url: nil)])
    }

    @Test func `a follower's answer leads to the leader`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        #expect(bench(.received(.notLeader(url: "http://b"))) == [.disconnect(reason: "this server is not the leader")])
        #expect(bench(.disconnected(reason: "closed", jitter: 0)) == [
            .reconnect(after: .milliseconds(200), url: "http://b")
        ])
    }

    @Test func `a server that never answers the hello is left`() {
        var bench = Bench()
        bench.settle(bench(.started), [])
        bench.settle(bench(.connected), [])
        #expect(!bench(.woke, after: .seconds(9)).contains { $0 == .disconnect(reason: "the server did not answer the hello") })
        #expect(bench(.woke, after: .seconds(1)).contains { $0 == .disconnect(reason: "the server did not answer the hello") })
    }

    @Test func `silence counts only from a server that has sent a heartbeat`() {
        var bench = Bench()
        _ = bench.serve()
        let silence = AgentDirective.disconnect(reason: "the server fell silent")
        #expect(!bench.settle(bench(.woke, after: .seconds(60)), []).contains(silence))
        bench.settle(bench(.received(.heartbeat())), [])
        #expect(!bench.settle(bench(.woke, after: .seconds(9)), []).contains(silence))
        #expect(bench.settle(bench(.woke, after: .seconds(1)), []).contains(silence))
    }

    @Test func `a message that the transport does not take breaks the connection`() {
        var bench = Bench()
        _ = bench.serve()
        #expect(bench(.received(.offer(order("t", .start)))).contains { $0.message != nil })
        #expect(bench(.woke, after: .seconds(10)).contains(.disconnect(reason: "the stream is stuck")))
    }

    @Test func `one message is with the transport at a time, and the latest state of its subject is what is sent`() {
        var bench = Bench()
        _ = bench.serve([running()])
        let accepted = bench.offer(order("t", .start))
        #expect(accepted.compactMap(\.message) == [
            .attempt(AttemptStatus(id: "t", state: .running(AttemptProgress(phase: "begun"))))
        ])
        for done in 1...50 { #expect(bench(.progressed(attempt: "t", .init(phase: "copying", done: Int64(done), total: 50))) == []) }
        #expect(bench(.sent) == [
            .send(.attempt(AttemptStatus(id: "t", state: .running(AttemptProgress(phase: "copying", done: 50, total: 50)))))
        ])
        #expect(bench(.sent) == [])
    }
}

enum Missing: Error { case message }
