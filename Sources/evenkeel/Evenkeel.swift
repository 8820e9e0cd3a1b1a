import ArgumentParser
import FleetModel
import SimulationCommand

#if canImport(Glibc)
    import Glibc
#endif

/// The command line. Each subcommand has a file of its own in `Commands`.
@main
struct Evenkeel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evenkeel",
        abstract: "Keeps fleets of MariaDB in the state that a git repository declares.",
        discussion: """
            You commit YAML; Evenkeel compares it with what its agents observe, shows the plan, and carries it out as \
            tasks that can be done twice.

            Begin with
              evenkeel init fleet            a fleet repository that validates
              evenkeel validate fleet        every error at once, with file:line:column
              evenkeel plan --path fleet     what would be done, before you commit
              evenkeel get clusters          what runs

            The server is EVENKEEL_SERVER or http://127.0.0.1:7070. Exit codes: 0 nothing to do, 1 error, 2 changes, \
            3 refused for safety, 4 waited and did not converge, 5 what was looked at is stale (approve, rebuild), 6 drift only, \
            8 a host seen before is silent; 7, partly applied, is not given by this release.
            """,
        version: Version.text,
        groupedSubcommands: [
            CommandGroup(name: "Write manifests:", subcommands: [Init.self, Validate.self, Schema.self]),
            CommandGroup(
                name: "See the fleet:",
                subcommands: [
                    Plan.self, Get.self, Describe.self, Endpoint.self, Events.self, Tasks.self, History.self,
                    Doctor.self, Health.self, SnapshotCommand.self,
                ]),
            CommandGroup(name: "Act:", subcommands: [Reconcile.self, Suspend.self, Resume.self, Switchover.self, Failover.self, Approve.self, Rebuild.self, GameDayCommand.self]),
            CommandGroup(name: "Run:", subcommands: [Serve.self, AgentCommand.self, Token.self, Simulate.self]),
        ])

    /// Parses, runs, and ends with the documented exit code: ArgumentParser's own `main` would answer a usage error
    /// with 64, which our contract calls 1.
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot(nil)
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            end(with: error)
        }
    }

    private static func end(with error: any Error) -> Never {
        if let status = error as? ExitStatus { Glibc.exit(status.rawValue) }
        if let failure = error as? CommandError {
            Terminal.standardError.write(failure.text)
            Glibc.exit(failure.status.rawValue)
        }
        let text = fullMessage(for: error)
        if exitCode(for: error).isSuccess {
            print(text)
            Glibc.exit(ExitStatus.nothingToDo.rawValue)
        }
        if !text.isEmpty { Terminal.standardError.write(text + "\n") }
        Glibc.exit(ExitStatus.error.rawValue)
    }
}

/// The version of this build.
enum Version {
    static let text = "0.1.0"
}
