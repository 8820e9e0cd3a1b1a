import ArgumentParser
import ControlAPI

struct SnapshotCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "snapshot",
        abstract: "Print all that a plan relies on beside the manifests, for `plan --observed`.",
        discussion: "Example: evenkeel snapshot > snapshot.json")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let answer = try await Client.with(connection) { try await $0.getBytes(Route.snapshot) }
        Terminal.standardOutput.write(answer.body)
    }
}
