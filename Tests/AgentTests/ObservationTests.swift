import ControlAPI
import Engines
import FleetModel
import Testing

@testable import Agent

@Suite struct `Observation` {
    @Test func `every instance is looked at every two seconds, one look at a time`() {
        var bench = Bench()
        _ = bench.serve([running()])
        #expect(!bench(.woke, after: .milliseconds(1799)).contains(.look(orders1, fingerprintKey: nil)))
        #expect(bench(.woke, after: .milliseconds(1)).contains(.look(orders1, fingerprintKey: nil)))
        #expect(!bench(.woke, after: .seconds(3)).contains(.look(orders1, fingerprintKey: nil)))
        bench.settle(bench(.looked(orders1, running())), [])
    }

    @Test func `a change is reported at once, and what has not changed is renewed each second`() throws {
        var bench = Bench()
        _ = bench.serve([running()])
        guard case .send(.heartbeat(let digest, _)) = bench(.woke, after: .seconds(1)).last else { throw Missing.message }
        _ = bench(.sent)
        _ = bench(.woke, after: .seconds(1))
        _ = bench(.sent)
        guard case .send(.report(let report, let changed, _)) = bench(.looked(orders1, running(readOnly: false))).last
        else { throw Missing.message }
        #expect(report.instances == [told(running(readOnly: false))] && changed != digest)
        _ = bench(.sent)
        _ = bench(.hostLooked(HostFacts(instances: [orders1])))
        guard case .send(.heartbeat(let renewed, let delay)) = bench(.woke, after: .seconds(1)).last
        else { throw Missing.message }
        #expect(renewed == changed && delay == .seconds(1))
    }

    @Test func `positions that move are reported once a second at the most`() {
        var bench = Bench()
        _ = bench.serve([running()])
        var reports = 0
        for step in 1...50 {
            let directives = bench(.woke, after: .milliseconds(200)) + bench(.received(.observe))
            reports += bench.settle(directives, [running(sequence: Int64(step))]).filter(\.isReport).count
        }
        // `observe` itself asks for a report: leave those out.
        #expect(reports == 50)
        reports = 0
        for step in 1...50 {
            var directives = bench(.woke, after: .milliseconds(200))
            directives += bench(.received(.fingerprintKeys(["c1": "\(step)"])))
            reports += bench.settle(directives, [running(sequence: Int64(100 + step))]).filter(\.isReport).count
        }
        #expect(reports == 10)
    }

    @Test func `the declared delay is the age of the oldest fact`() throws {
        var bench = Bench()
        _ = bench.serve([running(), running(orders2)])
        let looks = bench(.woke, after: .seconds(2))
        #expect(looks.contains(.look(orders2, fingerprintKey: nil)))
        _ = bench(.sent)
        _ = bench(.hostLooked(HostFacts(instances: [orders1, orders2])))
        _ = bench(.looked(orders1, running()))
        guard case .send(.heartbeat(_, let delay)) = bench(.woke, after: .seconds(1)).last else { throw Missing.message }
        #expect(delay == .milliseconds(3200))
    }

    @Test func `a look without end makes its instance unresponsive, not its host stale`() throws {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench(.woke, after: .seconds(2))
        _ = bench(.sent)
        _ = bench(.hostLooked(HostFacts(instances: [orders1])))
        guard case .send(.report(let report, _, let delay)) = bench(.woke, after: AgentLimits.lookMax).last
        else { throw Missing.message }
        #expect(report.instances.map(\.process) == [.unresponsive] && report.instances[0].database == nil)
        #expect(delay == AgentLimits.lookMax)
        #expect(bench.machine.health.map(\.role) == [.none])
    }

    @Test func `what a look began to see before a change does not count`() {
        var bench = Bench()
        _ = bench.serve([stopped()])
        bench.settle(bench.offer(order("t", .start)), [stopped()])
        #expect(bench(.woke, after: .seconds(2)).contains(.look(orders1, fingerprintKey: nil)))
        bench.settle(bench(.sent), [])
        bench.settle(bench(.attemptEnded(attempt: "t", done)), [])
        let late = bench.settle(bench(.looked(orders1, stopped())), [running()])
        let reported = late.compactMap { directive in
            if case .send(.report(let report, _, _)) = directive { report.instances.first?.process } else { nil }
        }
        #expect(reported == [.running] && late.last == ended("t", done))
    }

