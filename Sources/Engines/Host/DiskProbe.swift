import BlockingWork
import FleetModel
import Glibc
import Synchronization

/// Whether the disk of a directory takes writes: a byte is written and synced beside what is looked at, on a queue of its
/// own, which may hang with the disk. A server whose disk hangs or is full goes on answering questions while its
/// commits wait.
final class DiskProbe: Sendable {
    private struct State {
        /// A write was asked for and has not ended.
        var isUnderWay = false
        /// When it began: a busy machine may let it wait for its turn, which says nothing of the disk.
        var began: ContinuousClock.Instant?
        /// Whether the last one that ended found no room.
        var wasFull = false
    }

    private let path: String
    private let state = Mutex(State())
    private let writer = Writer()

    /// A write that takes longer is one that hangs: the slowest of healthy disks are through within a second.
    static let stallMin: Duration = .seconds(3)
    /// A server that has less room than this stands still.
    static let roomMin: Int64 = 256 << 10

    /// The file is made at the first write.
    init(_ path: String) { self.path = path }

    /// Begins a write unless one is under way, and says what is known. Does not wait for the disk.
    func ask() -> DiskTrouble? {
        let before = state.withLock { state in
            defer { state.isUnderWay = true }
            return state
        }
        if let began = before.began, ContinuousClock.now - began >= Self.stallMin { return .stalled }
        if !before.isUnderWay {
            // Unowned on purpose: it ends when the disk lets it, and there is one at a time.
            Task {
                let isFull = await writer.write(path) { self.state.withLock { $0.began = .now } }
                self.state.withLock { $0 = State(wasFull: isFull) }
            }
        }
        return before.wasFull ? .full : nil
    }

    private actor Writer {
        private let executor = QueueExecutor(label: "evenkeel.disk")
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

        /// Whether there was no room. Any other error is another matter, and shows elsewhere.
        func write(_ path: String, begins: () -> Void) -> Bool {
            begins()
            if Files.freeBytes(path) < DiskProbe.roomMin { return true }
            let file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else { return Self.isNoRoom(errno) }
            defer { close(file) }
            var byte: UInt8 = 0
            guard pwrite(file, &byte, 1, 0) == 1, fdatasync(file) == 0 else { return Self.isNoRoom(errno) }
            return false
        }

        private static func isNoRoom(_ code: Int32) -> Bool { code == ENOSPC || code == EDQUOT }
    }
}
