import Glibc
import Testing

@testable import Engines

/// systemd itself is met end to end (`Tests/EndToEnd/test_9_systemd.py`); here what is asked of it, and what is done when
/// it says no, with scripts in the place of its tools.
@Suite struct SystemdLaunching {
    private static let order = LaunchOrder(
        name: "orders-3", executable: "/usr/sbin/mariadbd", arguments: ["--defaults-file=/data/$HOME/started.cnf"],
        user: HostUser(name: "mysql", id: 117, group: 121), log: "/data/log/error.log")

    /// A folder with both tools; removed at the end.
    private final class Tools {
        let folder: String
        /// Patient: it is counted how often it tries, and a busy machine takes its time.
        var launcher: SystemdLauncher {
            SystemdLauncher(run: folder + "/systemd-run", control: folder + "/systemctl", leavingMax: .seconds(600))
        }
        var calls: Int { (try? Files.text(folder + "/calls")).flatMap { $0 }?.split(separator: "\n").count ?? 0 }

        init(run: String, control: String) throws {
            var template = Array("/tmp/ek-systemd.XXXXXX".utf8CString)
            try #require(mkdtemp(&template) != nil)
            folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            try Files.write(folder + "/systemd-run", "#!/bin/sh\necho call >> \(folder)/calls\n\(run)\n", mode: 0o755)
            try Files.write(folder + "/systemctl", "#!/bin/sh\n\(control)\n", mode: 0o755)
        }

        deinit { try? Files.removeTree(folder) }
    }

    @Test func `a database is asked for as a unit that only the agent starts, as its own user`() {
        let arguments = SystemdLauncher.arguments(Self.order)
        #expect(arguments.starts(with: ["--quiet", "--unit=evenkeel-orders-3.service"]))
        for wanted in [
            "--slice=evenkeel.slice", "--service-type=exec", "--collect", "--property=Restart=no", "--property=KillMode=mixed",
            "--property=User=117", "--property=Group=121", "--property=StandardError=append:/data/log/error.log",
            "--setenv=TZ=UTC",
        ] { #expect(arguments.contains(wanted), "\(wanted)") }
        #expect(arguments.suffix(3) == ["--", "/usr/sbin/mariadbd", "--defaults-file=/data/$$HOME/started.cnf"])
    }

    @Test func `the process is the unit's main one, and none where it has ended already`() async throws {
        let living = try Tools(run: "", control: "echo LoadState=loaded; echo ActiveState=active; echo MainPID=\(getpid())")
        #expect(try await living.launcher.launch(Self.order)?.id == getpid())
        let ended = try Tools(run: "", control: "echo LoadState=not-found; echo ActiveState=inactive; echo MainPID=0")
        #expect(try await ended.launcher.launch(Self.order) == nil)
    }

    @Test func `a unit of a killed database that is still on its way out is waited for`() async throws {
        let tools = try Tools(
            run: "[ $(wc -l < $(dirname $0)/calls) -ge 4 ] || { echo 'Unit was already loaded' >&2; exit 1; }",
            control: "echo LoadState=loaded; echo ActiveState=deactivating; echo MainPID=0")
        _ = try await tools.launcher.launch(Self.order)
        #expect(tools.calls == 4)
    }

    @Test func `a unit of that name with another process is no reason to wait, nor to take that process`() async throws {
        let tools = try Tools(
            run: "exit 1", control: "echo LoadState=loaded; echo ActiveState=active; echo MainPID=\(getpid())")
        let error = await #expect(throws: EngineError.self) { try await tools.launcher.launch(Self.order) }
        #expect(error?.kind == .permanent && error?.message.contains("evenkeel-orders-3.service runs process \(getpid())") == true)
        #expect(tools.calls == 1)
    }

    @Test func `what systemd says no with is told`() async throws {
        let tools = try Tools(
            run: "echo 'Failed to start transient service unit: Transaction is destructive.' >&2; exit 1",
            control: "echo LoadState=not-found; echo ActiveState=inactive; echo MainPID=0")
        let error = await #expect(throws: EngineError.self) { try await tools.launcher.launch(Self.order) }
        #expect(error?.kind == .transient && error?.message.contains("Transaction is destructive") == true)
        #expect(tools.calls == 2)
    }
}
