import FleetModel
import Glibc

/// A process for all time: its number and when it started, so that a number that is used again is not mistaken.
struct ProcessIdentity: Sendable, Hashable, CustomStringConvertible {
    var id: pid_t
    /// Clock ticks since boot.
    var started: UInt64
    var boot: String

    /// The living process of this number; nil where there is none, or only its zombie.
    static func living(_ id: pid_t) -> ProcessIdentity? {
        guard id > 0, let text = try? Files.text("/proc/\(id)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "Z", fields[0] != "X", let started = UInt64(fields[19]) else { return nil }
        return ProcessIdentity(id: id, started: started, boot: bootID)
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

    func send(_ signal: Int32) { if isAlive { kill(id, signal) } }
}
