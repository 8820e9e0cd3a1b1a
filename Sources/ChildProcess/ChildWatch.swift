import CChildProcess
import Glibc

/// Reads a child's output until it has ended or its time is over.
struct ChildWatch {
    private let pid: pid_t
    private let deadline: ContinuousClock.Instant
    private let outputMax: Int
    private var output: [UInt8] = []
    private var error: [UInt8] = []
    private var outputIsCut = false
    private var wasCancelled = false

    /// How often the child itself is looked at while its output stays open: something that it started may hold it.
    private static let openTick: Int32 = 100
    /// The same once its output is closed, when its end is a matter of microseconds.
    private static let closedTick: Int32 = 2

    init(pid: pid_t, deadline: ContinuousClock.Instant, outputMax: Int) {
        self.pid = pid
        self.deadline = deadline
        self.outputMax = outputMax
    }

    /// Returns when the child has ended, at the deadline, or soon after `isCancelled` answers true.
    mutating func collect(output outputFile: Int32, error errorFile: Int32, isCancelled: () -> Bool) {
        var files = [outputFile, errorFile].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while ContinuousClock.now < deadline {
            wasCancelled = isCancelled()
            if wasCancelled { return }
            let isOpen = files.contains { $0.fd >= 0 }
            _ = poll(&files, nfds_t(files.count), isOpen ? Self.openTick : Self.closedTick)
            let hasEnded = evenkeel_has_ended(pid) != 0
            read(&files)
            if hasEnded { return }
        }
    }

    /// Reaps the child, ending it where it still runs.
    consuming func finish(endsGroup: Bool) throws(ChildProcessError) -> Ended {
        let isRunning = evenkeel_has_ended(pid) == 0
        if isRunning { endGroup() }
        // Before the reaping: until then no other group can have its number.
        if isRunning || endsGroup { kill(-pid, SIGKILL) }
        let code = evenkeel_reap(pid)
        guard code >= 0 else { throw ChildProcessError.lost(errno: -code) }
        let ended: Ended.Status = code < 256 ? .exited(code) : .signalled(code - 256)
        let status = isRunning ? wasCancelled ? Ended.Status.cancelled : .timedOut : ended
        return Ended(status: status, output: output, outputIsCut: outputIsCut, error: error)
    }

    private func endGroup() {
        kill(-pid, SIGTERM)
        let limit = ContinuousClock.now + ChildProcess.endGrace
        while evenkeel_has_ended(pid) == 0, ContinuousClock.now < limit { _ = poll(nil, 0, Self.openTick / 10) }
    }

    /// Reads what is there of both streams; a stream that has ended gets the descriptor -1, which poll passes over.
    private mutating func read(_ files: inout [pollfd]) {
        if files[0].fd >= 0 {
            if Self.drain(files[0].fd, into: &output) { files[0].fd = -1 }
            outputIsCut = Self.keepTail(&output, outputMax) || outputIsCut
        }
        if files[1].fd >= 0 {
            if Self.drain(files[1].fd, into: &error) { files[1].fd = -1 }
            _ = Self.keepTail(&error, outputMax)
        }
    }

    /// One buffer full at a time, so that a child that never stops printing cannot keep us from the clock. True at the
    /// end of the stream.
    private static func drain(_ file: Int32, into bytes: inout [UInt8]) -> Bool {
        let bufferSize = 64 * 1024
        for _ in 0..<16 {
            var count = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: bufferSize) { buffer, used in
                count = Glibc.read(file, buffer.baseAddress, bufferSize)
                used = max(count, 0)
            }
            if count == 0 { return true }
            if count < 0 { return errno != EAGAIN && errno != EINTR }
            bytes.append(contentsOf: chunk)
        }
        return false
    }

    private static func keepTail(_ bytes: inout [UInt8], _ limit: Int) -> Bool {
        guard bytes.count > limit else { return false }
        bytes.removeFirst(bytes.count - limit)
        return true
    }
}
