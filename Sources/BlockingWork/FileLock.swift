import Glibc

/// A file's lock of the operating system (`flock`), which ends with the process, however that ends.
package enum FileLock {
    /// Whether it is ours now; `errno` says why not. Waits for at most a second: the lock of a process that has ended is
    /// kept by a child that it was just starting, until that child becomes its program.
    package static func take(_ descriptor: Int32) -> Bool {
        for _ in 0..<tries {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK || errno == EINTR else { return false }
            usleep(pause)
        }
        errno = EWOULDBLOCK
        return false
    }

    private static let tries = 50
    /// Microseconds.
    private static let pause: UInt32 = 20_000
}
