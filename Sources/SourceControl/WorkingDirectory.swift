import Glibc

/// The files of a folder as they stand on disk, committed or not (`plan --path`). Links are never followed and `.git`
/// is passed over. Calls block; they are for command lines.
package struct WorkingDirectory: Sendable {
    /// The repository's root, without a slash at its end.
    package let root: String

    package init(_ root: String) { self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root }

    /// All files below a folder (empty: the root), sorted by path, their ids empty.
    package func entries(folder: String = "") throws(SourceError) -> [TreeEntry] {
        let folder = try RepositoryPath.folder(folder)
        var found: [TreeEntry] = []
        try collect(folder, depth: 0, into: &found)
        return found.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    /// The bytes of a file. Only a regular file is opened, so that a pipe or a device cannot hold the reader.
    package func contents(of path: String, limit: Int) throws(SourceError) -> [UInt8] {
        let file = open(full(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SourceError.unreadable(path: path, detail: "it is not a regular file")
        }
        let size = Int(status.st_size)
        guard size <= limit else { throw SourceError.tooLarge(path: path, size: size, limit: limit) }
        return try read(file, path: path, size: size, limit: limit)
    }

    /// The id that git will give a file with these bytes, so that one can see what a commit would change.
    package static func id(of contents: [UInt8]) throws(SourceError) -> String {
        do throws(GitFailure) { return try ObjectID.ofBlob(contents) } catch {
            throw SourceError.gitUnusable(error.message)
        }
    }

    private func full(_ path: String) -> String { path.isEmpty ? root : root + "/" + path }

    private func unreadable(_ path: String) -> SourceError {
        .unreadable(path: full(path), detail: String(cString: strerror(errno)))
    }

    private func collect(_ folder: String, depth: Int, into found: inout [TreeEntry]) throws(SourceError) {
        guard depth <= SourceLimits.depthMax else {
            throw SourceError.tooMany(what: "folders within folders at \(folder)", limit: SourceLimits.depthMax)
        }
        for name in try names(folder) where name != ".git" {
            let path = folder.isEmpty ? name : folder + "/" + name
            var status = stat()
            guard lstat(full(path), &status) == 0 else { throw unreadable(path) }
            switch status.st_mode & S_IFMT {
            case S_IFDIR: try collect(path, depth: depth + 1, into: &found)
            case S_IFREG: found.append(TreeEntry(path: path, id: "", size: Int(status.st_size), kind: .file))
            case S_IFLNK: found.append(try link(path, size: Int(status.st_size)))
            default: break
            }
            guard found.count <= SourceLimits.filesMax else {
                throw SourceError.tooMany(what: "files in \(root)", limit: SourceLimits.filesMax)
            }
        }
    }

    private func names(_ folder: String) throws(SourceError) -> [String] {
        guard let directory = opendir(full(folder)) else { throw unreadable(folder) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    private func link(_ path: String, size: Int) throws(SourceError) -> TreeEntry {
        var buffer = [CChar](repeating: 0, count: SourceLimits.linkMax)
        let count = readlink(full(path), &buffer, buffer.count)
        guard count >= 0 else { throw unreadable(path) }
        let target = String(decoding: buffer.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        let leaves = RepositoryPath.leaves(path: path, target: target)
        return TreeEntry(
            path: path, id: "", size: size, kind: .symbolicLink(target: target, leavesRepository: leaves))
    }

    /// Reads to the end; a file that grew past the limit meanwhile is refused as well.
    private func read(_ file: Int32, path: String, size: Int, limit: Int) throws(SourceError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(size)
        while true {
            var count = 0
            let chunk = [UInt8](unsafeUninitializedCapacity: 256 * 1024) { buffer, used in
                count = Glibc.read(file, buffer.baseAddress, buffer.count)
                used = max(count, 0)
            }
            if count == 0 { return result }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw unreadable(path) }
            result.append(contentsOf: chunk)
            guard result.count <= limit else {
                throw SourceError.tooLarge(path: path, size: result.count, limit: limit)
            }
        }
    }
}
