import ControlAPI
import Engines
import FleetModel

// The two sides of a clone, which meet through the server.

/// The donor's side.
struct OutgoingCopy: Sendable {
    enum State: Sendable {
        case sending
        /// Nil is success.
        case ended(error: String?)
    }

    var endpoint: CopyEndpoint
    var donor: InstanceID
    var state: State

    var isSending: Bool {
        if case .sending = state { true } else { false }
    }
}

extension AgentMachine {
    // MARK: the receiver's side

    mutating func copyReady(_ id: String, _ destination: CopyDestination) {
        guard performing[id] != nil else { return }
        performing[id]?.copy = CopyEndpoint(
            attempt: id, address: destination.address, port: destination.port, token: destination.token,
            certificateDigest: destination.certificateDigest)
        outbox.add(.copyReady(attempt: id))
    }

    func copyReadyMessage(_ id: String) -> AgentMessage? {
        guard let performance = performing[id], let endpoint = performance.copy,
            case .clone(_, let donor) = performance.order.action
        else { return nil }
        let instance = performance.order.instance
        return .copyReady(endpoint, donor: donor.id(in: instance.clusterUID))
    }

    /// The donor has ended, says the server.
    mutating func copyEnded(_ id: String, error: String?) {
        guard performing[id]?.copy != nil else { return }
        performing[id]?.copy = nil
        directives.append(.copyEnded(attempt: id, error: error))
    }

    // MARK: the donor's side

    /// The same endpoint twice is sent to once, and its end told again.
    mutating func sendCopy(_ endpoint: CopyEndpoint, donor: InstanceID) {
        if let known = copies.first(where: { $0.endpoint == endpoint }) {
            if !known.isSending { outbox.add(.copySent(attempt: endpoint.attempt)) }
            return
        }
        let reason = reasonNotToSend(endpoint, donor)
        if reason == nil || !copies.contains(where: { $0.endpoint.attempt == endpoint.attempt && $0.isSending }) {
            copies.removeAll { $0.endpoint.attempt == endpoint.attempt }
            copies.append(OutgoingCopy(endpoint: endpoint, donor: donor, state: reason.map { .ended(error: $0) } ?? .sending))
        }
        if reason == nil {
            directives.append(.sendCopy(endpoint, donor: donor))
        } else {
            outbox.add(.copySent(attempt: endpoint.attempt))
        }
        forgetOldCopies()
    }

    private func reasonNotToSend(_ endpoint: CopyEndpoint, _ donor: InstanceID) -> String? {
        let sending = copies.filter(\.isSending)
        if sending.contains(where: { $0.endpoint.attempt == endpoint.attempt }) {
            return "an earlier copy for this attempt is still being sent; try again"
        }
        if let other = openAttempts(on: donor).first { return "attempt \(other.id) (\(other.action)) works on \(donor)" }
        if sending.contains(where: { $0.donor == donor }) { return "\(donor) is the donor of another copy" }
        if sending.count >= AgentLimits.copiesMax { return "this host sends \(sending.count) copies, its limit" }
        return nil
    }

    mutating func copySent(_ id: String, error: String?) {
        guard let index = copies.firstIndex(where: { $0.endpoint.attempt == id && $0.isSending }) else { return }
        copies[index].state = .ended(error: error)
        outbox.add(.copySent(attempt: id))
    }

    func copySentMessage(_ id: String) -> AgentMessage? {
        guard let copy = copies.first(where: { $0.endpoint.attempt == id }) else { return nil }
        switch copy.state {
        case .ended(let error): return .copySent(attempt: id, error: error)
        case .sending: return .copySent(attempt: id, error: "an earlier copy for this attempt is still being sent")
        }
    }

    private mutating func forgetOldCopies() {
        let ended = copies.filter { !$0.isSending }.map(\.endpoint)
        for endpoint in ended.dropLast(AgentLimits.copiesKept) { copies.removeAll { $0.endpoint == endpoint } }
    }

    /// What either side said may have been lost with the last connection.
    mutating func repeatCopies() {
        for id in performing.keys.sorted() where performing[id]?.copy != nil { outbox.add(.copyReady(attempt: id)) }
        for copy in copies where !copy.isSending { outbox.add(.copySent(attempt: copy.endpoint.attempt)) }
    }
}
