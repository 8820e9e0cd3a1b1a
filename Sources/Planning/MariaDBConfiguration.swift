package import FleetModel

/// The configuration file of a MariaDB instance, rendered as text.
///
/// What the product owns comes first (`MARIADB-FACTS`, part 3), then a marker line, then the parameters that users may
/// declare, with our sizes for those that they did not. `@DATADIR@` and its like are filled in by the driver, which
/// alone knows the host's directories.
package enum MariaDBConfiguration {
    /// Below this line stands one `name=value` for each parameter.
    package static let marker = "# declared parameters"

    /// Rendered once a cluster; only a few lines differ between its instances.
    package static func render(_ member: MemberRecord, gtidDomain: Int64, parameters: [(String, String)]) -> String {
        var text = owned
        text += """
            bind_address=\(member.address)
            port=\(member.port)
            report_host=\(member.address)
            report_port=\(member.port)
            server_id=\(member.serverID)
            gtid_domain_id=\(gtidDomain)
            \(extraPort(member.port))
            \(marker)

            """
        for (name, value) in parameters { text += name + "=" + value + "\n" }
        return text
    }

    /// A port of our own, for when every connection is taken. None where adding would leave the range of ports.
    private static func extraPort(_ port: Int) -> String {
        port + 20000 <= 65535 ? "extra_port=\(port + 20000)\nextra_max_connections=4" : "# no extra_port: out of range"
    }

    private static let owned = """
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
        skip_name_resolve=ON

        """

    /// What is in force for a cluster: the sizes that follow from `resources.memory` and our defaults, the declared
    /// parameters over them. Sorted by name.
    package static func parameters(of cluster: Cluster) -> [(String, String)] {
        var all = cluster.parameters
        let mebibyte: Int64 = 1 << 20
        let pool = max(8, cluster.resources.memoryBytes * 6 / 10 / mebibyte) * mebibyte
        for (name, value) in [
            ("binlog_expire_logs_seconds", "604800"), ("character_set_server", "utf8mb4"),
            ("innodb_buffer_pool_size", String(pool)),
        ] where all[name] == nil { all[name] = value }
        return all.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
