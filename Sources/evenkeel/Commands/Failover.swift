import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Failover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let another instance take over from a primary that is lost, where none does by itself.",
        discussion: """
            Examples:
              evenkeel failover orders                     with `failover: manual`, or where the failover budget is spent

            It is what an automatic failover does, begun by you: nobody is promoted who does not provably hold every write \
            that was acknowledged. Where nobody does, it waits and names the hosts that may have the rows.

            A primary that is not known to be lost is left alone: `evenkeel switchover` moves one that serves. In maintenance, \
            and while the cluster is suspended, it is refused.

            Exit codes: 0 another one took over (or was asked to, with --no-wait), 1 none did, 4 not in time.
            """)

    @Argument(help: "The cluster.")
    var cluster: String
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let unit = try parseUnit(cluster)
        let (lost, change) = try await Client.with(connection) { client in
            let body = UnitCommand(unit: unit.description).jsonBytes
            let lost = try FailoverDocument(json: try await client.post(Route.failover, body: body).body).from
            return (lost, try await PrimaryChange.awaited(of: unit, seconds: waiting.seconds, client) { !$0.isEmpty && $0 != lost })
        }
        guard let change else { return Terminal.standardOutput.write("Another instance was asked to take over from \(lost).\n") }
        if change.isReached {
            return Terminal.standardOutput.write("\(change.primary) is the primary of \(unit.name); it took over from \(lost).\n")
        }
        try change.fail("Nobody took over from \(lost)", after: "FailoverAbandoned")
    }
}