    @Test func `the end of an attempt on an instance that is not there is told, whichever look ends first`() {
        var bench = Bench()
        _ = bench.serve()
        // It is watched from the first attempt on, was looked at, and is not there.
        _ = bench.complete(order("t", .retire), leaving: [])
        #expect(bench.settle(bench(.received(.settled(attempt: "t"))), []).contains(.journal([.settled(attempt: "t")])))
        bench.settle(bench.offer(order("u", .retire)), [])
        let looks = bench(.attemptEnded(attempt: "u", done))
        #expect(looks.contains(.lookAtHost) && looks.contains(.look(orders1, fingerprintKey: nil)))
        // The host has no such instance: what is still to be told of it must not be forgotten with it.
        #expect(!bench.settle(bench(.hostLooked(HostFacts())), []).contains(ended("u", done)))
        #expect(bench.settle(bench(.looked(orders1, nil)), []).last == ended("u", done))
    }

    @Test func `the end of an attempt is told when the look after it never ends`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("t", .start)), [running()])
        _ = bench(.attemptEnded(attempt: "t", done))
        _ = bench(.hostLooked(HostFacts(instances: [orders1])))
        let early = bench.settle(bench(.woke, after: AgentLimits.lookMax - .milliseconds(1)), [running()])
        #expect(!early.contains(ended("t", done)))
        #expect(bench.settle(bench(.woke, after: .milliseconds(1)), [running()]).contains(ended("t", done)))
    }

    @Test func `a look that hangs is the only one at its instance until it ends, which is unresponsive meanwhile`() throws {
        var bench = Bench()
        _ = bench.serve([running(), running(orders2)])
        let look = AgentDirective.look(orders1, fingerprintKey: nil)
        func answered(_ directives: [AgentDirective]) -> [AgentDirective] {
            // The other instance and the host answer; this one does not.
            var left: [AgentDirective] = []
            var queue = directives
            while !queue.isEmpty {
                let directive = queue.removeFirst()
                switch directive {
                case .lookAtHost: queue += bench(.hostLooked(HostFacts(instances: [orders1, orders2])))
                case .look(orders2, _): queue += bench(.looked(orders2, running(orders2)))
                case .send: queue += bench(.sent); left.append(directive)
                default: left.append(directive)
                }
            }
            return left
        }
        var asked = 0
        for _ in 1...60 {
            asked += answered(bench(.woke, after: .milliseconds(500))).count { $0 == look }
            // Who asks for a look meanwhile gets no second one.
            asked += answered(bench(.received(.observe))).count { $0 == look }
        }
        #expect(asked == 1)
        #expect(bench.machine.watches[orders1]?.facts?.process == .unresponsive)
        #expect(bench.machine.watches[orders2]?.facts?.process == .running)
        // What it saw at last is from long ago and does not count; the next look does.
        #expect(answered(bench(.looked(orders1, running()))).contains(look))
        #expect(bench.machine.watches[orders1]?.facts?.process == .unresponsive)
        _ = answered(bench(.looked(orders1, running())))
        #expect(bench.machine.watches[orders1]?.facts?.process == .running)
    }

    @Test func `keys for fingerprints are used from the next look, which is at once`() {
        var bench = Bench()
        _ = bench.serve([running()])
        #expect(bench(.received(.fingerprintKeys(["c1": "ab"]))) == [.lookAtHost, .look(orders1, fingerprintKey: "ab")])
    }

    @Test func `catalogs are told once on a connection, and again on the next`() throws {
        var bench = Bench()
        _ = bench.serve([running()])
        let catalog = VariableCatalog(type: .mariadb, version: "10.11.19", dynamic: ["a"], fixed: ["b"])
        _ = bench(.received(.observe))
        let facts = HostFacts(instances: [orders1], catalogs: [catalog])
        let first = bench.settle(bench(.hostLooked(facts), after: .seconds(1)), [running()])
        guard case .report(let report, _, _) = first.first?.message else { throw Missing.message }
        #expect(report.catalogs == [catalog])
        _ = bench(.received(.observe))
        let second = bench.settle(bench(.hostLooked(facts), after: .seconds(1)), [running()])
        guard case .report(let again, _, _) = second.first?.message else { throw Missing.message }
        #expect(again.catalogs.isEmpty)
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        guard case .send(.hello(_, _, _, let hello, _, _)) = bench(.connected).first else { throw Missing.message }
        #expect(hello.catalogs == [catalog])
    }

    @Test func `an instance that is gone is reported no more, and its role has ended`() {
        var bench = Bench()
        #expect(bench.serve([running(replicates: true)]).contains(change(.replica, epoch: 0)))
        let directives = bench.settle(bench(.woke, after: .seconds(2)), []) + bench.settle(bench(.woke, after: .seconds(2)), [])
        #expect(directives.filter { $0 == change(.none, epoch: 0) }.count == 1)
        #expect(bench.machine.health.isEmpty && bench.machine.watches.isEmpty)
    }

    @Test func `the moment to wake at is always ahead`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("t", .start), leaving: [running()])
        for step in 0..<200 {
            let wakes = bench.all(.woke, after: .milliseconds(step * 7)).compactMap { directive -> Instant? in
                if case .wake(let moment) = directive { moment } else { nil }
            }
            #expect(wakes.allSatisfy { $0 > bench.now } && wakes.count == 1)
        }
    }
}

