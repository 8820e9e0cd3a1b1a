package import FleetModel

/// What the health port answers: `/primary` and `/replica` are 200 while an instance of this host has that role, for
/// load balancers, and `/` says what there is. Pure; the listening is the caller's.
package enum HealthResponder {
    /// A role that was last seen longer ago counts no more.
    package static let ageMax: Duration = .seconds(5)

    /// `query`: `cluster=NAME` or `instance=<cluster uid>-<ordinal>`, without percent encoding. Where instances of
    /// several clusters are on the host, one must be named. The body is one line of text.
    package static func respond(
        path: String, query: String = "", instances: [InstanceHealth], now: Instant
    ) -> (status: Int, body: String) {
        let wanted: InstanceRole
        switch path {
        case "/primary": wanted = .primary
        case "/replica": wanted = .replica
        case "/": return (200, instances.map { describe($0, now) + "\n" }.joined())
        default: return (404, "evenkeel answers /primary and /replica here, each also with ?cluster=NAME\n")
        }
        let chosen = choose(query, among: instances)
        guard Set(chosen.map(\.instance.clusterUID)).count <= 1 else {
            return (503, "several clusters are on this host: add ?cluster=NAME\n")
        }
        if let match = chosen.first(where: { serves($0, as: wanted, now) }) { return (200, describe(match, now) + "\n") }
        return (503, chosen.isEmpty ? "no such instance here\n" : chosen.map { describe($0, now) + "\n" }.joined())
    }

    private static func choose(_ query: String, among instances: [InstanceHealth]) -> [InstanceHealth] {
        query.split(separator: "&").reduce(instances) { chosen, part in
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2 else { return chosen }
            switch pair[0] {
            case "cluster": return chosen.filter { $0.clusterName == pair[1] }
            case "instance": return chosen.filter { $0.instance.description == pair[1] }
            default: return chosen
            }
        }
    }

    /// A replica whose applier stands still serves no reads.
    private static func serves(_ health: InstanceHealth, as role: InstanceRole, _ now: Instant) -> Bool {
        health.role == role && health.isApplying && now - health.seen <= ageMax
    }

    private static func describe(_ health: InstanceHealth, _ now: Instant) -> String {
        "\(health.clusterName) \(health.instance) \(health.role.rawValue) epoch \(health.epoch), "
            + "seen \((now - health.seen).milliseconds) ms ago"
    }
}
