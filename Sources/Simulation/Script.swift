import FleetModel

/// The demo's fleet: three zones, five hosts, one cluster (or a second one in a second region); and the commits that are
/// pushed to it one after the other.
struct Script {
    static let source = "fleet"
    static let hosts: [(name: String, zone: String, address: String)] = [
        ("hz-a-1", "zone-a", "127.0.1.1"), ("hz-b-1", "zone-b", "127.0.2.1"), ("hz-b-2", "zone-b", "127.0.2.2"),
        ("hz-c-1", "zone-c", "127.0.3.1"), ("hz-c-2", "zone-c", "127.0.3.2"),
    ]

    static let standbyHosts: [(name: String, zone: String, address: String)] = [
        ("sh-a-1", "zone-sh", "127.0.4.1"), ("sh-a-2", "zone-sh", "127.0.4.2"),
    ]
    static let regions = [
        Region(metadata: Metadata(name: "hz"), displayName: "Hangzhou", locationCode: 1, isDefault: true),
        Region(metadata: Metadata(name: "sh"), displayName: "Shanghai", locationCode: 2, isDefault: false),
    ]

    static func region(of zone: String) -> String { zone == "zone-sh" ? "sh" : "hz" }

    /// Of two clusters in two regions, between which the lead moves.
    let isLeading: Bool
    private(set) var isGalera = false
    /// Somebody accepted that a member's writes are lost.
    private(set) var hasAcceptedLoss = false
    private(set) var fleets: [DesiredFleet] = []
    private var extra = 0
    /// The last one that was pushed.
    private(set) var newest = 0

    /// `commits`: what each does to the cluster; the first declares it.
    init(_ commits: [(subject: String, change: (inout Cluster) -> Void)]) {
        isLeading = false
        var cluster = Script.orders
        for (index, commit) in commits.enumerated() {
            commit.change(&cluster)
            fleets.append(fleet([cluster], index, commit.subject))
        }
        isGalera = cluster.topology == .galera
    }

    /// `commits`: what each does to both clusters; the first declares one, the second the other.
    init(ofTwo commits: [(subject: String, change: (inout Cluster, inout Cluster) -> Void)]) {
        isLeading = true
        var (orders, standby) = (Script.orders, Script.standby)
        for (index, commit) in commits.enumerated() {
            commit.change(&orders, &standby)
            fleets.append(fleet(index == 0 ? [orders] : [orders, standby], index, commit.subject))
        }
    }

    var hosts: [(name: String, zone: String, address: String)] { Script.hosts + (isLeading ? Script.standbyHosts : []) }

    var isOver: Bool { newest == fleets.count - 1 }
    var current: DesiredFleet { fleets[newest] }

    mutating func push() { newest = min(newest + 1, fleets.count - 1) }

    /// A commit beside those of the script, which the next of these leaves out again.
    mutating func acceptLoss(_ epoch: Int64) {
        hasAcceptedLoss = true
        var fleet = current
        fleet.revision = Revision(commit: String(repeating: "f", count: 36) + String(10_000 + extra), subject: "accept the loss")
        extra += 1
        for (name, cluster) in fleet.clusters {
            var value = cluster.value
            value.recoveryAcceptLoss = epoch
            fleet.clusters[name] = Declared(value: value, file: cluster.file, line: cluster.line, revision: fleet.revision.commit)
        }
        newest += 1
        fleets.insert(fleet, at: newest)
    }

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

    /// Declared as commit `first` leaves it, and changed by the next three.
    func part(from first: Int) -> Script {
        var script = self
        script.fleets = Array(fleets[first..<min(first + Script.partCommits, fleets.count)])
        return script
    }

    /// The last commit that a part of full length begins with.
    var lastPart: Int { max(fleets.count - Script.partCommits, 0) }

    private static let partCommits = 4

    /// The same commits of a cluster that is declared in another way.
    func altered(_ change: (inout Cluster) -> Void) -> Script {
        var script = self
        for index in fleets.indices {
            for (name, cluster) in fleets[index].clusters {
                var declared = cluster
                change(&declared.value)
                script.fleets[index].clusters[name] = declared
            }
        }
        return script
    }

