import FleetModel
import JSONStream
import MetadataStore
import MySQLClient

/// What a transaction does to clusters, collected and written at its end: all that is replaced goes first, so that two
/// clusters can exchange what only one may have.
struct ClusterChanges {
    private struct Known {
        var uid: String
        var epoch: Int64
    }

    private let session: Session
    /// Those of the names in this transaction that the store has.
    private let known: [String: Known]
    /// By name; nil: removed.
    private var pending: [String: ClusterRecords?] = [:]

    init(_ session: Session, _ changes: [StoreChange]) async throws {
        self.session = session
        var names: Set<String> = []
        for change in changes {
            switch change {
            case .putCluster(let cluster): names.insert(cluster.name)
            case .removeCluster(let name): names.insert(name)
            default: break
            }
        }
        var known: [String: Known] = [:]
        for batch in Batches(names.sorted().map { "\($0)" }) {
            let found = try await session.query("SELECT name, uid, epoch FROM clusters WHERE name IN (\(SQL.joined(batch, separator: ", ")))")
            for row in found.rows {
                if let name = row[0], let uid = row[1], let epoch = row[2].flatMap({ Int64($0) }) { known[name] = Known(uid: uid, epoch: epoch) }
            }
        }
        self.known = known
    }

    mutating func remove(_ name: String) { pending[name] = .some(nil) }

    mutating func put(_ cluster: ClusterRecords) throws {
        if let change = pending[cluster.name] {
            if let old = change { try StoreRules.checkReplacement(uid: old.uid, epoch: old.epoch, by: cluster) }
        } else if let old = known[cluster.name] {
            try StoreRules.checkReplacement(uid: old.uid, epoch: old.epoch, by: cluster)
        }
        pending[cluster.name] = cluster
    }

    func write() async throws {
        let replaced = pending.keys.filter { known[$0] != nil }.sorted()
        for batch in Batches(replaced.map { "\($0)" }) {
            let names = SQL.joined(batch, separator: ", ")
            try await session.query("DELETE FROM members WHERE cluster_name IN (\(names))")
            try await session.query("DELETE FROM clusters WHERE name IN (\(names))")
        }
        let clusters = pending.sorted { $0.key < $1.key }.compactMap(\.value)
        try await insert("INSERT INTO clusters (name, uid, gtid_domain, epoch, body)", clusters.map { ($0, row($0)) }) { try await explain($0) }
        let members = clusters.flatMap { cluster in cluster.members.map { (cluster.name, $0) } }
        try await insert(
            "INSERT INTO members (cluster_name, ordinal, host_name, place_port, server_number)", members.map { ($0, row($0.1, of: $0.0)) }
        ) { try await explain($0.1, of: $0.0) }
    }

    private func row(_ cluster: ClusterRecords) -> SQL {
        "(\(cluster.name), \(cluster.uid), \(cluster.gtidDomain), \(cluster.epoch), \(cluster.jsonText))"
    }

    private func row(_ member: MemberRecord, of cluster: String) -> SQL {
        let port: SQL = StoreRules.holdsPlace(member.phase) ? "\(member.port)" : "NULL"
        return "(\(cluster), \(member.ordinal), \(member.host), \(port), \(member.serverID))"
    }

    /// Many at once; of those that are refused together one after the other, to say which and why.
    private func insert<Element>(
        _ head: SQL, _ rows: [(Element, SQL)], explain: (Element) async throws -> StoreError?
    ) async throws {
        var start = 0
        for batch in Batches(rows.map(\.1)) {
            let these = rows[start..<start + batch.count]
            start += batch.count
            do {
                try await session.insert(head, batch)
            } catch let error as MySQLError where StoreFailure.isDuplicate(error) {
                for (element, row) in these {
                    do {
                        try await session.insert(head, [row])
                    } catch let error as MySQLError where StoreFailure.isDuplicate(error) {
                        throw try await explain(element) ?? error
                    }
                }
            }
        }
    }

    // MARK: Whose it is

    private func explain(_ cluster: ClusterRecords) async throws -> StoreError? {
        if let other = try await session.query("SELECT name FROM clusters WHERE uid = \(cluster.uid)").first {
            return StoreRules.isTaken("uid \(cluster.uid)", by: other, wantedBy: cluster.name)
        }
        return try await session.query("SELECT name FROM clusters WHERE gtid_domain = \(cluster.gtidDomain)").first.map {
            StoreRules.isTaken("GTID domain \(cluster.gtidDomain)", by: $0, wantedBy: cluster.name)
        }
    }

    private func explain(_ member: MemberRecord, of cluster: String) async throws -> StoreError? {
        let name = "\(cluster)-\(member.ordinal)"
        if let other = try await owner("server_number = \(member.serverID)") {
            return StoreRules.isTaken("server id \(member.serverID)", by: other, wantedBy: name)
        }
        if let other = try await owner("host_name = \(member.host) AND place_port = \(member.port)") {
            return StoreRules.isTaken("port \(member.port) of host \(member.host)", by: other, wantedBy: name)
        }
        return .conflict("cluster \(cluster) has ordinal \(member.ordinal) twice")
    }

    private func owner(_ condition: SQL) async throws -> String? {
        try await session.query("SELECT CONCAT(cluster_name, '-', ordinal) FROM members WHERE " + condition).first
    }
}
