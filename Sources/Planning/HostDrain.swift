package import FleetModel

/// A host that is to be empty: by its own manifest, or with its whole zone.
package struct HostDrain: Sendable, Hashable {
    /// `host hz-a-1` or `zone cn-hangzhou-a`.
    package var scope: String
    /// No other host of the zone can stand in for it: instances that `placement` puts there have nowhere to go.
    package var isOfZone: Bool
    /// Where that is declared.
    package var cause: Cause

    /// `zone cn-hangzhou-a is drained: zones/a.yaml:7`
    package var text: String {
        guard case .manifest(_, let position, _) = cause else { return "\(scope) is drained" }
        return "\(scope) is drained: \(position.file):\(position.line)"
    }

    /// By host name, of all hosts that are to be empty.
    static func directory(of fleet: DesiredFleet) -> [String: HostDrain] {
        let zones = fleet.zones.filter { $0.value.value.drain }
        var all: [String: HostDrain] = [:]
        for (name, host) in fleet.hosts {
            if let zone = zones.isEmpty ? nil : zones[host.value.zone] {
                all[name] = HostDrain(scope: "zone \(host.value.zone)", isOfZone: true, cause: cause(zone, in: fleet))
            } else if host.value.drain {
                all[name] = HostDrain(scope: "host \(name)", isOfZone: false, cause: cause(host, in: fleet))
            }
        }
        return all
    }

    private static func cause<Value>(_ declared: Declared<Value>, in fleet: DesiredFleet) -> Cause {
        let field = "spec.drain"
        return .manifest(revision: declared.revision, at: fleet.fieldPaths.position(of: field, in: declared), field: field)
    }
}
