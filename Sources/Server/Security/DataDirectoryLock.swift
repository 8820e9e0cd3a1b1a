import BlockingWork
import MetadataStore
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A data directory is one process's at a time, for as long as that lives: a later run of a server takes the lease of an
/// earlier one at once, because that has ended.
package enum DataDirectoryLock {
    private static let descriptor = Mutex<Int32>(-1)

    /// Throws `StoreError.inUse` where another process has it.
    package static func take(_ configuration: ServerConfiguration) throws {
        let path = configuration.dataDirectory + "/server.lock"
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard opened >= 0, FileLock.take(opened) else {
            let isTaken = opened >= 0 && errno == EWOULDBLOCK
            let reason = String(cString: strerror(errno))
            if opened >= 0 { close(opened) }
            if isTaken { throw StoreError.inUse(by: "see \(path)") }
            throw ConfigurationError("\(path) cannot be locked: \(reason); check the owner and mode of its directory")
        }
        descriptor.withLock { $0 = opened }
    }
}
