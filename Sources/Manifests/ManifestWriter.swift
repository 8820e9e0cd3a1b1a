package import FleetModel

/// Model to YAML, for `get -o yaml`: fields in the tables' order, those at their default left out.
package enum ManifestWriter {
    package static func yaml(_ region: Region) -> String { "" }
    package static func yaml(_ zone: AvailabilityZone) -> String { "" }
    package static func yaml(_ host: Host) -> String { "" }
    package static func yaml(_ cluster: Cluster) -> String { "" }
    package static func yaml(_ channel: AlertChannel) -> String { "" }

    /// The manifest of a unit in force; nil where there is none.
    package static func yaml(_ unit: UnitID, in fleet: DesiredFleet) -> String? { nil }
}
