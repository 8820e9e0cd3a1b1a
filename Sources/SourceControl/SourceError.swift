/// Why a fleet repository could not be fetched or read. Each case says what failed, why, and how to mend it; none holds
/// a credential.
package enum SourceError: Error, Sendable, Hashable {
    /// The location or branch is written in a way that git must not be given.
    case refused(String)
    case repositoryMissing(location: String)
    case branchMissing(branch: String, location: String)
    /// The repository is there and has no commit yet.
    case emptyRepository(location: String)
    /// The new tip does not contain the revision in force: history was rewritten, or it is another branch.
    case forcePushed(old: String, new: String)
    /// The credentials of the server's user are missing or refused.
    case notAuthorized(location: String, detail: String)
    case fetchFailed(location: String, detail: String)
    case timedOut(location: String, limit: Duration)
    /// The task that asked was cancelled.
    case cancelled
    /// The system's `git` is not there or cannot run.
    case gitUnusable(String)
    case folderMissing(folder: String, commit: String)
    case commitMissing(String)
    case tooLarge(path: String, size: Int, limit: Int)
    case tooMany(what: String, limit: Int)
    /// The mirror (a cache of ours) cannot be read or written.
    case mirrorDamaged(path: String, detail: String)
    /// A file of a working directory cannot be read.
    case unreadable(path: String, detail: String)
}

extension SourceError {
    /// What has to happen before another try can end differently.
    package enum Remedy: Sendable, Hashable {
        /// Try again after a while: the network, a lock, a busy server.
        case retry
        /// Somebody has to change the repository or the server's configuration; a look now and then finds out.
        case change
    }

    package var remedy: Remedy {
        switch self {
        case .fetchFailed, .timedOut, .cancelled, .repositoryMissing, .mirrorDamaged: .retry
        default: .change
        }
    }
}

extension SourceError: CustomStringConvertible {
    package var description: String { what + " " + mend }

    private var what: String {
        switch self {
        case .refused(let why): why
        case .repositoryMissing(let location): "There is no git repository at \(location)."
        case .branchMissing(let branch, let location): "\(location) has no branch \(branch)."
        case .emptyRepository(let location): "\(location) has no commit yet."
        case .forcePushed(let old, let new):
            "The new tip \(new.prefix(7)) does not contain \(old.prefix(7)), the revision in force: history was rewritten (a force push), or another branch was chosen."
        case .notAuthorized(let location, let detail): "git may not read \(location): \(detail)."
        case .fetchFailed(let location, let detail): "git could not fetch from \(location): \(detail)."
        case .timedOut(let location, let limit):
            "git did not finish with \(location) within \(limit.components.seconds) s and was ended."
        case .cancelled: "The fetch was cancelled."
        case .gitUnusable(let why): "The git command cannot be used: \(why)."
        case .folderMissing(let folder, let commit): "Revision \(commit.prefix(7)) has no folder \(folder)."
        case .commitMissing(let commit): "Revision \(commit) is not in the mirror of the fleet repository."
        case .tooLarge(let path, let size, let limit): "\(path) has \(size) bytes; the limit is \(limit)."
        case .tooMany(let what, let limit): "There are more than \(limit) \(what)."
        case .mirrorDamaged(let path, let detail): "The mirror in \(path) cannot be used: \(detail)."
        case .unreadable(let path, let detail): "\(path) cannot be read: \(detail)."
        }
    }

    private var mend: String {
        switch self {
        case .refused: "Correct it in the server's configuration."
        case .repositoryMissing: "Bring it back or correct the source's location; what runs is left as it is."
        case .branchMissing: "Push the branch or correct the source's branch; what runs is left as it is."
        case .emptyRepository: "Commit a first manifest (evenkeel init writes one) and push it."
        case .forcePushed:
            "Push a commit that contains the old one, or let an operator approve the new history; what runs is left as it is."
        case .notAuthorized:
            "Give the server's user a credential: an ssh key or agent, or a git credential helper; and check the host's key in known_hosts."
        case .fetchFailed, .timedOut: "It is tried again; check the network and the repository's server."
        case .cancelled: "It is tried again when it is asked for."
        case .gitUnusable: "Install it (apt-get install git) and see that it is in the server's PATH."
        case .folderMissing: "Commit the folder or correct the source's folder; what runs is left as it is."
        case .commitMissing: "Fetch first, and check the name."
        case .tooLarge: "Split it into several files, or keep it out of the manifests' folder."
        case .tooMany: "Give the manifests a folder of their own, and name it in the source."
        case .mirrorDamaged: "It is only a cache: move the directory away and it is fetched anew."
        case .unreadable: "Check that it exists and who may read it."
        }
    }
}
