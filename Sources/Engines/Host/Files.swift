import FleetModel
import Glibc

/// Files and directories, by blocking calls: only actors with a queue of their own use them. Errors are `EngineError`s
/// that name the path.
enum Files {
    /// Bounds what is read whole: configuration, identity, the end of a log.
    static let textMax = 4 << 20

    static func exists(_ path: String) -> Bool {
        var facts = stat()
        return lstat(path, &facts) == 0
    }

    static func isDirectory(_ path: String) -> Bool {
        var facts = stat()
        return lstat(path, &facts) == 0 && facts.st_mode & S_IFMT == S_IFDIR
    }

    /// The whole text of a file; nil where there is none.
    static func text(_ path: String) throws(EngineError) -> String? {
        try bytes(path, from: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The bytes from an offset on, at most `textMax`; nil where there is no file.
    static func bytes(_ path: String, from offset: Int64) throws(EngineError) -> [UInt8]? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw .system("open", path)
        }
        defer { close(file) }
        var found: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while found.count < textMax {
            let count = pread(file, &chunk, chunk.count, off_t(offset) + off_t(found.count))
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("read", path)
            }
            found.append(contentsOf: chunk[..<count])
        }
        return found
    }

    static func size(_ path: String) -> Int64 {
        var facts = stat()
        return stat(path, &facts) == 0 ? Int64(facts.st_size) : 0
    }

    /// Writes a file so that after a crash it has either its old content or the new one.
    static func write(_ path: String, _ text: String, mode: mode_t = 0o644) throws(EngineError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard file >= 0 else { throw .system("write", path) }
        var isOpen = true
        defer { if isOpen { close(file) } }
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw .system("write", path)
            }
            rest = rest.dropFirst(count)
        }
        guard fchmod(file, mode) == 0, fsync(file) == 0 else { throw .system("write", path) }
        isOpen = false
        guard close(file) == 0, rename(temporary, path) == 0 else { throw .system("write", path) }
        try syncDirectory(of: path)
    }

    /// Makes the names in a file's directory durable.
    static func syncDirectory(of path: String) throws(EngineError) {
        let directory = parent(path)
        let file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard file >= 0 else { throw .system("open", directory) }
        defer { close(file) }
        guard fsync(file) == 0 else { throw .system("sync", directory) }
    }

    /// Makes a directory and those above it; one that is there already keeps its mode.
    static func makeDirectory(_ path: String, mode: mode_t = 0o755) throws(EngineError) {
        if mkdir(path, mode) == 0 {
            guard chmod(path, mode) == 0 else { throw .system("set the mode of", path) }
            return
        }
        if errno == EEXIST, isDirectory(path) { return }
        guard errno == ENOENT, path != "/" else { throw .system("make", path) }
        try makeDirectory(parent(path))
        try makeDirectory(path, mode: mode)
    }

    /// Removes a file; one that is not there is removed already.
    static func remove(_ path: String) throws(EngineError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove", path) }
    }

    /// Names in a directory without `.` and `..`, sorted; none where there is no directory.
    static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Removes a directory with all in it, without following links; what is not there is removed already.
    static func removeTree(_ path: String) throws(EngineError) {
        if isDirectory(path) {
            for name in names(in: path) { try removeTree(path + "/" + name) }
            guard rmdir(path) == 0 || errno == ENOENT else { throw .system("remove", path) }
        } else {
            try remove(path)
        }
    }

    /// Gives a tree to a user, without following links.
    static func giveTree(_ path: String, to owner: HostUser) throws(EngineError) {
        try give(path, to: owner)
        guard isDirectory(path) else { return }
        for name in names(in: path) { try giveTree(path + "/" + name, to: owner) }
    }

    static func give(_ path: String, to owner: HostUser) throws(EngineError) {
        guard lchown(path, owner.id, owner.group) == 0 else { throw .system("give \(owner.name)", path) }
    }

    /// Bytes on disk of a tree; what vanishes meanwhile is passed over.
    static func usedBytes(_ path: String) -> Int64 {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return 0 }
        var sum = Int64(facts.st_blocks) * 512
        if facts.st_mode & S_IFMT == S_IFDIR {
            for name in names(in: path) { sum += usedBytes(path + "/" + name) }
        }
        return sum
    }

    /// Bytes free for the agent's user on the disk of a path, or of the nearest directory above it that is there.
    static func freeBytes(_ path: String) -> Int64 {
        var path = path
        while !exists(path), path != "/" { path = parent(path) }
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return 0 }
        return Int64(clamping: UInt64(facts.f_bavail) * UInt64(facts.f_frsize))
    }

    static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func name(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
    }
}
