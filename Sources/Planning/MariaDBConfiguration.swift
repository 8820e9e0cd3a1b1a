package import FleetModel
import Synchronization

/// The configuration file of a MariaDB instance, rendered as text.
///
/// What the product owns comes first (`MARIADB-FACTS`, part 3), then a marker line, then the parameters that users may
/// declare, with our sizes for those that they did not. `@DATADIR@` and its like are filled in by the driver, which
/// alone knows the host's directories.
package enum MariaDBConfiguration {
    /// Below this line stands one `name=value` for each parameter.
    package static let marker = "# declared parameters"
    /// What `spec.restart` is called in the file. It is no variable of any server; which mark a process was started with is
    /// told with its parameters.
    package static let restartMark = "evenkeel_restart"
    /// Under this word a server passes over what it does not know. An agent tells names without it.
    private static let looseWord = "loose_"

    /// The whole file of one member; `group`: of a galera cluster's.
    package static func render(
        _ member: MemberRecord, gtidDomain: Int64, parameters: [(String, String)], group: GaleraGroup? = nil
    ) -> String {
        render(variable(member, gtidDomain, lines(parameters), group), isGalera: group != nil)
    }

    fileprivate static func render(_ variable: String, isGalera: Bool) -> String {
        let owned = isGalera ? ownedInGroup : owned
        // One allocation of the right size, instead of the doubled one that appending would make.
        var text = ""
        text.reserveCapacity(owned.utf8.count + variable.utf8.count)
        text += owned
        text += variable
        return text
    }

    /// SHA-256 of the whole file, without putting it together: most of it is the same for every instance.
    fileprivate static func digest(_ variable: String, isGalera: Bool) -> String {
        SHA256.hex((isGalera ? ownedInGroupPrefix : ownedPrefix).hash(appending: Array(variable.utf8)))
    }

    /// SHA-256 of a whole file; of one that was rendered here only what follows the common beginning is digested anew.
    static func digest(of text: String) -> String {
        for (start, prefix) in [(owned, ownedPrefix), (ownedInGroup, ownedInGroupPrefix)] where text.hasPrefix(start) {
            return SHA256.hex(prefix.hash(appending: Array(text.utf8.dropFirst(start.utf8.count))))
        }
        return SHA256.hex(text)
    }

    /// `loose`: names that are written with the word.
    fileprivate static func lines(_ parameters: [(String, String)], loose: Set<String> = []) -> String {
        var text = ""
        for (name, value) in parameters {
            if loose.contains(name) { text += looseWord }
            text += name
            text += "="
            text += value
            text += "\n"
        }
        return text
    }

    private static let ownedPrefix = SHA256.Prefix(owned)
    private static let ownedInGroupPrefix = SHA256.Prefix(ownedInGroup)

    /// Room for what stands between the common beginning and the parameters.
    private static let variableLength = 320

    fileprivate static func variable(_ member: MemberRecord, _ gtidDomain: Int64, _ lines: String, _ group: GaleraGroup?) -> String {
        let port = String(member.port)
        var text = ""
        text.reserveCapacity(variableLength + lines.utf8.count)
        func add(_ name: String, _ value: String) {
            text += name
            text += value
            text += "\n"
        }
        add("bind_address=", member.address)
        add("port=", port)
        add("report_host=", member.address)
        add("report_port=", port)
        add("server_id=", String(member.serverID))
        add("gtid_domain_id=", String(gtidDomain))
        text += extraPort(member.port)
        if let group { text += group.lines(of: member) }
        text += marker
        text += "\n"
        text += lines
        return text
    }

    /// A port of our own, for when every connection is taken. None where adding would leave the range of ports.
    private static func extraPort(_ port: Int) -> String {
        port + 20000 <= 65535 ? "extra_port=\(port + 20000)\nextra_max_connections=4\n" : ""
    }

    private static let owned = ownedByAll + ownedInReplication + ownedLast
    private static let ownedInGroup = ownedByAll + GaleraGroup.owned + ownedLast

    private static let ownedByAll = """
        # Written by Evenkeel. A change by hand is drift and is undone: declare it in the Cluster's spec.parameters.
        [mariadbd]
        datadir=@DATADIR@
        socket=@SOCKET@
        pid_file=@PIDFILE@
        log_error=@LOGDIR@/error.log
        tmpdir=@TMPDIR@
        read_only=ON
        skip_slave_start=ON
        log_bin=binlog
        log_slave_updates=ON
        binlog_format=ROW
        gtid_strict_mode=ON
        sync_binlog=1
        innodb_flush_log_at_trx_commit=1

        """

    private static let ownedInReplication = """
        relay_log=relay-bin
        rpl_semi_sync_master_enabled=OFF
        rpl_semi_sync_slave_enabled=OFF
        rpl_semi_sync_master_wait_point=AFTER_SYNC
        rpl_semi_sync_master_wait_no_slave=ON
        rpl_semi_sync_master_timeout=18446744073709551615
        rpl_semi_sync_slave_kill_conn_timeout=1
        master_retry_count=0
        slave_net_timeout=2
        slave_parallel_threads=8
        slave_parallel_mode=optimistic

        """

    private static let ownedLast = "skip_name_resolve=ON\n"

    /// What is in force for a cluster: the sizes that follow from `resources.memory` and our defaults, the declared
    /// parameters over them. Sorted by name.
    package static func parameters(of cluster: Cluster) -> [(String, String)] {
        sorted(inForce(cluster).values)
    }

    /// Who begins to replicate is sent nothing, and acknowledges nothing, until the server has read the file from its
    /// beginning to the replica's place: 3 ms for each MiB of short transactions, without writes, at every change of primary.
    private static let binlogMebibytes: Int64 = 16

    fileprivate static func sorted(_ parameters: [String: String]) -> [(String, String)] {
        parameters.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
    }

    fileprivate static func inForce(_ cluster: Cluster) -> (values: [String: String], loose: Set<String>) {
        var all = cluster.parameters
        var loose: Set<String> = []
        for name in cluster.parameters.keys where name.hasPrefix(looseWord) {
            let value = all.removeValue(forKey: name)
            let known = String(name.dropFirst(looseWord.count))
            guard all[known] == nil else { continue }
            all[known] = value
            loose.insert(known)
        }
        if let mark = cluster.restart {
            all[restartMark] = mark
            loose.insert(restartMark)
        }
        let mebibyte: Int64 = 1 << 20
        let pool = max(8, cluster.resources.memoryBytes * 6 / 10 / mebibyte) * mebibyte
        var defaults = [
            ("binlog_expire_logs_seconds", "604800"), ("character_set_server", "utf8mb4"),
            ("innodb_buffer_pool_size", String(pool)),
        ]
        if cluster.topology != .galera { defaults.append(("max_binlog_size", String(binlogMebibytes * mebibyte))) }
        for (name, value) in defaults where all[name] == nil { all[name] = value }
        // Of our own, and here because it can be set while the server runs, like a declared one.
        if cluster.relaySync == .always { all["sync_relay_log"] = "1" }
        return (all, loose)
    }
}

