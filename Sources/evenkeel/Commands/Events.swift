import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Events: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What happened, newest first.",
        discussion: """
            Examples:
              evenkeel events
              evenkeel events Cluster/orders --limit 20
              evenkeel events --watch
            """)

    @Argument(help: "Only of this unit, as Kind/name.")
    var unit: String?
    @Option(help: "How many.")
    var limit = 50
    @Flag(name: [.short, .long], help: "Show them again after every change.")
    var watch = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let query = listQuery(try unit.map(parseUnit), limit: limit)
        try await Client.with(connection) { client in
            try await output.showAndWatch(client, isWatching: watch) {
                EventsView(events: try await client.get(Route.events, query: query))
            }
        }
    }
}

/// The query of a list: of one unit or of all, and how many.
func listQuery(_ unit: UnitID?, limit: Int) -> [(String, String)] {
    (unit.map { [("unit", $0.description)] } ?? []) + [("limit", String(limit))]
}

/// Reads `Kind/name`; a name alone is a cluster's.
func parseUnit(_ text: String) throws -> UnitID {
    guard text.contains("/") else { return UnitID(.cluster, text) }
    guard let unit = UnitID(text) else {
        throw CommandError("\"\(text)\" names no unit", help: "write Kind/name, such as Cluster/orders")
    }
    return unit
}

struct EventsView: View {
    var events: [Event]

    var names: [String] { events.map { "\($0.unit) \($0.reason)" } }

    static func table(_ events: [Event]) -> Table {
        var table = Table(["TIME (UTC)", "UNIT", "LEVEL", "REASON", "MESSAGE"], whenEmpty: "Nothing has happened yet.")
        for event in events {
            table.add(timeText(event.time), event.unit.description, event.level.rawValue, event.reason, event.message)
        }
        return table
    }

    func text(terminal: Terminal, isWide: Bool) -> String { EventsView.table(events).text(width: terminal.width) }
    func json(to writer: inout JSONWriter) { events.write(to: &writer) }
}
