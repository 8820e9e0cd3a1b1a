package import FleetModel

/// What a galera member's configuration says of its group.
package struct GaleraGroup: Sendable, Hashable {
    private struct Member: Sendable, Hashable {
        var address: String
        var groupPort: Int
    }

    private let clusterUID: String
    /// Whoever it may meet, itself among them, by ordinal.
    private let members: [Member]
    private let historyBytes: Int64

    package init(_ records: ClusterRecords, historyBytes: Int64) {
        clusterUID = records.uid
        members = records.members.filter { $0.phase == .active || $0.phase == .leaving }
            .map { Member(address: Self.bracketed($0.address), groupPort: $0.groupPort) }
        self.historyBytes = historyBytes
    }

    /// How much of the write sets a member keeps for those that come back: a part of its storage, allocated at once.
    package static func historyBytes(_ resources: ClusterResources) -> Int64 {
        max(historyMin, resources.storageBytes / 20 / mebibyte * mebibyte)
    }

    private static let mebibyte: Int64 = 1 << 20
    /// The provider's own default.
    private static let historyMin: Int64 = 128 << 20

    /// The name that a member has in its group: its instance's id, of which reports read the ordinal.
    package static func name(_ clusterUID: String, _ ordinal: Int) -> String { InstanceID(clusterUID: clusterUID, ordinal: ordinal).description }

    /// What is the same in every galera cluster. `wsrep_gtid_mode` counts anew after ordinary starts: each binlog counts for
    /// itself instead, from the same seed. No full state transfer ever happens: the method that we give refuses it.
    static let owned = """
        innodb_autoinc_lock_mode=2
        default_storage_engine=InnoDB
        wsrep_on=ON
        wsrep_provider=@WSREP_PROVIDER@
        wsrep_sst_method=evenkeel
        wsrep_slave_threads=4
        wsrep_gtid_mode=OFF
        wsrep_mode=STRICT_REPLICATION,DISALLOW_LOCAL_GTID

        """

    /// One file has all: certificate, key and authority. With them nothing is heard or said in clear, write sets to one that comes
    /// back (IST) among it, and nobody without a certificate of that authority is let in.
    private static let encryption = ["socket.ssl_ca", "socket.ssl_cert", "socket.ssl_key"].map { $0 + "=@GROUP_CERTIFICATE@" }

    /// A lost member is given up after a second. One that waits for the others of its last view waits on: ended and started
    /// anew one after the other they were seen not to meet any more.
    private static let patience = [
        "pc.wait_prim_timeout=PT1H", "evs.keepalive_period=PT0.2S", "evs.inactive_check_period=PT0.1S", "evs.suspect_timeout=PT1S",
        "evs.inactive_timeout=PT3S", "evs.install_timeout=PT3S", "evs.join_retrans_period=PT0.2S", "gmcast.peer_timeout=PT1S",
        "gmcast.time_wait=PT1S",
    ]

    func lines(of member: MemberRecord) -> String {
        let address = Self.bracketed(member.address)
        let group = "\(address):\(member.groupPort)", transfer = "\(address):\(member.transferPort)"
        let options =
            ["gmcast.listen_addr=tcp://\(group)", "ist.recv_addr=\(transfer)", "gcache.size=\(historyBytes / Self.mebibyte)M"]
            + Self.encryption + Self.patience
        let others = members.map { "\($0.address):\($0.groupPort)" }.joined(separator: ",")
        return """
            wsrep_cluster_name=\(clusterUID)
            wsrep_cluster_address=gcomm://\(others)
            wsrep_node_name=\(Self.name(clusterUID, member.ordinal))
            wsrep_node_address=\(group)
            wsrep_node_incoming_address=\(address):\(member.port)
            wsrep_sst_receive_address=\(transfer)
            wsrep_provider_options="\(options.joined(separator: ";"))"

            """
    }

    private static func bracketed(_ address: String) -> String { address.contains(":") ? "[\(address)]" : address }
}
