import BlockingWork
import ChildProcess
import FoundationEssentials
import Glibc

/// Changes a mirror: makes it and fetches into it, with the system's `git`. An actor with a queue of its own, so that a
/// slow remote holds up no reader of the mirror.
actor MirrorWriter {
    private let path: String
    private let timeLimit: Duration
    private let environment: [String: String]
    private let executor: QueueExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// A mark in the mirror that says that it is ours.
    private static let markName = "evenkeel-mirror"
    /// A lock file this old belongs to a git that is gone: none of ours runs so long.
    private static let staleLockAge = 900
    /// Packs, one a fetch, above which they are put together.
    private static let packsMax = 50

    init(path: String, timeLimit: Duration, environment: [String: String]) {
        self.path = path
        self.environment = environment
        self.timeLimit = timeLimit
        executor = QueueExecutor(label: "evenkeel.mirror.writer")
    }

    /// Brings the tip of a branch (nil: the remote's own default) into the mirror's tip reference, all or nothing.
    /// Asks the remote first what its tip is, so that a poll of an unchanged repository is one round trip; `onNews` is
    /// called when that is another than `tip`.
    func fetch(
        _ location: RemoteLocation, branch: String?, tip: String?, onNews: @Sendable () -> Void
    ) throws(SourceError) {
        if let branch { try BranchName.check(branch) }
        try checkLocal(location)
        try prepare(location)
        let remote = try remoteTip(location, branch: branch)
        guard remote.id != tip else { return }
        onNews()
        try bring(remote.reference, from: location, isFirst: tip == nil)
    }

    private func checkLocal(_ location: RemoteLocation) throws(SourceError) {
        guard let local = location.localPath else { return }
        guard access(local, F_OK) == 0 else { throw SourceError.repositoryMissing(location: location.redacted) }
    }

    private func command(_ location: RemoteLocation, timeLimit: Duration? = nil) -> GitCommand {
        GitCommand(
            mirror: path, location: location, timeLimit: timeLimit ?? self.timeLimit, serverEnvironment: environment)
    }

    // MARK: The mirror

    private func prepare(_ location: RemoteLocation) throws(SourceError) {
        if access(path + "/" + Self.markName, F_OK) != 0 { try make(location) }
        guard let local = location.localPath else { return }
        let system = environment["GIT_CONFIG_SYSTEM"] ?? "/etc/gitconfig"
        try write(SourceConfiguration.text(localPath: local, system: system), to: path + "/" + SourceConfiguration.fileName)
    }

    /// Makes the mirror beside its place and moves it there whole. What stands there and is not ours is left alone.
    private func make(_ location: RemoteLocation) throws(SourceError) {
        let fresh = path + ".new-\(getpid())"
        let ended = try command(location).run(["init", "--quiet", "--bare", "--template=", "--", fresh])
        guard ended.succeeded else {
            throw SourceError.mirrorDamaged(path: path, detail: GitDiagnosis.redacted(ended.errorText, location))
        }
        try write("A mirror of a fleet repository, made by evenkeel; it can be removed and is fetched anew.\n", to: fresh + "/" + Self.markName)
        for name in ["HEAD", "config", Self.markName, "objects", "refs", ""] { try sync(fresh + "/" + name) }
        guard rename(fresh, path) == 0 else {
            throw SourceError.mirrorDamaged(
                path: path, detail: "something that is not our mirror stands there (\(String(cString: strerror(errno))))")
        }
        try sync(path + "/..")
    }

    /// Moves a mirror of ours that cannot be used out of the way, so that the next fetch makes another. One is kept, the last.
    /// False where there is none.
    func setAside() throws(SourceError) -> Bool {
        guard access(path + "/" + Self.markName, F_OK) == 0 else { return false }
        do {
            let aside = path + ".damaged"
            if access(aside, F_OK) == 0 { try FileManager.default.removeItem(atPath: aside) }
            try FileManager.default.moveItem(atPath: path, toPath: aside)
            return true
        } catch {
            throw SourceError.mirrorDamaged(path: path, detail: "it could not be moved away: \(error)")
        }
    }

    private func sync(_ file: String) throws(SourceError) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        let code = descriptor < 0 || fsync(descriptor) != 0 ? errno : 0
        if descriptor >= 0 { close(descriptor) }
        guard code == 0 else { throw damaged(file, code) }
    }

    private func damaged(_ file: String, _ code: Int32) -> SourceError {
        .mirrorDamaged(path: path, detail: "\(file): \(String(cString: strerror(code)))")
    }

    private func write(_ text: String, to file: String) throws(SourceError) {
        let bytes = Array(text.utf8)
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        let written = descriptor < 0 ? -1 : bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let code = errno
        if descriptor >= 0 { close(descriptor) }
        guard written == bytes.count else { throw damaged(file, code) }
    }

    // MARK: The remote

    private struct RemoteTip {
        var id: String
        var reference: String
    }

    private func remoteTip(_ location: RemoteLocation, branch: String?) throws(SourceError) -> RemoteTip {
        let reference = branch.map { "refs/heads/" + $0 } ?? "HEAD"
        if let id = try list(location, reference)[reference] { return RemoteTip(id: id, reference: reference) }
        let isEmpty = try list(location, nil).isEmpty
        throw isEmpty
            ? SourceError.emptyRepository(location: location.redacted)
            : SourceError.branchMissing(branch: branch ?? "HEAD", location: location.redacted)
    }

    /// The remote's references by name; nil: all branches and HEAD.
    private func list(_ location: RemoteLocation, _ reference: String?) throws(SourceError) -> [String: String] {
        let arguments = ["ls-remote", "--quiet"] + (reference == nil ? ["--heads"] : [])
        let ended = try command(location).run(arguments + ["--", location.argument] + [reference].compactMap { $0 })
        guard ended.succeeded else { throw GitDiagnosis.error(ended, location: location, branch: nil) }
        var found: [String: String] = [:]
        for line in ended.outputText.split(separator: "\n") {
            let parts = line.split(separator: "\t")
            if parts.count == 2 { found[String(parts[1])] = String(parts[0]) }
        }
        return found
    }

    private func bring(_ reference: String, from location: RemoteLocation, isFirst: Bool) throws(SourceError) {
        let arguments = [
            "--git-dir=" + path, "fetch", "--quiet", "--atomic", "--force", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--no-auto-maintenance", "--", location.argument,
            "+\(reference):\(GitRepository.tipReference)",
        ]
        let limit = isFirst ? max(timeLimit, GitMirror.firstFetchTimeLimit) : timeLimit
        var ended = try command(location, timeLimit: limit).run(arguments)
        if !ended.succeeded, GitDiagnosis.isLocked(ended), removeStaleLocks() {
            ended = try command(location, timeLimit: limit).run(arguments)
        }
        guard ended.succeeded else { throw GitDiagnosis.error(ended, location: location, branch: reference) }
    }

    // MARK: Upkeep

    /// Removes locks that a git which was killed has left. True where there was one.
    private func removeStaleLocks() -> Bool {
        let candidates = [GitRepository.tipReference + ".lock", "packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"]
        var hasRemoved = false
        for lock in candidates.map({ path + "/" + $0 }) {
            var status = stat()
            guard lstat(lock, &status) == 0, time(nil) - status.st_mtim.tv_sec > Self.staleLockAge else { continue }
            hasRemoved = unlink(lock) == 0 || hasRemoved
        }
        return hasRemoved
    }

    /// Puts many packs together now and then, and drops nothing: a revision in force may be in no branch any more.
    /// What goes wrong here goes wrong again the next time, and hinders no fetch.
    func tidy(_ location: RemoteLocation) {
        let settings = ["gc.autoPackLimit=\(Self.packsMax)", "gc.pruneExpire=never", "gc.cruftPacks=false"].flatMap { ["-c", $0] }
        _ = try? command(location).run(settings + ["-c", "gc.auto=5000", "--git-dir=" + path, "gc", "--auto", "--quiet"])
    }
}