@Suite struct `Copies` {
    private let blueprint = InstanceBlueprint(
        clusterName: "orders", port: 3306, address: "127.0.2.1", serverID: 2, gtidDomain: 1, engineVersion: "10.11",
        configuration: "", storageBytes: 0)
    private let endpoint = CopyEndpoint(
        attempt: "t", address: "127.0.2.1", port: 4444, token: "k", certificateDigest: "ab")

    private func clone() -> AttemptOrder {
        order("t", .clone(blueprint, donor: Peer(ordinal: 1, host: "a1", address: "127.0.1.1", port: 3306)), on: orders2)
    }

    private let destination = CopyDestination(address: "127.0.2.1", port: 4444, token: "k", certificateDigest: "ab")

    /// Its directory was lost: the copy that takes its place is started by an order.
    @Test func `what ran before does not start a copy`() {
        var bench = Bench()
        _ = bench.serve([])
        bench.settle(bench.offer(order("s", .start, on: orders2)), [])
        bench.settle(bench(.attemptEnded(attempt: "s", .succeeded(TaskResult()))), [])
        #expect(bench.machine.journal.instances[orders2]?.shouldRun == true)
        bench.settle(bench.offer(clone()), [])
        #expect(bench.machine.journal.instances[orders2]?.shouldRun == false)
    }

    @Test func `a receiver tells where it waits, again after a reconnect, until its donor has ended`() {
        var bench = Bench()
        _ = bench.serve()
        bench.settle(bench.offer(clone()), [])
        let ready = AgentDirective.send(.copyReady(endpoint, donor: orders1))
        #expect(bench.settle(bench(.copyReady(attempt: "t", destination)), []) == [ready])
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        #expect(bench.serveAgain([]).contains(ready))
        #expect(bench(.received(.copySent(attempt: "t", error: nil))) == [.copyEnded(attempt: "t", error: nil)])
        #expect(bench(.received(.copySent(attempt: "t", error: nil))) == [])
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        #expect(!bench.serveAgain([]).contains(ready))
    }

    @Test func `a donor sends once, is busy meanwhile, and tells the end again`() {
        var bench = Bench()
        _ = bench.serve([running()])
        let send = AgentEvent.received(.sendCopy(endpoint, donor: orders1))
        #expect(bench(send) == [.sendCopy(endpoint, donor: orders1)])
        #expect(bench(send) == [])
        #expect(bench.settle(bench.offer(order("u", .close)), [running()]) == [
            ended("u", .refused("c1-1 is the donor of a copy"))
        ])
        let sent = AgentDirective.send(.copySent(attempt: "t", error: nil))
        #expect(bench.settle(bench(.copySent(attempt: "t", error: nil)), [running()]) == [sent])
        #expect(bench.settle(bench(send), [running()]) == [sent])
        _ = bench(.disconnected(reason: "cut", jitter: 0))
        #expect(bench.serveAgain([running()]).contains(sent))
    }

    @Test func `a busy donor sends nothing, and says why`() {
        var bench = Bench()
        _ = bench.serve([running()])
        bench.settle(bench.offer(order("u", .close)), [running()])
        #expect(bench.settle(bench(.received(.sendCopy(endpoint, donor: orders1))), [running()]) == [
            .send(.copySent(attempt: "t", error: "attempt u (close) works on c1-1"))
        ])
    }

    @Test func `a killed donor is started again while it still sends`() {
        var bench = Bench()
        _ = bench.serve([running()])
        _ = bench.complete(order("s", .start), leaving: [running()])
        _ = bench(.received(.sendCopy(endpoint, donor: orders1)))
        #expect(bench(.processExited(orders1)).contains(.startClosed(orders1)))
    }

    @Test func `ended copies are forgotten but for the last`() {
        var bench = Bench()
        _ = bench.serve([running()])
        for number in 1...40 {
            var next = endpoint
            next.attempt = "t\(number)"
            bench.settle(bench(.received(.sendCopy(next, donor: orders1))), [running()])
            bench.settle(bench(.copySent(attempt: next.attempt, error: nil)), [running()])
        }
        #expect(bench.machine.copies.count <= AgentLimits.copiesKept + 1)
    }
}

extension Bench {
    /// Connects after a disconnection and is welcomed by the same server.
    mutating func serveAgain(_ reports: [InstanceReport]) -> [AgentDirective] {
        let left = settle(self(.connected), reports)
        return left + settle(self(.received(.welcome(storeID: "s1", term: 1, fingerprintKeys: [:]))), reports)
    }
}
