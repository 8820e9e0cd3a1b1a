import Glibc

/// A user of the host's operating system.
struct HostUser: Sendable, Hashable {
    var name: String
    var id: uid_t
    var group: gid_t

    /// The user that the agent runs as.
    static func current() -> HostUser {
        lookUp { record, buffer, count, found in getpwuid_r(geteuid(), record, buffer, count, found) }
            ?? HostUser(name: String(geteuid()), id: geteuid(), group: getegid())
    }

    static func named(_ name: String) -> HostUser? {
        lookUp { record, buffer, count, found in getpwnam_r(name, record, buffer, count, found) }
    }

    private static func lookUp(
        _ ask: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) -> HostUser? {
        var record = passwd()
        var found: UnsafeMutablePointer<passwd>?
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1 << 14) { buffer in
            guard let start = buffer.baseAddress, ask(&record, start, buffer.count, &found) == 0, found != nil,
                let name = record.pw_name
            else { return nil }
            return HostUser(name: String(cString: name), id: record.pw_uid, group: record.pw_gid)
        }
    }

    /// Whether this user may go through every directory down to `path`; the first that stops it otherwise.
    func obstacle(to path: String) -> String? {
        var reached = ""
        for part in path.split(separator: "/") {
            reached += "/" + part
            var facts = stat()
            guard stat(reached, &facts) == 0 else { return nil }
            let bit: mode_t = facts.st_uid == id ? 0o100 : facts.st_gid == group ? 0o010 : 0o001
            if id != 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_mode & bit == 0 { return reached }
        }
        return nil
    }
}
