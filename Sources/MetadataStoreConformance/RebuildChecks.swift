import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    static let rebuildChecks: [Check] = [
        Check("a store that is to be rebuilt keeps its records, gets a new identity and ends the lease") { test in
            try await test.commit([.putCluster(Sample.cluster("orders", number: 1))])
            let before = try await test.store.load()
            try test.expectEqual(before.rebuilding, nil, "state of a store that serves")
            try await test.store.beginRebuild(now: Sample.at(1))
            try await test.expectLeaseLost("writing") { try await test.commit([.appendEvent(Sample.event(1))]) }
            let state = try await test.store.load()
            try test.expectEqual(state.rebuilding, Sample.at(1), "since")
            try test.expectEqual(state.records.clusters, before.records.clusters, "clusters")
            try test.expect(state.records.storeID != before.records.storeID, "the identity stayed")
            try test.expectEqual(state.adopts, [], "nobody is adopted before the approval")
            try await test.store.beginRebuild(now: Sample.at(2))
            let again = try await test.store.load()
            try test.expectEqual(again.records.storeID, state.records.storeID, "identity after a second begin")
            try test.expectEqual(again.rebuilding, Sample.at(1), "since, after a second begin")
        },
        Check("an approval raises the term above every agent's for its holder, and adopts the old stores") { test in
            let old = try await test.store.load().records.storeID
            try await test.store.beginRebuild(now: Sample.at(1))
            let lease = try await test.store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(1))
            let new = try await test.store.load().records.storeID
            try await test.store.commit([.finishRebuild(adopts: ["other", new], without: ["h2", "h1"], aboveTerm: 41)], term: lease.term)
            let state = try await test.store.load()
            try test.expectEqual(state.rebuilding, nil, "state after the approval")
            try test.expectEqual(state.adopts, ["other", old].sorted(), "adopted")
            try test.expectEqual(state.leftOut, ["h1", "h2"], "left out")
            try await test.expectLeaseLost("writing under the old term") {
                try await test.store.commit([.appendEvent(Sample.event(1))], term: lease.term)
            }
            try await test.store.commit([.removeLeftOut(host: "h1"), .appendEvent(Sample.event(2))], term: 42)
            try test.expectEqual(try await test.store.load().leftOut, ["h2"], "left out still")
            let again = try await test.store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(2))
            try test.expectEqual(again.term, 42, "term of the same holder")
        },
        Check("an approval that is refused leaves the store as it was, being rebuilt") { test in
            try await test.store.beginRebuild(now: Sample.at(1))
            let lease = try await test.store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(1))
            let changes: [StoreChange] = [
                .finishRebuild(adopts: ["other"], without: [], aboveTerm: 7), .putCluster(Sample.cluster("orders", number: 1)),
                .putCluster(Sample.cluster("billing", number: 1)),
            ]
            do {
                try await test.store.commit(changes, term: lease.term)
                throw Failure(description: "two clusters of one GTID domain were taken")
            } catch StoreError.conflict {}
            let state = try await test.store.load()
            try test.expectEqual(state.rebuilding, Sample.at(1), "since")
            try test.expect(state.records.clusters.isEmpty, "clusters of a refused approval")
            try await test.store.commit([.appendEvent(Sample.event(1))], term: lease.term)
        },
        Check("a store that serves takes no approval") { test in
            try await test.expectConflict([.finishRebuild(adopts: [], without: [], aboveTerm: 0)], "approval")
        },
    ]
}
