import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

/// A writer in whose place another could be promoted.
@Suite struct `Replaceable writers` {
    private static let rivals = [
        Peer(ordinal: 2, host: "b", address: "127.0.2.1", port: 3306), Peer(ordinal: 3, host: "c", address: "127.0.3.1", port: 3306),
    ]

    private func writer(semiSync: Bool = true, rivals: [Peer] = rivals) -> JournalState {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(
            .instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: semiSync, rivals: rivals))))
        return state
    }

    private func starts(_ directives: [AgentDirective]) -> Bool { directives.contains(.startClosed(orders1)) }

    private func asks(_ directives: [AgentDirective]) -> Bool {
        directives.contains(.askPeers(orders1, Self.rivals, within: AgentLimits.peersMax))
    }

    private func kills(_ directives: [AgentDirective]) -> Bool {
        directives.contains { if case .fenceItself = $0 { true } else { false } }
    }

    private func welcome(_ epochs: [String: Int64] = [:]) -> AgentEvent {
        .received(.welcome(storeID: "s1", term: 1, fingerprintKeys: [:], epochs: epochs))
    }

    // MARK: the start of the agent

    @Test func `a writer that died with its host is started once the server says that it still is the writer`() {
        var bench = Bench(journal: writer())
        #expect(!starts(bench.settle(bench(.started), [stopped()])))
        #expect(!starts(bench.settle(bench(.connected, after: .milliseconds(300)), [stopped()])))
        #expect(starts(bench.settle(bench(welcome(["c1": 1])), [stopped()])))
    }

    @Test func `a writer of an older epoch is left to the server, also by a later agent`() {
        var bench = Bench(journal: writer())
        bench.settle(bench(.started), [stopped()])
        bench.settle(bench(.connected), [stopped()])
        let welcomed = bench(welcome(["c1": 2]))
        // On disk before anything else.
        #expect(welcomed.first == .journal([.instance(orders1, InstanceJournal(epoch: 2))]))
        #expect(!starts(bench.settle(welcomed, [stopped()]) + bench.settle(bench(.woke, after: .seconds(60)), [stopped()])))
        var restarted = Bench(journal: bench.machine.journal)
        #expect(!starts(restarted.settle(restarted(.started), [stopped()]) + restarted.settle(restarted(.woke, after: .seconds(60)), [stopped()])))
        // The server that leaves it the writer orders its start.
        let start = order("t", .start, epoch: 2)
        #expect(bench.offer(start).contains(.perform(start)))
    }

    @Test func `one that runs keeps its grant until an order ends it`() {
        var bench = Bench(journal: writer())
        bench.settle(bench(.started), [running(readOnly: false)])
        bench.settle(bench(.connected), [running(readOnly: false)])
        bench.settle(bench(welcome(["c1": 2])), [running(readOnly: false)])
        #expect(bench.machine.journal.instances[orders1]?.grant != nil)
    }

    @Test func `without a server it is started after five seconds`() {
        var bench = Bench(journal: writer())
        bench.settle(bench(.started), [stopped()])
        bench.settle(bench(.disconnected(reason: "no server", jitter: 0)), [stopped()])
        #expect(!starts(bench.settle(bench(.woke, after: .milliseconds(4900)), [stopped()])))
        let directives = bench.all(.woke, after: .milliseconds(100))
        #expect(starts(bench.settle(directives, [stopped()])))
    }

    @Test func `the agent wakes by itself when the wait is over`() {
        var bench = Bench(journal: writer())
        var wake: Instant?
        let began = bench.now
        var queue = bench.all(.started)
        while !queue.isEmpty {
            switch queue.removeFirst() {
            case .wake(let moment): wake = moment
            case .lookAtHost: queue += bench.all(.hostLooked(HostFacts(instances: [orders1])))
            case .look(let id, _): queue += bench.all(.looked(id, stopped()))
            default: break
            }
        }
        while let moment = wake, moment < began + .seconds(5) {
            wake = nil
            for directive in bench.all(.woke, after: moment - bench.now) {
                switch directive {
                case .wake(let moment): wake = moment
                case .lookAtHost: _ = bench.all(.hostLooked(HostFacts(instances: [orders1])))
                case .look(let id, _):
                    for case .wake(let moment) in bench.all(.looked(id, stopped())) { wake = moment }
                default: break
                }
            }
        }
        #expect(wake == began + .seconds(5))
    }

    @Test func `single writers, and those of which failover is manual, wait for nobody`() {
        var bench = Bench(journal: writer(rivals: []))
        #expect(starts(bench.settle(bench(.started), [stopped()])))
    }

    @Test func `a writer that is killed later is started at once, with or without a server`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        _ = bench(.disconnected(reason: "the server is gone", jitter: 0))
        #expect(starts(bench.settle(bench(.processExited(orders1)), [stopped()])))
    }

    @Test func `who could be promoted is as the last order on the instance has it`() {
        var bench = Bench()
        _ = bench.serve([running()])
        var promote = order("t", .promote(epoch: 2, position: GTIDSet(), semiSync: true))
        promote.rivals = Self.rivals
        _ = bench.complete(promote, leaving: [running(readOnly: false)])
        #expect(bench.machine.journal.instances[orders1]?.grant == WriterGrant(semiSync: true, rivals: Self.rivals))
        var prepare = order("u", .prepareReplica(ordinal: 4), epoch: 2)
        prepare.rivals = [Self.rivals[0]]
        _ = bench.complete(prepare, leaving: [running(readOnly: false)])
        #expect(bench.machine.journal.instances[orders1]?.grant?.rivals == [Self.rivals[0]])
        // From a server that knows nothing of it.
        _ = bench.complete(order("v", .prepareReplica(ordinal: 5), epoch: 2), leaving: [running(readOnly: false)])
        #expect(bench.machine.journal.instances[orders1]?.grant == WriterGrant(semiSync: true))
    }

    @Test func `a change of who could be promoted is told without an order`() {
        var bench = Bench(journal: writer())
        _ = bench.serve([running(readOnly: false)])
        let directives = bench(.received(.rivals(orders1, [])))
        #expect(directives.first == .journal([
            .instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: true))),
        ]))
        // Of who is no writer nothing is kept.
        #expect(bench(.received(.rivals(orders2, Self.rivals))).allSatisfy { $0.message != nil })
    }

    // MARK: self-fencing

    private let open = running(readOnly: false)

    /// Time goes by in small steps; each question to the others is answered so, after `took`, and the agent hears from a
    /// server where `hasServer`.
    private func pass(
        _ duration: Duration, _ bench: inout Bench, answered: Bool, took: Duration = .seconds(1), hasServer: Bool = false,
        hasJournal: Bool = true
    ) -> [AgentDirective] {
        func handle(_ event: AgentEvent, after delay: Duration = .zero) -> [AgentDirective] {
            let before = bench.machine
            let directives = bench(event, after: delay)
            guard !hasJournal, case .journal = directives.first else { return directives }
            bench.machine = before
            return bench(.journalFailed(reason: "disk", event: event))
        }
        let (step, end) = (Duration.milliseconds(100), bench.now + duration)
        var (told, answerAt): ([AgentDirective], Instant?) = ([], bench.machine.watches[orders1]?.contact.asked.map { $0 + took })
        while bench.now < end {
            var directives = handle(.woke, after: step)
            if let due = answerAt, bench.now >= due {
                answerAt = nil
                directives += handle(.peersAsked(orders1, answered: answered))
            }
            if hasServer { directives += bench(.received(.heartbeat())) }
            if asks(directives) { answerAt = bench.now + took }
            told += bench.settle(directives, [open])
        }
        return told
    }

    private func served(_ journal: JournalState? = nil) -> Bench {
        var bench = Bench(journal: journal ?? writer())
        _ = bench.serve([open])
        _ = bench(.received(.heartbeat()))
        return bench
    }

    @Test func `cut off from the servers and all others, a writer is killed, and stays down`() {
        var bench = served()
        let began = bench.now
        var told: [AgentDirective] = []
        while !kills(told), bench.now < began + .seconds(10) { told += pass(.milliseconds(100), &bench, answered: false) }
        #expect(bench.now - began >= AgentLimits.isolationMax && bench.now - began <= .seconds(4))
        guard let journalled = told.firstIndex(where: { if case .journal = $0 { true } else { false } }),
            let killed = told.firstIndex(of: .fenceItself(orders1, clusterName: "orders", epoch: 1))
        else {
            Issue.record("it was not killed, or nothing was written before")
            return
        }
        #expect(journalled < killed)
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 1))
        bench.settle(bench(.processExited(orders1)), [stopped()])
        let after = bench.settle(bench(.selfFenceEnded(orders1, error: nil)), [stopped()])
        #expect(!starts(after + bench.settle(bench(.woke, after: .seconds(60)), [stopped()])))
        // A server that comes back starts and opens it again.
        _ = bench(.disconnected(reason: "silent", jitter: 0))
        bench.settle(bench(.connected), [stopped()])
        bench.settle(bench(welcome(["c1": 1])), [stopped()])
        let start = order("t", .start)
        #expect(bench.offer(start).contains(.perform(start)))
    }

    @Test func `cut off from the servers alone, it goes on`() {
        var bench = served()
        #expect(!kills(pass(.seconds(60), &bench, answered: true, took: .milliseconds(5))))
        _ = bench(.disconnected(reason: "the server is gone", jitter: 0))
        #expect(!kills(pass(.seconds(60), &bench, answered: true, took: .milliseconds(5))))
    }

    @Test func `the words of a server that hears nothing are no contact with it`() {
        var bench = served()
        let began = bench.now
        // What was sent until now was heard, and nothing since.
        var told = bench(.received(.heartbeat(answers: 2)))
        while !kills(told), bench.now < began + .seconds(10) {
            _ = bench(.received(.heartbeat(answers: 2)))
            told += bench(.received(.observe))
            told += pass(.milliseconds(100), &bench, answered: false)
        }
        #expect(bench.now - began >= AgentLimits.isolationMax - .milliseconds(200) && bench.now - began <= .seconds(4))
    }

    @Test func `a server is heard from when what it answers was sent, however late its answer comes`() {
        var bench = Bench(journal: writer())
        func observations(_ directives: [AgentDirective]) -> Int64 { Int64(directives.count { $0.message?.isObservation == true }) }
        let before = observations(bench.serve([open]))
        let sent = bench.now + .seconds(1)
        #expect(observations(bench.settle(bench(.woke, after: .seconds(1)), [open])) == 1)
        _ = bench(.received(.heartbeat(answers: before + 1)), after: .milliseconds(700))
        #expect(bench.machine.serverHeard == sent)
        // The same answer again, or one to what was never sent, says nothing.
        _ = bench(.received(.heartbeat(answers: before + 1)), after: .milliseconds(100))
        _ = bench(.received(.heartbeat(answers: 300)), after: .milliseconds(100))
        #expect(bench.machine.serverHeard == sent)
        // A server of an earlier release does not count: its word is as fresh as it arrives.
        _ = bench(.received(.heartbeat()))
        #expect(bench.machine.serverHeard == bench.now)
    }

    @Test func `cut off from the others alone, it goes on, and asks them nothing`() {
        var bench = served()
        let told = pass(.seconds(60), &bench, answered: false, hasServer: true)
        #expect(!kills(told) && !asks(told))
    }

    @Test func `an answer now and then is enough`() {
        var bench = served()
        for _ in 0..<10 {
            #expect(!kills(pass(AgentLimits.isolationMax / 2, &bench, answered: false)))
            #expect(!kills(pass(AgentLimits.isolationMax / 2, &bench, answered: true, took: .milliseconds(5))))
        }
    }

    @Test func `an agent that was suspended asks before it judges`() {
        var bench = served()
        #expect(!kills(bench.settle(bench(.woke, after: .seconds(600)), [open])))
        #expect(!kills(bench.settle(bench(.peersAsked(orders1, answered: true)), [open])))
    }

    @Test(arguments: [false, true])
    func `nobody who cannot be replaced is killed`(semiSync: Bool) {
        var bench = served(semiSync ? writer(rivals: []) : writer(semiSync: false))
        let told = pass(.seconds(60), &bench, answered: false)
        #expect(!kills(told) && !asks(told))
        bench = Bench()
        _ = bench.serve([running(replicates: true)])
        #expect(!kills(pass(.seconds(60), &bench, answered: false)))
    }

    @Test func `in maintenance nobody is killed`() {
        var bench = served()
        _ = bench(.received(.holdStart(orders1, lasting: .seconds(60))))
        #expect(!kills(pass(.seconds(50), &bench, answered: false)))
        #expect(kills(pass(.seconds(20), &bench, answered: false)))
    }

    @Test func `where the journal cannot be written it is killed all the same, and not started by this agent`() {
        var bench = served()
        var told: [AgentDirective] = []
        for _ in 0..<100 where !kills(told) { told = pass(.milliseconds(100), &bench, answered: false, hasJournal: false) }
        #expect(kills(told))
        #expect(!told.contains { if case .journal = $0 { true } else { false } })
        bench.settle(bench(.selfFenceEnded(orders1, error: nil)), [stopped()])
        let later = bench.settle(bench(.woke, after: .seconds(2)), [stopped()])
        #expect(!starts(later))
        #expect(bench.machine.journal.instances[orders1] == InstanceJournal(epoch: 1))
    }

    @Test func `a kill that failed is tried again`() {
        var bench = served()
        var told: [AgentDirective] = []
        for _ in 0..<100 where !kills(told) { told = pass(.milliseconds(100), &bench, answered: false) }
        #expect(kills(told))
        #expect(!kills(bench.settle(bench(.selfFenceEnded(orders1, error: "not permitted")), [open])))
        #expect(!kills(bench.settle(bench(.woke, after: .milliseconds(900)), [open])))
        #expect(kills(bench.settle(bench(.woke, after: .milliseconds(100)), [open])))
    }
}
