import FleetModel
import Glibc
import Synchronization

/// The database process of one instance: found again after the agent was restarted, seen at once when it ends.
///
/// Its calls block for a moment (`/proc`, a small file); only actors with a queue of their own use it.
final class ServerProcess: Sendable {
    private struct State {
        var process: ProcessIdentity?
        /// Whether `/proc` has been searched since this agent started.
        var isSearched = false
        /// Whether the end that comes is our own doing.
        var isEndExpected = false
        /// How often starts were barred.
        var bars = 0
    }

    private let layout: InstanceLayout
    private let exits: ExitWatch
    private let ended: @Sendable (InstanceID) -> Void
    private let state = Mutex(State())

    /// `ended` is called when the process ended without our doing.
    init(_ layout: InstanceLayout, exits: ExitWatch, ended: @escaping @Sendable (InstanceID) -> Void) {
        self.layout = layout
        self.exits = exits
        self.ended = ended
    }

    /// The living process; nil where there is none. `thorough` searches all processes of the host for one that was
    /// started with our file, for before something that no process may outlive or meet.
    func living(thorough: Bool = false) -> ProcessIdentity? {
        let (known, isSearched) = state.withLock { ($0.process, $0.isSearched) }
        if let known, known.isAlive { return known }
        if let recorded = recorded() {
            adopt(recorded, isNew: false)
            return recorded
        }
        guard thorough || !isSearched else { return nil }
        let found = ProcessIdentity.all(where: isOurServer).first
        state.withLock { $0.isSearched = true }
        if let found { adopt(found, isNew: false) }
        return found
    }

    /// A server that reads our file; the backup tool reads it too.
    private func isOurServer(_ words: [Substring]) -> Bool {
        guard let program = words.first, ["mariadbd", "mysqld"].contains(Files.name(String(program))) else { return false }
        return words.contains { $0 == "--defaults-file=" + layout.started }
    }

    /// Kills the process, however it was started, and waits for its end at most `bound`. Its instance's disk, which may
    /// hang, is not touched. Throws `permanent` where we may not kill it.
    func kill(waitingAtMost bound: Duration) throws -> KillOutcome {
        let known = state.withLock { $0.process }
        var found = known.map { [$0] } ?? []
        if known?.isAlive != true {
            let others = ProcessIdentity.all(where: isOurServer)
            for process in others { adopt(process, isNew: false) }
            found += others
        }
        expectEnd(true)
        var outcome = KillOutcome(wasDelivered: false, isOver: true)
        for process in found where try process.kill() { outcome.wasDelivered = true }
        let deadline = ContinuousClock.now + bound
        for process in found where !process.waitForEnd(within: deadline.left) { outcome.isOver = false }
        return outcome
    }

    struct KillOutcome: Sendable {
        var wasDelivered: Bool
        /// Whether nothing of the process is left.
        var isOver: Bool
    }

    /// Makes every start that is under way come to nothing.
    func barStarts() { state.withLock { $0.bars += 1 } }

    /// What a start asks for when it begins, and compares before and after it launched.
    var bars: Int { state.withLock { $0.bars } }

    private func recorded() -> ProcessIdentity? {
        guard let text = try? Files.text(layout.processRecord), let process = ProcessIdentity(text), process.isAlive
        else { return nil }
        return process
    }

    /// Watches a process from here on. The end of one that is new is told by whoever waits for its first answer, until
    /// he says otherwise.
    func adopt(_ process: ProcessIdentity, isNew: Bool = true) {
        state.withLock {
            $0.process = process
            $0.isEndExpected = isNew
        }
        exits.watch(process) { [self] in
            let isOurDoing = state.withLock { state in
                defer { if state.process == process { state.process = nil } }
                return state.isEndExpected
            }
            if !isOurDoing { ended(layout.id) }
        }
    }

    /// Says that the end which comes is our doing, or no longer is.
    func expectEnd(_ isExpected: Bool) { state.withLock { $0.isEndExpected = isExpected } }
}
