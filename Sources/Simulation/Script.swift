import FleetModel

/// The demo's fleet: three zones, five hosts, one cluster; and the commits that are pushed to it one after the other.
struct Script {
    static let source = "fleet"
    static let hosts: [(name: String, zone: String, address: String)] = [
        ("hz-a-1", "zone-a", "127.0.1.1"), ("hz-b-1", "zone-b", "127.0.2.1"), ("hz-b-2", "zone-b", "127.0.2.2"),
        ("hz-c-1", "zone-c", "127.0.3.1"), ("hz-c-2", "zone-c", "127.0.3.2"),
    ]

    private(set) var fleets: [DesiredFleet] = []
    /// The last one that was pushed.
    private(set) var newest = 0

    /// `commits`: what each does to the cluster; the first declares it.
    init(_ commits: [(subject: String, change: (inout Cluster) -> Void)]) {
        var cluster = Script.orders
        for (index, commit) in commits.enumerated() {
            commit.change(&cluster)
            fleets.append(Script.fleet(cluster, index, commit.subject))
        }
    }

    var isOver: Bool { newest == fleets.count - 1 }
    var current: DesiredFleet { fleets[newest] }

    mutating func push() { newest = min(newest + 1, fleets.count - 1) }

    func index(of commit: String) -> Int? { fleets.firstIndex { $0.revision.commit == commit } }

    /// Found, add a replica, a parameter of each sort, content, a switchover, a move, a removal.
    static let whole = Script([
        ("declare orders", { _ in }),
        ("a fourth replica", { $0.placement = Script.placement(1, 2, 1) }),
        ("more connections", { $0.parameters["max_connections"] = "300" }),
        ("a longer backlog", { $0.parameters["back_log"] = "200" }),
        ("billing", { cluster in
            cluster.databases.append(DatabaseSpec(name: "billing"))
            cluster.accounts.append(
                AccountSpec(
                    name: "bill", host: "127.%", passwordFrom: .file("bill"),
                    grants: [Grant(on: "billing.*", privileges: ["SELECT"])]))
            cluster.accounts.sort { $0.key < $1.key }
            cluster.databases.sort { $0.name < $1.name }
        }),
        ("the primary to zone b", { $0.preferredZones = ["zone-b"] }),
        ("a grant more", { $0.accounts[0].grants = [Grant(on: "orders.*", privileges: ["INSERT", "SELECT", "UPDATE"])] }),
        ("two in zone c, one in b", { $0.placement = Script.placement(1, 1, 2) }),
        ("no billing", { cluster in cluster.accounts.removeAll { $0.name == "bill" } }),
    ])

    /// The same commits of a cluster that is declared in another way.
    func altered(_ change: (inout Cluster) -> Void) -> Script {
        var script = self
        for index in fleets.indices {
            guard var declared = fleets[index].clusters["orders"] else { continue }
            change(&declared.value)
            script.fleets[index].clusters["orders"] = declared
        }
        return script
    }

    /// Versions and values that need a restart, up and down; some by which nothing starts.
    static let rolling = Script([
        ("declare orders", { $0.engine.version = "10.11.18" }),
        ("another version", { $0.engine.version = ModelHost.engineVersion }),
        ("a backlog that is refused", { $0.parameters["back_log"] = ModelSetting.brokenBacklog }),
        ("no backlog", { $0.parameters["back_log"] = nil }),
        ("a version that is refused", { $0.engine.version = ModelSetting.brokenVersion }),
        ("the version before", { $0.engine.version = ModelHost.engineVersion }),
        ("both refused", { cluster in
            cluster.engine.version = ModelSetting.brokenVersion
            cluster.parameters["back_log"] = ModelSetting.brokenBacklog
        }),
        ("an older version and a backlog", { cluster in
            cluster.engine.version = "10.11.18"
            cluster.parameters["back_log"] = "200"
        }),
    ])

    static let brief = Script([("declare orders", { _ in })])

    static func placement(_ counts: Int...) -> [Placement] {
        zip(["zone-a", "zone-b", "zone-c"], counts).map { Placement(zone: $0, replicas: $1) }
    }

    private static var orders: Cluster {
        Cluster(
            metadata: Metadata(name: "orders"), engine: EngineSpec(type: .mariadb, version: "10.11"),
            topology: .primaryReplica, placement: placement(1, 1, 1), port: 3306,
            resources: ClusterResources(memoryBytes: 256 << 20, storageBytes: 1 << 30),
            parameters: ["max_connections": "200"], preferredZones: ["zone-a"], databases: [DatabaseSpec(name: "orders")],
            accounts: [
                AccountSpec(
                    name: "app", host: "127.%", passwordFrom: .file("app"),
                    grants: [Grant(on: "orders.*", privileges: ["INSERT", "SELECT"])])
            ], retainFor: .seconds(20))
    }

    private static func fleet(_ cluster: Cluster, _ index: Int, _ subject: String) -> DesiredFleet {
        let commit = String(repeating: "0", count: 39) + String(index, radix: 16)
        var fleet = DesiredFleet(revision: Revision(commit: commit, subject: subject))
        let region = Region(metadata: Metadata(name: "hz"), displayName: "Hangzhou", locationCode: 1, isDefault: true)
        fleet.regions["hz"] = Declared(value: region, file: "regions.yaml", line: 1)
        for zone in Set(hosts.map(\.zone)).sorted() {
            let value = AvailabilityZone(metadata: Metadata(name: zone), region: "hz", rooms: ["r1"])
            fleet.zones[zone] = Declared(value: value, file: "zones.yaml", line: 1)
        }
        for host in hosts {
            let value = Host(metadata: Metadata(name: host.name), zone: host.zone, room: "r1", address: host.address)
            fleet.hosts[host.name] = Declared(value: value, file: "hosts.yaml", line: 1)
        }
        fleet.clusters["orders"] = Declared(value: cluster, file: "clusters/orders.yaml", line: 1, revision: commit)
        return fleet
    }
}

extension DesiredFleet {
    /// Sorted; everything, where there is nothing to compare with.
    func units(differingFrom old: DesiredFleet?) -> [UnitID] {
        var units: [UnitID] = []
        for (name, cluster) in clusters where old?.clusters[name]?.value != cluster.value { units.append(UnitID(.cluster, name)) }
        guard old == nil else { return units.sorted() }
        units += regions.keys.map { UnitID(.region, $0) } + zones.keys.map { UnitID(.availabilityZone, $0) }
        units += hosts.keys.map { UnitID(.host, $0) }
        return units.sorted()
    }
}
