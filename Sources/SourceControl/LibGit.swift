import CGit2
import Synchronization

/// What libgit2 said of a call that failed, read in the same step as the call: it keeps it per thread.
struct GitFailure: Error {
    var code: Int32
    var message: String

    var isNotFound: Bool { code == GIT_ENOTFOUND.rawValue }

    /// An id cut short that several objects have.
    var isAmbiguous: Bool { code == GIT_EAMBIGUOUS.rawValue }

    /// Passes a return code on as it is unless it is an error.
    @discardableResult
    static func check(_ code: Int32) throws(GitFailure) -> Int32 {
        guard code < 0 else { return code }
        let message = git_error_last().map { String(cString: $0.pointee.message) }
        throw GitFailure(code: code, message: message ?? "libgit2 gave code \(code) and no message")
    }
}

/// The library as a whole: set up once, with no configuration but a repository's own.
enum LibGit {
    /// Opening turns the owner check off for its own call; the option is the whole process's.
    private static let opening = Mutex(())

    private static let start: Int32 = {
        let code = git_libgit2_init()
        guard code >= 0 else { return code }
        for level in [GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA] {
            let code = evenkeel_git_set_search_path(level.rawValue, "")
            guard code >= 0 else { return code }
        }
        return 0
    }()

    static func setUp() throws(GitFailure) { try GitFailure.check(start) }

    /// Opens our own mirror, whoever its files belong to: it is only read, and nothing in it is run.
    static func openMirror(_ path: String) throws(GitFailure) -> GitHandle {
        try setUp()
        return try opening.withLock { _ throws(GitFailure) -> GitHandle in
            try GitFailure.check(evenkeel_git_set_owner_validation(0))
            defer { _ = evenkeel_git_set_owner_validation(1) }
            return try GitHandle(free: git_repository_free) { git_repository_open_bare(&$0, path) }
        }
    }
}

/// The one owner of an object of libgit2; frees it once.
struct GitHandle: ~Copyable {
    let pointer: OpaquePointer
    private let free: @convention(c) (OpaquePointer?) -> Void

    /// `open` is the call that makes the object.
    init(free: @escaping @convention(c) (OpaquePointer?) -> Void, _ open: (inout OpaquePointer?) -> Int32) throws(GitFailure) {
        var made: OpaquePointer?
        try GitFailure.check(open(&made))
        guard let made else { throw GitFailure(code: -1, message: "libgit2 reported success and gave no object") }
        pointer = made
        self.free = free
    }

    deinit { free(pointer) }
}

/// An object id in its two forms.
enum ObjectID {
    static func parsed(_ text: String) throws(SourceError) -> git_oid {
        var id = git_oid()
        guard text.utf8.count == 40, git_oid_fromstr(&id, text) == 0 else { throw SourceError.commitMissing(text) }
        return id
    }

    static func text(_ id: git_oid) -> String {
        var id = id
        let hex = [CChar](unsafeUninitializedCapacity: 40) { buffer, used in
            _ = git_oid_fmt(buffer.baseAddress, &id)
            used = 40
        }
        return String(decoding: hex.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func text(_ id: UnsafePointer<git_oid>?) -> String { id.map { text($0.pointee) } ?? "" }

    /// The id that git gives a file with these bytes.
    static func ofBlob(_ bytes: [UInt8]) throws(GitFailure) -> String {
        try LibGit.setUp()
        var id = git_oid()
        let code = bytes.withUnsafeBytes { git_odb_hash(&id, $0.baseAddress, $0.count, GIT_OBJECT_BLOB) }
        try GitFailure.check(code)
        return text(id)
    }
}
