import ChildProcess
import FleetModel

/// Tells something on the host that an instance's role has changed.
package protocol RoleHook: Sendable {
    /// Bounded in time. Throws a sentence for the log.
    func run(_ change: RoleChange) async throws
}

/// Runs a configured command: a program by its absolute path with fixed arguments, without a shell. What changed is in
/// its environment: EVENKEEL_ROLE (`primary`, `replica`, `none`), EVENKEEL_EPOCH, EVENKEEL_CLUSTER, EVENKEEL_INSTANCE
/// (`<cluster uid>-<ordinal>`).
package struct CommandRoleHook: RoleHook {
    private let program: String
    private let arguments: [String]
    private let timeLimit: Duration

    package static let timeLimitDefault: Duration = .seconds(10)

    /// `command`: the program's absolute path, then its arguments.
    package init(command: [String], timeLimit: Duration = timeLimitDefault) throws(RoleHookError) {
        guard let program = command.first, program.hasPrefix("/") else {
            throw RoleHookError(
                "the role hook's command begins with \(command.first ?? "nothing"): "
                    + "give the absolute path of a program, then its arguments")
        }
        self.program = program
        arguments = Array(command.dropFirst())
        self.timeLimit = timeLimit
    }

    package func run(_ change: RoleChange) async throws {
        let child = ChildProcess(
            program: program, arguments: arguments, environment: Self.environment(change), timeLimit: timeLimit,
            outputMax: 4096, endsGroup: true)
        let result: Result<Ended, ChildProcessError> = await offPool {
            do throws(ChildProcessError) { return .success(try child.run()) } catch { return .failure(error) }
        }
        let ended = try result.get()
        guard ended.succeeded else {
            throw RoleHookError("\(program) did not succeed (\(ended.status)): \(ended.errorText.trimmedSpaces)")
        }
    }

    static func environment(_ change: RoleChange) -> [String: String] {
        [
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "EVENKEEL_ROLE": change.role.rawValue,
            "EVENKEEL_EPOCH": String(change.epoch),
            "EVENKEEL_CLUSTER": change.clusterName,
            "EVENKEEL_INSTANCE": change.instance.description,
        ]
    }
}

package struct RoleHookError: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
