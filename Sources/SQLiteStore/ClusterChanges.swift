import FleetModel
import GRDB
import JSONStream
import MetadataStore

/// What a transaction does to clusters, collected and written at its end: all that is replaced goes first, so that two
/// clusters can exchange what only one may have.
struct ClusterChanges {
    let db: Database
    /// By name; nil: removed.
    private var pending: [String: ClusterRecords?] = [:]
    /// Of these, those that may have rows: a first revision of 100,000 clusters has none to delete.
    private var replaced: Set<String> = []

    init(db: Database) { self.db = db }

    mutating func remove(_ name: String) {
        replaced.insert(name)
        pending[name] = .some(nil)
    }

    mutating func put(_ cluster: ClusterRecords) throws {
        if let change = pending[cluster.name] {
            if let old = change { try StoreRules.checkReplacement(uid: old.uid, epoch: old.epoch, by: cluster) }
        } else {
            let statement = try db.cachedStatement(sql: "SELECT uid, epoch FROM cluster WHERE name = ?")
            if let row = try Row.fetchOne(statement, arguments: [cluster.name]) {
                try StoreRules.checkReplacement(uid: row[0], epoch: row[1], by: cluster)
                replaced.insert(cluster.name)
            }
        }
        pending[cluster.name] = cluster
    }

    func write() throws {
        let deletion = try db.cachedStatement(sql: "DELETE FROM cluster WHERE name = ?")
        for name in replaced { try deletion.execute(arguments: [name]) }
        for (_, cluster) in pending.sorted(by: { $0.key < $1.key }) {
            if let cluster { try insert(cluster) }
        }
    }

    private func insert(_ cluster: ClusterRecords) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO cluster (name, uid, gtidDomain, epoch, json) VALUES (?, ?, ?, ?, ?)")
        do {
            try statement.execute(
                arguments: [cluster.name, cluster.uid, cluster.gtidDomain, cluster.epoch, cluster.jsonText])
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw try explain(cluster) ?? error
        }
        for member in cluster.members { try insert(member, of: cluster.name) }
    }

    private func insert(_ member: MemberRecord, of cluster: String) throws {
        let statement = try db.cachedStatement(
            sql: "INSERT INTO member (cluster, ordinal, host, port, serverID, holdsPlace) VALUES (?, ?, ?, ?, ?, ?)")
        do {
            try statement.execute(
                arguments: [
                    cluster, member.ordinal, member.host, member.port, member.serverID,
                    StoreRules.holdsPlace(member.phase),
                ])
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            throw try explain(member, of: cluster) ?? error
        }
    }

    // MARK: Whose it is

    private func explain(_ cluster: ClusterRecords) throws -> StoreError? {
        if let other = try owner("SELECT name FROM cluster WHERE uid = ?", [cluster.uid]) {
            return StoreRules.isTaken("uid \(cluster.uid)", by: other, wantedBy: cluster.name)
        }
        return try owner("SELECT name FROM cluster WHERE gtidDomain = ?", [cluster.gtidDomain]).map {
            StoreRules.isTaken("GTID domain \(cluster.gtidDomain)", by: $0, wantedBy: cluster.name)
        }
    }

    private func explain(_ member: MemberRecord, of cluster: String) throws -> StoreError? {
        let name = "\(cluster)-\(member.ordinal)"
        let place = "SELECT cluster || '-' || ordinal FROM member WHERE host = ? AND port = ? AND holdsPlace"
        if let other = try owner("SELECT cluster || '-' || ordinal FROM member WHERE serverID = ?", [member.serverID]) {
            return StoreRules.isTaken("server id \(member.serverID)", by: other, wantedBy: name)
        }
        if let other = try owner(place, [member.host, member.port]) {
            return StoreRules.isTaken("port \(member.port) of host \(member.host)", by: other, wantedBy: name)
        }
        return .conflict("cluster \(cluster) has ordinal \(member.ordinal) twice")
    }

    private func owner(_ sql: String, _ arguments: StatementArguments) throws -> String? {
        try String.fetchOne(db, sql: sql, arguments: arguments)
    }
}
