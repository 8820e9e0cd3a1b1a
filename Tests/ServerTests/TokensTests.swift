import FleetModel
import MetadataStore
import Server
import Testing

struct TokensTests {
    private let now = Instant(milliseconds: 1_000_000)

    private func tokens() async throws -> (Tokens, Int64) {
        let store = MemoryStore()
        let lease = try await store.acquireLease(holder: LeaseHolder(name: "test", run: 1), duration: .seconds(60), now: now)
        return (Tokens(store: store, credentials: []), lease.term)
    }

    @Test func `an enrolment token makes one host known, once`() async throws {
        let (tokens, term) = try await tokens()
        let token = try await tokens.make(role: .enrolment, subject: "hz-a-1", validity: nil, now: now, term: term)
        let digest = SHA256.hex("mine")
        #expect(try await !tokens.enrol(host: "hz-b-1", token: token, credentialDigest: digest, now: now, term: term))
        #expect(try await tokens.enrol(host: "hz-a-1", token: token, credentialDigest: digest, now: now, term: term))
        #expect(await tokens.identity(ofToken: "mine", now: now) == Identity(role: .agent, subject: "hz-a-1"))
        #expect(
            try await !tokens.enrol(
                host: "hz-a-1", token: token, credentialDigest: SHA256.hex("another"), now: now, term: term))
        #expect(await tokens.identity(ofToken: "another", now: now) == nil)
    }

    @Test func `a new enrolment ends the host's earlier credential`() async throws {
        let (tokens, term) = try await tokens()
        for name in ["first", "second"] {
            let token = try await tokens.make(role: .enrolment, subject: "hz-a-1", validity: nil, now: now, term: term)
            #expect(
                try await tokens.enrol(
                    host: "hz-a-1", token: token, credentialDigest: SHA256.hex(name), now: now, term: term))
        }
        #expect(await tokens.identity(ofToken: "first", now: now) == nil)
        #expect(await tokens.identity(ofToken: "second", now: now) != nil)
    }

    @Test func `an enrolment token ends after an hour, whatever was asked for`() async throws {
        let (tokens, term) = try await tokens()
        let token = try await tokens.make(
            role: .enrolment, subject: "hz-a-1", validity: .seconds(86_400), now: now, term: term)
        #expect(await tokens.identity(ofToken: token, now: now + .seconds(3600)) != nil)
        #expect(await tokens.identity(ofToken: token, now: now + .seconds(3601)) == nil)
    }

    @Test func `a ticket is good for one credential of one host, under one fleet key`() {
        let membership = Membership(fleetKey: [1, 2, 3])
        let (mine, other) = (SHA256.hex("mine"), SHA256.hex("other"))
        let ticket = membership.ticket(host: "hz-a-1", credentialDigest: mine)
        #expect(membership.isGenuine(ticket, host: "hz-a-1", credentialDigest: mine))
        #expect(!membership.isGenuine(ticket, host: "hz-a-2", credentialDigest: mine))
        #expect(!membership.isGenuine(ticket, host: "hz-a-1", credentialDigest: other))
        #expect(!membership.isGenuine("", host: "hz-a-1", credentialDigest: mine))
        #expect(!Membership(fleetKey: [1, 2, 4]).isGenuine(ticket, host: "hz-a-1", credentialDigest: mine))
    }

    @Test func `a credential comes back for its own host, and only a few of one host do`() async throws {
        let (tokens, term) = try await tokens()
        let digest = SHA256.hex("mine")
        #expect(try await tokens.restore(host: "hz-a-1", credentialDigest: digest, now: now, term: term))
        #expect(try await tokens.restore(host: "hz-a-1", credentialDigest: digest, now: now, term: term))
        #expect(await tokens.identity(ofToken: "mine", now: now) == Identity(role: .agent, subject: "hz-a-1"))
        #expect(try await !tokens.restore(host: "hz-b-1", credentialDigest: digest, now: now, term: term))
        for number in 2...4 {
            #expect(try await tokens.restore(host: "hz-a-1", credentialDigest: SHA256.hex("\(number)"), now: now, term: term))
        }
        #expect(try await !tokens.restore(host: "hz-a-1", credentialDigest: SHA256.hex("5"), now: now, term: term))
        await #expect(throws: StoreError.self) {
            try await tokens.restore(host: "hz-b-1", credentialDigest: SHA256.hex("6"), now: now, term: term - 1)
        }
        #expect(await tokens.identity(ofToken: "6", now: now) == nil)
    }

    @Test func `a token that nobody made is nobody's`() async throws {
        let (tokens, term) = try await tokens()
        _ = try await tokens.make(role: .admin, subject: "jane", validity: nil, now: now, term: term)
        #expect(await tokens.identity(ofToken: "ek_0", now: now) == nil)
        #expect(await tokens.identity(ofToken: "", now: now) == nil)
    }

    @Test func `a role may what the lesser ones may, and agents nothing of it`() {
        #expect(Identity(role: .admin, subject: "a").may(.operator))
        #expect(Identity(role: .operator, subject: "a").may(.viewer))
        #expect(!Identity(role: .viewer, subject: "a").may(.operator))
        #expect(!Identity(role: .agent, subject: "a").may(.viewer))
        #expect(!Identity(role: .admin, subject: "a").may(.agent))
        #expect(!Identity(role: .enrolment, subject: "a").may(.viewer))
    }

    @Test func `nothing is made under a term that is over`() async throws {
        let (tokens, term) = try await tokens()
        await #expect(throws: StoreError.self) {
            try await tokens.make(role: .viewer, subject: "jane", validity: nil, now: now, term: term - 1)
        }
    }
}
