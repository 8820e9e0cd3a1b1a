import CLinux
import Glibc

/// An eventfd that ends another thread's poll: how a cancelled task interrupts a connection that waits for its server.
final class WakeUp: Sendable {
    let descriptor: Int32

    init() throws(MySQLError) {
        descriptor = eventfd(0, O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw MySQLError(.connection, message: "no file descriptor is left for a database connection (errno \(errno)); raise the open files limit of the agent")
        }
    }

    deinit { _ = close(descriptor) }

    func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Takes back a signal that came too late for the statement that it was meant for.
    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
