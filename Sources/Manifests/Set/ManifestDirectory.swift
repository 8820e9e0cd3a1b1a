import Glibc

/// Manifests of a folder on disk, for commands that work without git (`validate`, `plan --path`).
package enum ManifestDirectory {
    /// All manifests below a folder (or the one file), sorted by path, which is relative to the folder. Links that
    /// leave the folder and files that cannot be read come as unreadable ones. Throws where the path itself is not there.
    package static func read(_ path: String) throws(ManifestDirectoryError) -> [ManifestFile] {
        try list(path).map { $0.read() }
    }

    /// The same without reading any file yet, for callers that read several at once.
    package static func list(_ path: String) throws(ManifestDirectoryError) -> [Entry] {
        guard let root = realPath(path) else {
            throw ManifestDirectoryError(description: "\(path) cannot be read: \(reason())")
        }
        guard kind(root) == S_IFDIR else {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            return [Entry(path: name, place: .file(root))]
        }
        var walk = Walk(root: root)
        walk.read(folder: "", depth: 0)
        return walk.entries.sorted { $0.path < $1.path }
    }

    /// A manifest that was found and not read yet.
    package struct Entry: Sendable {
        fileprivate enum Place: Sendable {
            case file(String)
            case refused(message: String, help: String)
        }

        /// Relative to the folder.
        package let path: String
        fileprivate let place: Place

        /// Reads it now; blocks while the disk does.
        package func read() -> ManifestFile {
            switch place {
            case .file(let file): ManifestDirectory.readFile(file, as: path)
            case .refused(let message, let help): ManifestFile(path: path, unreadable: message, help: help)
            }
        }
    }

    package static func isFolder(_ path: String) -> Bool { realPath(path).map { kind($0) == S_IFDIR } ?? false }

    /// Deeper folders are not looked into.
    static let depthMax = 32
    /// A folder with more files than this is not a fleet repository.
    static let filesMax = 200_000

    private struct Walk {
        let root: String
        var entries: [Entry] = []

        mutating func read(folder: String, depth: Int) {
            let names = ManifestDirectory.names(in: root + "/" + folder)
            for name in names where !name.hasPrefix(".") {
                let path = folder.isEmpty ? name : folder + "/" + name
                guard entries.count < ManifestDirectory.filesMax else { return }
                switch ManifestDirectory.kind(root + "/" + path) {
                case S_IFDIR: if depth < ManifestDirectory.depthMax { read(folder: path, depth: depth + 1) }
                case S_IFLNK: readLink(path)
                case S_IFREG: if ManifestFile.isManifest(path: path) { add(path, root + "/" + path) }
                default: break
                }
            }
        }

        /// A link within the folder is passed over, as the server does: the file that it names is read under its own path.
        private mutating func readLink(_ path: String) {
            guard ManifestFile.isManifest(path: path) else { return }
            guard let target = ManifestDirectory.realPath(root + "/" + path) else {
                return refuse(path, "the symbolic link leads to nothing", "remove it, or add the file that it names")
            }
            guard target.hasPrefix(root + "/") else {
                return refuse(path, "the symbolic link leaves the repository", "replace it by the file itself")
            }
        }

        private mutating func add(_ path: String, _ file: String) {
            entries.append(Entry(path: path, place: .file(file)))
        }

        private mutating func refuse(_ path: String, _ message: String, _ help: String) {
            entries.append(Entry(path: path, place: .refused(message: message, help: help)))
        }
    }

    private static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The type bits of a path's mode, links not followed; 0 where it is not there.
    private static func kind(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    private static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// One byte more than a manifest may have is enough to see that it is too large.
    private static func readFile(_ file: String, as path: String) -> ManifestFile {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            return ManifestFile(path: path, unreadable: "the file cannot be read: \(reason())", help: "check its permissions")
        }
        defer { close(descriptor) }
        var status = stat()
        let size = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
        var bytes: [UInt8] = []
        var failure: String?
        let wanted = min(size, ManifestFile.bytesMax) + 1
        bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, wanted - count)
                if got < 0 { failure = reason() }
                guard got > 0 else { return }
                count += got
            }
        }
        if let failure {
            return ManifestFile(path: path, unreadable: "the file cannot be read: \(failure)", help: "try again")
        }
        return ManifestFile(path: path, bytes: bytes)
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}

package struct ManifestDirectoryError: Error, CustomStringConvertible {
    package var description: String
}
