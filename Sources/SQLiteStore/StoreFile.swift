import Glibc

/// The few file operations that a store needs beside SQLite's own.
enum StoreFile {
    /// Why the last call failed, in words.
    static var reason: String { String(cString: strerror(errno)) }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Whether a database file says of itself that it has a write-ahead log; one that is empty or missing does not.
    static func isInWALMode(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // The file format's read version, https://www.sqlite.org/fileformat.html#file_format_version_numbers.
        var version: UInt8 = 0
        return pread(descriptor, &version, 1, 19) == 1 && version == 2
    }

    static func directory(of path: String) -> String {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return parts.isEmpty ? "." : parts == [""] ? "/" : parts.joined(separator: "/")
    }

    /// Gives a finished file its name, durably, and never in the place of another. Nil, or why not.
    static func publish(_ temporary: String, as path: String) -> String? {
        defer { unlink(temporary) }
        guard chmod(temporary, 0o600) == 0, sync(temporary), link(temporary, path) == 0, sync(directory(of: path)) else {
            return reason
        }
        return nil
    }

    static func sync(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }

    /// A name beside `path` that no run of ours uses at the same time.
    static func temporary(for path: String) -> String { path + ".new-\(getpid())-\(UInt32.random(in: 0 ... .max))" }

    /// The names in a directory, sorted.
    static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.sorted()
    }
}
