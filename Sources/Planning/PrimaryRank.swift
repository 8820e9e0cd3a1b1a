package import FleetModel

extension Cluster {
    /// How little a member in `zone` is wanted as the primary: 0 in the most wanted zone; the least on a host that is worked on,
    /// then on one that is to be empty.
    package func primaryRank(zone: String, isInMaintenance: Bool, isDrained: Bool) -> Int {
        if isInMaintenance { return Int.max }
        if isDrained { return Int.max - 1 }
        return preferredZones.firstIndex(of: zone) ?? preferredZones.count
    }
}
