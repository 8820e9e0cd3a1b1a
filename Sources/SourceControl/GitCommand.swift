import ChildProcess

/// The system's `git`, run for one mirror: with the user's own configuration (ssh, credential helpers, proxies), and
/// with nothing of ours that a repository could turn against us.
struct GitCommand {
    var mirror: String
    var location: RemoteLocation
    var timeLimit: Duration
    /// What git's own environment is made from.
    var serverEnvironment: [String: String]

    /// Of what git prints: `ls-remote` of one branch is a line.
    static let outputMax = 256 * 1024

    /// Runs `git` with these arguments to its end, whatever that is. Blocks.
    func run(_ arguments: [String]) throws(SourceError) -> Ended {
        let child = ChildProcess(
            program: "git", arguments: Self.settings + ["-c", "safe.directory=" + mirror] + arguments,
            environment: environment, directory: "/", timeLimit: timeLimit, outputMax: Self.outputMax)
        let ended: Ended
        do {
            // This runs on the queue of an actor, within the task that asked for the fetch.
            ended = try child.run { Task.isCancelled }
        } catch {
            throw SourceError.gitUnusable("\(error)")
        }
        if ended.status == .cancelled { throw SourceError.cancelled }
        if ended.status == .timedOut { throw SourceError.timedOut(location: location.redacted, limit: timeLimit) }
        return ended
    }

    /// No program but git's own transports, no background work that outlives us, no hook.
    private static let settings = [
        "protocol.ext.allow=never", "protocol.fd.allow=never", "core.hooksPath=/dev/null", "core.fsmonitor=false",
        "gc.auto=0", "maintenance.auto=false", "gc.autoDetach=false", "fetch.writeCommitGraph=false",
        "fetch.recurseSubmodules=false", "submodule.recurse=false", "http.lowSpeedLimit=1",
        "http.lowSpeedTime=30",
        // What a host that loses its power had fetched is there, or is not: a torn object would be asked for no more.
        "core.fsync=all",
    ].flatMap { ["-c", $0] }

    /// What of git's own variables comes from the server's environment: how to reach a remote, never what to work on.
    private static let inherited: Set<String> = [
        "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_SSL_NO_VERIFY",
        "GIT_PROXY_COMMAND", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH",
        "GIT_HTTP_PROXY_AUTHMETHOD",
    ]

    var environment: [String: String] {
        var result = serverEnvironment.filter { !$0.key.hasPrefix("GIT_") || Self.inherited.contains($0.key) }
        for asker in ["SSH_ASKPASS", "DISPLAY", "LANGUAGE"] { result[asker] = nil }
        result["GIT_TERMINAL_PROMPT"] = "0"
        result["SSH_ASKPASS_REQUIRE"] = "never"
        result["GIT_ALLOW_PROTOCOL"] = "file:git:http:https:ssh"
        // Git's messages tell what went wrong; they are read in English.
        result["LC_ALL"] = "C"
        if location.localPath != nil { result["GIT_CONFIG_SYSTEM"] = mirror + "/" + SourceConfiguration.fileName }
        addCredentials(to: &result)
        return result
    }

    /// A password that stood in the URL goes to git by the environment and a helper that answers only for its host.
    private func addCredentials(to environment: inout [String: String]) {
        guard let credentials = location.credentials else { return }
        environment["EVENKEEL_GIT_USER"] = credentials.user
        environment["EVENKEEL_GIT_PASSWORD"] = credentials.password
        environment["GIT_CONFIG_COUNT"] = "1"
        environment["GIT_CONFIG_KEY_0"] = "credential.\(credentials.scope).helper"
        environment["GIT_CONFIG_VALUE_0"] =
            #"!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$EVENKEEL_GIT_USER" "$EVENKEEL_GIT_PASSWORD"; }; f"#
    }
}

/// A system configuration for commands on a local repository, which may belong to another user: git hands `-c` on to
/// its other end there no more than to any remote, but the system's configuration it reads.
enum SourceConfiguration {
    static let fileName = "source.gitconfig"

    static func text(localPath: String, system: String) -> String {
        let path = localPath.hasSuffix("/") ? String(localPath.dropLast()) : localPath
        return """
            [include]
            \tpath = \(quoted(system))
            [safe]
            \tdirectory = \(quoted(path))
            \tdirectory = \(quoted(path + "/.git"))

            """
    }

    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}
