import FleetModel
import Testing

@testable import Manifests

/// What YAML offers and manifests may use.
@Suite struct YAMLTests {
    @Test func `anchors, aliases and merge keys work within a document`() throws {
        let text = """
            apiVersion: evenkeel.dev/v1
            kind: Cluster
            metadata:
              name: orders
              labels: &labels {team: checkout, tier: gold}
              annotations: {<<: *labels, tier: silver}
            spec:
              engine: &engine
                type: mariadb
                version: "10.11"
              resources: &resources {memory: 1Gi, storage: 5Gi}
              placement:
                - &one {zone: west-a, replicas: 1}
                - <<: *one
                  zone: west-b
            """
        let assembly = assembled(places(with: text))
        #expect(assembly.diagnostics.isEmpty, "\(lines(assembly.diagnostics))")
        let value = try #require(assembly.fleet.clusters["orders"]).value
        #expect(value.metadata.annotations == ["team": "checkout", "tier": "silver"])
        #expect(value.placement == [Placement(zone: "west-a", replicas: 1), Placement(zone: "west-b", replicas: 1)])
    }

    @Test func `of several merged mappings the first wins, and what is beside the merge key wins over all`() throws {
        let text = cluster(
            "orders",
            """
            parameters:
              <<: [{a: 1, b: 1}, {b: 2, c: 2, d: 2}]
              d: 3
            """)
        let value = try #require(assembled(places(with: text)).fleet.clusters["orders"]).value
        #expect(value.parameters == ["a": "1", "b": "1", "c": "2", "d": "3"])
    }

    @Test func `a merge of something else is an error`() throws {
        let diagnostic = try only(cluster("orders", "parameters: {<<: [1]}"))
        #expect(lines([diagnostic]) == ["c.yaml:8:21: error: `<<` merges mappings, and this is none"])
    }

    @Test func `an error inside of an anchor is told once`() throws {
        let text = cluster("orders", "databases: [{<<: &x {characterSet: 1!}, name: a}, {<<: *x, name: b}]")
        #expect(lines(assembled(places(with: text)).diagnostics).count == 1)
    }

    @Test func `a file may hold many documents, in any order, in any folder, as yaml and yml`() {
        let files = [
            file("x/y/z.yml", cluster("a") + "\n...\n# between\n---\n" + cluster("b")), file("0/places.yaml", text(places)),
            file(".github/workflow.yaml", "on: push"), file("x/.hidden.yaml", "{"), file("notes.txt", "{"),
        ]
        let assembly = assembled(files)
        #expect(assembly.diagnostics.isEmpty)
        #expect(assembly.fleet.clusters.mapValues(\.line) == ["a": 1, "b": 12])
    }

    @Test func `block scalars and quoted texts are texts`() {
        let region = "apiVersion: evenkeel.dev/v1\nkind: Region\nmetadata: {name: x}\nspec:\n  displayName: >-\n    A\n    place\n  locationCode: 7\n"
        #expect(assembled(places, file("r.yaml", region)).fleet.regions["x"]?.value.displayName == "A place")
        #expect(assembled(places, file("r.yaml", region.replacing(">-\n    A\n    place", with: "'it''s'"))).fleet.regions["x"]?.value.displayName == "it's")
        #expect(assembled(places, file("r.yaml", region.replacing(">-\n    A\n    place", with: "yes"))).fleet.regions["x"]?.value.displayName == "yes")
    }

    @Test func `columns count characters, not bytes`() {
        let region = "apiVersion: evenkeel.dev/v1\nkind: Region\nmetadata: {name: x}\nspec: {displayName: 杭州é, locationCode: x}\n"
        let diagnostics = assembled(places, file("r.yaml", region)).diagnostics
        #expect(diagnostics.map(\.position.column) == [40])
        #expect(diagnostics[0].rendered().split(separator: "\n")[2] == String(repeating: " ", count: 41) + "^")
    }

    @Test(arguments: [
        ("1", 1), ("1k", 1000), ("1Ki", 1024), ("1.5Gi", 1_610_612_736), ("1e3", 1000), ("2E2", 200), ("0.001k", 1),
        ("1.0001k", 1001), ("3M", 3_000_000), ("7Ei", 7 << 60),
    ] as [(String, Int64)]) func `sizes are read as Kubernetes does`(_ text: String, _ bytes: Int64) {
        #expect(Quantity.bytes(text) == bytes)
    }

    @Test(arguments: ["", "Gi", "1GiB", "8Ei", "1e19", "1.", ".5", "1..2", "１"]) func `other texts are no sizes`(_ text: String) {
        #expect(Quantity.bytes(text) == nil)
    }

    @Test(arguments: [
        ("0", 0), ("30s", 30_000), ("1h30m", 5_400_000), ("250ms", 250), ("1.5h", 5_400_000), ("24h", 86_400_000),
        ("1m0.5s", 60_500),
    ] as [(String, Int64)]) func `durations are read as Go does`(_ text: String, _ milliseconds: Int64) {
        #expect(GoDuration.duration(text) == .milliseconds(milliseconds))
    }

    @Test(arguments: ["", "1", "s", "1d", "1 s", "-1s", "1s1", "9999999999h", "1.2.3s"]) func `other texts are no durations`(_ text: String) {
        #expect(GoDuration.duration(text) == nil)
    }

    @Test(arguments: [
        "127.0.1.1", "10.0.0.1", "::1", "fe80::1", "2001:db8:0:1:2:3:4:5", "db-1.example.com", "db1", "::",
    ]) func `addresses`(_ text: String) { #expect(Address.isValid(text)) }

    @Test(arguments: ["256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", ":::", "1:2", "g::1", "a_b", "-a", "a..b", "1.2.3.4:80", "a b"])
    func `texts that are no addresses`(_ text: String) { #expect(!Address.isValid(text)) }

    private func text(_ file: ManifestFile) -> String {
        if case .bytes(let bytes) = file.content { String(decoding: bytes, as: UTF8.self) } else { "" }
    }
}
