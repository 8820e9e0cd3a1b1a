import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    static let recordChecks: [Check] = [
        Check("a new store is empty and has an identity that stays") { test in
            let state = try await test.store.load()
            try test.expect(!state.records.storeID.isEmpty, "no identity")
            try test.expectEqual(state.records.clusters, [:], "clusters")
            try test.expectEqual(state.records.nextServerNumber, 1, "next server number")
            try test.expectEqual(try await test.store.load().records.storeID, state.records.storeID, "identity")
        },
        Check("conditions are kept by unit, and none removes them") { test in
            let conditions = [
                Condition(.ready, false, reason: "InstanceDown", message: "orders-2 is down", lastTransition: Sample.start),
                Condition(.stalled, true, reason: "InvalidManifest"),
            ]
            let source = UnitID(.source, "fleet")
            try await test.commit([.putConditions(Sample.unit, conditions), .putConditions(source, conditions)])
            try test.expectEqual(
                try await test.store.load().conditions, [Sample.unit: conditions, source: conditions], "conditions")
            try await test.commit([.putConditions(Sample.unit, []), .putConditions(source, [conditions[1]])])
            try test.expectEqual(try await test.store.load().conditions, [source: [conditions[1]]], "conditions left")
        },
        Check("held units, channels and alerts are put and removed") { test in
            let held = HeldUnit(unit: Sample.unit, revision: nil, file: "a.yaml", message: "line 3")
            let alert = AlertRecord(
                key: "k", labels: ["a": "b"], annotations: ["c": "d"], began: Sample.start, ended: Sample.at(4))
            try await test.commit([.putHeld(held), .putChannel(name: "hook", digest: "d"), .putAlert(alert)])
            var state = try await test.store.load()
            try test.expectEqual(state.held, [held], "held")
            try test.expectEqual(state.records.channels, ["hook": "d"], "channels")
            try test.expectEqual(state.alerts, [alert], "alerts")
            try await test.commit([
                .removeHeld(Sample.unit), .putChannel(name: "hook", digest: nil), .removeAlert(key: "k"),
            ])
            state = try await test.store.load()
            try test.expect(state.held.isEmpty && state.records.channels.isEmpty && state.alerts.isEmpty, "not removed")
        },
        Check("the outbox keeps its entries, oldest first, until they are removed") { test in
            let (late, early) = (Sample.outbox("a", seconds: 2), Sample.outbox("b", seconds: 1))
            try await test.commit([.putOutbox(late), .putOutbox(early)])
            try test.expectEqual(try await test.store.load().outbox, [early, late], "outbox")
            try await test.commit([.removeOutbox(id: "a")])
            try test.expectEqual(try await test.store.load().outbox, [early], "outbox after a removal")
        },
        Check("credentials are kept by the digest of their token") { test in
            let person = CredentialRecord(tokenDigest: "d1", role: .operator, subject: "ada", created: Sample.start)
            let host = CredentialRecord(
                tokenDigest: "d2", role: .enrolment, subject: "hz-a-1", created: Sample.start, expires: Sample.at(60))
            try await test.commit([.putCredential(host), .putCredential(person)])
            try test.expectEqual(try await test.store.load().credentials, [person, host], "credentials")
            try await test.commit([.removeCredential(tokenDigest: "d1")])
            try test.expectEqual(try await test.store.load().credentials, [host], "credentials after a removal")
        },
        Check("one catalog is kept of each engine version") { test in
            let old = VariableCatalog(type: .mariadb, version: "10.11.6", dynamic: ["a"], fixed: [])
            let new = VariableCatalog(type: .mariadb, version: "10.11.6", dynamic: ["a", "b"], fixed: ["c"])
            let other = VariableCatalog(type: .mariadb, version: "10.11.9", dynamic: [], fixed: ["c"])
            try await test.commit([.putCatalog(old), .putCatalog(other), .putCatalog(new)])
            try test.expectEqual(try await test.store.load().catalogs, [new, other], "catalogs")
        },
        Check("the last accepted revision of each source is loaded") { test in
            try await test.commit([
                .putRevision(Sample.revision("1", .accepted)), .putRevision(Sample.revision("2", .held)),
                .putRevision(Sample.revision("3", .accepted)), .putRevision(Sample.revision("4", .refused)),
                .putRevision(Sample.revision("9", .accepted, source: "other")),
            ])
            try test.expectEqual(
                try await test.store.load().revisions,
                [Sample.revision("3", .accepted), Sample.revision("9", .accepted, source: "other")], "accepted")
            try await test.commit([.putRevision(Sample.revision("2", .accepted))])
            try test.expectEqual(
                try await test.store.load().revisions.map(\.revision.commit), ["2", "9"], "accepted later")
            try test.expectEqual(
                try await test.store.revisions(limit: 3).map(\.revision.commit), ["2", "9", "4"], "newest first")
        },
    ]
}
