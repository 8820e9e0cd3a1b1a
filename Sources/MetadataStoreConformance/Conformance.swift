import FleetModel
package import MetadataStore

/// What every backend of the metadata store must keep, as named checks that its tests run one by one, each on a store
/// that is empty.
///
///     @Test(arguments: MetadataStoreConformance.checks)
///     func `it keeps the rules of a store`(check: MetadataStoreConformance.Check) async throws {
///         try await check.run { retention in try await makeEmptyStore(retention) }
///     }
package enum MetadataStoreConformance {
    /// Makes an empty store of the backend with these limits.
    package typealias Factory = (StoreRetention) async throws -> any MetadataStore

    package struct Check: Sendable, CustomStringConvertible {
        /// A sentence that says what holds.
        package let name: String
        let retention: StoreRetention
        let body: @Sendable (StoreUnderTest) async throws -> Void

        init(_ name: String, retention: StoreRetention = StoreRetention(), _ body: @escaping @Sendable (StoreUnderTest) async throws -> Void) {
            self.name = name
            self.retention = retention
            self.body = body
        }

        package var description: String { name }

        /// Throws `Failure` where the rule is broken, or whatever else the store threw.
        package func run(_ make: Factory) async throws {
            let store = try await make(retention)
            let lease = try await store.acquireLease(holder: Sample.server("a"), duration: .seconds(15), now: Sample.start)
            try await body(StoreUnderTest(store: store, lease: lease))
        }
    }

    /// A broken rule.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    package static let checks = leaseChecks + clusterChecks + attemptChecks + recordChecks + historyChecks + rebuildChecks
}

/// A store with a lease, and what the checks ask of it.
struct StoreUnderTest {
    let store: any MetadataStore
    let lease: Lease

    func commit(_ changes: [StoreChange]) async throws { try await store.commit(changes, term: lease.term) }

    func expect(_ isTrue: Bool, _ what: @autoclosure () -> String) throws {
        if !isTrue { throw MetadataStoreConformance.Failure(description: what()) }
    }

    func expectEqual<Value: Equatable>(_ found: Value, _ wanted: Value, _ what: String) throws {
        try expect(found == wanted, "\(what): found \(found), wanted \(wanted)")
    }

    /// The transaction must be refused as a conflict and change nothing.
    func expectConflict(_ changes: [StoreChange], _ what: String) async throws {
        let before = try await store.load()
        do {
            try await commit(changes)
        } catch StoreError.conflict(let why) {
            try expect(!why.isEmpty, "\(what): the refusal has no sentence")
            let after = try await store.load()
            try expectEqual(after.records.clusters, before.records.clusters, "\(what): clusters after the refusal")
            try expectEqual(after.openAttempts, before.openAttempts, "\(what): attempts after the refusal")
            return
        }
        throw MetadataStoreConformance.Failure(description: "\(what): not refused")
    }

    /// The call must be refused because the lease is another's; returns the term that the store names.
    @discardableResult
    func expectLeaseLost(_ what: String, _ call: () async throws -> Void) async throws -> Int64 {
        do { try await call() } catch StoreError.leaseLost(let term) { return term }
        throw MetadataStoreConformance.Failure(description: "\(what): not refused")
    }
}
