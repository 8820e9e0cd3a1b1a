import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    private static let small: StoreRetention = {
        var retention = StoreRetention()
        retention.eventsMax = 5
        retention.attemptsMax = 3
        retention.plansMax = 2
        retention.revisionsMax = 3
        return retention
    }()

    static let historyChecks: [Check] = [
        Check("events are listed by unit, newest first, as many as asked for") { test in
            try await test.commit((1...4).map { .appendEvent(Sample.event($0, $0 % 2 == 0 ? "orders" : "users")) })
            try test.expectEqual(
                try await test.store.events(unit: Sample.unit, limit: 9), [Sample.event(4), Sample.event(2)], "of one unit")
            try test.expectEqual(
                try await test.store.events(unit: nil, limit: 3).map(\.message), ["number 4", "number 3", "number 2"], "of all")
            try test.expectEqual(try await test.store.events(unit: nil, limit: 0), [], "none")
        },
        Check("plans are listed by unit, and one that was made again is the newest") { test in
            try await test.commit([
                .putPlan(Sample.plan("p-1")), .putPlan(Sample.plan("p-2")), .putPlan(Sample.plan("p-3", "users")),
                .putPlan(Sample.plan("p-1")),
            ])
            try test.expectEqual(
                try await test.store.plans(unit: Sample.unit, limit: 9), [Sample.plan("p-1"), Sample.plan("p-2")], "of one unit")
            try test.expectEqual(
                try await test.store.plans(unit: nil, limit: 2).map(\.id), ["p-1", "p-3"], "of all")
        },
        Check("old events and plans are dropped as new ones come", retention: small) { test in
            for number in 1...12 {
                try await test.commit([.appendEvent(Sample.event(number)), .putPlan(Sample.plan("p-\(number)"))])
            }
            try test.expectEqual(
                try await test.store.events(unit: nil, limit: 99).map(\.message),
                (8...12).reversed().map { "number \($0)" }, "events")
            try test.expectEqual(try await test.store.plans(unit: nil, limit: 99).map(\.id), ["p-12", "p-11"], "plans")
        },
        Check("old attempts are dropped, open ones never", retention: small) { test in
            try await test.commit([.openAttempt(Sample.attempt("open"))])
            for number in 1...6 {
                let id = "a-\(number)"
                try await test.commit([
                    .openAttempt(Sample.attempt(id)), .endAttempt(id: id, outcome: .cancelled, at: Sample.at(number)),
                ])
            }
            try test.expectEqual(
                try await test.store.attempts(unit: nil, limit: 99).map(\.id), ["a-6", "a-5", "a-4", "open"], "attempts")
        },
        Check("old revisions are dropped, the one in force never", retention: small) { test in
            try await test.commit([.putRevision(Sample.revision("good", .accepted))])
            for number in 1...6 { try await test.commit([.putRevision(Sample.revision("r-\(number)", .held))]) }
            try test.expectEqual(
                try await test.store.revisions(limit: 99).map(\.revision.commit), ["r-6", "r-5", "good"], "revisions")
            try test.expectEqual(
                try await test.store.load().revisions.map(\.revision.commit), ["good"], "in force")
        },
    ]
}
