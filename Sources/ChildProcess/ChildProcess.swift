import CChildProcess
import Glibc

/// One run of a program: no shell, a session of its own without a terminal, bounded in time and in what is kept of its
/// output. A value; `run()` may be called again.
package struct ChildProcess: Sendable {
    /// A path, or a name that is looked for in PATH.
    package var program: String
    package var arguments: [String]
    /// All of its environment; nothing is inherited beside.
    package var environment: [String: String]
    package var directory: String?
    /// What it reads on standard input.
    package var input: [UInt8]
    /// After this it gets SIGTERM, after `endGrace` more SIGKILL, with all of its process group.
    package var timeLimit: Duration
    /// Of standard output and of standard error, so many last bytes are kept.
    package var outputMax: Int
    /// True: what it leaves running in its process group is killed when it has ended. False: it is left alone (an
    /// ssh connection that is shared, a credential cache).
    package var endsGroup: Bool

    package init(
        program: String, arguments: [String] = [], environment: [String: String], directory: String? = nil,
        input: [UInt8] = [], timeLimit: Duration, outputMax: Int = 64 * 1024, endsGroup: Bool = false
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.input = input
        self.timeLimit = timeLimit
        self.outputMax = outputMax
        self.endsGroup = endsGroup
    }

    /// From SIGTERM to SIGKILL.
    package static let endGrace: Duration = .seconds(2)

    /// The environment of this process.
    package static var inheritedEnvironment: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return result
    }

    /// Runs the program to its end. Blocks the thread for `timeLimit` and `endGrace` at the most: call it from a queue
    /// of your own, never from the cooperative pool. It is ended early once `isCancelled` answers true; that is asked
    /// ten times a second.
    package func run(isCancelled: () -> Bool = { false }) throws(ChildProcessError) -> Ended {
        let input = try openInput()
        defer { close(input) }
        let output = try Pipe()
        let error = try Pipe()
        let pid = try spawn(input: input, output: output.writing, error: error.writing)
        output.closeWriting()
        error.closeWriting()
        var watch = ChildWatch(pid: pid, deadline: .now + timeLimit, outputMax: outputMax)
        // A pipe that nothing names any more is closed, and its number may be another's by then.
        withExtendedLifetime((output, error)) {
            watch.collect(output: output.reading, error: error.reading, isCancelled: isCancelled)
        }
        return try watch.finish(endsGroup: endsGroup)
    }

    private func openInput() throws(ChildProcessError) -> Int32 {
        let file = input.withUnsafeBytes { evenkeel_memory_file($0.baseAddress, $0.count) }
        guard file >= 0 else { throw ChildProcessError.notStarted(program: program, errno: -file) }
        return file
    }

    private func spawn(input: Int32, output: Int32, error: Int32) throws(ChildProcessError) -> pid_t {
        let arguments = CStrings([program] + self.arguments)
        let environment = CStrings(self.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
        var pid: pid_t = 0
        let code = evenkeel_spawn(&pid, program, arguments.pointer, environment.pointer, directory, input, output, error)
        guard code == 0 else { throw ChildProcessError.notStarted(program: program, errno: code) }
        return pid
    }
}

/// How a program ended, and the last of what it printed.
package struct Ended: Sendable, Hashable {
    package enum Status: Sendable, Hashable {
        case exited(Int32)
        /// Ended by a signal that was not ours.
        case signalled(Int32)
        case timedOut
        case cancelled
    }

    package var status: Status
    package var output: [UInt8]
    /// True where only the last `outputMax` bytes of standard output are here.
    package var outputIsCut: Bool
    package var error: [UInt8]

    package var succeeded: Bool { status == .exited(0) }
    package var outputText: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: error, as: UTF8.self) }
}

package enum ChildProcessError: Error, Sendable, Hashable, CustomStringConvertible {
    case notStarted(program: String, errno: Int32)
    /// Something else in this process took the child's exit code.
    case lost(errno: Int32)

    package var description: String {
        switch self {
        case .notStarted(let program, let code):
            "\(program) could not be started: \(String(cString: strerror(code)))"
        case .lost(let code):
            "the end of a child process could not be read: \(String(cString: strerror(code)))"
        }
    }
}
