import CLinux
import Dispatch
import Glibc
import Synchronization

/// Sees at once when a process ends, its own child or not, through a pidfd; reaps it where it is our child.
final class ExitWatch: Sendable {
    private let queue = DispatchQueue(label: "evenkeel.exits")
    private let watched = Mutex<Set<ProcessIdentity>>([])

    /// Calls `ended` once, on a queue of its own, when the process has ended; at once where it has already. A process
    /// that is watched already is not watched twice.
    func watch(_ process: ProcessIdentity, ended: @escaping @Sendable () -> Void) {
        guard watched.withLock({ $0.insert(process).inserted }) else { return }
        let descriptor = pidfd_open(process.id, 0)
        guard descriptor >= 0, process.isAlive else {
            if descriptor >= 0 { close(descriptor) }
            queue.async { self.end(process, ended) }
            return
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
        source.setEventHandler {
            source.cancel()
            self.end(process, ended)
        }
        source.setCancelHandler { close(descriptor) }
        source.resume()
    }

    private func end(_ process: ProcessIdentity, _ ended: () -> Void) {
        watched.withLock { _ = $0.remove(process) }
        var status: Int32 = 0
        _ = waitpid(process.id, &status, WNOHANG)
        ended()
    }
}
