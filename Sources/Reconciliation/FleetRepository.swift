package import SourceControl

/// A fleet repository as the loop reads it: one branch, one folder.
package protocol FleetRepository: Sendable {
    /// Brings what is new and returns the branch's tip; `since` and `onNews` as in `GitMirror.fetch`.
    func fetch(since: String?, onNews: @escaping @Sendable () -> Void) async throws(SourceError) -> CommitInfo
    /// Upkeep, after a revision was read.
    func tidy() async
    /// A commit that is here already, by its full id.
    func commit(_ id: String) async throws(SourceError) -> CommitInfo
    /// All files of the folder in a commit, sorted by path.
    func entries(of commit: String) async throws(SourceError) -> [TreeEntry]
    func contents(of entry: TreeEntry, limit: Int) async throws(SourceError) -> [UInt8]
    /// The newest commits of the branch, newest first.
    func history(from commit: String, limit: Int) async throws(SourceError) -> [CommitInfo]
}

/// A source behind a bare mirror.
package struct MirroredRepository: FleetRepository {
    private let source: SourceConfiguration
    private let mirror: GitMirror

    package init(_ source: SourceConfiguration, mirrorDirectory: String) {
        self.source = source
        mirror = GitMirror(path: mirrorDirectory + "/" + source.name)
    }

    package func fetch(since: String?, onNews: @escaping @Sendable () -> Void) async throws(SourceError) -> CommitInfo {
        try await mirror.fetch(try RemoteLocation(source.url), branch: source.branch, since: since, onNews: onNews)
    }

    package func tidy() async {
        guard let location = try? RemoteLocation(source.url) else { return }
        await mirror.tidy(location)
    }

    package func commit(_ id: String) async throws(SourceError) -> CommitInfo { try await mirror.commit(id) }

    package func entries(of commit: String) async throws(SourceError) -> [TreeEntry] {
        try await mirror.entries(of: commit, folder: source.folder)
    }

    package func contents(of entry: TreeEntry, limit: Int) async throws(SourceError) -> [UInt8] {
        try await mirror.contents(of: entry, limit: limit)
    }

    package func history(from commit: String, limit: Int) async throws(SourceError) -> [CommitInfo] {
        try await mirror.history(of: source.folder, from: commit, limit: limit)
    }
}
