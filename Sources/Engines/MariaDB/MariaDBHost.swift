import Glibc

/// Where and as whom a host's agent keeps MariaDB instances.
package struct MariaDBHost: Sendable {
    /// The agent's data directory, absolute; instances are in `instances/<uid>-<ordinal>` below it.
    package var dataDirectory: String
    /// The user that database processes run as when the agent is root; they never run as root.
    package var databaseUser: String
    /// Where server binaries are looked for, in this order; before them in `enginesDirectory`.
    package var binaryDirectories: [String]
    /// The ports from which the receiver of a copy takes one.
    package var copyPorts: ClosedRange<Int>
    /// How database processes are started.
    var launcher: any ProcessLauncher = ProcessLaunchers.suited()

    package init(
        dataDirectory: String, databaseUser: String = "mysql",
        binaryDirectories: [String] = ["/usr/sbin", "/usr/local/sbin", "/usr/local/mysql/bin", "/opt/mariadb/bin"],
        copyPorts: ClosedRange<Int> = 24400...24499
    ) {
        self.dataDirectory = dataDirectory.count > 1 && dataDirectory.hasSuffix("/") ? String(dataDirectory.dropLast()) : dataDirectory
        self.databaseUser = databaseUser
        self.binaryDirectories = binaryDirectories
        self.copyPorts = copyPorts
    }

    /// Versions side by side: in each of its directories a package or an archive is unpacked, as
    /// `mariadb-10.11.18/usr/sbin/mariadbd` or `mariadb-10.11.18/bin/mariadbd`.
    var enginesDirectory: String { dataDirectory + "/engines" }
    var instancesDirectory: String { dataDirectory + "/instances" }
    /// Directories of instances that hold what their cluster does not; on the same disk, and named as no instance is.
    var setAsideDirectory: String { instancesDirectory + "/set-aside" }

    /// The user of the database processes where it is not the agent's own; nil where the agent is no root. Throws where
    /// it does not exist.
    func processUser() throws(EngineError) -> HostUser? {
        guard geteuid() == 0 else { return nil }
        guard let user = HostUser.named(databaseUser) else {
            throw EngineError(
                .permanent,
                "database processes never run as root, and the user '\(databaseUser)' does not exist: make it with `useradd --system --shell /usr/sbin/nologin \(databaseUser)`, or name another in the agent's configuration (databaseUser)")
        }
        guard user.id != 0 else {
            throw EngineError(.permanent, "database processes never run as root: name another databaseUser than '\(databaseUser)' in the agent's configuration")
        }
        return user
    }

    /// The account by which the agent administers its instances: the operating system's user of the same name, over the
    /// unix socket, without a password.
    var administrator: String { HostUser.current().name }
}
