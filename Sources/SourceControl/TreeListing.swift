import CGit2

extension GitRepository {
    /// All files below a folder of a commit, sorted by path (byte by byte).
    func entries(of commit: String, folder: String) throws(SourceError) -> [TreeEntry] {
        guard let tree = try tree(commit, folder: folder) else {
            throw SourceError.folderMissing(folder: folder, commit: commit)
        }
        var found: [TreeEntry] = []
        try collect(tree.pointer, prefix: folder.isEmpty ? "" : folder + "/", depth: 0, into: &found)
        sizes = Dictionary(found.map { ($0.id, $0.size) }) { $1 }
        // git sorts a folder as if its name ended in a slash, so the walk is in the order of whole paths already.
        return found
    }

    private func collect(_ tree: OpaquePointer, prefix: String, depth: Int, into found: inout [TreeEntry]) throws(SourceError) {
        guard depth <= SourceLimits.depthMax else {
            throw SourceError.tooMany(what: "folders within folders at \(prefix)", limit: SourceLimits.depthMax)
        }
        for index in 0..<git_tree_entrycount(tree) {
            guard let entry = git_tree_entry_byindex(tree, index), let name = git_tree_entry_name(entry),
                let id = git_tree_entry_id(entry)?.pointee
            else { continue }
            let path = prefix + String(cString: name)
            if git_tree_entry_type(entry) == GIT_OBJECT_TREE {
                let below = try subtree(id)
                try collect(below.pointer, prefix: path + "/", depth: depth + 1, into: &found)
            } else {
                guard found.count < SourceLimits.filesMax else {
                    throw SourceError.tooMany(what: "files in the repository", limit: SourceLimits.filesMax)
                }
                found.append(try self.entry(path, id, mode: git_tree_entry_filemode(entry)))
            }
        }
    }

    private func subtree(_ id: git_oid) throws(SourceError) -> GitHandle {
        var id = id
        let repository = handle.pointer
        do throws(GitFailure) {
            return try GitHandle(free: git_tree_free) { git_tree_lookup(&$0, repository, &id) }
        } catch {
            throw damaged(error)
        }
    }

    private func entry(_ path: String, _ id: git_oid, mode: git_filemode_t) throws(SourceError) -> TreeEntry {
        let text = ObjectID.text(id)
        if mode == GIT_FILEMODE_COMMIT { return TreeEntry(path: path, id: text, size: 0, kind: .submodule) }
        let size: Int
        if let known = sizes[text] {
            size = known
        } else {
            do throws(GitFailure) { size = try self.size(id) } catch { throw damaged(error) }
        }
        guard mode == GIT_FILEMODE_LINK else { return TreeEntry(path: path, id: text, size: size, kind: .file) }
        let target = String(decoding: try bytes(text, path: path, limit: SourceLimits.linkMax), as: UTF8.self)
        let leaves = RepositoryPath.leaves(path: path, target: target)
        return TreeEntry(
            path: path, id: text, size: size, kind: .symbolicLink(target: target, leavesRepository: leaves))
    }
}
