import CLinux
import Glibc

/// A database process that is to outlive the agent.
struct LaunchOrder: Sendable, Hashable {
    /// Names it on this host, for people: `orders-3`.
    var name: String
    var executable: String
    var arguments: [String]
    /// The user that it is to run as; nil: the agent's own.
    var user: HostUser?
    /// The file that its output goes to, at the end of what is there.
    var log: String
    /// Nothing of the agent's environment reaches it but this.
    var environment = Spawn.environmentDefault
    /// Whether it may leave an image of its memory where it ends by a signal: as large as that, on its host's disk.
    var dumpsCore = true
}

/// How a database process is started, so that stopping, restarting or killing the agent never touches it. Its end is
/// seen through `ExitWatch`, whoever its parent is.
protocol ProcessLauncher: Sendable {
    /// Whether the program is started as the order's user. Where it is not, it is started as the agent's own and has
    /// to change to that user itself.
    var setsUser: Bool { get }
    /// Starts it; nil where it has ended already. Throws `EngineError`.
    func launch(_ order: LaunchOrder) async throws -> ProcessIdentity?
}

/// Starts a process in a session of its own. It stays in the agent's control group: an agent's unit has to have
/// `KillMode=process`.
struct DetachedLauncher: ProcessLauncher {
    var setsUser: Bool { false }

    func launch(_ order: LaunchOrder) async throws -> ProcessIdentity? {
        let log = open(order.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard log >= 0 else { throw EngineError.system("open", order.log) }
        defer { close(log) }
        let started = try Spawn(executable: order.executable, arguments: order.arguments, output: log, error: log, environment: order.environment).start()
        if !order.dumpsCore {
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            // Of one that has ended already there is nothing to limit.
            _ = prlimit(started, Int32(EVENKEEL_RLIMIT_CORE), &none, nil)
        }
        if let process = ProcessIdentity.living(started) { return process }
        var status: Int32 = 0
        waitpid(started, &status, 0)
        return nil
    }
}

enum ProcessLaunchers {
    /// The way for this host: units where systemd runs the host and the agent may ask it for them, else detached.
    static func suited() -> any ProcessLauncher {
        // What sd_booted(3) looks at.
        guard geteuid() == 0, Files.isDirectory("/run/systemd/system") else { return DetachedLauncher() }
        return SystemdLauncher.found() ?? DetachedLauncher()
    }
}
