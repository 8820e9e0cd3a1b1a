import BlockingWork
import CLinux
import FleetModel
import Glibc
import MySQLClient

/// A program at the other end of a pipe: one whose output we read, or whose input we write. It is killed and reaped at
/// the latest when `end` is called.
actor PipedTool {
    enum Direction { case output, input }

    private let executor = QueueExecutor(label: "evenkeel.pipe")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private let name: String
    private let wake: WakeUp
    private var pipe: Int32
    private var process: pid_t?
    /// What it writes to standard error goes here, for an error to quote its end.
    private let errorsPath: String

    static let chunkMax = 1 << 18
    static let errorsMax = 2000

    /// Starts it. Throws `EngineError`.
    init(_ spawn: Spawn, _ direction: Direction, errorsAt errorsPath: String) throws {
        guard let wake = WakeUp() else { throw EngineError(.transient, "no file descriptor is left to run \(spawn.executable)") }
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else { throw EngineError.system("make", "a pipe") }
        let errors = Glibc.open(errorsPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_APPEND, 0o640)
        defer { if errors >= 0 { close(errors) } }
        let (ours, theirs) = direction == .output ? (ends[0], ends[1]) : (ends[1], ends[0])
        defer { close(theirs) }
        var spawn = spawn
        if direction == .output { spawn.output = theirs } else { spawn.input = theirs }
        if errors >= 0 { spawn.error = errors }
        do {
            process = try spawn.start()
        } catch {
            close(ours)
            throw error
        }
        _ = fcntl(ours, F_SETFL, O_NONBLOCK)
        name = Files.name(spawn.executable)
        self.wake = wake
        self.errorsPath = errorsPath
        pipe = ours
    }

    /// The next bytes of its output; nil at the end. Throws `CancellationError`.
    func read() async throws -> [UInt8]? {
        try await interruptible { _ in
            var chunk = [UInt8](repeating: 0, count: Self.chunkMax)
            while true {
                let count = Glibc.read(pipe, &chunk, chunk.count)
                if count > 0 { return Array(chunk[..<count]) }
                if count == 0 { return nil }
                guard errno == EAGAIN || errno == EINTR else { throw EngineError.system("read from", name) }
                try wait(for: POLLIN)
            }
        }
    }

    /// Writes all of `bytes` to its input. Throws where it has ended, and `CancellationError`.
    func write(_ bytes: [UInt8]) async throws {
        try await interruptible { _ in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(pipe, $0.baseAddress, $0.count) }
                if count >= 0 {
                    rest = rest.dropFirst(count)
                    continue
                }
                guard errno == EAGAIN || errno == EINTR else { throw EngineError(.transient, "\(name) has ended: \(said)") }
                try wait(for: POLLOUT)
            }
        }
    }

    private func wait(for events: Int32) throws {
        var polled = [
            pollfd(fd: pipe, events: Int16(events), revents: 0),
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        poll(&polled, 2, -1)
        if polled[1].revents != 0 { throw CancellationError() }
    }

    /// The handler's closure has to name this actor: one that does not runs elsewhere.
    private func interruptible<Answer: Sendable>(_ body: (PipedTool) throws -> Answer) async throws -> Answer {
        try Task.checkCancellation()
        let wake = wake
        return try await withTaskCancellationHandler { try body(self) } onCancel: { wake.signal() }
    }

    /// Closes our end and gives its exit status once it has ended by itself; kills it after `bound`.
    func finish(within bound: Duration) async throws -> Int32 {
        closePipe()
        guard let process else { return 0 }
        let deadline = ContinuousClock.now + bound
        var status: Int32 = 0
        while true {
            let ended = waitpid(process, &status, WNOHANG)
            if ended == process { break }
            if ended < 0, errno != EINTR {
                self.process = nil
                throw EngineError(.transient, "how \(name) ended is not known: \(said)")
            }
            guard ContinuousClock.now < deadline else {
                end()
                throw EngineError(.transient, "\(name) did not end in time: \(said)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        self.process = nil
        return status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    }

    /// Kills it, if it runs still, and reaps it. Safe to repeat.
    func end() {
        closePipe()
        guard let process else { return }
        self.process = nil
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    private func closePipe() {
        if pipe >= 0 { close(pipe) }
        pipe = -1
    }

    /// The end of what it wrote to standard error.
    var said: String {
        let from = max(0, Files.size(errorsPath) - Int64(Self.errorsMax))
        let text = String(decoding: (try? Files.bytes(errorsPath, from: from)).flatMap { $0 } ?? [], as: UTF8.self)
        let lines = text.split(separator: "\n").filter { !$0.trimmedSpaces.isEmpty }
        return lines.suffix(3).joined(separator: "; ")
    }
}
