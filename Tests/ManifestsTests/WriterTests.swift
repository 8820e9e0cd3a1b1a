import FleetModel
import Testing

@testable import Manifests

@Suite struct WriterTests {
    @Test func `what is written reads back as it was`() throws {
        let full = Cluster(
            metadata: Metadata(name: "orders", labels: ["a/b": "yes", "team": "x y"], annotations: ["note": "it's: \"quoted\" # no \\ comment"]),
            engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .primaryReplica,
            placement: [Placement(zone: "west-a", replicas: 2), Placement(zone: "west-b", replicas: 1)], port: 3400,
            resources: ClusterResources(memoryBytes: 1 << 30, storageBytes: 5_000_000_000),
            parameters: ["max_connections": "200", "sql_mode": "TRADITIONAL", "x": "1.10", "y": "on", "z": ""],
            durability: .async, relaySync: .always, availabilityMin: 1, preferredZones: ["west-b", "west-a"],
            databases: [DatabaseSpec(name: "a", characterSet: "latin1", collation: "latin1_bin", deletionPolicy: .delete), DatabaseSpec(name: "b")],
            accounts: [
                AccountSpec(name: "app", host: "%", passwordFrom: .env("X"), grants: []),
                AccountSpec(
                    name: "app", host: "10.%", passwordFrom: .file("d/x"),
                    grants: [Grant(on: "*.*", privileges: ["PROCESS", "SELECT"], withGrantOption: true), Grant(on: "a.t", privileges: ["ALL PRIVILEGES"])]),
            ],
            retainFor: .seconds(5400), deletionPolicy: .delete, suspend: true, maxDataLoss: 0,
            maintenance: Maintenance(until: Instant(milliseconds: 1_795_298_400_000), reason: "disks: new ones"))
        let text = ManifestWriter.yaml(full)
        let assembly = assembled(places(with: text))
        #expect(assembly.diagnostics.isEmpty, "\(assembly.diagnostics.rendered())\n\(text)")
        #expect(assembly.fleet.clusters["orders"]?.value == full)
    }

    @Test func `every unit of a fleet reads back as it was, and defaults are left out`() throws {
        let channel = "apiVersion: evenkeel.dev/v1\nkind: AlertChannel\nmetadata: {name: c}\nspec: {script: {name: page}}\n"
        let fleet = assembled(places, file("c.yaml", cluster()), file("d.yaml", channel)).fleet
        let units: [UnitID] = fleet.regions.keys.map { UnitID(.region, $0) } + fleet.zones.keys.map { UnitID(.availabilityZone, $0) }
            + fleet.hosts.keys.map { UnitID(.host, $0) } + [UnitID(.cluster, "orders"), UnitID(.alertChannel, "c")]
        let files = try units.map { unit in file("\(unit).yaml", try #require(ManifestWriter.yaml(unit, in: fleet))) }
        let again = assembled(files)
        #expect(again.diagnostics.isEmpty, "\(again.diagnostics.rendered())")
        for unit in units { #expect(try #require(again.fleet[unit]).declaresSame(as: try #require(fleet[unit]))) }
        #expect(
            ManifestWriter.yaml(UnitID(.cluster, "orders"), in: fleet) == """
                apiVersion: evenkeel.dev/v1
                kind: Cluster
                metadata:
                  name: orders
                spec:
                  engine:
                    type: mariadb
                    version: "10.11"
                  placement:
                    - zone: west-a
                      replicas: 1
                    - zone: west-b
                      replicas: 1
                  resources:
                    memory: 256Mi
                    storage: 5Gi

                """)
        #expect(ManifestWriter.yaml(UnitID(.cluster, "none"), in: fleet) == nil)
    }

    @Test(arguments: [0, 1, 1000, 1024, 1536 << 20, 1 << 60, Int64.max]) func `sizes read back`(_ bytes: Int64) {
        #expect(Quantity.bytes(Quantity.text(bytes)) == bytes)
    }

    @Test(arguments: [0, 1, 999, 60_000, 5_400_000, 86_461_001]) func `durations read back`(_ milliseconds: Int64) {
        #expect(GoDuration.duration(GoDuration.text(.milliseconds(milliseconds))) == .milliseconds(milliseconds))
    }
}
