import ArgumentParser
import ControlAPI
import JSONStream

struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a server whether it is ready: exit code 0 or 1, for scripts and process supervisors.")

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let answer = try await Client.with(connection) { try await $0.getBytes(Route.readyz) }
        Terminal.standardOutput.write(String(decoding: answer.body, as: UTF8.self))
    }
}
