import FleetModel
import Testing

@testable import Manifests

/// What bad input gets: a clear error at the right place, and nothing that is good is held.
@Suite struct BadInputTests {
    // MARK: Not YAML

    @Test func `a file that is not YAML is told where it stops being YAML`() {
        let assembly = assembled(places, file("x.yaml", "apiVersion: evenkeel.dev/v1\nkind: [Region\nmetadata: {name: x}\n"))
        #expect(assembly.diagnostics.map(\.position.line) == [3])
        #expect(assembly.diagnostics[0].message.hasPrefix("not valid YAML: "))
        #expect(assembly.revisionHeld == nil)
        #expect(assembly.fleet.hosts.count == 3)
    }

    @Test func `a tab that indents is told as such`() {
        let assembly = assembled(places, file("x.yaml", "apiVersion: evenkeel.dev/v1\nspec:\n\tport: 1\n"))
        #expect(lines(assembly.diagnostics) == ["x.yaml:3:1: error: not valid YAML: a tab indents the line"])
        #expect(assembly.diagnostics[0].help == "indent with spaces")
    }

    @Test func `every fault of a file is told, also after one that is no YAML`() {
        let text = "kind: {\n---\nkind: Zone\n---\n- 1\n---\n\tx: 1\n---\napiVersion: evenkeel.dev/v1\nkind: Host\n"
        let found = lines(assembled(places, file("x.yaml", text)).diagnostics)
        #expect(found.map { $0.split(separator: " ")[0] } == ["x.yaml:2:1:", "x.yaml:3:7:", "x.yaml:5:1:", "x.yaml:7:1:", "x.yaml:9:1:", "x.yaml:9:1:"])
    }

    @Test func `bytes that are not UTF-8 are told at their place`() {
        let bytes = Array("# é\nkind: R".utf8) + [0xFF] + Array("gion\n".utf8)
        let assembly = assembled([places, ManifestFile(path: "x.yaml", bytes: bytes)])
        #expect(assembly.diagnostics.map { "\($0.position)" } == ["x.yaml:2:8"])
        #expect(assembly.diagnostics[0].message.hasPrefix("not UTF-8: "))
    }

    @Test func `a control character is told at its place`() {
        let assembly = assembled(places, file("x.yaml", "kind: a\u{0}b\n"))
        #expect(lines(assembly.diagnostics) == ["x.yaml:1:8: error: a control character is not allowed here"])
    }

    @Test func `a byte order mark and line ends of Windows change nothing`() {
        let text = "\u{FEFF}" + cluster().split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
        let assembly = assembled([places, file("x.yaml", text)])
        #expect(assembly.diagnostics.isEmpty, "\(lines(assembly.diagnostics))")
        #expect(assembly.fleet.clusters["orders"]?.line == 1)
    }

    @Test func `UTF-16 is not UTF-8`() {
        let bytes = "kind: Region\n".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        let assembly = assembled([places, ManifestFile(path: "x.yaml", bytes: [0xFF, 0xFE] + bytes)])
        #expect(assembly.diagnostics.map { "\($0.position)" } == ["x.yaml:1:1"])
    }

    // MARK: Bounds

    @Test func `ten thousand levels of nesting are an error and no crash`() throws {
        for text in [String(repeating: "[", count: 10_000), String(repeating: "{a: ", count: 10_000), nestedBlock(3000)] {
            let diagnostics = assembled(places, file("x.yaml", text)).diagnostics
            #expect(try #require(diagnostics.first).message == "nested deeper than 64 levels")
        }
    }

    private func nestedBlock(_ levels: Int) -> String {
        (0..<levels).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
    }

