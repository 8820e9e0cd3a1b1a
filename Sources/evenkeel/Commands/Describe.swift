import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Describe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Everything that is known of one cluster, host or other unit.",
        discussion: """
            Examples:
              evenkeel describe cluster orders
              evenkeel describe Cluster/orders
              evenkeel describe host hz-a-1
            """)

    @Argument(help: "cluster, host, zone, region, channel or source; or with its name, as events and errors name it: Cluster/orders.")
    var kind: String
    @Argument(help: "Its name.")
    var name: String?

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let (kind, name) = try subject()
        try await Client.with(connection) { client in
            let fleet: FleetDocument = try await client.get(Route.fleet)
            let view = try kind.view(of: fleet, named: name)
            guard kind == .cluster || kind == .channel || kind == .unit, let unit = (view as? any UnitsHolder)?.units.first
            else { return output.show(view) }
            let events: [Event] = try await client.get(
                Route.events, query: [("unit", unit.id), ("limit", String(Describe.eventsShown))])
            output.show(UnitDescription(fleet: fleet, unit: unit, events: events))
        }
    }

    private func subject() throws -> (ListKind, String) {
        if let name { return (try ListKind(parsing: kind), name) }
        guard kind.contains("/") else {
            throw CommandError(
                "which \(try ListKind(parsing: kind).rawValue) is meant is missing",
                help: "`evenkeel describe cluster orders`, or `evenkeel describe Cluster/orders`")
        }
        let unit = try parseUnit(kind)
        return (try ListKind(parsing: unit.kind.rawValue), unit.name)
    }

    private static let eventsShown = 10
}

/// A view of units, from which one can be described.
protocol UnitsHolder: View {
    var units: [UnitDocument] { get }
}

extension ClustersView: UnitsHolder {}
extension UnitsView: UnitsHolder {}

/// One unit in full, for people by sections.
struct UnitDescription: View {
    var fleet: FleetDocument
    var unit: UnitDocument
    var events: [Event]

    var names: [String] { [unit.id] }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var text = terminal.bold(unit.id) + "\n"
        text += fields(terminal)
        if let cluster = unit.cluster, !cluster.instances.isEmpty {
            text += "\n" + terminal.bold("Instances") + "\n"
            text += InstancesView(fleet: fleet, instances: cluster.instances).text(terminal: terminal, isWide: true)
        }
        text += section("Conditions", conditions, terminal)
        text += section("Findings", findings, terminal)
        text += list("How to mend", mends, terminal)
        text += list("Running", unit.running.map { "\($0.id)  \($0.summary) on \($0.host)  \($0.progress)" }, terminal)
        text += list("To do", unit.pending, terminal)
        text += list("Waits for", unit.waits, terminal)
        text += list("Warnings", unit.warnings, terminal)
        return text + section("Events, newest first", EventsView.table(events), terminal)
    }

    private func fields(_ terminal: Terminal) -> String {
        var rows = [("State", unit.state), ("Declared", unit.position), ("Revision", String(unit.revision.prefix(12)))]
        if let cluster = unit.cluster {
            rows += [
                ("Uid", cluster.uid), ("Engine", "\(cluster.engine), found \(cluster.version.isEmpty ? "-" : cluster.version)"),
                ("Topology", "\(cluster.topology), \(cluster.durability), epoch \(cluster.epoch)"),
                ("Primary", cluster.primary.isEmpty ? "-" : cluster.primary),
                ("Standby of", cluster.standbyOf.isEmpty ? "" : cluster.standbyOf + (cluster.head.isEmpty ? "" : ", by \(cluster.head)")),
                ("Demotion token", cluster.demotionToken),
                ("Ack set", cluster.ackSet.isEmpty ? "-" : cluster.ackSet.joined(separator: ", ")),
                ("Databases", cluster.databases.joined(separator: ", ")),
                ("Accounts", cluster.accounts.map { "\($0.name)@\($0.host)" }.joined(separator: ", ")),
                ("Parameters", cluster.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")),
            ]
        }
        if !unit.refusal.isEmpty { rows.append(("Refused", unit.refusal)) }
        return rows.filter { !$0.1.isEmpty }.map { name, value in
            "  " + name + String(repeating: " ", count: max(2, 12 - name.count)) + value + "\n"
        }.joined()
    }

    private var conditions: Table {
        var table = Table(["TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"])
        for condition in unit.conditions {
            table.add(
                condition.type.rawValue, condition.isTrue ? "True" : "False", condition.reason,
                ageText(fleet.time - condition.lastTransition), condition.message)
        }
        return table
    }

    private var findings: Table {
        var table = Table(["REASON", "SUBJECT", "HOST", "MESSAGE"])
        for finding in unit.findings.byPriority { table.add(finding.reason, finding.subject, finding.host, finding.message) }
        return table
    }

    /// Once for each condition, in the findings' order.
    private var mends: [String] {
        var told: Set<String> = []
        return unit.findings.byPriority.compactMap { finding in
            guard told.insert(finding.reason).inserted, let row = NamedCondition.of(finding.reason) else { return nil }
            return "\(row.code): \(row.mend)"
        }
    }

    private func section(_ title: String, _ table: Table, _ terminal: Terminal) -> String {
        table.rows.isEmpty ? "" : "\n" + terminal.bold(title) + "\n" + table.text(width: terminal.width)
    }

    private func list(_ title: String, _ lines: [String], _ terminal: Terminal) -> String {
        lines.isEmpty ? "" : "\n" + terminal.bold(title) + "\n" + lines.map { "  \($0)\n" }.joined()
    }

    func json(to writer: inout JSONWriter) { unit.write(to: &writer) }
}
