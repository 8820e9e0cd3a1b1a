import ArgumentParser
import ControlAPI
import FleetModel
import JSONStream

struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List what there is: clusters, instances, hosts, zones, regions, channels, sources, units.",
        discussion: """
            Examples:
              evenkeel get clusters
              evenkeel get instances orders          the instances of one cluster
              evenkeel get hosts -o wide
              evenkeel get cluster orders -o yaml
              evenkeel get instances --watch
            """)

    @Argument(help: "What to list; singular, plural and short forms do (cl, in, ho).")
    var kind: String

    @Argument(help: "Only this one; of instances, those of this cluster.")
    var name: String?

    @Flag(name: [.short, .long], help: "Show it again after every change.")
    var watch = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let kind = try ListKind(parsing: kind)
        try await Client.with(connection) { client in
            try await output.showAndWatch(client, isWatching: watch) {
                try kind.view(of: try await client.get(Route.fleet), named: name)
            }
        }
    }
}

/// What `get` can list.
enum ListKind: String, CaseIterable, Sendable {
    case cluster, instance, host, zone, region, channel, source, unit

    private static let otherNames: [String: ListKind] = [
        "cl": .cluster, "in": .instance, "ho": .host, "availabilityzone": .zone, "az": .zone,
        "alertchannel": .channel, "ac": .channel, "all": .unit,
    ]

    init(parsing text: String) throws {
        let word = text.lowercased()
        let singular = word.hasSuffix("s") ? String(word.dropLast()) : word
        guard let kind = ListKind(rawValue: singular) ?? ListKind.otherNames[singular] ?? ListKind.otherNames[word] else {
            let all = ListKind.allCases.map { $0.rawValue + "s" }.joined(separator: ", ")
            throw CommandError("there is no kind \"\(text)\"", help: "one of \(all)")
        }
        self = kind
    }

    func view(of fleet: FleetDocument, named name: String?) throws -> any View {
        let view: any View =
            switch self {
            case .cluster: ClustersView(fleet: fleet, units: fleet.units(ofKind: "Cluster", named: name))
            case .channel: UnitsView(fleet: fleet, units: fleet.units(ofKind: "AlertChannel", named: name))
            case .unit: UnitsView(fleet: fleet, units: fleet.units(ofKind: nil, named: name))
            case .instance: InstancesView(fleet: fleet, instances: fleet.instances(of: name))
            case .host: HostsView(hosts: fleet.hosts.filter { name == nil || $0.name == name })
            case .zone: ZonesView(fleet: fleet, zones: fleet.zones.filter { name == nil || $0.name == name })
            case .region: RegionsView(regions: fleet.regions.filter { name == nil || $0.name == name })
            case .source: SourcesView(fleet: fleet, sources: fleet.sources.filter { name == nil || $0.name == name })
            }
        if let name, view.names.isEmpty {
            throw CommandError("there is no \(rawValue) \"\(name)\"", help: "see `evenkeel get \(rawValue)s`")
        }
        return view
    }
}

extension FleetDocument {
    /// Units of a kind (nil: of every kind), and of a name: `orders` or `Cluster/orders`.
    func units(ofKind kind: String?, named name: String?) -> [UnitDocument] {
        units.filter { unit in
            (kind == nil || unit.kind == kind) && (name == nil || unit.name == name || unit.id == name)
        }
    }

    /// Instances of a cluster (nil: of all), or one by its own name.
    func instances(of name: String?) -> [InstanceDocument] {
        units.flatMap { $0.cluster?.instances ?? [] }.filter { name == nil || $0.cluster == name || $0.name == name }
    }
}
