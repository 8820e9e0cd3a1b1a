package import FleetModel
package import MetadataStore

/// Who asks, and what they may.
package struct Identity: Sendable, Hashable {
    package var role: CredentialRecord.Role
    /// The person's name or, of an agent, its host's.
    package var subject: String

    package init(role: CredentialRecord.Role, subject: String) {
        self.role = role
        self.subject = subject
    }

    /// Viewers look, operators act, administrators make tokens. Agents and enrolments are none of these.
    package func may(_ wanted: CredentialRecord.Role) -> Bool {
        let ranks: [CredentialRecord.Role: Int] = [.viewer: 1, .operator: 2, .admin: 3]
        guard let mine = ranks[role], let needed = ranks[wanted] else { return role == wanted }
        return mine >= needed
    }
}

/// All credentials, in memory as in the store: digests only.
package actor Tokens {
    private let store: any MetadataStore
    private var credentials: [String: CredentialRecord] = [:]
    /// Changes of our own, begun and under way: what was read beside one of them is not taken for newer.
    private var (begun, underWay) = (0, 0)
    private var lastMiss: Instant?

    /// An enrolment token is good for at most so long.
    package static let enrolmentValidity: Duration = .seconds(3600)
    /// Random bytes of a token.
    private static let tokenBytes = 32

    package init(store: any MetadataStore, credentials: [CredentialRecord]) {
        self.store = store
        for record in credentials { self.credentials[record.tokenDigest] = record }
    }

    package var hasAdministrator: Bool { credentials.values.contains { $0.role == .admin } }

    /// Who carries this token; nil where nobody does, or no more.
    ///
    /// The lookup is by SHA-256, which tells nothing of the token to one who measures it; the digests are compared in
    /// constant time besides.
    package func identity(ofToken token: String, now: Instant) -> Identity? {
        let digest = SHA256.hex(token)
        guard let record = credentials[digest], Tokens.areEqual(record.tokenDigest, digest) else { return nil }
        if let expires = record.expires, expires < now { return nil }
        return Identity(role: record.role, subject: record.subject)
    }

    /// Takes what the store has, where other servers share it.
    package func refresh() async throws {
        guard let shared = store as? any SharedStore, underWay == 0 else { return }
        let before = begun
        let found = try await shared.credentials()
        guard begun == before else { return }
        credentials = Dictionary(found.map { ($0.tokenDigest, $0) }) { $1 }
    }

    /// The same for a token that nobody is known by: another server may have just made it. At most once in a while, whoever
    /// asks.
    package func identity(ofUnknownToken token: String, now: Instant) async throws -> Identity? {
        guard store is any SharedStore, lastMiss.map({ now - $0 >= Tokens.missPause }) ?? true else { return nil }
        lastMiss = now
        try await refresh()
        return identity(ofToken: token, now: now)
    }

    private static let missPause = Duration.milliseconds(500)

    /// Writes changes of credentials.
    private func commit(_ changes: [StoreChange], term: Int64) async throws {
        begun += 1
        underWay += 1
        defer { underWay -= 1 }
        try await store.commit(changes, term: term)
    }

    /// Makes a token and stores its digest.
    package func make(
        role: CredentialRecord.Role, subject: String, validity: Duration?, now: Instant, term: Int64
    ) async throws -> String {
        let token = Tokens.random()
        let limit = role == .enrolment ? min(validity ?? Tokens.enrolmentValidity, Tokens.enrolmentValidity) : validity
        let record = CredentialRecord(
            tokenDigest: SHA256.hex(token), role: role, subject: subject, created: now, expires: limit.map { now + $0 })
        try await commit([.putCredential(record)], term: term)
        credentials[record.tokenDigest] = record
        return token
    }

    /// Turns an enrolment into the agent's own credential, whose digest the agent chose: the one-time token and every
    /// earlier credential of the host are gone with it. False where the token is no enrolment for this host.
    package func enrol(
        host: String, token: String, credentialDigest: String, now: Instant, term: Int64
    ) async throws -> Bool {
        guard identity(ofToken: token, now: now) == Identity(role: .enrolment, subject: host) else { return false }
        let record = CredentialRecord(tokenDigest: credentialDigest, role: .agent, subject: host, created: now)
        let old = credentials.values.filter { $0.subject == host && ($0.role == .agent || $0.role == .enrolment) }
            .map(\.tokenDigest).sorted().filter { $0 != credentialDigest }
        // Taken out before the wait, so that a second request with the same token finds it used.
        let before = old.compactMap { credentials.removeValue(forKey: $0) }
        do {
            try await commit(old.map { .removeCredential(tokenDigest: $0) } + [.putCredential(record)], term: term)
        } catch {
            for record in before { credentials[record.tokenDigest] = record }
            throw error
        }
        credentials[credentialDigest] = record
        return true
    }

    /// Agents' credentials of one host that may come back by their tickets.
    private static let restoredMax = 4

    /// Puts an agent's credential back into a store that was lost. The caller has seen a genuine ticket for it. False
    /// where the credential is somebody else's, or the host has enough of them.
    package func restore(host: String, credentialDigest: String, now: Instant, term: Int64) async throws -> Bool {
        if let known = credentials[credentialDigest] { return known.role == .agent && known.subject == host }
        guard credentials.values.count(where: { $0.role == .agent && $0.subject == host }) < Tokens.restoredMax else { return false }
        let record = CredentialRecord(tokenDigest: credentialDigest, role: .agent, subject: host, created: now)
        credentials[credentialDigest] = record
        do {
            try await commit([.putCredential(record)], term: term)
        } catch {
            credentials[credentialDigest] = nil
            throw error
        }
        return true
    }

    package static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        return "ek_" + SHA256.hex((0..<tokenBytes).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    /// Takes as long for unequal texts of one length as for equal ones.
    static func areEqual(_ left: String, _ right: String) -> Bool {
        let left = Array(left.utf8)
        let right = Array(right.utf8)
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
