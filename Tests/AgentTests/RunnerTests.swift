import ControlAPI
import Engines
import FleetModel
import Synchronization
import Testing

@testable import Agent

@Suite(.timeLimit(.minutes(1))) struct `Runner` {
    private let blueprint = InstanceBlueprint(
        clusterName: "orders", port: 3306, address: "127.0.2.1", serverID: 2, gtidDomain: 1, engineVersion: "10.11",
        configuration: "", storageBytes: 0)

    private func writer() -> JournalState {
        var state = JournalState()
        state.apply(.bound(storeID: "s1"))
        state.apply(.promised(term: 1))
        state.apply(.instance(orders1, InstanceJournal(epoch: 1, shouldRun: true, grant: WriterGrant(semiSync: true))))
        return state
    }

    @Test func `an order goes to disk, then with its secrets to the driver, then its end to the server`() async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .start, secrets: ["p": "s"])))
            try await rig.wait(for: .began("t", secrets: ["p": "s"]))
            guard case .journalled(let entries) = rig.deeds.elements.dropLast().last else { throw Missing.message }
            #expect(entries.contains { if case .accepted(let attempt) = $0 { attempt.id == "t" } else { false } })
            rig.driver.set(running())
            rig.driver.end("t", .success(TaskResult(readBack: ["a": "b"])))
            #expect(try await rig.outcome(of: "t") == .succeeded(TaskResult(readBack: ["a": "b"])))
            server.say(.settled(attempt: "t"))
            try await rig.wait(for: .journalled([.settled(attempt: "t")]))
        }
        #expect(rig.journal.state.withLock { $0.instances[orders1]?.shouldRun } == true)
    }

    @Test(arguments: [
        (EngineError(.refused, "r"), AttemptOutcome.refused("r")),
        (EngineError(.unsupported, "u"), .refused("Unsupported: u")),
        (EngineError(.transient, "t"), .failed("t")),
        (EngineError(.permanent, "p"), .failed("p")),
    ])
    func `what the driver throws is told as it is meant`(error: EngineError, outcome: AttemptOutcome) async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .start)))
            try await rig.wait(for: .began("t", secrets: [:]))
            rig.driver.end("t", .failure(error))
            #expect(try await rig.outcome(of: "t") == outcome)
        }
    }

    @Test func `a cancelled attempt cleans up and says so`() async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .start)))
            try await rig.wait(for: .began("t", secrets: [:]))
            server.say(.cancel(attempt: "t", term: 1))
            try await rig.wait(for: .cancelled("t"))
            #expect(try await rig.outcome(of: "t") == .cancelled)
        }
    }

    @Test func `an agent that is stopped leaves its attempts open in the journal`() async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .start)))
            try await rig.wait(for: .began("t", secrets: [:]))
        }
        #expect(rig.deeds.elements.contains(.cancelled("t")))
        let kept = rig.journal.state.withLock { $0.attempts["t"] }
        #expect(kept != nil && kept?.outcome == nil)
    }

    @Test func `a clone meets its donor through the server`() async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .clone(blueprint, donor: Peer(ordinal: 1, host: "b", address: "127.0.1.1", port: 3306)), on: orders2)))
            let endpoint = try await rig.transport.heard.first { message -> CopyEndpoint? in
                if case .copyReady(let endpoint, orders1) = message { endpoint } else { nil }
            }
            #expect(endpoint == CopyEndpoint(attempt: "t", address: "127.0.2.1", port: 4444, token: "k", certificateDigest: "ab"))
            server.say(.copySent(attempt: "t", error: nil))
            try await rig.wait(for: .copyEnded("t", error: nil))
            rig.driver.end("t", .success(TaskResult()))
            #expect(try await rig.outcome(of: "t") == done)
        }
    }

    @Test(arguments: [(4444, String?.none), (1, "nobody listens")])
    func `a donor tells how its copy ended`(port: Int, error: String?) async throws {
        let rig = Rig()
        rig.driver.set(running())
        try await rig.run { server in
            server.say(.sendCopy(CopyEndpoint(attempt: "t", address: "127.0.2.1", port: port, token: "k", certificateDigest: "ab"), donor: orders1))
            try await rig.wait(for: .copying(orders1, port: port))
            let told = try await rig.transport.heard.first { message -> AgentMessage? in
                if case .copySent = message { message } else { nil }
            }
            #expect(told == .copySent(attempt: "t", error: error))
        }
    }

    @Test func `a killed writer is up, open and announced again without a server's order`() async throws {
        let rig = Rig()
        rig.driver.set(running(readOnly: false))
        try await rig.run(state: writer()) { _ in
            let primary = RoleChange(instance: orders1, clusterName: "orders", role: .primary, epoch: 1)
            try await rig.wait(for: .hooked(primary))
            rig.driver.kill(orders1)
            try await rig.wait(for: .startedClosed(orders1))
            try await rig.wait(for: .openedByGrant(orders1, semiSync: true))
            let changes = try await rig.deeds.first { _ -> [RoleChange]? in
                let changes = rig.deeds.elements.compactMap { if case .hooked(let change) = $0 { change } else { nil } }
                return changes.count == 3 ? changes : nil
            }
            #expect(changes.map(\.role) == [.primary, .none, .primary])
        }
    }

    @Test func `a connection that breaks is opened again, and an end from meanwhile is told`() async throws {
        let rig = Rig()
        rig.driver.set(running())
        try await rig.run { server in
            server.say(.offer(order("t", .start)))
            try await rig.wait(for: .began("t", secrets: [:]))
            server.cut()
            rig.driver.end("t", .success(TaskResult()))
            _ = try await rig.transport.connections.first(after: 1) { $0 }
            let attempts = try await rig.transport.heard.first(after: 1) { message -> [AttemptStatus]? in
                if case .hello(_, _, let attempts, _, _, _) = message { attempts } else { nil }
            }
            #expect(attempts == [AttemptStatus(id: "t", state: .ended(done))])
        }
    }

    @Test func `while the journal fails an offer is refused, and the same machine takes the next`() async throws {
        let rig = Rig()
        try await rig.run { server in
            _ = try await rig.transport.heard.first { if case .promised = $0 { true } else { nil } }
            rig.journal.fail(times: 1)
            server.say(.offer(order("t", .start)))
            #expect(try await rig.outcome(of: "t") == .refused("the agent's journal cannot be written: the disk is full"))
            // The journal is tried again a second later at the latest.
            var number = 1
            while !rig.deeds.elements.contains(where: { if case .began = $0 { true } else { false } }) {
                server.say(.offer(order("u\(number)", .start)))
                _ = try await rig.state(of: "u\(number)") { _ in true }
                number += 1
            }
        }
        #expect(rig.journal.state.withLock { $0.attempts["t"] } == nil)
    }

    @Test func `a writer is killed though the journal's disk hangs, and the journal knows of it once it answers`() async throws {
        let rig = Rig()
        let (thaw, thawNow) = AsyncStream<Void>.makeStream()
        try await rig.run { server in
            _ = try await rig.transport.heard.first { if case .promised = $0 { true } else { nil } }
            rig.journal.hang(until: thaw)
            server.say(.offer(order("f", .fence(epoch: 2))))
            try await rig.wait(for: .began("f", secrets: [:]))
            rig.driver.set(stopped())
            rig.driver.end("f", .success(TaskResult()))
            _ = try await rig.state(of: "f") { $0 == .running(AttemptProgress(phase: "waiting for the agent's journal")) }
            // Another order is refused at once, and hangs nobody.
            server.say(.offer(order("t", .start, epoch: 2)))
            _ = try await rig.outcome(of: "t")
            thawNow.finish()
            _ = try await rig.deeds.first { deed in
                if case .journalled(let entries) = deed, entries.contains(.instance(orders1, InstanceJournal(epoch: 2))) { true } else { nil }
            }
            #expect(try await rig.outcome(of: "f") == done)
        }
        #expect(rig.journal.state.withLock { $0.instances[orders1] } == InstanceJournal(epoch: 2))
    }

    @Test func `progress that comes faster than it can be told is told as its latest`() async throws {
        let rig = Rig()
        try await rig.run { server in
            server.say(.offer(order("t", .start)))
            try await rig.wait(for: .began("t", secrets: [:]))
            let began = ContinuousClock.now
            for step in 1...100_000 { rig.driver.report("t", EngineProgress(phase: "copying", done: Int64(step), total: 100_000)) }
            _ = try await rig.state(of: "t") { $0 == .running(AttemptProgress(phase: "copying", done: 100_000, total: 100_000)) }
            let told = rig.transport.heard.elements.filter { if case .attempt = $0 { true } else { false } }
            // One a second, and the first and the last.
            #expect(told.count <= 3 + Int((ContinuousClock.now - began).components.seconds))
        }
    }

    @Test func `the health of an instance can be asked for at any time`() async throws {
        let rig = Rig()
        rig.driver.set(running(readOnly: false))
        let parts = AgentParts(host: "a1", version: "1", driver: rig.driver, journal: rig.journal, transport: rig.transport, roleHook: FakeHook(rig.deeds))
        let runner = AgentRunner(parts, state: writer(), clock: ContinuousClock(), startedAt: Instant(milliseconds: 5_000))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await runner.run() }
            try await rig.wait(for: .hooked(RoleChange(instance: orders1, clusterName: "orders", role: .primary, epoch: 1)))
            let (instances, now) = await runner.health()
            // As of when it was seen, which a busy machine may have been long ago.
            let seen = try #require(instances.first).seen
            #expect(HealthResponder.respond(path: "/primary", instances: instances, now: seen).status == 200)
            #expect(now >= seen)
            #expect(now >= Instant(milliseconds: 5_000))
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}
