import CGit2

extension GitRepository {
    /// What differs between a folder in two commits, sorted by path. A commit without the folder has no files there.
    func changes(from old: String, to new: String, folder: String) throws(SourceError) -> [TreeChange] {
        let prefix = folder.isEmpty ? "" : folder + "/"
        let changes = try withTree(old, folder: folder) { oldTree throws(SourceError) in
            try withTree(new, folder: folder) { newTree throws(SourceError) in
                try differences(oldTree, newTree, prefix: prefix)
            }
        }
        return changes.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
    }

    /// Lends the tree of a folder; nil where the commit has no such folder.
    private func withTree<Result>(
        _ commit: String, folder: String, _ body: (OpaquePointer?) throws(SourceError) -> Result
    ) throws(SourceError) -> Result {
        guard let tree = try tree(commit, folder: folder) else { return try body(nil) }
        return try body(tree.pointer)
    }

    private func differences(_ old: OpaquePointer?, _ new: OpaquePointer?, prefix: String) throws(SourceError) -> [TreeChange] {
        let repository = handle.pointer
        do throws(GitFailure) {
            let diff = try GitHandle(free: git_diff_free) { git_diff_tree_to_tree(&$0, repository, old, new, nil) }
            return (0..<git_diff_num_deltas(diff.pointer)).compactMap { index in
                git_diff_get_delta(diff.pointer, index).flatMap { Self.change($0.pointee, prefix: prefix) }
            }
        } catch {
            throw damaged(error)
        }
    }

    private static func change(_ delta: git_diff_delta, prefix: String) -> TreeChange? {
        let kind: TreeChange.Kind =
            switch delta.status {
            case GIT_DELTA_ADDED: .added
            case GIT_DELTA_DELETED: .removed
            default: .changed
            }
        guard let path = kind == .removed ? delta.old_file.path : delta.new_file.path else { return nil }
        return TreeChange(path: prefix + String(cString: path), kind: kind)
    }

    /// The commits from `start` back that changed what stands at a path (a file or a folder; empty: all), newest first.
    func history(of path: String, from start: String, limit: Int) throws(SourceError) -> [CommitInfo] {
        var startID = try ObjectID.parsed(start)
        _ = try commitHandle(start)
        let repository = handle.pointer
        do throws(GitFailure) {
            let walk = try GitHandle(free: git_revwalk_free) { git_revwalk_new(&$0, repository) }
            try GitFailure.check(git_revwalk_sorting(walk.pointer, GIT_SORT_TOPOLOGICAL.rawValue | GIT_SORT_TIME.rawValue))
            try GitFailure.check(git_revwalk_push(walk.pointer, &startID))
            return try collectHistory(walk.pointer, path: path, limit: limit)
        } catch {
            throw damaged(error)
        }
    }

    private func collectHistory(_ walk: OpaquePointer, path: String, limit: Int) throws(GitFailure) -> [CommitInfo] {
        var found: [CommitInfo] = []
        var id = git_oid()
        for _ in 0..<SourceLimits.historyWalkMax where found.count < limit {
            let code = git_revwalk_next(&id, walk)
            if code == GIT_ITEROVER.rawValue { break }
            try GitFailure.check(code)
            let repository = handle.pointer
            let commit = try GitHandle(free: git_commit_free) { git_commit_lookup(&$0, repository, &id) }
            let isWanted = path.isEmpty ? true : try changed(path, in: commit.pointer)
            if isWanted { found.append(Self.info(commit.pointer)) }
        }
        return found
    }

    /// Whether the path differs from what it was in every parent: a merge that takes one side changed nothing itself.
    private func changed(_ path: String, in commit: OpaquePointer) throws(GitFailure) -> Bool {
        let here = try content(of: path, in: commit)
        let count = git_commit_parentcount(commit)
        if count == 0 { return here != nil }
        for index in 0..<count {
            let parent = try GitHandle(free: git_commit_free) { git_commit_parent(&$0, commit, index) }
            if try content(of: path, in: parent.pointer) == here { return false }
        }
        return true
    }

    private func content(of path: String, in commit: OpaquePointer) throws(GitFailure) -> String? {
        let tree = try GitHandle(free: git_tree_free) { git_commit_tree(&$0, commit) }
        return try entryID(tree.pointer, path: path).map { ObjectID.text($0) }
    }
}
