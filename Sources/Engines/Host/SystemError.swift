import Glibc

extension EngineError {
    /// A call to the system that failed: which, on what, why. A full disk is told with what is left of it.
    static func system(_ doing: String, _ path: String) -> EngineError { system(doing, path, errno) }

    /// The same, where the system's number of the error is known otherwise.
    package static func system(_ doing: String, _ path: String, _ code: Int32) -> EngineError {
        if code == ENOSPC || code == EDQUOT { return diskFull(at: path) }
        let why = String(cString: strerror(code))
        let isPermanent = [EACCES, EPERM, EROFS, ENOTDIR, ELOOP, ENAMETOOLONG].contains(code)
        return EngineError(isPermanent ? .permanent : .transient, "could not \(doing) \(path): \(why)")
    }

    static func diskFull(at path: String) -> EngineError {
        EngineError(
            .permanent,
            "the disk of \(path) is full: \(Files.freeBytes(path) / 1024) KiB are free; free some space there or move the instance to another host")
    }
}
