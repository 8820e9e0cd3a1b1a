import CLinux
import Glibc

/// How a process is started: in a session of its own, with no file of ours open.
struct Spawn {
    var executable: String
    var arguments: [String]
    /// Descriptors of ours that become its standard input, output and error; nil: `/dev/null`.
    var input: Int32?
    var output: Int32?
    var error: Int32?
    /// Nothing of the agent's environment reaches it but this.
    var environment = Spawn.environmentDefault

    static let environmentDefault = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"]

    private static let busyTriesMax = 20
    /// In microseconds.
    private static let busyPause: useconds_t = 10_000

    /// Starts it. The caller reaps it. Throws `EngineError`.
    func start() throws(EngineError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (target, source, mode) in [(Int32(0), input, O_RDONLY), (1, output, O_WRONLY), (2, error, O_WRONLY)] {
            if let source {
                posix_spawn_file_actions_adddup2(&actions, source, target)
            } else {
                posix_spawn_file_actions_addopen(&actions, target, "/dev/null", mode, 0)
            }
        }
        posix_spawn_file_actions_addclosefrom_np(&actions, 3)
        posix_spawn_file_actions_addchdir_np(&actions, "/")
        resetSignals(&attributes)
        return try spawn(&actions, &attributes)
    }

    /// The agent may ignore or block signals (SIGPIPE); its children do not inherit that.
    private func resetSignals(_ attributes: inout posix_spawnattr_t) {
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        sigdelset(&all, SIGKILL)
        sigdelset(&all, SIGSTOP)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        let flags = Int32(EVENKEEL_SPAWN_SETSID) | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        posix_spawnattr_setflags(&attributes, Int16(flags))
    }

    private func spawn(
        _ actions: inout posix_spawn_file_actions_t, _ attributes: inout posix_spawnattr_t
    ) throws(EngineError) -> pid_t {
        var words = ([executable] + arguments).map { strdup($0) } + [nil]
        var variables = environment.map { strdup($0) } + [nil]
        defer { for word in words + variables { free(word) } }
        var process: pid_t = 0
        var status = posix_spawn(&process, executable, &actions, &attributes, &words, &variables)
        // A file that was written just now may be open still in a child that another thread is starting.
        for _ in 0..<Self.busyTriesMax where status == ETXTBSY {
            usleep(Self.busyPause)
            status = posix_spawn(&process, executable, &actions, &attributes, &words, &variables)
        }
        guard status == 0 else { throw .system("start", executable, status) }
        return process
    }
}