    @Test func `an alias bomb is an error at the alias that goes too far`() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            text += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n"
        }
        let diagnostics = assembled(places, file("x.yaml", text)).diagnostics
        #expect(diagnostics.map(\.position.line) == [4])
        #expect(diagnostics[0].message == "the aliases of the document stand for more than 10000 values")
    }

    @Test func `a merge bomb is an error`() {
        var text = "a0: &a0 {k: v}\n"
        for level in 1...30 { text += "a\(level): &a\(level) {<<: [*a\(level - 1), *a\(level - 1)], k\(level): v}\n" }
        let diagnostics = assembled(places, file("x.yaml", text)).diagnostics
        #expect(diagnostics[0].message == "the aliases of the document stand for more than 10000 values")
    }

    @Test func `a value that contains itself is an error`() {
        let diagnostics = assembled(places, file("x.yaml", "a: &a {b: *a}\n")).diagnostics
        #expect(lines(diagnostics) == ["x.yaml:1:11: error: the alias `*a` is inside of what it stands for"])
    }

    @Test func `an alias without its anchor is an error, also where another document has it`() {
        let diagnostics = assembled(places, file("x.yaml", "a: &a 1\n---\nkind: *a\n")).diagnostics
        #expect(lines(diagnostics).contains("x.yaml:3:7: error: the alias `*a` names no anchor of this document"))
    }

    @Test func `a file of a hundred megabytes is an error at its first line`() {
        let large = ManifestFile(path: "x.yaml", bytes: [UInt8](repeating: UInt8(ascii: "#"), count: 100 << 20))
        #expect(lines(assembled([places, large]).diagnostics) == ["x.yaml:1:1: error: the file is larger than 16Mi"])
    }

    @Test func `a document with too many values is an error`() {
        let text = "a: [" + String(repeating: "1,", count: 200_000) + "]\n"
        let diagnostics = assembled(places, file("x.yaml", text)).diagnostics
        #expect(diagnostics.map(\.message) == ["the document has more than 100000 values"])
    }

    @Test func `a file with very many faults tells a thousand of them`() {
        let text = String(repeating: "kind: Foo\n---\n", count: 5000)
        #expect(assembled(places, file("x.yaml", text)).diagnostics.count == 1000)
    }

    // MARK: Documents

    @Test(arguments: ["", "# nothing\n", "---\n---\n", "~\n"]) func `a file without a document is fine`(_ text: String) {
        #expect(assembled(places, file("x.yaml", text)).diagnostics.isEmpty)
    }

    @Test(arguments: [
        ("- a\n", "x.yaml:1:1: error: a manifest must be a mapping, not a list"),
        ("hello\n", "x.yaml:1:1: error: a manifest must be a mapping, not \"hello\""),
        ("apiVersion: evenkeel.dev/v1\nspec: {}\n", "x.yaml:1:1: error: the manifest has no `kind`"),
        ("apiVersion: evenkeel.dev/v1\nkind: Clutser\n", "x.yaml:2:7: error: unknown kind `Clutser`"),
        ("apiVersion: evenkeel.dev/v1\nkind: Source\n", "x.yaml:2:7: error: unknown kind `Source`"),
        ("apiVersion: evenkeel.dev/v1\nkind: FleetPolicy\n", "x.yaml:2:7: error: the kind `FleetPolicy` is not supported in this release"),
        ("apiVersion: apps/v1\nkind: Deployment\n", "x.yaml:1:13: error: \"apps/v1\" is not Evenkeel's `apiVersion`"),
        ("kind: [a]\n", "x.yaml:1:7: error: `kind` must be the name of a kind, not a list"),
        ("kind: {a: b}\n", "x.yaml:1:7: error: `kind` must be the name of a kind, not a mapping"),
        ("kind:\n", "x.yaml:1:6: error: `kind` must be the name of a kind, not nothing"),
    ]) func `a document that is no manifest`(_ text: String, _ expected: String) {
        let assembly = assembled(places, file("x.yaml", text))
        #expect(lines(assembly.diagnostics) == [expected])
        #expect(assembly.revisionHeld == nil)
        #expect(assembly.fleet.zones.count == 2)
    }

    @Test(arguments: [
        ("{until: tomorrow}", "c.yaml:8:24: error: `spec.maintenance.until` must be a moment such as `2026-11-21T22:00:00Z`, not \"tomorrow\""),
        ("{until: 2026-11-21T22:00:00}", "c.yaml:8:24: error: `spec.maintenance.until` must be a moment such as `2026-11-21T22:00:00Z`, not \"2026-11-21T22:00:00\""),
        ("{reason: disks}", "c.yaml:8:16: error: `spec.maintenance` has no `until`"),
        ("true", "c.yaml:8:16: error: `spec.maintenance` must be a mapping, not \"true\""),
    ]) func `a maintenance without an end`(_ text: String, _ expected: String) throws {
        #expect(lines([try only(cluster("orders", "maintenance: \(text)"))]) == [expected])
    }

    @Test func `an unknown kind gets the one that was meant`() {
        let diagnostics = assembled(places, file("x.yaml", "apiVersion: evenkeel.dev/v1\nkind: Clutser\n")).diagnostics
        #expect(diagnostics[0].help == "did you mean `Cluster`?")
    }

    @Test func `a wrong apiVersion of a known kind is told`() throws {
        let diagnostic = try only(cluster().replacing("evenkeel.dev/v1", with: "evenkeel.dev/v2"))
        #expect(lines([diagnostic]) == ["c.yaml:1:13: error: `apiVersion` must be `evenkeel.dev/v1`, not \"evenkeel.dev/v2\""])
        #expect(diagnostic.unit == UnitID(.cluster, "orders"))
    }

    @Test func `a key twice is an error at the second, in each document that has one`() {
        let twice = "apiVersion: evenkeel.dev/v1\nkind: Region\nmetadata: {name: NAME}\nspec:\n  locationCode: CODE\n  locationCode: CODE\n"
        let one = twice.replacing("NAME", with: "x").replacing("CODE", with: "8")
        let two = twice.replacing("NAME", with: "y").replacing("CODE", with: "9")
        let diagnostics = assembled(places, file("x.yaml", one + "---\n" + two)).diagnostics
        #expect(
            lines(diagnostics) == [
                "x.yaml:6:3: error: `locationCode` is given twice", "x.yaml:13:3: error: `locationCode` is given twice",
            ])
        #expect(diagnostics.map(\.unit) == [UnitID(.region, "x"), UnitID(.region, "y")])
    }

    @Test func `a key twice in labels and parameters is an error, also in two spellings`() {
        let text = cluster("orders", "parameters: {max-connections: 1, MAX_CONNECTIONS: 2}")
            .replacing("metadata: {name: orders}", with: "metadata: {name: orders, labels: {a: b, a: c}}")
        #expect(
            lines(assembled(places(with: text)).diagnostics) == [
                "c.yaml:3:41: error: `a` is given twice", "c.yaml:8:36: error: `max_connections` is given twice",
            ])
    }

    @Test func `a tag is an error`() throws {
        #expect(lines([try only(cluster("orders", "port: !!int 3306"))]) == ["c.yaml:8:9: error: tags are not used in manifests"])
    }

    // MARK: Fields

    @Test(arguments: [
        ("prot: 3306", "c.yaml:8:3: error: unknown field `prot` in `spec`", "did you mean `port`?"),
        ("port: 80", "c.yaml:8:9: error: `spec.port` must be a whole number from 1024 to 65535, not \"80\"", ""),
        ("port: 3306.0", "c.yaml:8:9: error: `spec.port` must be a whole number from 1024 to 65535, not \"3306.0\"", ""),
        ("port: \"3306\"", "c.yaml:8:9: error: `spec.port` must be a whole number from 1024 to 65535, not a quoted text", "remove the quotes"),
        ("port: [3306]", "c.yaml:8:9: error: `spec.port` must be a whole number from 1024 to 65535, not a list", ""),
        ("port: 99999999999999999999", "c.yaml:8:9: error: `spec.port` must be a whole number from 1024 to 65535, not \"99999999999999999999\"", ""),
        ("suspend: yes", "c.yaml:8:12: error: `spec.suspend` must be true or false, not \"yes\"", "write `true`"),
        ("suspend:", "c.yaml:8:11: error: `spec.suspend` has no value", "it must be true or false; leave the field out for its default"),
        ("topology: Single", "c.yaml:8:13: error: `spec.topology` must be `single` or `primaryReplica` or `galera`, not \"Single\"", "did you mean `single`?"),
        ("retainFor: 24", "c.yaml:8:14: error: `spec.retainFor` must be a duration such as `30s`, not \"24\"", "numbers with a unit: `ms`, `s`, `m` or `h`, as in `1h30m`"),
        ("retainFor: -1h", "c.yaml:8:14: error: `spec.retainFor` must be a duration such as `30s`, not \"-1h\"", "numbers with a unit: `ms`, `s`, `m` or `h`, as in `1h30m`"),
        ("databases: {a: b}", "c.yaml:8:14: error: `spec.databases` must be a list, not a mapping", "begin each item with `- `"),
        ("parameters: [a]", "c.yaml:8:15: error: `spec.parameters` must be a mapping, not a list", "write `name: value`"),
        ("primary: here", "c.yaml:8:12: error: `spec.primary` must be a mapping, not \"here\"", "write its fields on lines of their own, indented below it"),
        ("failover: [manual]", "c.yaml:8:13: error: `spec.failover` must be `automatic` or `manual`, not a list", ""),
        ("failover: {mode: off}", "c.yaml:8:20: error: `spec.failover.mode` must be `automatic` or `manual`, not \"off\"", ""),
        ("failover: {maxDataLoss: -1}", "c.yaml:8:27: error: `spec.failover.maxDataLoss` must be a whole number from 0 to 1000000000, not \"-1\"", ""),
        ("durability: {whenAlone: go}", "c.yaml:8:27: error: `spec.durability.whenAlone` must be `wait` or `continue`, not \"go\"", ""),
        ("durability: {sync: always}", "c.yaml:8:16: error: unknown field `sync` in `spec.durability`", "its fields are `mode`, `relaySync`, `whenAlone`"),
        ("failover: off", "c.yaml:8:13: error: `spec.failover` must be `automatic` or `manual`, not \"off\"", ""),
        ("standbyOf: x", "c.yaml:8:14: error: `spec.standbyOf` must be a mapping, not \"x\"", "write its fields on lines of their own, indented below it"),
        ("standbyOf: {}", "c.yaml:8:14: error: `standbyOf` names no cluster", "write `standbyOf: {cluster: NAME}`, or leave it out"),
        ("standbyOf: {cluster: orders}", "c.yaml:8:24: error: a cluster cannot follow itself", "name the cluster that leads"),
        ("standbyOf: {cluster: stock}", "c.yaml:8:24: error: no Cluster `stock` is declared", ""),
        ("promotion: {token: 1.2.3.4}", "c.yaml:8:22: error: `spec.promotion.token` is no demotion token: \"1.2.3.4\"", "copy it whole from `evenkeel describe cluster NAME` of the cluster that led"),
        ("upgrade: x", "c.yaml:8:12: error: `spec.upgrade` is not supported in this release", "remove it; the engine's version changes with `engine.version`."),
        ("? [a]\n: b", "c.yaml:8:5: error: a field's name must be a plain word", "write `name: value`"),
    ]) func `a field that is not as it should be`(_ more: String, _ expected: String, _ help: String) throws {
        let diagnostic = try only(cluster("orders", more))
        #expect(lines([diagnostic]) == [expected])
        #expect(diagnostic.help == help)
        #expect(diagnostic.unit == UnitID(.cluster, "orders"))
        #expect(diagnostic.sourceLine?.isEmpty == false)
    }

    @Test func `a missing field is told where it should be`() throws {
        let text = "apiVersion: evenkeel.dev/v1\nkind: Cluster\nmetadata: {name: orders}\nspec:\n  engine: {type: mariadb}\n"
        let diagnostics = assembled(places(with: text)).diagnostics
        #expect(
            lines(diagnostics) == [
                "c.yaml:5:3: error: `spec` has no `placement`", "c.yaml:5:3: error: `spec` has no `resources`",
                "c.yaml:5:11: error: `spec.engine` has no `version`",
            ])
    }

    @Test(arguments: ["Orders", "my_orders", "-a", "a-", "a.b", "", "ä", String(repeating: "a", count: 64)])
    func `a bad name is told, and whatever it names is not in force`(_ name: String) {
        let assembly = assembled(places(with: cluster("\"\(name)\"")))
        #expect(assembly.diagnostics.count == 1)
        #expect(assembly.diagnostics.first?.position.column == 18)
        #expect(assembly.fleet.clusters.isEmpty)
    }

    @Test func `a bad name gets a good one like it`() {
        #expect(assembled(places(with: cluster("My_Orders"))).diagnostics[0].help.hasPrefix("write `my-orders`: "))
    }

    // MARK: Versions and sizes stay what they are

    @Test func `a version stays text`() throws {
        let diagnostic = try only(cluster().replacing("10.11", with: "10.10"))
        #expect(diagnostic.message == "`spec.engine.version` is 10.10, which this release does not support")
        let exact = assembled(places(with: cluster().replacing("10.11", with: "10.11.19")))
        #expect(exact.fleet.clusters["orders"]?.value.engine.version == "10.11.19")
    }

    @Test(arguments: ["abc", "1gi", "1 Gi", "-1Gi", "1.Gi", ".5Gi", "9Ei", "1e30", "0x10"])
    func `a bad size is told`(_ size: String) throws {
        let diagnostic = try only(cluster().replacing("5Gi", with: "\"\(size)\""))
        #expect(diagnostic.message == "`spec.resources.storage` must be a size such as `1Gi`, not \"\(size)\"")
    }

    @Test func `a size that is too small is told`() throws {
        #expect(try only(cluster().replacing("256Mi", with: "1Mi")).message == "`spec.resources.memory` is 1Mi; the least is 64Mi")
    }
}
