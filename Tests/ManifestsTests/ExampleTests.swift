import FleetModel
import Foundation
import Testing

@testable import Manifests

@Suite struct ExampleTests {
    @Test(arguments: ["single-host", "three-zones", "two-regions"])
    func `every example validates without a diagnostic`(_ name: String) throws {
        let files = try ManifestDirectory.read(root.appending(path: "examples/\(name)").path())
        #expect(files.count >= 3)
        let assembly = assembled(files)
        #expect(assembly.diagnostics.isEmpty, "\(assembly.diagnostics.rendered())")
        #expect(assembly.revisionHeld == nil)
        #expect(!assembly.fleet.clusters.isEmpty)
    }

    @Test func `what init writes validates and is the example of a single host`() throws {
        let manifests = FleetTemplate.files.filter { ManifestFile.isManifest(path: $0.path) }
        let assembly = assembled(manifests.map { file($0.path, $0.text) })
        #expect(assembly.diagnostics.isEmpty, "\(assembly.diagnostics.rendered())")
        #expect(assembly.fleet.clusters.keys.sorted() == ["first"])
        #expect(FleetTemplate.files.map(\.path) == FleetTemplate.files.map(\.path).sorted())
        for (path, text) in manifests {
            #expect(try String(contentsOf: root.appending(path: "examples/single-host/\(path)"), encoding: .utf8) == text)
        }
    }

    @Test func `the cluster of the example reads as it is written`() throws {
        let files = try ManifestDirectory.read(root.appending(path: "examples/three-zones").path())
        let fleet = assembled(files).fleet
        let orders = try #require(fleet.clusters["orders"])
        #expect(orders.file == "clusters/orders.yaml")
        #expect(orders.line == 1)
        let expected = Cluster(
            metadata: Metadata(name: "orders", labels: ["team": "checkout"]),
            engine: EngineSpec(type: .mariadb, version: "10.11"), topology: .primaryReplica,
            placement: ["a", "b", "c"].map { Placement(zone: "cn-hangzhou-\($0)", replicas: 1) }, port: 3306,
            resources: ClusterResources(memoryBytes: 256 << 20, storageBytes: 1 << 30),
            parameters: ["max_connections": "200"], durability: .semiSync, preferredZones: ["cn-hangzhou-a"],
            databases: [DatabaseSpec(name: "orders", characterSet: "utf8mb4")],
            accounts: [
                AccountSpec(
                    name: "app", host: "127.%", passwordFrom: .file("orders-app"),
                    grants: [Grant(on: "orders.*", privileges: ["DELETE", "INSERT", "SELECT", "UPDATE"])])
            ])
        #expect(orders.value == expected)
        #expect(fleet.hosts.keys.sorted() == ["hz-a-1", "hz-b-1", "hz-b-2", "hz-c-1", "hz-c-2"])
        let place = fleet.fieldPaths.position(of: "spec.parameters.max_connections", in: orders)
        #expect("\(place)" == "clusters/orders.yaml:17:33")
    }
}
