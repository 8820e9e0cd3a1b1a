// Swift counts `struct stat` among CoreFoundation's as soon as another file of the target imports Foundation.
import CoreFoundation

#if canImport(Glibc)
    import Glibc
#endif

/// Small files that nobody else may read: mode 0600, made with O_EXCL so that two processes never both believe that
/// they made one, durable before the name is there.
package enum PrivateFile {
    package static let bytesMax = 64 << 10

    /// The contents, or nil where there is no such file. A file that others can read is refused.
    package static func read(_ path: String) throws(ConfigurationError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure(path, "cannot be read")
        }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw failure(path, "cannot be looked at") }
        guard facts.st_mode & 0o077 == 0 else {
            throw ConfigurationError("\(path) can be read by others; mend it with: chmod 600 \(path)")
        }
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = Glibc.read(descriptor, &bytes, bytesMax)
        guard count >= 0 else { throw failure(path, "cannot be read") }
        return Array(bytes.prefix(count))
    }

    /// Makes the file; false where it is there already.
    package static func create(_ path: String, _ bytes: [UInt8]) throws(ConfigurationError) -> Bool {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(temporary, "cannot be made") }
        let isWritten = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        guard close(descriptor) == 0, isWritten else {
            let error = failure(temporary, "cannot be written")
            unlink(temporary)
            throw error
        }
        // A hard link appears whole or not at all, and never replaces a file that is there.
        let isLinked = link(temporary, path) == 0
        let reason = errno
        unlink(temporary)
        if isLinked { return true }
        if reason == EEXIST { return false }
        errno = reason
        throw failure(path, "cannot be made")
    }

    /// Makes the file or replaces it.
    package static func replace(_ path: String, _ bytes: [UInt8]) throws(ConfigurationError) {
        unlink(path)
        guard try create(path, bytes) else { throw ConfigurationError("\(path) was made by another process just now") }
    }

    /// Makes a directory and those above it; the last one for its owner only.
    package static func makeDirectory(_ path: String) throws(ConfigurationError) {
        var made = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/") {
            made += "/" + part
            if mkdir(made, made == path ? 0o700 : 0o755) != 0, errno != EEXIST { throw failure(made, "cannot be made") }
        }
    }

    private static func failure(_ path: String, _ what: String) -> ConfigurationError {
        ConfigurationError("\(path) \(what): \(String(cString: strerror(errno)))")
    }
}
