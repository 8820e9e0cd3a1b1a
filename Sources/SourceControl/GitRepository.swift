import CGit2

/// Reads our bare mirror through libgit2. Synchronous; used by one thread at a time, which its owner, an actor with a
/// queue of its own, sees to.
final class GitRepository {
    /// Where a fetch puts the tip, whatever the branch's name.
    static let tipReference = "refs/evenkeel/tip"

    private let path: String
    let handle: GitHandle
    let database: GitHandle
    /// Of the blobs in the last listing, by id: a pack has to be searched for each, and from one commit to the next few
    /// are new.
    var sizes: [String: Int] = [:]

    init(path: String) throws(SourceError) {
        self.path = path
        do throws(GitFailure) {
            handle = try LibGit.openMirror(path)
            let pointer = handle.pointer
            database = try GitHandle(free: git_odb_free) { git_repository_odb(&$0, pointer) }
        } catch {
            throw SourceError.mirrorDamaged(path: path, detail: error.message)
        }
    }

    /// Something that is there could not be read.
    private(set) var isDamaged = false

    func damaged(_ failure: GitFailure) -> SourceError {
        isDamaged = true
        return .mirrorDamaged(path: path, detail: failure.message)
    }

    /// Throws where what every use of it begins with cannot be read.
    func check() throws(SourceError) {
        let repository = handle.pointer
        do throws(GitFailure) {
            _ = try GitHandle(free: git_reference_free) { git_reference_lookup(&$0, repository, "HEAD") }
        } catch {
            throw damaged(error)
        }
        if let tip = try tip() { _ = try commitHandle(tip) }
    }

    /// The commit that the last fetch brought; nil before the first.
    func tip() throws(SourceError) -> String? {
        var id = git_oid()
        let code = git_reference_name_to_id(&id, handle.pointer, Self.tipReference)
        if code == GIT_ENOTFOUND.rawValue { return nil }
        do throws(GitFailure) { try GitFailure.check(code) } catch { throw damaged(error) }
        return ObjectID.text(id)
    }

    func commitHandle(_ id: String) throws(SourceError) -> GitHandle {
        var oid = try ObjectID.parsed(id)
        let repository = handle.pointer
        do throws(GitFailure) {
            return try GitHandle(free: git_commit_free) { git_commit_lookup(&$0, repository, &oid) }
        } catch {
            throw error.isNotFound ? SourceError.commitMissing(id) : damaged(error)
        }
    }

    /// The only commit whose id begins with these digits.
    func fullID(_ prefix: String) throws(SourceError) -> String {
        var id = git_oid()
        guard (Int(GIT_OID_MINPREFIXLEN)...40).contains(prefix.utf8.count), git_oid_fromstrp(&id, prefix) == 0 else {
            throw SourceError.commitMissing(prefix)
        }
        let repository = handle.pointer
        do throws(GitFailure) {
            let commit = try GitHandle(free: git_commit_free) {
                git_commit_lookup_prefix(&$0, repository, &id, prefix.utf8.count)
            }
            return ObjectID.text(git_commit_id(commit.pointer))
        } catch {
            throw error.isNotFound || error.isAmbiguous ? SourceError.commitMissing(prefix) : damaged(error)
        }
    }

    func commit(_ id: String) throws(SourceError) -> CommitInfo {
        let commit = try commitHandle(id)
        return Self.info(commit.pointer)
    }

    static func info(_ commit: OpaquePointer) -> CommitInfo {
        let author = git_commit_author(commit)?.pointee.name.map { String(cString: $0) }
        return CommitInfo(
            id: ObjectID.text(git_commit_id(commit)), author: author ?? "",
            subject: git_commit_summary(commit).map { String(cString: $0) } ?? "", seconds: git_commit_time(commit),
            parents: (0..<git_commit_parentcount(commit)).map { ObjectID.text(git_commit_parent_id(commit, $0)) })
    }

    /// Whether `old` is `new` or one of its ancestors. False where `old` is not in the mirror at all.
    func isAncestor(_ old: String, of new: String) throws(SourceError) -> Bool {
        if old == new { return true }
        var newID = try ObjectID.parsed(new)
        var oldID = try ObjectID.parsed(old)
        guard git_odb_exists(database.pointer, &oldID) == 1 else { return false }
        do throws(GitFailure) {
            return try GitFailure.check(git_graph_descendant_of(handle.pointer, &newID, &oldID)) == 1
        } catch {
            throw error.isNotFound ? SourceError.commitMissing(new) : damaged(error)
        }
    }

    /// The tree of a folder in a commit, the whole tree for an empty folder. Nil where the commit has no such folder.
    func tree(_ commit: String, folder: String) throws(SourceError) -> GitHandle? {
        let commit = try commitHandle(commit)
        let repository = handle.pointer
        do throws(GitFailure) {
            let root = try GitHandle(free: git_tree_free) { git_commit_tree(&$0, commit.pointer) }
            guard !folder.isEmpty else { return root }
            guard var id = try entryID(root.pointer, path: folder, type: GIT_OBJECT_TREE) else { return nil }
            return try GitHandle(free: git_tree_free) { git_tree_lookup(&$0, repository, &id) }
        } catch {
            throw damaged(error)
        }
    }

    /// The id of what stands at a path of a tree; nil where nothing does, or (with a type) something else.
    func entryID(_ tree: OpaquePointer, path: String, type: git_object_t? = nil) throws(GitFailure) -> git_oid? {
        var entry: OpaquePointer?
        let code = git_tree_entry_bypath(&entry, tree, path)
        if code == GIT_ENOTFOUND.rawValue { return nil }
        try GitFailure.check(code)
        defer { git_tree_entry_free(entry) }
        if let type, git_tree_entry_type(entry) != type { return nil }
        return git_tree_entry_id(entry)?.pointee
    }

    /// Size of a blob, without reading it.
    func size(_ id: git_oid) throws(GitFailure) -> Int {
        var id = id
        var size = 0
        var type = GIT_OBJECT_INVALID
        try GitFailure.check(git_odb_read_header(&size, &type, database.pointer, &id))
        return size
    }

    /// The bytes of a blob. `path` is for messages only.
    func bytes(_ id: String, path: String, limit: Int) throws(SourceError) -> [UInt8] {
        var oid = try ObjectID.parsed(id)
        let repository = handle.pointer
        let found: Int
        do throws(GitFailure) { found = try size(oid) } catch { throw damaged(error) }
        guard found <= limit else { throw SourceError.tooLarge(path: path, size: found, limit: limit) }
        do throws(GitFailure) {
            let blob = try GitHandle(free: git_blob_free) { git_blob_lookup(&$0, repository, &oid) }
            return Array(UnsafeRawBufferPointer(start: git_blob_rawcontent(blob.pointer), count: found))
        } catch {
            throw damaged(error)
        }
    }
}
