import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Suspend: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stop voluntary work and healing of a unit; restarts and alerts go on.",
        discussion: "Example: evenkeel suspend Cluster/orders")

    @Argument(help: "The unit, as Kind/name; a name alone is a cluster's.")
    var unit: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let unit = try parseUnit(unit)
        try await Client.with(connection) { client in
            _ = try await client.post(Route.suspend, body: UnitCommand(unit: unit.description).jsonBytes)
        }
        Terminal.standardOutput.write("\(unit) is suspended; `evenkeel resume \(unit)` ends that.\n")
    }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "End a suspension that `evenkeel suspend` began.",
        discussion: "Example: evenkeel resume Cluster/orders")

    @Argument(help: "The unit, as Kind/name; a name alone is a cluster's.")
    var unit: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let unit = try parseUnit(unit)
        try await Client.with(connection) { client in
            _ = try await client.post(Route.resume, body: UnitCommand(unit: unit.description).jsonBytes)
        }
        Terminal.standardOutput.write("\(unit) is reconciled again.\n")
    }
}
