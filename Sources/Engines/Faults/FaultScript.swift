import FleetModel

/// A fault as a shell script of its own session: it strikes, waits, and heals, whatever becomes of the agent and the
/// server meanwhile. Pure text.
struct FaultScript: Sendable, Hashable {
    /// Commands, each a line or more.
    var strike: [String]
    var heal: [String]
    var milliseconds: Int64

    /// So long the agent has to send its answer before the fault strikes.
    static let answerMilliseconds: Int64 = 300

    var text: String {
        """
        #!/bin/sh
        # Made for a game day. It heals what it did when it ends, also when it is ended.
        set -u
        heal() {
            trap - EXIT
            trap '' HUP INT TERM
        \(indented(heal))
        }
        trap heal EXIT
        trap 'exit 1' HUP INT TERM
        sleep \(FaultScript.seconds(FaultScript.answerMilliseconds))
        \(strike.joined(separator: "\n"))
        sleep \(FaultScript.seconds(milliseconds))
        exit 0

        """
    }

    private func indented(_ lines: [String]) -> String {
        (lines + [":"]).map { "    " + $0 }.joined(separator: "\n")
    }

    static func seconds(_ milliseconds: Int64) -> String {
        let rest = String(milliseconds % 1000)
        return "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    /// A word that no shell changes.
    static func quoted(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

/// Packets that are dropped without a word, as rules of nftables in a table of their own.
struct PacketLoss: Sendable, Hashable {
    var table: String
    /// Empty: everybody but this host itself.
    var peers: [NetworkPeer]
    var direction: FaultDirection
    var percent: Int

    /// Before connection tracking and any rule of the host's own.
    private static let priority = -350

    var strike: String {
        var chains = ""
        if direction != .outgoing { chains += chain("incoming", hook: "input", device: "iif", end: "s") }
        if direction != .incoming { chains += chain("outgoing", hook: "output", device: "oif", end: "d") }
        return "nft -f - <<'RULES'\ntable inet \(table) {\n\(chains)}\nRULES"
    }

    var heal: String { "nft delete table inet \(table)" }

    private func chain(_ name: String, hook: String, device: String, end: String) -> String {
        let chance = percent >= 100 ? "" : "numgen random mod 100 < \(percent) "
        let rules = peers.isEmpty ? ["\(chance)drop"] : peers.map { $0.match(end) + chance + "drop" }
        let lines = ["type filter hook \(hook) priority \(PacketLoss.priority); policy accept;", "\(device) \"lo\" accept"] + rules
        return "  chain \(name) {\n" + lines.map { "    \($0)\n" }.joined() + "  }\n"
    }
}

/// An address, or a service there.
struct NetworkPeer: Sendable, Hashable {
    var address: String
    var port: Int?

    /// Nil for anything but an IP address, with or without a port (`10.0.0.1:7070`, `[::1]:7070`).
    init?(_ text: String) {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            address = String(text[text.index(after: text.startIndex)..<end])
            port = Int(text[text.index(after: end)...].dropFirst())
        } else if text.filter({ $0 == ":" }).count == 1, let colon = text.firstIndex(of: ":") {
            address = String(text[..<colon])
            port = Int(text[text.index(after: colon)...])
            guard port != nil else { return nil }
        } else {
            address = text
        }
        let digits = address.contains(":") ? "0123456789abcdefABCDEF:." : "0123456789."
        guard address.contains(where: { $0 == "." || $0 == ":" }), address.allSatisfy({ digits.contains($0) }) else { return nil }
    }

    /// `end`: `s` where packets come from it, `d` where they go to it.
    fileprivate func match(_ end: String) -> String {
        let family = address.contains(":") ? "ip6" : "ip"
        return "\(family) \(end)addr \(address) " + (port.map { "tcp \(end)port \($0) " } ?? "")
    }
}
