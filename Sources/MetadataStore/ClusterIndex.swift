import FleetModel

/// What is unique among the clusters of a fleet: uids, GTID domains, server ids, and the host and port of members that
/// are not retired or purged. Kept beside the records, so that a change costs what it touches and not the fleet.
struct ClusterIndex: Sendable {
    private struct Place: Hashable {
        var host: String
        var port: Int
    }

    private var uids: [String: String] = [:]
    private var domains: [Int64: String] = [:]
    private var serverIDs: [Int64: String] = [:]
    private var places: [Place: String] = [:]

    /// Forgets what a cluster had.
    mutating func remove(_ records: ClusterRecords) {
        uids[records.uid] = nil
        domains[records.gtidDomain] = nil
        for member in records.members {
            serverIDs[member.serverID] = nil
            // What a retired member had may be another's by now.
            if StoreRules.holdsPlace(member.phase) { places[Place(host: member.host, port: member.port)] = nil }
        }
    }

    /// Takes what a cluster has; throws where another has it.
    mutating func insert(_ records: ClusterRecords) throws(StoreError) {
        try Self.take(records.uid, of: records.name, in: &uids, "uid")
        try Self.take(records.gtidDomain, of: records.name, in: &domains, "GTID domain")
        for member in records.members {
            let name = "\(records.name)-\(member.ordinal)"
            try Self.take(member.serverID, of: name, in: &serverIDs, "server id")
            guard StoreRules.holdsPlace(member.phase) else { continue }
            let place = Place(host: member.host, port: member.port)
            if let other = places.updateValue(name, forKey: place) {
                throw StoreRules.isTaken("port \(place.port) of host \(place.host)", by: other, wantedBy: name)
            }
        }
    }

    private static func take<Value: Hashable>(
        _ value: Value, of name: String, in table: inout [Value: String], _ what: String
    ) throws(StoreError) {
        if let other = table.updateValue(name, forKey: value) {
            throw StoreRules.isTaken("\(what) \(value)", by: other, wantedBy: name)
        }
    }
}