    /// Without the commits after this one.
    func ending(with last: Int) -> Script {
        var script = self
        script.fleets.removeLast(max(fleets.count - 1 - last, 0))
        return script
    }

    /// Nothing says where it was declared.
    var withoutFiles: Script {
        var script = self
        for index in fleets.indices {
            for (name, cluster) in fleets[index].clusters {
                script.fleets[index].clusters[name] = Declared(value: cluster.value, file: "", line: 0, revision: cluster.revision)
            }
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

    /// The lead goes to the other region and back, by one commit and by two; a demotion that is taken back.
    static let leading = Script(ofTwo: [
        ("declare orders", { _, _ in }),
        ("declare orders-sh, which follows", { _, _ in }),
        ("the lead to orders-sh", { orders, standby in
            orders.standbyOf = "orders-sh"
            standby.standbyOf = nil
        }),
        ("more connections", { orders, standby in
            orders.parameters["max_connections"] = "300"
            standby.parameters["max_connections"] = "300"
        }),
        ("orders-sh leads no more", { _, standby in standby.standbyOf = "orders" }),
        ("the lead to orders", { orders, _ in orders.standbyOf = nil }),
        ("orders leads no more", { orders, _ in orders.standbyOf = "orders-sh" }),
        ("orders leads again", { orders, _ in orders.standbyOf = nil }),
        ("the lead to orders-sh once more", { orders, standby in
            orders.standbyOf = "orders-sh"
            standby.standbyOf = nil
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

    /// Found, a parameter of each sort, content, a planned move, five members and three again, one of them elsewhere.
    static let galera = Script([
        ("declare orders", { $0.topology = .galera }),
        ("more connections", { $0.parameters["max_connections"] = "300" }),
        ("a longer backlog", { $0.parameters["back_log"] = "200" }),
        ("billing", { $0.databases = [DatabaseSpec(name: "billing"), DatabaseSpec(name: "orders")] }),
        ("the primary to zone b", { $0.preferredZones = ["zone-b"] }),
        ("five", { $0.placement = Script.placement(1, 2, 2) }),
        ("a grant more", { $0.accounts[0].grants = [Grant(on: "orders.*", privileges: ["INSERT", "SELECT", "UPDATE"])] }),
        ("three", { $0.placement = Script.placement(1, 1, 1) }),
        ("two in zone c, none in a", { $0.placement = Script.placement(0, 1, 2) }),
        ("a shorter backlog", { $0.parameters["back_log"] = "100" }),
    ])

    private static var standby: Cluster {
        var cluster = orders
        cluster.metadata.name = "orders-sh"
        (cluster.placement, cluster.preferredZones) = ([Placement(zone: "zone-sh", replicas: 2)], [])
        cluster.standbyOf = "orders"
        return cluster
    }

    private func fleet(_ clusters: [Cluster], _ index: Int, _ subject: String) -> DesiredFleet {
        let commit = String(repeating: "0", count: 39) + String(index, radix: 16)
        var fleet = DesiredFleet(revision: Revision(commit: commit, subject: subject))
        for region in isLeading ? Script.regions : [Script.regions[0]] {
            fleet.regions[region.metadata.name] = Declared(value: region, file: "regions.yaml", line: 1)
        }
        for zone in Set(hosts.map(\.zone)).sorted() {
            let value = AvailabilityZone(metadata: Metadata(name: zone), region: Script.region(of: zone), rooms: ["r1"])
            fleet.zones[zone] = Declared(value: value, file: "zones.yaml", line: 1)
        }
        for host in hosts {
            let value = Host(metadata: Metadata(name: host.name), zone: host.zone, room: "r1", address: host.address)
            fleet.hosts[host.name] = Declared(value: value, file: "hosts.yaml", line: 1)
        }
        for cluster in clusters {
            let name = cluster.metadata.name
            fleet.clusters[name] = Declared(value: cluster, file: "clusters/\(name).yaml", line: 1, revision: commit)
        }
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
