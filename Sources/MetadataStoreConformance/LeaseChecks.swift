import FleetModel
import MetadataStore

extension MetadataStoreConformance {
    static let leaseChecks: [Check] = [
        Check("a holder renews its lease under the same term") { test in
            let again = try await test.store.acquireLease(
                holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(100))
            try test.expectEqual(again.term, test.lease.term, "term")
            try test.expectEqual(again.holder, Sample.server("a"), "holder")
        },
        Check("nobody takes a lease that is not over") { test in
            let term = try await test.expectLeaseLost("taking") {
                _ = try await test.store.acquireLease(holder: Sample.server("b"), duration: .seconds(15), now: Sample.at(14))
            }
            try test.expectEqual(term, test.lease.term, "term that the store names")
        },
        Check("a lease that is over changes hands under the next term, and its old holder can write no more") { test in
            let taken = try await test.store.acquireLease(
                holder: Sample.server("b"), duration: .seconds(15), now: Sample.at(15))
            try test.expectEqual(taken.term, test.lease.term + 1, "term")
            try await test.expectLeaseLost("writing") { try await test.commit([.appendEvent(Sample.event(1))]) }
            try await test.store.commit([.appendEvent(Sample.event(2))], term: taken.term)
            try test.expectEqual(
                try await test.store.events(unit: nil, limit: 10), [Sample.event(2)], "events")
            try await test.expectLeaseLost("taking back") {
                _ = try await test.store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(16))
            }
        },
        Check("a later run of a server takes its lease at once, under the next term, and the earlier one can write no more") { test in
            let taken = try await test.store.acquireLease(
                holder: Sample.server("a", run: 2), duration: .seconds(15), now: Sample.at(1))
            try test.expectEqual(taken.term, test.lease.term + 1, "term")
            try await test.expectLeaseLost("writing") { try await test.commit([.appendEvent(Sample.event(1))]) }
            try await test.store.commit([.appendEvent(Sample.event(2))], term: taken.term)
        },
        Check("an earlier run of a server takes and gives back nothing of a later one's") { test in
            let taken = try await test.store.acquireLease(
                holder: Sample.server("a", run: 2), duration: .seconds(15), now: Sample.at(1))
            try await test.expectLeaseLost("taking back") {
                _ = try await test.store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(2))
            }
            try await test.store.releaseLease(test.lease)
            try await test.store.commit([.appendEvent(Sample.event(1))], term: taken.term)
            let again = try await test.store.acquireLease(
                holder: Sample.server("a", run: 2), duration: .seconds(15), now: Sample.at(3))
            try test.expectEqual(again.term, taken.term, "term")
        },
        Check("a lease that was given back is free at once, and even its holder gets the next term") { test in
            try await test.store.releaseLease(test.lease)
            try await test.expectLeaseLost("writing") { try await test.commit([.appendEvent(Sample.event(1))]) }
            let again = try await test.store.acquireLease(
                holder: Sample.server("a"), duration: .seconds(15), now: Sample.at(1))
            try test.expectEqual(again.term, test.lease.term + 1, "term")
        },
        Check("a lease that is another's by now cannot be given back") { test in
            let taken = try await test.store.acquireLease(
                holder: Sample.server("b"), duration: .seconds(15), now: Sample.at(20))
            try await test.store.releaseLease(test.lease)
            try await test.store.commit([.appendEvent(Sample.event(1))], term: taken.term)
        },
        Check("a term that was never given cannot write") { test in
            try await test.expectLeaseLost("writing") {
                try await test.store.commit([.appendEvent(Sample.event(1))], term: test.lease.term + 1)
            }
        },
    ]
}
