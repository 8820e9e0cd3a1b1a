import ArgumentParser
import ControlAPI
import JSONStream

struct Approve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a revision that waits for approval into force.",
        discussion: """
            A revision that would stop managing too large a share of the fleet waits until someone has looked at it. \
            `evenkeel get sources` says which one and why.

            Example: evenkeel approve 1a2b3c4

            Exit codes: 0 it is taken into force, 1 error, 5 a newer revision has been read since.
            """)

    @Argument(help: "The revision, at least seven digits of it.")
    var revision: String
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        try await Client.with(connection) { client in
            _ = try await client.post(Route.approve, body: ApproveCommand(revision: revision).jsonBytes)
        }
        Terminal.standardOutput.write("Approved: \(revision).\n")
    }
}
