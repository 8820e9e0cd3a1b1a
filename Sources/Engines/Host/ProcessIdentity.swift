import CLinux
import FleetModel
import Glibc

/// A process for all time: its number and when it started, so that a number that is used again is not mistaken.
struct ProcessIdentity: Sendable, Hashable, CustomStringConvertible {
    var id: pid_t
    /// Clock ticks since boot.
    var started: UInt64
    var boot: String

    /// The living process of this number; nil where there is none, or only its zombie.
    static func living(_ id: pid_t) -> ProcessIdentity? { current(id).flatMap { $0.isEnding ? nil : $0.process } }

    /// The process that has this number now, and whether it is on its way out: its first thread is gone, others may still
    /// be at work.
    private static func current(_ id: pid_t) -> (process: ProcessIdentity, isEnding: Bool)? {
        guard id > 0, let text = try? Files.text("/proc/\(id)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, let started = UInt64(fields[19]) else { return nil }
        return (ProcessIdentity(id: id, started: started, boot: bootID), fields[0] == "Z" || fields[0] == "X")
    }

    var isAlive: Bool { ProcessIdentity.living(id) == self }

    /// `1234 567890 <boot id>`: the text of a process record.
    var description: String { "\(id) \(started) \(boot)" }

    init(id: pid_t, started: UInt64, boot: String) {
        self.id = id
        self.started = started
        self.boot = boot
    }

    init?(_ text: some StringProtocol) {
        let fields = text.split { $0 == " " || $0 == "\n" }
        guard fields.count == 3, let id = pid_t(fields[0]), let started = UInt64(fields[1]) else { return nil }
        self.init(id: id, started: started, boot: String(fields[2]))
    }

    private static let bootID = (try? Files.text("/proc/sys/kernel/random/boot_id")).flatMap { $0 }.map { String($0.trimmedSpaces) } ?? ""

    /// Living processes whose arguments meet a condition. For what an agent that was killed left behind.
    static func all(where matches: ([Substring]) -> Bool) -> [ProcessIdentity] {
        Files.names(in: "/proc").compactMap { name in
            guard let id = pid_t(name), id != getpid(), let line = try? Files.text("/proc/\(name)/cmdline"),
                matches(line.split(separator: "\0"))
            else { return nil }
            return living(id)
        }
    }

    func send(_ signal: Int32) { if isAlive { Glibc.kill(id, signal) } }

    /// One that is no thread of this process gets nothing.
    func send(_ signal: Int32, toThread thread: pid_t) { if isAlive { tgkill(id, thread, signal) } }

    /// Whether it has a handler for that signal, which would end it otherwise.
    func catches(_ signal: Int32) -> Bool {
        guard isAlive, let status = try? Files.text("/proc/\(id)/status"),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigCgt:") }),
            let caught = UInt64(line.dropFirst("SigCgt:".count).trimmedSpaces, radix: 16)
        else { return false }
        return caught & (1 << UInt64(signal - 1)) != 0
    }

    /// Delivers SIGKILL. False where the process had ended, or was ending. Throws `permanent` where we may not.
    func kill() throws(EngineError) -> Bool {
        guard isAlive else { return false }
        guard Glibc.kill(id, SIGKILL) == 0 || errno == ESRCH else {
            throw .system("kill", "process \(id)")
        }
        return true
    }

    /// Blocks until its last thread has ended, at most `bound`; false where it has not. A process on a disk that hangs may
    /// take for ever, and a thread that was writing writes on for a moment after the signal.
    func waitForEnd(within bound: Duration) -> Bool {
        let descriptor = pidfd_open(id, 0)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        guard ProcessIdentity.current(id)?.process == self else { return true }
        let deadline = ContinuousClock.now + bound
        while true {
            let left = max(Duration.zero, ContinuousClock.now.duration(to: deadline))
            var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let milliseconds = left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000
            let count = poll(&polled, 1, Int32(clamping: milliseconds))
            if count > 0 { return true }
            if count == 0 || errno != EINTR { return false }
        }
    }
}
