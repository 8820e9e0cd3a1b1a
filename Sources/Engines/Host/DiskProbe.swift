import BlockingWork
import FleetModel
import Glibc
import Synchronization

/// Whether the disk of a directory takes writes: a byte is written and synced beside what is looked at, every second as
/// long as somebody asks, on a queue of its own, which may hang with the disk. A server whose disk hangs or is full goes on
/// answering questions while its commits wait.
final class DiskProbe: Sendable {
    private struct State {
        /// Writes are made, one after the other.
        var isWriting = false
        var asked: ContinuousClock.Instant?
        /// When the one that has not ended began: a busy machine may let it wait for its turn, which says nothing of the disk.
        var began: ContinuousClock.Instant?
        /// Whether the last one that ended found no room.
        var wasFull = false
    }

    private let path: String
    private let stalled: @Sendable () -> Void
    private let state = Mutex(State())
    private let writer = Writer()

    /// A write that takes longer is one that hangs: the slowest of healthy disks are through within a second.
    static let stallMin: Duration = .seconds(3)
    /// Between one write and the next.
    private static let pause: Duration = .seconds(1)
    /// A write waits for its turn that long at the most, but for a busy machine.
    private static let turnMax: Duration = .milliseconds(50)
    /// Nobody asks any more: the next one to ask begins anew.
    private static let askedMax: Duration = .seconds(3)
    /// A server that has less room than this stands still.
    static let roomMin: Int64 = 256 << 10

    /// The file is made at the first write. `stalled` is called when a write has taken too long.
    init(_ path: String, stalled: @escaping @Sendable () -> Void = {}) {
        (self.path, self.stalled) = (path, stalled)
    }

    /// Sees to it that writes are made, and says what is known. Does not wait for the disk.
    func ask() -> DiskTrouble? {
        let before = state.withLock { state in
            defer { (state.isWriting, state.asked) = (true, .now) }
            return state
        }
        if let began = before.began, ContinuousClock.now - began >= Self.stallMin { return .stalled }
        // Unowned on purpose: a write ends when the disk lets it, and there is one at a time.
        if !before.isWriting { Task { await keepWriting() } }
        return before.wasFull ? .full : nil
    }

    private func keepWriting() async {
        var (isAsked, isFirst) = (true, true)
        while isAsked {
            let alarm = Task { [stalled] in
                try await Task.sleep(for: Self.stallMin + Self.turnMax)
                stalled()
            }
            // Only what was just looked at is sure to be there still: in what is made in its place no file is ours to make.
            let isFull = await writer.write(path, creates: isFirst) { self.state.withLock { $0.began = .now } }
            alarm.cancel()
            isFirst = false
            state.withLock { ($0.began, $0.wasFull) = (nil, isFull) }
            try? await Task.sleep(for: Self.pause)
            isAsked = state.withLock { state in
                state.isWriting = state.asked.map { ContinuousClock.now - $0 < Self.askedMax } ?? false
                return state.isWriting
            }
        }
    }

    private actor Writer {
        private let executor = QueueExecutor(label: "evenkeel.disk")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

        /// Whether there was no room. Any other error is another matter, and shows elsewhere.
        func write(_ path: String, creates: Bool, begins: () -> Void) -> Bool {
            begins()
            if Files.freeBytes(path) < DiskProbe.roomMin { return true }
            let file = open(path, O_WRONLY | (creates ? O_CREAT : 0) | O_CLOEXEC, 0o600)
            guard file >= 0 else { return Self.isNoRoom(errno) }
            defer { close(file) }
            var byte: UInt8 = 0
            guard pwrite(file, &byte, 1, 0) == 1, fdatasync(file) == 0 else { return Self.isNoRoom(errno) }
            return false
        }

        private static func isNoRoom(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }
    }
}
