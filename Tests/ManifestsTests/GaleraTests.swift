import FleetModel
import Testing

@testable import Manifests

@Suite struct GaleraTests {
    /// A third zone, and one in another region.
    private let more = file(
        "more.yaml",
        """
        apiVersion: evenkeel.dev/v1
        kind: AvailabilityZone
        metadata: {name: west-c}
        spec: {region: west, rooms: [r4]}
        ---
        apiVersion: evenkeel.dev/v1
        kind: Host
        metadata: {name: c-1}
        spec: {zone: west-c, address: 10.0.3.1}
        ---
        apiVersion: evenkeel.dev/v1
        kind: Region
        metadata: {name: east}
        spec: {locationCode: 4}
        ---
        apiVersion: evenkeel.dev/v1
        kind: AvailabilityZone
        metadata: {name: east-a}
        spec: {region: east, rooms: [r1]}
        ---
        apiVersion: evenkeel.dev/v1
        kind: Host
        metadata: {name: e-1}
        spec: {zone: east-a, address: 10.1.1.1}
        """)

    private func read(_ fields: String, zones: String = "{zone: west-a}, {zone: west-b}, {zone: west-c}") -> Assembly {
        assembled(places, more, file("c.yaml", cluster("orders", fields, zones: zones)))
    }

    @Test func `three instances in three zones are a galera cluster`() throws {
        let assembly = read("topology: galera\nrecovery: {acceptLoss: 7}\navailability: {min: 2}\nfailover: manual")
        #expect(assembly.diagnostics.isEmpty, "\(lines(assembly.diagnostics))")
        let cluster = try #require(assembly.fleet.clusters["orders"]?.value)
        #expect(cluster.topology == .galera && cluster.durability == .async && cluster.recoveryAcceptLoss == 7)
    }

    @Test(arguments: [
        ("durability: semiSync", "c.yaml:9:15: error: `durability` is not for `topology: galera`: every member of the component has received a commit before it is acknowledged"),
        ("durability: {whenAlone: continue}", "c.yaml:9:15: error: `durability` is not for `topology: galera`: every member of the component has received a commit before it is acknowledged"),
        ("failover: {maxDataLoss: 5}", "c.yaml:9:27: error: `maxDataLoss` is not for `topology: galera`: no member of the component lacks what another acknowledged"),
        ("availability: {min: 1}", "c.yaml:9:23: error: `spec.availability.min` is 1 of 3 instances, and fewer than 2 serve nothing"),
        ("availability: {min: 3}", "c.yaml:9:23: error: `spec.availability.min` is 3 of 3 instances, which would never let one be restarted"),
        ("promotion: {acceptLoss: 5}", "c.yaml:9:14: error: `promotion` is for a standby, and a galera cluster is none"),
        ("parameters: {default-storage-engine: Aria}", "c.yaml:9:40: error: the parameter `default_storage_engine` belongs to Evenkeel in a galera cluster"),
        ("parameters: {wsrep_slave_threads: 8}", "c.yaml:9:16: error: the parameter `wsrep_slave_threads` belongs to Evenkeel"),
    ]) func `what does not go with it is told with its place`(_ field: String, _ expected: String) {
        #expect(lines(read("topology: galera\n" + field).diagnostics) == [expected])
    }

    @Test func `it has three or five instances, and a majority in one zone is a warning`() {
        let two = read("topology: galera", zones: "{zone: west-a}, {zone: west-b}")
        #expect(lines(two.diagnostics) == ["c.yaml:6:14: error: `topology: galera` has three or five instances, not 2"])
        let lopsided = read("topology: galera", zones: "{zone: west-b}, {zone: west-a, replicas: 2}")
        #expect(
            lines(lopsided.diagnostics) == [
                "c.yaml:6:31: warning: 2 of 3 instances are in `west-a`: its loss stops the whole cluster (MajorityInZone)"
            ])
        #expect(lopsided.fleet.clusters["orders"] != nil)
    }

    @Test func `it is in one region`() {
        let wide = read("topology: galera", zones: "{zone: west-a}, {zone: west-b}, {zone: east-a}")
        let messages = lines(wide.diagnostics)
        #expect(messages.count == 2 && messages.allSatisfy { $0.hasSuffix("a galera cluster is in one region") }, "\(messages)")
    }

    @Test func `recovery is for galera alone, and a galera cluster is no standby`() {
        #expect(lines(read("recovery: {acceptLoss: 7}").diagnostics) == ["c.yaml:8:13: error: `recovery` is for `topology: galera`, whose component can be lost"])
        let leading = file("l.yaml", cluster("stock", "", zones: "{zone: west-a}, {zone: west-b}"))
        let follower = file("c.yaml", cluster("orders", "topology: galera\nstandbyOf: {cluster: stock}", zones: "{zone: west-a}, {zone: west-b}, {zone: west-c}"))
        #expect(lines(assembled(places, more, leading, follower).diagnostics) == ["c.yaml:9:24: error: a galera cluster is no standby"])
    }
}
