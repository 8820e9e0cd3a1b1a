import ArgumentParser
import ControlAPI
import JSONStream

struct Token: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a token: for a person with a role, or to enrol one host's agent.",
        discussion: """
            The token goes to standard output, once: the server keeps only its SHA-256. An enrolment's is good once, for \
            an hour, and for that host only.

            Examples:
              evenkeel token enrolment hz-a-1 > hz-a-1.token
              evenkeel token viewer grafana
              evenkeel token operator jane --valid 28800
            """)

    enum Role: String, ExpressibleByArgument, CaseIterable { case viewer, `operator`, admin, enrolment }

    @Argument(help: "viewer, operator, admin or enrolment.")
    var role: Role
    @Argument(help: "Whose: a person's name, or of an enrolment the host's.")
    var subject: String
    @Option(help: "Seconds until it ends; default: an enrolment's is 3600, others have no end.")
    var valid: Int?
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let command = TokenCommand(role: role.rawValue, subject: subject, validSeconds: valid)
        let token: TokenDocument = try await Client.with(connection) { client in
            try TokenDocument(json: try await client.post(Route.tokens, body: command.jsonBytes).body)
        }
        Terminal.standardOutput.write(token.token + "\n")
    }
}