/// A configuration file with the SHA-256 of its text, hex.
struct RenderedConfiguration: Sendable {
    var text: String
    var digest: String
}

/// What a rehearsal renders only once: the parameters in force and each member's configuration. Whoever rehearses a cluster
/// again and again passes it on from one to the next (`ClusterSituation.configurations`).
///
/// Valid for one declared cluster.
package final class ConfigurationCache: Sendable {
    final class Entry: Sendable {
        /// SHA-256, hex.
        let digest: String
        /// The whole file: only what installs or rewrites it asks for it.
        var text: String {
            shared.withLock { shared in
                if let shared { return shared }
                let text = MariaDBConfiguration.render(variable, isGalera: group != nil)
                shared = text
                return text
            }
        }
        fileprivate var rendered: String? { shared.withLock { $0 } }
        private let shared = Mutex<String?>(nil)
        /// What follows the common beginning.
        private let variable: String
        private let serverID: Int64
        private let place: String
        private let port: Int
        private let gtidDomain: Int64
        fileprivate let ordinal: Int
        /// Whoever comes or goes is in everybody's file.
        private let group: GaleraGroup?

        fileprivate init(_ member: MemberRecord, _ gtidDomain: Int64, _ group: GaleraGroup?, _ cache: ConfigurationCache) {
            variable = MariaDBConfiguration.variable(member, gtidDomain, cache.lines, group)
            digest = MariaDBConfiguration.digest(variable, isGalera: group != nil)
            (ordinal, serverID, place, port) = (member.ordinal, member.serverID, member.address, member.port)
            self.gtidDomain = gtidDomain
            self.group = group
        }

        fileprivate func isOf(_ member: MemberRecord, _ gtidDomain: Int64, _ group: GaleraGroup?) -> Bool {
            ordinal == member.ordinal && serverID == member.serverID && place == member.address && port == member.port
                && self.gtidDomain == gtidDomain && self.group == group
        }
    }

    fileprivate let lines: String
    let parameters: [(String, String)]
    let byName: [String: String]
    private let cluster: Cluster?
    private let entries = Mutex<[Entry]>([])
    /// Of a galera cluster, how much of its history its members keep.
    private let historyBytes: Int64?

    init(_ cluster: Cluster?) {
        self.cluster = cluster
        let inForce = cluster.map(MariaDBConfiguration.inForce) ?? (values: [:], loose: [])
        byName = inForce.values
        parameters = MariaDBConfiguration.sorted(byName)
        lines = MariaDBConfiguration.lines(parameters, loose: inForce.loose)
        historyBytes = cluster.flatMap { $0.topology == .galera ? GaleraGroup.historyBytes($0.resources) : nil }
    }

    /// What an earlier rehearsal rendered, where it is of the same declared cluster.
    static func of(_ situation: ClusterSituation) -> ConfigurationCache {
        if let known = situation.configurations, known.cluster == situation.desired?.value { return known }
        return ConfigurationCache(situation.desired?.value)
    }

    func entry(_ member: MemberRecord, of records: ClusterRecords) -> Entry {
        let group = historyBytes.map { GaleraGroup(records, historyBytes: $0) }
        return entries.withLock { entries in
            if let known = entries.first(where: { $0.isOf(member, records.gtidDomain, group) }) { return known }
            let made = Entry(member, records.gtidDomain, group, self)
            entries.removeAll { $0.ordinal == member.ordinal }
            entries.append(made)
            return made
        }
    }

    /// The digest of a configuration that a task carries; the same text was mostly rendered here.
    func digest(of text: String) -> String {
        entries.withLock { entries in entries.first { $0.rendered == text }?.digest } ?? MariaDBConfiguration.digest(of: text)
    }

    /// What was rendered, for the keys of the tasks that carry it.
    var rendered: [RenderedConfiguration] {
        entries.withLock { entries in
            entries.compactMap { entry in entry.rendered.map { RenderedConfiguration(text: $0, digest: entry.digest) } }
        }
    }
}
