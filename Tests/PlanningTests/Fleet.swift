import FleetModel
@testable import Planning

/// A small fleet for planner tests: three zones, five hosts, one cluster; the world starts empty and follows the
/// declared effects.
struct TestFleet {
    var fleet: DesiredFleet
    var records = FleetRecords(storeID: "store-1")
    var observed: [String: ObservedHost] = [:]
    var now = Instant(milliseconds: 1_000_000)
    var secrets = ["app@127.%": "f00d"]
    var policy = PlanningPolicy()

    static let hostNames = ["hz-a-1", "hz-b-1", "hz-b-2", "hz-c-1", "hz-c-2"]

    static func zone(of host: String) -> String { "zone-" + host.dropFirst(3).prefix(1) }

    /// One whose cluster runs as declared.
    static func founded(_ cluster: Cluster = TestFleet.orders()) -> TestFleet {
        var fleet = TestFleet(cluster)
        fleet.converge()
        return fleet
    }

    init(_ cluster: Cluster = TestFleet.orders()) {
        fleet = DesiredFleet(revision: Revision(commit: "3f2c1e9"))
        let region = Region(metadata: Metadata(name: "hz"), displayName: "Hangzhou", locationCode: 1, isDefault: true)
        fleet.regions["hz"] = Declared(value: region, file: "r.yaml", line: 1)
        for letter in ["a", "b", "c"] {
            let zone = AvailabilityZone(metadata: Metadata(name: "zone-" + letter), region: "hz", rooms: ["r1"])
            fleet.zones["zone-" + letter] = Declared(value: zone, file: "z.yaml", line: 1)
        }
        for (index, name) in Self.hostNames.enumerated() {
            let host = Host(metadata: Metadata(name: name), zone: Self.zone(of: name), room: "r1", address: "127.0.9.\(index + 1)")
            fleet.hosts[name] = Declared(value: host, file: "h.yaml", line: 1)
            seeEmpty(name)
        }
        declare(cluster)
        if cluster.topology == .galera { for name in Self.hostNames { installGalera(name) } }
    }

    mutating func installGalera(_ host: String) {
        for index in observed[host]?.report.engines.indices ?? 0..<0 {
            observed[host]?.report.engines[index].galeraProvider = "/usr/lib/galera/libgalera_smm.so"
        }
    }

    static func orders(_ counts: [Int] = [1, 1, 1]) -> Cluster {
        let zones = ["zone-a", "zone-b", "zone-c"]
        return Cluster(
            metadata: Metadata(name: "orders"), engine: EngineSpec(type: .mariadb, version: "10.11"),
            topology: .primaryReplica,
            placement: zip(zones, counts).filter { $0.1 > 0 }.map { Placement(zone: $0.0, replicas: $0.1) }, port: 3306,
            resources: ClusterResources(memoryBytes: 256 << 20, storageBytes: 1 << 30),
            parameters: ["max_connections": "200"], preferredZones: ["zone-a"],
            databases: [DatabaseSpec(name: "orders")],
            accounts: [
                AccountSpec(
                    name: "app", host: "127.%", passwordFrom: .file("orders-app"),
                    grants: [Grant(on: "orders.*", privileges: ["INSERT", "SELECT"])])
            ])
    }

    mutating func seeEmpty(_ host: String) {
        var report = HostReport(host: host)
        report.engines = [EngineBinary(type: .mariadb, version: "10.11.19", path: "/usr/sbin/mariadbd")]
        observed[host] = ObservedHost(report: report, renewed: now)
    }

    mutating func declare(_ cluster: Cluster) {
        fleet.clusters[cluster.metadata.name] = Declared(value: cluster, file: "clusters/orders.yaml", line: 1, revision: "3f2c1e9")
    }

    mutating func edit(_ change: (inout Cluster) -> Void) {
        guard var cluster = fleet.clusters["orders"]?.value else { return }
        change(&cluster)
        declare(cluster)
    }

    mutating func change(host name: String, _ change: (inout Host) -> Void) {
        guard var declared = fleet.hosts[name] else { return }
        change(&declared.value)
        fleet.hosts[name] = declared
    }

    mutating func allocate() -> [AllocationProblem] {
        let allocation = Planner.allocate(fleet, records)
        records = allocation.records
        return allocation.problems
    }

    func situation(_ running: [RunningAttempt] = []) -> ClusterSituation {
        ClusterSituation(
            name: "orders", desired: fleet.clusters["orders"], fieldPaths: fleet.fieldPaths,
            hosts: HostDirectory(of: fleet),
            records: records.clusters["orders"] ?? ClusterRecords(uid: "", name: "orders", gtidDomain: 0),
            observed: observed, running: running, secrets: secrets,
            catalogs: [
                VariableCatalog(
                    type: .mariadb, version: "10.11.19",
                    dynamic: ["max_connections", "innodb_buffer_pool_size", "character_set_server", "binlog_expire_logs_seconds", "long_query_time", "max_binlog_size", "sync_relay_log"],
                    fixed: ["back_log"])
            ], policy: policy, now: now)
    }

    /// Allocates, rehearses to the end and takes the end as the new world.
    @discardableResult
    mutating func converge() -> Rehearsal {
        _ = allocate()
        let (rehearsal, end) = Planner.rehearseToEnd(situation())
        observed = end.observed
        records.clusters["orders"] = end.records
        now = end.now
        return rehearsal
    }

    /// Lets one task have its effect, and nothing else happen.
    mutating func carryOut(_ task: PlannedTask) {
        var world = situation()
        let result = world.apply(task, ConfigurationCache(world.desired?.value))
        observed = world.observed
        guard let records = orders else { return }
        self.records.clusters["orders"] = Planner.absorb(.succeeded(result), of: task, into: records, at: now, jitter: 0)
    }

    /// Records one step and lets each of its tasks have its effect.
    @discardableResult
    mutating func carryOutStep() -> Decision {
        let decision = Planner.step(situation())
        records.clusters["orders"] = decision.records
        for task in decision.tasks { carryOut(task) }
        return decision
    }

    mutating func change(_ ordinal: Int, _ edit: (inout InstanceReport) -> Void) {
        guard let member = records.clusters["orders"]?.member(ordinal) else { return }
        guard let index = observed[member.host]?.report.instances.firstIndex(where: { $0.id.ordinal == ordinal }) else { return }
        if var report = observed[member.host]?.report.instances[index] {
            edit(&report)
            observed[member.host]?.report.instances[index] = report
        }
    }

    var orders: ClusterRecords? { records.clusters["orders"] }
}

extension Rehearsal {
    /// `install 1, install 2 | start 1 …`: the waves as short text.
    var outline: String {
        waves.map { wave in
            wave.tasks.map { task in
                guard case .instance(let id, _) = task.target else { return task.action.name }
                return "\(task.action.name) \(id.ordinal)"
            }.joined(separator: ", ")
        }.joined(separator: " | ")
    }
}
