import FleetModel

/// Tickets by which agents come back into a store that was lost: each says, under the fleet key, that a credential is a
/// host's. Nothing of it is stored, so that it outlives the store; and because a credential that was taken away would
/// come back with it, it counts only while the store is being rebuilt.
package struct Membership: Sendable {
    private let fleetKey: [UInt8]

    package init(fleetKey: [UInt8]) { self.fleetKey = fleetKey }

    /// `credentialDigest`: SHA-256 of the agent's credential, hex.
    package func ticket(host: String, credentialDigest: String) -> String {
        SHA256.keyedHex(key: fleetKey, "evenkeel membership\n\(credentialDigest)\n\(host)")
    }

    package func isGenuine(_ ticket: String, host: String, credentialDigest: String) -> Bool {
        Tokens.areEqual(ticket, self.ticket(host: host, credentialDigest: credentialDigest))
    }
}
