import ChildProcess
import Dispatch
import Foundation
import Synchronization
import Testing

private func shell(
    _ script: String, input: String = "", timeLimit: Duration = .seconds(20), outputMax: Int = 1024,
    endsGroup: Bool = false, isCancelled: @escaping @Sendable () -> Bool = { false }
) async throws -> Ended {
    let child = ChildProcess(
        program: "/bin/sh", arguments: ["-c", script], environment: ["PATH": "/usr/bin:/bin", "ONLY": "this"],
        directory: "/", input: Array(input.utf8), timeLimit: timeLimit, outputMax: outputMax, endsGroup: endsGroup)
    // On a queue, as its callers do: on the pool all other tests would wait with it.
    return try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "evenkeel.tests.shell").async { continuation.resume(with: Result { try child.run(isCancelled: isCancelled) }) }
    }
}

@Suite struct ChildProcessTests {
    @Test func `exit code, output and errors come back apart`() async throws {
        let ended = try await shell("echo out; echo err >&2; exit 7")
        #expect(ended.status == .exited(7))
        #expect(!ended.succeeded)
        #expect(ended.outputText == "out\n")
        #expect(ended.errorText == "err\n")
        #expect(try await shell("exit 0").succeeded)
    }

    @Test func `a signal that ends the program is told`() async throws {
        #expect(try await shell("kill -TERM $$; sleep 5").status == .signalled(SIGTERM))
    }

    @Test func `it reads its input, has its environment and directory, and nothing else of ours`() async throws {
        let text = String(repeating: "line\n", count: 100_000)
        #expect(try await shell("cat | wc -c", input: text).outputText.trimmingCharacters(in: .whitespaces) == "500000\n")
        let environment = try await shell("env").outputText.split(separator: "\n").map(String.init)
        #expect(Set(environment).isSuperset(of: ["ONLY=this", "PATH=/usr/bin:/bin"]))
        #expect(!environment.contains { $0.hasPrefix("HOME=") })
        #expect(try await shell("pwd").outputText == "/\n")
    }

    @Test func `only its three descriptors are open, it has no terminal, and its group is its own`() async throws {
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        #expect(try await shell("ls /proc/self/fd").outputText == "0\n1\n2\n3\n", "3 is the listing's own")
        #expect(try await shell("exec 9< /dev/tty").status != .exited(0))
        #expect(try await shell("read -r pid name state parent group session rest < /proc/$$/stat; test $group = $$ -a $session = $$").succeeded)
    }

    @Test func `of a long output the last bytes are kept`() async throws {
        let ended = try await shell("seq 1 200000", outputMax: 14)
        #expect(ended.outputText == "199999\n200000\n")
        #expect(ended.outputIsCut)
        #expect(try await !shell("seq 1 3").outputIsCut)
    }

    @Test func `a program that does not end is ended, one that ignores it is killed`() async throws {
        #expect(try await shell("sleep 300", timeLimit: .milliseconds(200)).status == .timedOut)
        let began = ContinuousClock.now
        // Long enough for the shell to come to its trap on a busy machine.
        let limit: Duration = .seconds(3)
        let ended = try await shell("trap '' TERM; echo on; while :; do sleep 0.05; done", timeLimit: limit)
        #expect(ended.status == .timedOut)
        #expect(ended.outputText == "on\n")
        #expect(ContinuousClock.now - began >= limit + ChildProcess.endGrace)
    }

    @Test func `a program that never stops printing is ended in time too`() async throws {
        #expect(try await shell("yes", timeLimit: .milliseconds(300)).status == .timedOut)
    }

    @Test func `what was started beside it holds up nobody, and is ended where that is asked for`() async throws {
        let began = ContinuousClock.now
        let left = try await shell("sleep 30 & echo $!")
        #expect(left.succeeded)
        #expect(ContinuousClock.now - began < .seconds(15))
        let pid = try #require(pid_t(left.outputText.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(pid, SIGKILL) == 0, "it is left alone")
        let ended = try await shell("sleep 30 & echo $!", endsGroup: true)
        let other = ended.outputText.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(try await hasEnded(other))
    }

    /// Whether a process ends within two seconds; one that nobody has reaped yet has ended.
    private func hasEnded(_ pid: String) async throws -> Bool {
        for _ in 0..<200 {
            let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            guard let status, !status.contains(") Z ") else { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return false
    }

    @Test func `it is ended when the caller does not want it any more`() async throws {
        let asked = Mutex(0)
        let ended = try await shell("sleep 300") {
            asked.withLock { count in
                count += 1
                return count > 3
            }
        }
        #expect(ended.status == .cancelled)
    }

    @Test func `a program that is not there cannot be started`() {
        let child = ChildProcess(program: "/nowhere/program", environment: [:], timeLimit: .seconds(1))
        #expect(throws: ChildProcessError.notStarted(program: "/nowhere/program", errno: ENOENT)) { try child.run() }
    }
}
