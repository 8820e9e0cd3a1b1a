import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Switchover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make another instance of a cluster the primary, without losing a write.",
        discussion: """
            Examples:
              evenkeel switchover orders                   the best replica takes over
              evenkeel switchover orders --to orders-3

            A replica of a zone that `spec.primary.preferredZones` wants less is refused: the primary would be moved back. \
            Commit another order of zones instead.

            While a statement that changes rows or tables has run for a second or more on the primary, or a session holds \
            LOCK TABLES … WRITE, it goes on taking writes and is asked again; after a minute the switchover is given up.

            Exit codes: 0 it took over (or was asked to, with --no-wait), 1 it did not, 4 not in time.
            """)

    @Argument(help: "The cluster.")
    var cluster: String
    @Option(help: "The instance that is to take over, as cluster-ordinal.")
    var to: String?
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let unit = try parseUnit(cluster)
        let command = SwitchoverCommand(unit: unit.description, to: try to.map { try ordinal($0, of: unit) })
        let (wanted, change) = try await Client.with(connection) { client in
            let wanted = try SwitchoverDocument(json: try await client.post(Route.switchover, body: command.jsonBytes).body)
            return (wanted.instance, try await PrimaryChange.awaited(of: unit, seconds: waiting.seconds, client) { $0 == wanted.instance })
        }
        guard let change else { return Terminal.standardOutput.write("\(wanted) was asked to take over.\n") }
        if change.isReached { return Terminal.standardOutput.write("\(wanted) is the primary of \(unit.name).\n") }
        try change.fail("\(wanted) did not take over", after: "SwitchoverAbandoned")
    }

    private func ordinal(_ text: String, of unit: UnitID) throws -> Int {
        guard text.hasPrefix(unit.name + "-"), let ordinal = Int(text.dropFirst(unit.name.count + 1)), ordinal > 0 else {
            throw ValidationError("--to names an instance of \(unit.name), as \(unit.name)-2; `evenkeel get instances` lists them.")
        }
        return ordinal
    }
}
