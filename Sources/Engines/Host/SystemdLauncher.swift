import Glibc

/// Starts a process as a transient service of systemd, in a control group of its own that nothing done to the agent
/// reaches. systemd never starts it again: how an instance is started is the agent's to decide.
struct SystemdLauncher: ProcessLauncher {
    /// Paths of systemd's own tools.
    var run: String
    var control: String
    /// How long a unit of this name that is on its way out is waited for: after a `kill -9` the agent may be faster
    /// than systemd.
    var leavingMax: Duration = .seconds(10)

    var setsUser: Bool { true }

    /// Of one call of such a tool.
    static let toolBound: Duration = .seconds(30)
    private static let leavingInterval: Duration = .milliseconds(50)
    /// A shutdown of the host asks the database to end and gives it this long to write its pages out.
    private static let stopSecondsMax = 900
    private static let openFilesMax = 65_536
    /// The kernel takes nearly everything else first when memory runs out.
    private static let outOfMemoryScore = -600

    /// The tools of this host; nil where they are missing.
    static func found() -> SystemdLauncher? {
        for directory in ["/usr/bin", "/bin"] {
            let launcher = SystemdLauncher(run: directory + "/systemd-run", control: directory + "/systemctl")
            if access(launcher.run, X_OK) == 0, access(launcher.control, X_OK) == 0 { return launcher }
        }
        return nil
    }

    func launch(_ order: LaunchOrder) async throws -> ProcessIdentity? {
        let unit = Self.unit(order.name)
        let deadline = ContinuousClock.now + leavingMax
        var wasGone = false
        while true {
            let outcome = try await Tool.run(run, Self.arguments(order), within: Self.toolBound)
            if outcome.status == 0 { break }
            let state = try await state(of: unit)
            // One that is gone may have been in the way a moment ago: once more, then it is another reason.
            guard state.isLeaving || (state.isGone && !wasGone), ContinuousClock.now < deadline else {
                throw Self.failure(unit, state, outcome.errors)
            }
            wasGone = state.isGone
            try await Task.sleep(for: Self.leavingInterval)
        }
        return try await state(of: unit).process.flatMap { ProcessIdentity.living($0) }
    }

    /// A name of the host's own: cluster names hold only what a unit's name may.
    static func unit(_ name: String) -> String { "evenkeel-\(name).service" }

    /// The arguments of `systemd-run` for an order.
    static func arguments(_ order: LaunchOrder) -> [String] {
        var properties = [
            "Restart=no", "KillMode=mixed", "TimeoutStartSec=infinity", "TimeoutStopSec=\(stopSecondsMax)",
            "LimitNOFILE=\(openFilesMax)", "OOMScoreAdjust=\(outOfMemoryScore)", "UMask=0027",
            "After=network.target", "Before=evenkeel-databases.target",
            "StandardOutput=append:\(order.log)", "StandardError=append:\(order.log)",
        ]
        if !order.dumpsCore { properties.append("LimitCORE=0") }
        if let user = order.user { properties += ["User=\(user.id)", "Group=\(user.group)"] }
        let command = [order.executable] + order.arguments.map(escaped)
        return [
            "--quiet", "--unit=\(unit(order.name))", "--description=Database \(order.name), kept by Evenkeel",
            "--slice=evenkeel.slice", "--service-type=exec", "--collect",
        ] + order.environment.map { "--setenv=\($0)" } + properties.map { "--property=\($0)" } + ["--"] + command
    }

    /// systemd puts variables of the environment in place of `$NAME` in a command.
    private static func escaped(_ argument: String) -> String {
        argument.split(separator: "$", omittingEmptySubsequences: false).joined(separator: "$$")
    }

    // MARK: What systemd says of a unit

    private struct UnitState {
        var load = ""
        var activity = ""
        var process: pid_t?
        var isGone: Bool { load == "not-found" }
        /// Still known to systemd, and what it was made for has ended.
        var isLeaving: Bool { load == "loaded" && ["inactive", "failed", "deactivating"].contains(activity) }
    }

    private func state(of unit: String) async throws -> UnitState {
        let asked = ["show", "--property=LoadState", "--property=ActiveState", "--property=MainPID", unit]
        let outcome = try await Tool.run(control, asked, within: Self.toolBound)
        var state = UnitState()
        for line in String(decoding: outcome.output, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { continue }
            switch parts[0] {
            case "LoadState": state.load = String(parts[1])
            case "ActiveState": state.activity = String(parts[1])
            case "MainPID": state.process = pid_t(parts[1])
            default: break
            }
        }
        return state
    }

    private static func failure(_ unit: String, _ state: UnitState, _ said: String) -> EngineError {
        if let process = state.process, process > 0 {
            return EngineError(
                .permanent,
                "the unit \(unit) runs process \(process) already, which is not this instance's: two clusters of one name on this host? Rename one of them, or look with `systemctl status \(unit)`")
        }
        let why = said.split(separator: "\n").last.map(String.init) ?? "it said nothing"
        return EngineError(.transient, "systemd did not start the unit \(unit): \(why)")
    }
}
