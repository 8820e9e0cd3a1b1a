import FleetModel
import MetadataStore
import Server
import Testing

/// A store in memory as two servers would have it.
private struct Shared: SharedStore {
    let memory = MemoryStore()

    func leaderURL() async throws -> String? { nil }
    func credentials() async throws -> [CredentialRecord] { try await memory.load().credentials }
    func keyDigest() async throws -> String? { nil }
    func agree(onKey digest: String) async throws {}
    func acquireLease(holder: LeaseHolder, duration: Duration, now: Instant) async throws -> Lease {
        try await memory.acquireLease(holder: holder, duration: duration, now: now)
    }
    func releaseLease(_ lease: Lease) async throws { try await memory.releaseLease(lease) }
    func load() async throws -> StoredState { try await memory.load() }
    func beginRebuild(now: Instant) async throws { try await memory.beginRebuild(now: now) }
    func commit(_ changes: [StoreChange], term: Int64) async throws { try await memory.commit(changes, term: term) }
    func events(unit: UnitID?, limit: Int) async throws -> [Event] { [] }
    func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] { [] }
    func revisions(limit: Int) async throws -> [RevisionRecord] { [] }
    func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] { [] }
    func backUp(to path: String) async throws {}
}

struct SharedTokensTests {
    private let now = Instant(milliseconds: 1_000_000)

    @Test func `a token that another server made is known when it comes, and one that it took away soon is not`() async throws {
        let store = Shared()
        let lease = try await store.acquireLease(holder: LeaseHolder(name: "a", run: 1), duration: .seconds(60), now: now)
        let (leader, follower) = (Tokens(store: store, credentials: []), Tokens(store: store, credentials: []))
        let token = try await leader.make(role: .viewer, subject: "ann", validity: nil, now: now, term: lease.term)
        #expect(await follower.identity(ofToken: token, now: now) == nil)
        #expect(try await follower.identity(ofUnknownToken: token, now: now) == Identity(role: .viewer, subject: "ann"))
        try await store.commit([.removeCredential(tokenDigest: SHA256.hex(token))], term: lease.term)
        try await follower.refresh()
        #expect(await follower.identity(ofToken: token, now: now) == nil)
    }

    @Test func `who guesses tokens asks the store once in a while only`() async throws {
        let store = Shared()
        let lease = try await store.acquireLease(holder: LeaseHolder(name: "a", run: 1), duration: .seconds(60), now: now)
        let (leader, follower) = (Tokens(store: store, credentials: []), Tokens(store: store, credentials: []))
        #expect(try await follower.identity(ofUnknownToken: "guessed", now: now) == nil)
        let token = try await leader.make(role: .viewer, subject: "ann", validity: nil, now: now, term: lease.term)
        #expect(try await follower.identity(ofUnknownToken: token, now: now + .milliseconds(100)) == nil)
        #expect(try await follower.identity(ofUnknownToken: token, now: now + .seconds(1)) != nil)
    }
}
