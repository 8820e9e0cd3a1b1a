import FleetModel

/// The files of one instance. The directory holds all of them but, where its path is too long for a unix socket, the
/// socket.
struct InstanceLayout: Sendable, Hashable {
    let id: InstanceID
    /// `<agent's data>/instances/<uid>-<ordinal>`.
    let directory: String

    init(_ id: InstanceID, in host: MariaDBHost) {
        self.id = id
        directory = host.instancesDirectory + "/" + id.description
    }

    /// Who it is; with it a directory is an instance of ours.
    var identity: String { directory + "/identity.json" }
    /// The configuration as ordered, with placeholders, and as the server reads it.
    var template: String { directory + "/my.cnf.template" }
    var configuration: String { directory + "/my.cnf" }
    /// The configuration that the process was started with.
    var started: String { directory + "/started.cnf" }
    /// What that start made of the declared parameters, one `name=value` a line.
    var startedValues: String { directory + "/started.values" }
    /// Marks: install or clone did not finish; taken out of service.
    var halfMadeMark: String { directory + "/HALF-MADE" }
    var retiredMark: String { directory + "/RETIRED" }
    /// A clone's position, until replication from it has begun.
    var copiedPosition: String { directory + "/copied-position" }
    var data: String { directory + "/data" }
    var temporary: String { directory + "/tmp" }
    var log: String { directory + "/log" }
    var errorLog: String { log + "/error.log" }
    var run: String { directory + "/run" }
    var pidFile: String { run + "/mysqld.pid" }
    /// Number and start of the process that we started last.
    var processRecord: String { directory + "/process" }
    /// Relay logs as they were before a start, hard-linked, in numbered directories.
    var relayAside: String { directory + "/relay-aside" }
    /// The end of the binary log as it was before a start that may cut it, in numbered directories.
    var tailAside: String { directory + "/tail-aside" }
    /// What people have to be told of rows that were cut, until a rejoin has ended and tells it.
    var untold: String { directory + "/rejoin-untold" }
    /// What is written to see whether the disk takes writes.
    var diskProbe: String { directory + "/disk-probe" }
    /// Why the directory was moved aside; written before it is.
    var setAsideMark: String { directory + "/SET-ASIDE" }

    /// The longest path that a unix socket takes on Linux is 107 bytes.
    static let socketPathMax = 100

    /// Where the socket is: `run`, or a directory in `/tmp` named by this instance's path where that is too long.
    var socketDirectory: String {
        let near = run + "/mysqld.sock"
        return near.utf8.count <= Self.socketPathMax ? run : "/tmp/evenkeel-" + SHA256.hex(directory).prefix(12)
    }
    var socket: String { socketDirectory + "/mysqld.sock" }

    var isHalfMade: Bool { Files.exists(halfMadeMark) }
    var isRetired: Bool { Files.exists(retiredMark) }
    var hasIdentity: Bool { Files.exists(identity) }

    /// What the directory holds; nil where it is no instance of ours.
    var state: InstanceDirectory? {
        guard hasIdentity else { return nil }
        return isHalfMade ? .halfMade : isRetired ? .retired : .ready
    }

    /// The configuration with this instance's paths in the places kept for them.
    func substituted(_ template: String) -> String {
        let paths = [
            "@DATADIR@": data, "@RUNDIR@": run, "@SOCKET@": socket, "@PIDFILE@": pidFile, "@LOGDIR@": log,
            "@TMPDIR@": temporary, "@WSREP_PROVIDER@": GaleraProvider.configured, "@GROUP_CERTIFICATE@": groupCertificate,
        ]
        return paths.reduce(template) { text, entry in
            text.split(separator: entry.key, omittingEmptySubsequences: false).joined(separator: entry.value)
        }
    }
}
