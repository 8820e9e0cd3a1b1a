import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Reconcile: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the sources and at a unit now instead of at the next interval.",
        discussion: """
            Examples:
              evenkeel reconcile --wait                    until everything has converged
              evenkeel reconcile Cluster/orders --wait --timeout 120

            A suspended unit that has something to do is not waited for: what stays undone is told.

            Exit codes: 0 converged (or asked for, without --wait), 1 stalled, 4 did not converge in time, or is suspended.
            """)

    @Argument(help: "The unit, as Kind/name; a name alone is a cluster's. Default: everything.")
    var unit: String?
    @Flag(help: "Wait until it has converged or can make no progress.")
    var wait = false
    @Option(help: "With --wait: at most so many seconds.")
    var timeout = 300

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let command = UnitCommand(unit: try unit.map { try parseUnit($0).description }, waitSeconds: wait ? timeout : nil)
        let settled: SettleDocument = try await Client.with(connection) { client in
            try SettleDocument(json: try await client.post(Route.reconcile, body: command.jsonBytes).body)
        }
        output.show(SettleView(settled: settled))
        switch settled.result {
        case "waiting", "suspended": throw ExitStatus.didNotConverge
        case "stalled": throw ExitStatus.error
        default: return
        }
    }
}

struct SettleView: View {
    var settled: SettleDocument

    var names: [String] { settled.units.keys.sorted() }

    func text(terminal: Terminal, isWide: Bool) -> String {
        var text = heading + "\n"
        for (unit, reasons) in settled.units.sorted(by: { $0.key < $1.key }) {
            text += reasons.map { "  \(unit): \($0)\n" }.joined()
        }
        return text
    }

    private var heading: String {
        switch settled.result {
        case "waiting": "Not converged in time. What is waited for, or was under way:"
        case "stalled": "Stalled: there is no progress without a change from outside."
        case "suspended": "Suspended. What stays undone waits for:"
        default: settled.result.prefix(1).uppercased() + settled.result.dropFirst() + "."
        }
    }

    func json(to writer: inout JSONWriter) { settled.write(to: &writer) }
}
