import BlockingWork
import CLinux
import Glibc
import MySQLClient

/// One run of a program to its end, with a bound, its output's end kept for an error. On the bound and when the calling
/// task is cancelled its whole session is killed; in every case it is reaped.
actor Tool {
    private let executor = QueueExecutor(label: "evenkeel.tool")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    struct Outcome: Sendable {
        /// The exit status; 128 and the number where a signal ended it.
        var status: Int32
        /// What it wrote to standard output, and to standard error; each bounded.
        var output: [UInt8]
        var errors: String
    }

    /// Bounds on what is kept of each stream.
    static let outputMax = 64 << 20
    static let errorsMax = 64 << 10

    /// Runs `executable`. `name` is what an error calls it. Throws `EngineError`, or `CancellationError`.
    static func run(_ executable: String, _ arguments: [String], within bound: Duration) async throws -> Outcome {
        try await Tool().run(Spawn(executable: executable, arguments: arguments), ContinuousClock.now + bound)
    }

    private func run(_ spawn: Spawn, _ deadline: ContinuousClock.Instant) async throws -> Outcome {
        guard let wake = WakeUp() else { throw EngineError(.transient, "no file descriptor is left to run \(spawn.executable)") }
        try Task.checkCancellation()
        return try await withTaskCancellationHandler {
            try carryOut(spawn, deadline, wake)
        } onCancel: {
            wake.signal()
        }
    }

    private func carryOut(_ spawn: Spawn, _ deadline: ContinuousClock.Instant, _ wake: WakeUp) throws -> Outcome {
        var spawn = spawn
        let output = try Pipe()
        let errors = try Pipe()
        spawn.output = output.write
        spawn.error = errors.write
        let process = try spawn.start()
        output.closeWrite()
        errors.closeWrite()
        var streams = [Gathered(pipe: output, max: Self.outputMax), Gathered(pipe: errors, max: Self.errorsMax)]
        do {
            try gather(&streams, until: deadline, wake, spawn.executable)
        } catch {
            kill(-process, SIGKILL)
            _ = reap(process)
            throw error
        }
        let status = reap(process)
        return Outcome(status: status, output: streams[0].bytes, errors: String(decoding: streams[1].bytes, as: UTF8.self))
    }

    private struct Gathered {
        var pipe: Pipe
        var max: Int
        var bytes: [UInt8] = []
        var isOpen = true
    }

    /// Reads both streams to their ends, which is when the program and all its children have ended.
    private func gather(
        _ streams: inout [Gathered], until deadline: ContinuousClock.Instant, _ wake: WakeUp, _ executable: String
    ) throws {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while streams.contains(where: \.isOpen) {
            var polled = streams.map { pollfd(fd: $0.isOpen ? $0.pipe.read : -1, events: Int16(POLLIN), revents: 0) }
            polled.append(pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0))
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else {
                throw EngineError(.transient, "\(Files.name(executable)) did not end in time and was stopped")
            }
            poll(&polled, nfds_t(polled.count), Int32(clamping: left.components.seconds * 1000 + 10))
            if polled[2].revents != 0 { throw CancellationError() }
            for index in streams.indices where polled[index].revents != 0 {
                let count = read(streams[index].pipe.read, &chunk, chunk.count)
                if count > 0 {
                    streams[index].bytes.append(contentsOf: chunk[..<count].prefix(streams[index].max - streams[index].bytes.count))
                } else if count == 0 || errno != EINTR {
                    streams[index].isOpen = false
                }
            }
        }
    }

    private func reap(_ process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            // Somebody else reaped it: its status is lost, which is no success.
            guard errno == EINTR else { return 255 }
        }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }
}

/// The two ends of a pipe, each closed once.
final class Pipe {
    let read: Int32
    private(set) var write: Int32

    init() throws(EngineError) {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw .system("make", "a pipe") }
        (read, write) = (ends[0], ends[1])
    }

    func closeWrite() {
        if write >= 0 { close(write) }
        write = -1
    }

    deinit {
        closeWrite()
        close(read)
    }
}
