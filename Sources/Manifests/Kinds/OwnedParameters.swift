/// Server variables that the product itself sets: a manifest that set them would break replication, durability or the
/// way an instance is found.
enum OwnedParameters {
    private struct Row {
        /// A name, or the beginning of names where it ends with `*`.
        var pattern: String
        var instead: String
    }

    /// Facts in a table; the first row that fits tells what to use instead.
    private static let rows: [Row] = [
        Row(pattern: "server_id", instead: "server ids are handed out, unique in the fleet; remove it"),
        Row(pattern: "gtid_*", instead: "GTID domains and positions are handed out and followed; remove it"),
        Row(pattern: "wsrep_*", instead: "the cluster's replication is set by `spec.topology`; remove it"),
        Row(pattern: "log_bin", instead: "the binary log is always on; remove it"),
        Row(pattern: "log_bin_index", instead: "the binary log is always on; remove it"),
        Row(pattern: "log_basename", instead: "file names within the data directory are fixed; remove it"),
        Row(pattern: "log_slave_updates", instead: "it is always on, so that every replica can become primary; remove it"),
        Row(pattern: "binlog_format", instead: "it is always ROW; remove it"),
        Row(pattern: "binlog_do_db", instead: "replicas hold everything; remove it"),
        Row(pattern: "binlog_ignore_db", instead: "replicas hold everything; remove it"),
        Row(pattern: "replicate_*", instead: "replicas hold everything; remove it"),
        Row(pattern: "read_only", instead: "who may write follows from the cluster's primary; use `spec.primary.preferredZones`"),
        Row(pattern: "event_scheduler", instead: "events run on the writer only, which Evenkeel sees to; remove it"),
        Row(pattern: "innodb_read_only", instead: "who may write follows from the cluster's primary; use `spec.primary.preferredZones`"),
        Row(pattern: "innodb_force_recovery", instead: "it is for mending an instance by hand; remove it"),
        Row(pattern: "rpl_semi_sync_*", instead: "use `spec.durability`"),
        Row(pattern: "sync_binlog", instead: "use `spec.durability`"),
        Row(pattern: "innodb_flush_log_at_trx_commit", instead: "use `spec.durability`"),
        Row(pattern: "innodb_doublewrite", instead: "use `spec.durability`"),
        Row(pattern: "innodb_flush_method", instead: "it stays the engine's own, by which what is written is on the disk; remove it"),
        Row(pattern: "innodb_page_size", instead: "it is fixed when an instance is made, and a replica is a copy of it; remove it"),
        Row(pattern: "lower_case_table_names", instead: "it is fixed when an instance is made, and all instances agree on it; remove it"),
        Row(pattern: "sync_relay_log*", instead: "use `spec.durability.relaySync`"),
        Row(pattern: "sync_master_info", instead: "use `spec.durability`"),
        Row(pattern: "relay_log*", instead: "relay logs are kept and purged as failover needs it; remove it"),
        Row(pattern: "skip_slave_start", instead: "an instance always starts closed; remove it"),
        Row(pattern: "slave_net_timeout", instead: "it is set so that a lost primary is seen at once; remove it"),
        Row(pattern: "slave_skip_errors", instead: "a replica that skips errors is no copy; remove it"),
        Row(pattern: "sql_slave_skip_counter", instead: "a replica that skips errors is no copy; remove it"),
        Row(pattern: "slave_exec_mode", instead: "a replica that skips errors is no copy; remove it"),
        Row(pattern: "master_*", instead: "replication is set up from `spec.placement`; remove it"),
        Row(pattern: "report_*", instead: "replicas report the address of their Host; remove it"),
        Row(pattern: "port", instead: "use `spec.port`"),
        Row(pattern: "extra_port", instead: "use `spec.port`"),
        Row(pattern: "extra_max_connections", instead: "the extra port is kept for the agent; use `max_connections`"),
        Row(pattern: "bind_address", instead: "use `spec.address` of the Host"),
        Row(pattern: "skip_networking", instead: "use `spec.address` of the Host and `spec.port`"),
        Row(pattern: "skip_bind_address", instead: "use `spec.address` of the Host"),
        Row(pattern: "skip_name_resolve", instead: "it is always on; name accounts' hosts by address or pattern"),
        Row(pattern: "unix_socket", instead: "by it the agent logs in; use `spec.accounts`"),
        Row(pattern: "require_secure_transport", instead: "replicas would be refused when they next connect; remove it"),
        Row(pattern: "socket", instead: "the agent chooses the socket; remove it"),
        Row(pattern: "pid_file", instead: "the agent chooses the file; remove it"),
        Row(pattern: "datadir", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "innodb_data_home_dir", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "innodb_data_file_path", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "innodb_log_group_home_dir", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "innodb_undo_directory", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "aria_log_dir_path", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "tmpdir", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "slave_load_tmpdir", instead: "the agent's `--data` says where data lives; remove it"),
        Row(pattern: "basedir", instead: "the engine is found on the host; use `spec.engine`"),
        Row(pattern: "plugin_dir", instead: "the engine is found on the host; use `spec.engine`"),
        Row(pattern: "plugin_load*", instead: "no code beside the engine's is loaded; remove it"),
        Row(pattern: "log_error", instead: "the agent keeps the error log; remove it"),
        Row(pattern: "init_file", instead: "no file of the host is run; use `spec.databases` and `spec.accounts`"),
        Row(pattern: "init_slave", instead: "replication threads run nothing else; remove it"),
        Row(pattern: "user", instead: "the agent chooses the user that a database runs as; remove it"),
        Row(pattern: "chroot", instead: "the agent chooses where a database runs; remove it"),
        Row(pattern: "bootstrap", instead: "the agent bootstraps instances; remove it"),
        Row(pattern: "skip_grant_tables", instead: "use `spec.accounts`"),
        Row(pattern: "grant_tables", instead: "use `spec.accounts`"),
        Row(pattern: "defaults_*", instead: "only the instance's own file is read; remove it"),
    ]

