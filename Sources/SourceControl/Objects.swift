/// A commit, as far as anybody here asks.
package struct CommitInfo: Sendable, Hashable {
    /// 40 lower-case hex digits.
    package var id: String
    package var author: String
    /// The first line of its message.
    package var subject: String
    /// When it was committed, in seconds since 1970, by the clock of whoever did.
    package var seconds: Int64
    package var parents: [String]

    package init(id: String, author: String, subject: String, seconds: Int64, parents: [String]) {
        self.id = id
        self.author = author
        self.subject = subject
        self.seconds = seconds
        self.parents = parents
    }
}

/// A file of a tree or of a working directory.
package struct TreeEntry: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case file
        /// Never followed. `leavesRepository`: its target, resolved as text, lies outside.
        case symbolicLink(target: String, leavesRepository: Bool)
        /// A commit of another repository, which is not looked into.
        case submodule
    }

    /// From the repository's root, with `/`.
    package var path: String
    /// The blob's id: the same content has the same id, in a tree and in a working directory. Empty for a file of a
    /// working directory that was not read yet.
    package var id: String
    /// Bytes; 0 for a submodule.
    package var size: Int
    package var kind: Kind

    package init(path: String, id: String, size: Int, kind: Kind) {
        self.path = path
        self.id = id
        self.size = size
        self.kind = kind
    }
}

/// A difference between two trees, by path. A rename is a removal and an addition.
package struct TreeChange: Sendable, Hashable {
    package enum Kind: String, Sendable, Hashable { case added, changed, removed }

    package var path: String
    package var kind: Kind

    package init(path: String, kind: Kind) {
        self.path = path
        self.kind = kind
    }
}

/// Bounds of one reading.
package enum SourceLimits {
    /// Files in one tree.
    package static let filesMax = 200_000
    /// Folders within folders.
    package static let depthMax = 64
    /// Bytes of a symbolic link's target.
    package static let linkMax = 4096
    /// Commits looked at for one history.
    package static let historyWalkMax = 50_000
}

enum RepositoryPath {
    /// A folder as the configuration gives it (`./clusters/`, empty, `.`) as a path within the repository.
    static func folder(_ text: String) throws(SourceError) -> String {
        let parts = text.split(separator: "/").filter { $0 != "." }
        guard !text.hasPrefix("/"), !parts.contains("..") else {
            throw SourceError.refused("The source's folder \(text) is not a path within the repository.")
        }
        return parts.joined(separator: "/")
    }

    /// Whether a link at `path` with this target points out of the repository, by text alone.
    static func leaves(path: String, target: String) -> Bool {
        if target.hasPrefix("/") { return true }
        var depth = path.split(separator: "/").count - 1
        for part in target.split(separator: "/") where part != "." {
            depth += part == ".." ? -1 : 1
            if depth < 0 { return true }
        }
        return false
    }
}
