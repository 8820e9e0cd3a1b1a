import ControlAPI
import FleetModel
import Testing

@testable import Agent

@Suite struct `Attempts` {
    private func accepted(_ id: String, _ action: String, epoch: Int64 = 1, _ instance: InstanceID = orders1) -> JournalEntry {
        .accepted(JournalledAttempt(id: id, instance: instance, action: action, epoch: epoch))
    }

    private func begun(_ id: String) -> AgentDirective {
        .send(.attempt(AttemptStatus(id: id, state: .running(AttemptProgress(phase: "begun")))))
    }

    @Test func `an offer is on disk before it is begun, its end before it is told, and is told after a look`() {
        var bench = Bench()
        _ = bench.serve([stopped()])
        let start = order("t", .start)
        #expect(bench.offer(start) == [
            .journal([.instance(orders1, InstanceJournal(epoch: 1)), accepted("t", "start")]),
            .perform(start), begun("t"),
        ])
        #expect(bench(.sent, after: .milliseconds(200)).filter(\.isReport).count == 1)
        #expect(bench(.sent) == [])
        #expect(bench(.attemptEnded(attempt: "t", done)) == [
            .journal([.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true)), .ended(attempt: "t", done)]),
            .lookAtHost, .look(orders1, fingerprintKey: nil),
        ])
        let told = bench(.looked(orders1, running()))
        #expect(told.count == 1 && told[0].isReport)
        #expect(bench(.sent) == [ended("t", done)])
        bench.settle(bench(.sent), [running()])
        #expect(bench(.received(.settled(attempt: "t"))) == [.journal([.settled(attempt: "t")])])
        #expect(bench.machine.journal.attempts.isEmpty)
    }

    @Test func `the same offer again does nothing but repeat the state`() {
        var bench = Bench()
        _ = bench.serve([stopped()])
        let start = order("t", .start)
        bench.settle(bench.offer(start), [stopped()])
        #expect(bench.offer(start) == [begun("t")])
        bench.settle(bench(.sent), [stopped()])
        bench.settle(bench(.attemptEnded(attempt: "t", done)), [running()])
        #expect(bench.settle(bench.offer(start), [running()]) == [ended("t", done)])
        bench.settle(bench(.received(.settled(attempt: "t"))), [running()])
        #expect(bench.offer(start) == [])
    }

    @Test func `an end whose message was lost is told again, and kept until it is settled`() throws {
        var bench = Bench()
        _ = bench.serve([stopped()])
        bench.settle(bench.offer(order("t", .start)), [stopped()])
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        bench.settle(bench(.attemptEnded(attempt: "t", .failed("no"))), [stopped()])
        for _ in 1...2 {
            guard case .send(.hello(_, _, let attempts, _, _, _)) = bench(.connected).first else { throw Missing.message }
            #expect(attempts == [AttemptStatus(id: "t", state: .ended(.failed("no")))])
            _ = bench(.disconnected(reason: "cut", jitter: 0))
        }
    }

    @Test func `orders of a lower term or epoch are refused, and change nothing`() {
        var bench = Bench()
        _ = bench.serve([running()], term: 5)
        _ = bench.complete(order("t", .start, term: 5, epoch: 3), leaving: [running()])
        let before = bench.machine.journal
        #expect(bench.settle(bench.offer(order("u", .start, term: 4, epoch: 3)), [running()]) == [
            ended("u", .refused("the order's term is 4, and this agent has promised 5"))
        ])
        #expect(bench.settle(bench.offer(order("v", .start, term: 5, epoch: 2)), [running()]) == [
            ended("v", .refused("the order's epoch is 2, and this agent has promised 3 for c1-1"))
        ])
        #expect(bench.machine.journal == before)
    }

    @Test func `an order of a higher term promises it`() {
        var bench = Bench()
        _ = bench.serve([running()], term: 5)
        let directives = bench.offer(order("t", .start, term: 6))
        #expect(directives.first == .journal([
            .promised(term: 6), .instance(orders1, InstanceJournal(epoch: 1)), accepted("t", "start"),
        ]))
        #expect(directives.compactMap(\.message) == [.promised(term: 6)])
    }

    @Test func `a second attempt on a busy instance is refused, on another it runs`() {
        var bench = Bench()
        _ = bench.serve([running(), running(orders2)])
        bench.settle(bench.offer(order("t", .start)), [running(), running(orders2)])
        #expect(bench.settle(bench.offer(order("u", .close)), [running(), running(orders2)]) == [
            ended("u", .refused("attempt t (start) works on c1-1"))
        ])
        let other = order("v", .start, on: orders2)
        #expect(bench.offer(other).contains(.perform(other)))
    }

    @Test func `an attempt of a lower epoch is stopped before a higher epoch is promised`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", .open(epoch: 1, semiSync: true))), [running()])
        let demote = order("u", .demote(epoch: 2))
        #expect(bench.offer(demote) == [.cancelAttempt("t")])
        #expect(bench.machine.journal.instances[orders1]?.epoch == 1)
        #expect(bench.offer(demote) == [])
        #expect(bench.settle(bench.offer(order("v", .close, epoch: 2)), [running()]) == [
            ended("v", .refused("attempt u waits for c1-1"))
        ])
        let directives = bench(.attemptEnded(attempt: "t", .cancelled))
        #expect(directives.first == .journal([
            .ended(attempt: "t", .cancelled), .instance(orders1, InstanceJournal(epoch: 2)),
            accepted("u", "demote", epoch: 2),
        ]))
        #expect(directives.contains(.perform(demote)))
    }

    @Test func `cancel is a request, and is answered once by the end`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", .start)), [running()])
        #expect(bench(.received(.cancel(attempt: "t", term: 0))) == [])
        #expect(bench(.received(.cancel(attempt: "t", term: 1))) == [.cancelAttempt("t")])
        #expect(bench(.received(.cancel(attempt: "t", term: 1))) == [])
        let told = bench.settle(bench(.attemptEnded(attempt: "t", done)), [running()])
        #expect(told.filter { $0.message == ended("t", done).message }.count == 1)
        #expect(bench.settle(bench(.received(.cancel(attempt: "t", term: 1))), [running()]) == [ended("t", done)])
        #expect(bench.settle(bench(.received(.cancel(attempt: "never", term: 1))), [running()]) == [
            ended("never", .cancelled)
        ])
    }

    @Test func `an attempt that a restart interrupted begins again only when it is offered again`() {
        var first = Bench()
        _ = first.serve([stopped()])
        let clone = order("t", .start, secrets: ["replicationPassword": "secret"])
        _ = first.offer(clone)
        var bench = Bench(journal: first.machine.journal)
        #expect(!bench.serve([stopped()]).contains(.perform(clone)))
        #expect(bench.settle(bench.offer(order("u", .close)), [stopped()]) == [
            ended("u", .refused("attempt t (start) works on c1-1"))
        ])
        #expect(bench.offer(clone).contains(.perform(clone)))
    }

    @Test func `an interrupted attempt that nobody offers again fails and frees its instance`() {
        var first = Bench()
        _ = first.serve([stopped()])
        _ = first.offer(order("t", .start))
        var bench = Bench(journal: first.machine.journal)
        _ = bench.serve([stopped()])
        let failed = AttemptOutcome.failed("the agent was restarted during this attempt, and it was not offered again")
        #expect(!bench.settle(bench(.woke, after: .seconds(14)), [stopped()]).contains(ended("t", failed)))
        #expect(bench.settle(bench(.woke, after: .seconds(1)), [stopped()]).contains(ended("t", failed)))
        let next = order("u", .start)
        #expect(bench.offer(next).contains(.perform(next)))
    }

    @Test func `an interrupted attempt is cancelled at once, and a stale repetition does not begin it`() {
        var first = Bench()
        _ = first.serve([stopped()], term: 4)
        _ = first.offer(order("t", .start, term: 4))
        var bench = Bench(journal: first.machine.journal)
        _ = bench.serve([stopped()], term: 5)
        #expect(bench.offer(order("t", .start, term: 4)) == [])
        #expect(bench(.received(.cancel(attempt: "t", term: 5))).first == .journal([.ended(attempt: "t", .cancelled)]))
    }

    @Test func `while the journal cannot be written, offers are refused and ends are kept`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", .start)), [running()])
        let before = bench
        let end = AgentEvent.attemptEnded(attempt: "t", done)
        #expect(bench(end).first == .journal([.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true)), .ended(attempt: "t", done)]))
        bench = before
        let untold = bench.settle(bench(.journalFailed(reason: "full", event: end)), [running()])
        #expect(!untold.contains(ended("t", done)))
        #expect(bench.settle(bench.offer(order("u", .start, on: orders2)), [running()]) == [
            ended("u", .refused("the agent's journal cannot be written: full"))
        ])
        let directives = bench.settle(bench(.woke, after: .seconds(1)), [running()])
        #expect(directives.first == .journal([
            .instance(orders1, InstanceJournal(epoch: 1, shouldRun: true)), .ended(attempt: "t", done),
        ]))
        #expect(directives.contains(ended("t", done)))
    }

    @Test func `no more attempts run at once than the limit`() {
        var bench = Bench()
        _ = bench.serve()
        let ids = (1...AgentLimits.performingMax + 1).map { InstanceID(clusterUID: "c1", ordinal: $0) }
        let begun = ids.map { id in
            bench.settle(bench.offer(order("t\(id.ordinal)", .start, on: id)), []).contains { directive in
                if case .perform = directive { true } else { false }
            }
        }
        #expect(begun.dropLast().allSatisfy(\.self) && begun.last == false)
    }

    @Test func `an order that the release does not know is refused`() throws {
        var bench = Bench()
        _ = bench.serve()
        let json = #"{"type":"offer","order":{"id":"t","term":1,"epoch":1,"instance":"c1-1","action":{"name":"teleport"}}}"#
        guard case .unsupported(let unknown) = try ServerLine(json: Array(json.utf8)) else { throw Missing.message }
        #expect(bench(.receivedUnsupported(unknown)) == [ended("t", .refused(unknown.reason))])
        #expect(try ServerLine(json: Array(#"{"type":"sing","loud":true}"#.utf8)) == .unknown)
    }

    @Test func `an order prints no secret`() {
        let secret = order("t", .start, secrets: ["accountPassword": "hunter2"])
        var dumped = ""
        dump(AgentDirective.perform(secret), to: &dumped)
        #expect(!dumped.contains("hunter2") && !"\(AgentEvent.received(.offer(secret)))".contains("hunter2"))
        #expect(dumped.contains("accountPassword"))
    }
}
