import BlockingWork
import ChildProcess

/// A bare mirror of one fleet repository: fetched by the system's `git`, read through libgit2 without a work tree.
///
/// Reads run one after another on a queue of their own, and go on while a fetch runs. The mirror is a cache: it can be
/// removed while nobody uses it. One process uses a mirror at a time.
package actor GitMirror {
    private let path: String
    private let writer: MirrorWriter
    private var open: GitRepository?
    /// When a mirror that could not be used was last set aside.
    private var setAsideAt: ContinuousClock.Instant?
    private let executor: QueueExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Of one run of git.
    package static let fetchTimeLimit: Duration = .seconds(60)
    /// The same where the whole history comes.
    package static let firstFetchTimeLimit: Duration = .seconds(600)
    /// A disk that damages what is written to it is not filled with mirrors.
    package static let setAsideSpacing: Duration = .seconds(600)

    /// `path`: an absolute path; the directory is made at the first fetch, its parent must be there. `environment`: what
    /// git gets of it (how to reach remotes); nil: this process's own.
    package init(
        path: String, timeLimit: Duration = GitMirror.fetchTimeLimit, environment: [String: String]? = nil
    ) {
        self.path = path
        writer = MirrorWriter(
            path: path, timeLimit: timeLimit, environment: environment ?? ChildProcess.inheritedEnvironment)
        executor = QueueExecutor(label: "evenkeel.mirror.reader")
    }

    /// Fetches the tip of a branch (nil: the remote's default one) and returns it.
    ///
    /// `since`: the revision in force. Where the new tip does not contain it, `forcePushed` is thrown; the new tip is in
    /// the mirror nonetheless, and a call with `since: nil` accepts it. Any error leaves what can be read as it was.
    /// `onNews` is called as soon as the remote has told a tip that is not here yet, before it is fetched.
    package func fetch(
        _ location: RemoteLocation, branch: String?, since: String?, onNews: @Sendable () -> Void = {}
    ) async throws(SourceError) -> CommitInfo {
        try await setAsideIfDamaged()
        let known = try? repository().tip()
        try await writer.fetch(location, branch: branch, tip: known, onNews: onNews)
        guard let tip = try repository().tip() else {
            throw SourceError.mirrorDamaged(path: path, detail: "a fetch ended well and brought no tip")
        }
        if let since, try !repository().isAncestor(since, of: tip) {
            throw SourceError.forcePushed(old: since, new: tip)
        }
        return try repository().commit(tip)
    }

    /// A mirror of ours that cannot be used, or of which something could not be read, is only a cache.
    private func setAsideIfDamaged() async throws(SourceError) {
        guard setAsideAt.map({ ContinuousClock.now - $0 >= Self.setAsideSpacing }) ?? true else { return }
        if (try? repository().check()) != nil, open?.isDamaged == false { return }
        open = nil
        if try await writer.setAside() { setAsideAt = .now }
    }

    /// Upkeep, for a moment at which nobody waits for a fetch: it can take as long as putting all packs together does.
    package func tidy(_ location: RemoteLocation) async { await writer.tidy(location) }

    /// The tip that the last successful fetch brought; nil before the first.
    package func tip() throws(SourceError) -> CommitInfo? {
        guard let id = try repository().tip() else { return nil }
        return try repository().commit(id)
    }

    /// A commit by its full id.
    package func commit(_ id: String) throws(SourceError) -> CommitInfo { try repository().commit(id) }

    /// The commit that a text names: an id, whole or its first digits (four at least), or `HEAD`, the tip.
    package func resolve(_ text: String) throws(SourceError) -> CommitInfo {
        if text == "HEAD", let tip = try tip() { return tip }
        return try repository().commit(repository().fullID(text))
    }

    /// All files below a folder (empty: the whole tree) of a commit, sorted by path.
    package func entries(of commit: String, folder: String = "") throws(SourceError) -> [TreeEntry] {
        try repository().entries(of: commit, folder: RepositoryPath.folder(folder))
    }

    /// The bytes of a file; `tooLarge`, without reading it, where it has more than `limit`.
    package func contents(of entry: TreeEntry, limit: Int) throws(SourceError) -> [UInt8] {
        try repository().bytes(entry.id, path: entry.path, limit: limit)
    }

    /// What differs between a folder in two commits, sorted by path.
    package func changes(from old: String, to new: String, folder: String = "") throws(SourceError) -> [TreeChange] {
        try repository().changes(from: old, to: new, folder: RepositoryPath.folder(folder))
    }

    /// Whether `old` is `new` or one of its ancestors.
    package func isAncestor(_ old: String, of new: String) throws(SourceError) -> Bool {
        try repository().isAncestor(old, of: new)
    }

    /// The commits from `commit` back that changed what stands at a path, newest first, `limit` at the most.
    package func history(of path: String, from commit: String, limit: Int) throws(SourceError) -> [CommitInfo] {
        try repository().history(of: RepositoryPath.folder(path), from: commit, limit: limit)
    }

    private func repository() throws(SourceError) -> GitRepository {
        if let open { return open }
        let made = try GitRepository(path: path)
        open = made
        return made
    }
}
