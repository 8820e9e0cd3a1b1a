package import ControlAPI
import FleetModel

extension Reconciler {
    /// A host's agent has opened its streams. The answer is what is to be sent to it, in order; it ends when the agent
    /// is refused (a live agent of that name is there: the last message says so) or another server leads.
    /// `connection` is unique within this process.
    package func agentConnected(host: String, connection: UInt64) -> AsyncStream<ServerMessage> {
        let (messages, continuation) = AsyncStream.makeStream(
            of: ServerMessage.self, bufferingPolicy: .bufferingOldest(Reconciler.messagesBufferedMax))
        streams[connection] = AgentStream(continuation)
        handle(.agentConnected(host: host, connection: connection))
        return messages
    }

    /// A message of that connection, in the order they came. Those of a refused or ended connection are dropped.
    package func receive(_ message: AgentMessage, host: String, connection: UInt64) async {
        guard streams[connection] != nil else { return }
        if case .faulted(let answer) = message { faultAnswers.take(answer, from: host) }
        handle(.agentMessage(message, host: host, connection: connection))
    }

    package func agentDisconnected(host: String, connection: UInt64) {
        streams.removeValue(forKey: connection)?.continuation.finish()
        handle(.agentDisconnected(host: host, connection: connection))
    }

    func send(_ item: AgentStream.Item, _ connection: UInt64) {
        streams[connection]?.add(item)
        advance(connection)
    }

    private func advance(_ connection: UInt64) {
        if let (order, needs) = streams[connection]?.advance(credentials) {
            jobSink.yield(.resolveOffer(order, needs, connection: connection))
        }
        if streams[connection]?.isClosed == true { streams[connection] = nil }
    }

    // MARK: Secrets

    func resolveOffer(_ order: AttemptOrder, _ needs: OfferSecrets, _ connection: UInt64) async {
        do {
            let complete = try await complete(order, needs, now: clock.now())
            guard streams[connection]?.resolving == order.id else { return }
            streams[connection]?.resolved(complete)
        } catch {
            let what = needs.account.map { "the secret \($0.passwordFrom) of account \($0.key)" } ?? "the certificate of \(order.instance)"
            handle(.offerFailed(attempt: order.id, reason: "\(what): \(error)"))
            guard streams[connection]?.resolving == order.id else { return }
            streams[connection]?.resolved(nil)
        }
        advance(connection)
    }

    /// Not on the loop's own turn: it reads files, and signs.
    @concurrent nonisolated private func complete(_ order: AttemptOrder, _ needs: OfferSecrets, now: Instant) async throws -> AttemptOrder {
        var password: String?
        if let account = needs.account { password = try await secrets.resolve(account.passwordFrom) }
        let certificate = try needs.groupMember.map { try secrets.groupCertificate(of: $0, authority: needs.groupAuthority, now: now) }
        return order.with(needs, credentials, accountPassword: password, groupCertificate: certificate)
    }

    func resolve(_ unit: UnitID, _ uid: String, _ accounts: [AccountSpec]) async {
        let (fingerprints, problems) = await fingerprints(of: accounts, uid)
        handle(.resolved(unit, fingerprints: fingerprints, problems: problems))
    }

    /// By account key, the fingerprint of what the engine should store; and a sentence for each that is missing. Not on
    /// the loop's own turn: it reads files.
    @concurrent nonisolated func fingerprints(of accounts: [AccountSpec], _ uid: String) async -> ([String: String], [String]) {
        let key = credentials.fingerprintKey(clusterUID: uid)
        var fingerprints: [String: String] = [:]
        var problems: [String] = []
        for account in accounts {
            do {
                let password = try await secrets.resolve(account.passwordFrom)
                let expected = secrets.expectedAuthentication(password: password)
                fingerprints[account.key] = Fingerprint.account(expected, key: key)
            } catch {
                problems.append("the secret \(account.passwordFrom) of account \(account.key): \(error)")
            }
        }
        return (fingerprints, problems)
    }

    /// Messages that wait for one agent's stream to be read. An agent that reads none of them is silent to us anyway.
    package static let messagesBufferedMax = 4096
}
