package import FleetModel

/// Model to YAML, for `get -o yaml`: fields in the tables' order, those at their default left out.
package enum ManifestWriter {
    package static func yaml(_ region: Region) -> String { KindTable.region.yaml(region) }
    package static func yaml(_ zone: AvailabilityZone) -> String { KindTable.availabilityZone.yaml(zone) }
    package static func yaml(_ host: Host) -> String { KindTable.host.yaml(host) }
    package static func yaml(_ cluster: Cluster) -> String { KindTable.cluster.yaml(cluster) }
    package static func yaml(_ channel: AlertChannel) -> String { KindTable.alertChannel.yaml(channel) }

    /// The manifest of a unit in force; nil where there is none.
    package static func yaml(_ unit: UnitID, in fleet: DesiredFleet) -> String? {
        switch fleet[unit] {
        case .region(let declared): yaml(declared.value)
        case .availabilityZone(let declared): yaml(declared.value)
        case .host(let declared): yaml(declared.value)
        case .cluster(let declared): yaml(declared.value)
        case .alertChannel(let declared): yaml(declared.value)
        case nil: nil
        }
    }
}
