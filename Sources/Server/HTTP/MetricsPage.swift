import FleetModel
import Reconciliation

/// The state of the fleet as Prometheus reads it.
enum MetricsPage {
    static func text(_ view: FleetView) -> String {
        var text = gauge("evenkeel_leader", "Whether this server leads.", [("", view.isLeader ? 1 : 0)])
        text += gauge(
            "evenkeel_store_rebuilding", "Whether the store is being rebuilt, and nothing is done.", [("", view.isRebuilding ? 1 : 0)])
        text += gauge("evenkeel_term", "The leader's term.", [("", Int(view.term))])
        text += gauge(
            "evenkeel_agents_connected", "Agents with an open stream.",
            [("", view.agents.values.filter(\.isConnected).count)])
        text += gauge(
            "evenkeel_attempts_running", "Attempts that have not ended.",
            [("", view.running.values.reduce(0) { $0 + $1.count })])
        text += gauge("evenkeel_units_waiting", "Units that wait for their turn to be looked at.", [("", view.waitingCount)])
        text += gauge(
            "evenkeel_units_looked_at", "Units that had a pass under this leader.",
            [("", view.units.values.filter { $0.pass != nil }.count)])
        let units = ConditionType.allCases.map { type in
            (
                "{condition=\"\(type.rawValue)\"}",
                view.units.values.filter { unit in unit.conditions.contains { $0.type == type && $0.isTrue } }.count
            )
        }
        return text + gauge("evenkeel_units", "Units on which a condition holds.", units)
    }

    private static func gauge(_ name: String, _ help: String, _ samples: [(labels: String, value: Int)]) -> String {
        "# HELP \(name) \(help)\n# TYPE \(name) gauge\n" + samples.map { "\(name)\($0.labels) \($0.value)\n" }.joined()
    }
}
