import ControlAPI
import FleetModel
import MetadataStore
import Planning
import Reconciliation
import SourceControl
import Testing

@Suite struct ReconcilerTests {
    @Test func `a commit is read, placed and in force`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.records.clusters["orders"] != nil }
            let view = await bench.reconciler.view()
            #expect(view.sources.first?.accepted?.subject == "change 0")
            #expect(view.records.clusters["orders"]?.members.first?.host == "host-1")
            #expect(try await bench.reconciler.revisions(limit: 10).first?.state == .accepted)
        }
    }

    @Test func `an error holds its own unit and nothing else`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.until { $0.records.clusters["orders"] != nil }
            await bench.repository.push([
                "places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306, extra: "  nonsense: 1"),
                "billing.yaml": Manifest.cluster("billing", port: 3307),
            ])
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { view in
                view.records.clusters["billing"] != nil && view.units[UnitID(.cluster, "orders")]?.isStalled == true
            }
            let orders = await bench.reconciler.view().units[UnitID(.cluster, "orders")]
            #expect(orders?.conditions.contains { $0.reason == "InvalidManifest" } == true)
            await bench.repository.push([
                "places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306),
                "billing.yaml": Manifest.cluster("billing", port: 3307),
            ])
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.units[UnitID(.cluster, "orders")]?.isStalled == false }
        }
    }

    @Test func `a revision that removes everything waits for approval`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.until { $0.records.clusters["orders"] != nil }
            await bench.repository.push(["places.yaml": Manifest.places])
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.sources.first?.approvalNeeded != nil }
            #expect(await bench.reconciler.view().desired?.clusters["orders"] != nil)
            let seen = try #require(await bench.reconciler.view().sources.first?.seen)
            try await bench.reconciler.approve(revision: seen.short, by: "ann")
            try await bench.until { $0.desired?.clusters["orders"] == nil }
            #expect(await bench.reconciler.view().records.clusters["orders"] != nil)
        }
    }

    @Test func `a revision that a newer one has overtaken is not approved`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.until { $0.records.clusters["orders"] != nil }
            await bench.repository.push(["places.yaml": Manifest.places])
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.sources.first?.approvalNeeded != nil }
            let looked = try #require(await bench.reconciler.view().sources.first?.seen)
            await bench.repository.push(["places.yaml": Manifest.places + "\n# another"])
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.sources.first?.seen?.commit != looked.commit && $0.sources.first?.approvalNeeded != nil }
            do throws(ReconcilerError) {
                try await bench.reconciler.approve(revision: looked.commit, by: "ann")
                Issue.record("it was approved")
            } catch {
                #expect(error.kind == .stale)
            }
            #expect(await bench.reconciler.view().desired?.clusters["orders"] != nil)
        }
    }

    @Test func `a source that cannot be read is told and changes nothing`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.until { $0.records.clusters["orders"] != nil }
            await bench.repository.fail(.repositoryMissing(location: "memory"))
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            let source = UnitID(.source, "fleet")
            try await bench.until { $0.units[source]?.isStalled == true }
            #expect(await bench.reconciler.view().desired?.clusters["orders"] != nil)
            await bench.repository.fail(nil)
            try await bench.reconciler.reconcile(unit: nil, by: "ann")
            try await bench.until { $0.units[source]?.isStalled == false }
        }
    }

    @Test func `revision after revision, what is in force is what a first reading finds`() async throws {
        let bench = Bench()
        func files(_ ports: [String: Int], broken: String? = nil) -> [String: String] {
            var files = ["places.yaml": Manifest.places]
            for (name, port) in ports {
                files[name + ".yaml"] = Manifest.cluster(name, port: port, extra: name == broken ? "  nonsense: 1" : "")
            }
            return files
        }
        // Each with the ports that are to be in force: what is broken stays as it was.
        let steps: [(files: [String: String], ports: [String: Int])] = [
            (files(["a": 4001, "b": 4002]), ["a": 4001, "b": 4002]),
            (files(["a": 4001, "b": 4002, "c": 4003]), ["a": 4001, "b": 4002, "c": 4003]),
            (files(["a": 4001, "b": 4012, "c": 4003], broken: "b"), ["a": 4001, "b": 4002, "c": 4003]),
            (files(["b": 4012, "c": 4003, "d": 4004], broken: "b"), ["b": 4002, "c": 4003, "d": 4004]),
            (files(["b": 4022, "c": 4003, "d": 4004]), ["b": 4022, "c": 4003, "d": 4004]),
            (files(["c": 4003, "d": 4004, "a": 4031]), ["c": 4003, "d": 4004, "a": 4031]),
        ]
        await bench.repository.push(steps[0].files)
        try await bench.run { bench in
            for (number, step) in steps.enumerated() {
                if number > 0 { await bench.repository.push(step.files) }
                try await bench.reconciler.reconcile(unit: nil, by: "ann")
                try await bench.until { $0.sources.first?.accepted?.subject == "change \(number)" }
                let view = await bench.reconciler.view()
                #expect(view.desired?.clusters.compactMapValues(\.value.port) == step.ports)
            }
            let last = try #require(try await bench.reconciler.revisions(limit: 1).first)
            #expect(try #require(last.accepted) >= last.seen)
        }
    }

    @Test func `an agent is welcomed, and a second one of its name refused`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places])
        try await bench.run { bench in
            try await bench.until { $0.desired != nil }
            var messages = await bench.reconciler.agentConnected(host: "host-1", connection: 1).makeAsyncIterator()
            let report = HostReport(host: "host-1")
            await bench.reconciler.receive(
                .hello(version: agentProtocolVersion, term: 0, attempts: [], report: report, digest: "d", delay: .zero),
                host: "host-1", connection: 1)
            #expect(await messages.next() == .welcome(storeID: "memory", term: 1, fingerprintKeys: [:]))
            #expect(await bench.reconciler.view().observed["host-1"] == nil)
            await bench.reconciler.receive(.promised(term: 1), host: "host-1", connection: 1)
            #expect(await bench.reconciler.view().observed["host-1"]?.report == report)
            var second = await bench.reconciler.agentConnected(host: "host-1", connection: 2).makeAsyncIterator()
            guard case .refused = await second.next() else {
                Issue.record("the second agent was not refused")
                return
            }
            #expect(await second.next() == nil)
        }
    }

    @Test(.timeLimit(.minutes(1))) func `an agent that reads nothing is let go once its buffer is full`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places])
        try await bench.run { bench in
            try await bench.until { $0.desired != nil }
            let messages = await bench.reconciler.agentConnected(host: "host-1", connection: 1)
            await bench.reconciler.receive(
                .hello(version: agentProtocolVersion, term: 0, attempts: [], report: HostReport(host: "host-1"), digest: "d", delay: .zero),
                host: "host-1", connection: 1)
            await bench.reconciler.receive(.promised(term: 1), host: "host-1", connection: 1)
            // Each is answered by a request for a whole report.
            for _ in 0...Reconciler.messagesBufferedMax {
                await bench.reconciler.receive(.heartbeat(digest: "another", delay: .zero), host: "host-1", connection: 1)
            }
            var count = 0
            for await _ in messages { count += 1 }
            #expect(count == Reconciler.messagesBufferedMax)
        }
    }

    @Test func `an agent of another store or a higher term is refused`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places])
        try await bench.run { bench in
            try await bench.until { $0.desired != nil }
            for (connection, report, term) in [
                (UInt64(1), HostReport(host: "host-1", storeID: "another"), Int64(0)), (2, HostReport(host: "host-1"), 9),
            ] {
                var messages = await bench.reconciler.agentConnected(host: "host-1", connection: connection).makeAsyncIterator()
                await bench.reconciler.receive(
                    .hello(version: agentProtocolVersion, term: term, attempts: [], report: report, digest: "d", delay: .zero),
                    host: "host-1", connection: connection)
                guard case .refused = await messages.next() else {
                    Issue.record("connection \(connection) was not refused")
                    return
                }
            }
        }
    }

    @Test func `a plan of files that are not committed changes nothing`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in
            try await bench.until { $0.records.clusters["orders"] != nil }
            let base = try #require(await bench.reconciler.view().sources.first?.accepted?.commit)
            let file = PlanRequest.File(path: "billing.yaml", contents: Array(Manifest.cluster("billing", port: 3307).utf8))
            let answer = try await bench.reconciler.plan(PlanRequest(base: .differences(from: base, [file])))
            #expect(answer.desired.clusters.keys.sorted() == ["billing", "orders"])
            #expect(!answer.hasErrors)
            #expect(await bench.reconciler.view().desired?.clusters.keys.sorted() == ["orders"])
        }
    }

    @Test func `two sources are refused at the start`() async {
        let sources = ["a", "b"].map { SourceConfiguration(name: $0, url: "memory") }
        let reconciler = Reconciler(
            store: MemoryStore(),
            configuration: ReconcilerConfiguration(
                serverName: "test", sources: sources, leaderURL: "", mirrorDirectory: "/nonexistent", seed: 1),
            secrets: FixedSecrets(), clock: RealTime())
        await #expect(throws: ReconcilerError.self) { try await reconciler.run() }
    }

    @Test func `a server that starts again goes on with the revision in force`() async throws {
        let bench = Bench()
        await bench.repository.push(["places.yaml": Manifest.places, "orders.yaml": Manifest.cluster("orders", port: 3306)])
        try await bench.run { bench in try await bench.until { $0.records.clusters["orders"] != nil } }
        let uid = bench.store.loadNow().records.clusters["orders"]?.uid
        let repository = bench.repository
        let second = Reconciler(
            store: bench.store,
            configuration: ReconcilerConfiguration(
                serverName: "second", sources: [SourceConfiguration(name: "fleet", url: "memory")], leaderURL: "http://there",
                mirrorDirectory: "/nonexistent", seed: 2),
            secrets: FixedSecrets(), clock: bench.clock, repository: { _ in repository })
        try await withThrowingTaskGroup { group in
            group.addTask { try await second.run() }
            let deadline = bench.clock.now() + .seconds(10)
            while await second.view().desired == nil, bench.clock.now() < deadline { try await Task.sleep(for: .milliseconds(5)) }
            let view = await second.view()
            #expect(view.term == 2)
            #expect(view.records.clusters["orders"]?.uid == uid)
            #expect(view.desired?.clusters["orders"] != nil)
            group.cancelAll()
        }
    }
}
