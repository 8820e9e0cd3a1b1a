import Server

#if canImport(Glibc)
    import Glibc
#endif

/// The agent's data directory: made where it is missing, and open to be passed through, because the database's user
/// must reach its instances below it.
enum AgentDirectory {
    static func make(_ path: String) throws {
        do {
            try PrivateFile.makeDirectory(path)
        } catch {
            throw CommandError(error.description)
        }
        if geteuid() == 0, chmod(path, 0o711) != 0 {
            throw CommandError("\(path) cannot be opened for the database's user: \(String(cString: strerror(errno)))")
        }
    }
}
