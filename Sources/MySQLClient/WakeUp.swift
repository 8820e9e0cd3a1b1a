import CLinux
import Glibc

/// An eventfd that ends another thread's poll: how a cancelled task interrupts what waits for a server or a child.
package final class WakeUp: Sendable {
    package let descriptor: Int32

    /// Nil where no file descriptor is left.
    package init?() {
        descriptor = eventfd(0, O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
    }

    deinit { _ = close(descriptor) }

    package func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Takes back a signal that came too late for the statement that it was meant for.
    package func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
