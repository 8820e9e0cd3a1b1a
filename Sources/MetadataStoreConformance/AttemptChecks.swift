import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    static let attemptChecks: [Check] = [
        Check("an attempt comes back whole, open until it has ended") { test in
            let attempt = Sample.attempt("a-1")
            try await test.commit([.openAttempt(attempt)])
            try test.expectEqual(try await test.store.load().openAttempts, [attempt], "open attempts")
            let result = TaskResult(acted: false, readBack: ["max_connections": "200"], engineVersion: "10.11.6")
            try await test.commit([.endAttempt(id: "a-1", outcome: .succeeded(result), at: Sample.at(5))])
            try test.expectEqual(try await test.store.load().openAttempts, [], "open attempts after the end")
            var ended = attempt
            ended.ended = Sample.at(5)
            ended.outcome = .succeeded(result)
            try test.expectEqual(try await test.store.attempts(unit: nil, limit: 5), [ended], "attempts")
        },
        Check("a key has at most one open attempt") { test in
            try await test.commit([.openAttempt(Sample.attempt("a-1", key: "k"))])
            try await test.expectConflict([.openAttempt(Sample.attempt("a-2", key: "k"))], "a second one")
            try await test.commit([
                .endAttempt(id: "a-1", outcome: .failed("no"), at: Sample.at(1)),
                .openAttempt(Sample.attempt("a-2", key: "k")),
            ])
            try test.expectEqual(try await test.store.load().openAttempts.map(\.id), ["a-2"], "open attempts")
        },
        Check("an id is used once for all time") { test in
            try await test.commit([
                .openAttempt(Sample.attempt("a-1")), .endAttempt(id: "a-1", outcome: .cancelled, at: Sample.at(1)),
            ])
            try await test.expectConflict([.openAttempt(Sample.attempt("a-1", key: "other"))], "the id again")
        },
        Check("the first end of an attempt stays") { test in
            try await test.commit([
                .openAttempt(Sample.attempt("a-1")), .endAttempt(id: "a-1", outcome: .cancelled, at: Sample.at(1)),
            ])
            try await test.commit([.endAttempt(id: "a-1", outcome: .failed("late"), at: Sample.at(2))])
            let found = try await test.store.attempts(unit: nil, limit: 1)
            try test.expectEqual(found.map(\.outcome), [.cancelled], "outcome")
            try test.expectEqual(found.map(\.ended), [Sample.at(1)], "end")
        },
        Check("the end of an attempt that is not known is passed over") { test in
            try await test.commit([
                .endAttempt(id: "gone", outcome: .cancelled, at: Sample.at(1)), .appendEvent(Sample.event(1)),
            ])
            try test.expectEqual(try await test.store.attempts(unit: nil, limit: 1), [], "attempts")
            try test.expectEqual(try await test.store.events(unit: nil, limit: 1).count, 1, "events")
        },
        Check("attempts are listed by unit, newest first") { test in
            try await test.commit([
                .openAttempt(Sample.attempt("a-1")), .openAttempt(Sample.attempt("a-2", of: "users")),
                .openAttempt(Sample.attempt("a-3")),
            ])
            try test.expectEqual(
                try await test.store.attempts(unit: Sample.unit, limit: 9).map(\.id), ["a-3", "a-1"], "of one unit")
            try test.expectEqual(
                try await test.store.attempts(unit: nil, limit: 2).map(\.id), ["a-3", "a-2"], "of all")
            try test.expectEqual(
                try await test.store.load().openAttempts.map(\.id), ["a-1", "a-2", "a-3"], "open ones, oldest first")
        },
    ]
}