    /// Words that MariaDB's option files accept before a variable's name.
    private static let prefixes = ["loose_", "skip_", "enable_", "disable_", "maximum_"]

    /// What to use instead of a variable (lower case, `_`) that is ours; nil where it is the user's.
    static func instead(of name: String) -> String? {
        if let row = rows.first(where: { fits(name, $0.pattern) }) { return row.instead }
        guard let prefix = prefixes.first(where: { name.hasPrefix($0) }) else { return nil }
        return instead(of: String(name.dropFirst(prefix.count)))
    }

    /// MariaDB also takes the unique beginning of a variable's name for it, so `server_i` would be `server_id`.
    static func abbreviated(by name: String) -> String? {
        guard name.utf8.count >= 4, instead(of: name) == nil else { return nil }
        return rows.first { !$0.pattern.hasSuffix("*") && $0.pattern.hasPrefix(name) }?.pattern
    }

    private static func fits(_ name: String, _ pattern: String) -> Bool {
        guard pattern.hasSuffix("*") else { return name == pattern }
        return name.hasPrefix(pattern.dropLast())
    }
}

extension Shape where Value == [String: String] {
    /// Server variables: names in any spelling that the server takes, values as text.
    static var parameters: Shape {
        .map(of: .parameterValue, keyPattern: "^[A-Za-z][A-Za-z0-9_-]{0,63}$") { key throws(ScalarProblem) in
            guard key.utf8.count <= 64, Letters.isWord(key, others: "_-", first: ""),
                key.utf8.first.map({ $0 > UInt8(ascii: "9") }) == true
            else {
                throw ScalarProblem(
                    "\"\(Decoder.shortened(key))\" is no name of a server variable", help: "letters, digits and `_`, as in `max_connections`")
            }
            let name = String(key.lowercased().map { $0 == "-" ? "_" : $0 })
            if let instead = OwnedParameters.instead(of: name) {
                throw ScalarProblem("the parameter `\(name)` belongs to Evenkeel", help: instead)
            }
            if let whole = OwnedParameters.abbreviated(by: name) {
                throw ScalarProblem(
                    "the parameter `\(name)` is no whole name: the server would take it for `\(whole)`",
                    help: "write names of variables in full")
            }
            return name
        }
    }
}

extension Shape where Value == String {
    /// One line of an option file: nothing in it can begin another option.
    static var parameterValue: Shape {
        anyScalar(lengthMax: 4096) { text throws(ScalarProblem) in
            guard Letters.isOneLine(text) else { throw ScalarProblem("must be one line without control characters") }
            return text
        }
    }
}
