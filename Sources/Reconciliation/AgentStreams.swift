package import ControlAPI
import FleetModel

/// What is on its way to one agent, in order: an order whose secret is being resolved holds up what follows it.
struct AgentStream {
    enum Item: Sendable {
        case message(ServerMessage)
        case offer(AttemptOrder, OfferSecrets)
        case close
    }

    let continuation: AsyncStream<ServerMessage>.Continuation
    private var waiting: [Item] = []
    /// The attempt whose secret is being resolved.
    private(set) var resolving: String?
    private(set) var isClosed = false

    init(_ continuation: AsyncStream<ServerMessage>.Continuation) { self.continuation = continuation }

    /// An agent that reads too slowly, or whose orders wait too long for a secret, is let go: it says hello anew, and is
    /// told what counts then.
    mutating func add(_ item: Item) {
        guard !isClosed else { return }
        waiting.append(item)
        if waiting.count > AgentStream.waitingMax { finish() }
    }

    private mutating func give(_ message: ServerMessage) {
        if case .dropped = continuation.yield(message) { finish() }
    }

    /// Messages behind an order whose secret is being resolved.
    static let waitingMax = 4096

    /// Sends what can be sent. The answer is an order that needs a secret first; `resolved` goes on.
    mutating func advance(_ credentials: Credentials) -> (AttemptOrder, OfferSecrets)? {
        guard resolving == nil else { return nil }
        while !waiting.isEmpty {
            switch waiting.removeFirst() {
            case .message(let message): give(message)
            case .close: finish()
            case .offer(let order, let secrets):
                guard !secrets.areAskedFor else {
                    resolving = order.id
                    return (order, secrets)
                }
                give(.offer(order.with(secrets, credentials)))
            }
        }
        return nil
    }

    /// The secret is there; nil: it is not, and the order is not sent.
    mutating func resolved(_ order: AttemptOrder?) {
        resolving = nil
        if let order { give(.offer(order)) }
    }

    mutating func finish() {
        isClosed = true
        waiting = []
        continuation.finish()
    }
}

extension AttemptOrder {
    /// The order with its secrets: the last moment before it is sent.
    package func with(_ needs: OfferSecrets, _ credentials: Credentials, accountPassword: String? = nil, groupCertificate: String? = nil) -> AttemptOrder {
        var order = self
        let uid = needs.clusterUID
        for ordinal in needs.replicas {
            order.secrets["replicationPassword.\(ordinal)"] = credentials.password(
                clusterUID: uid, purpose: Credentials.replication(ordinal))
        }
        if let own = needs.own {
            order.secrets["replicationPassword"] = credentials.password(
                clusterUID: uid, purpose: Credentials.replication(own))
        }
        if let accountPassword { order.secrets["accountPassword"] = accountPassword }
        if let groupCertificate { order.secrets["groupCertificate"] = groupCertificate }
        return order
    }
}
