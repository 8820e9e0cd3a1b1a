import FleetModel
import Testing

@testable import Manifests

/// Checks between fields and between documents.
@Suite struct CrossCheckTests {
    // MARK: References

    @Test func `a zone that is not declared is told, with the one that was meant`() throws {
        let diagnostic = try only(cluster(zones: "{zone: west-c}, {zone: west-a}"))
        #expect(lines([diagnostic]) == ["c.yaml:6:22: error: no AvailabilityZone `west-c` is declared"])
        #expect(diagnostic.help == "did you mean `west-a`?")
    }

    @Test func `a region that is not declared is told`() {
        let zone = "apiVersion: evenkeel.dev/v1\nkind: AvailabilityZone\nmetadata: {name: x}\nspec: {region: east, rooms: [r]}\n"
        let diagnostics = assembled(places, file("x.yaml", zone)).diagnostics
        #expect(lines(diagnostics) == ["x.yaml:4:16: error: no Region `east` is declared"])
    }

    @Test func `a host in a zone that is not declared is told`() {
        let diagnostics = assembled(places, host("x", "zone: north, address: 10.9.9.9")).diagnostics
        #expect(lines(diagnostics) == ["x.yaml:4:14: error: no AvailabilityZone `north` is declared"])
        #expect(diagnostics[0].help == "there are `west-a`, `west-b`")
    }

    @Test func `a room that its zone does not have is told`() {
        let diagnostics = assembled(places, host("x", "zone: west-a, room: r3, address: 10.9.9.9")).diagnostics
        #expect(lines(diagnostics) == ["x.yaml:4:28: error: the zone `west-a` has no room `r3`"])
    }

    @Test func `a host without a room is in the first of its zone`() {
        let fleet = assembled(places).fleet
        #expect(fleet.hosts.mapValues(\.value.room) == ["a-1": "r1", "a-2": "r2", "b-1": "r3"])
    }

    private func host(_ name: String, _ spec: String) -> ManifestFile {
        file("x.yaml", "apiVersion: evenkeel.dev/v1\nkind: Host\nmetadata: {name: \(name)}\nspec: {\(spec)}\n")
    }

    @Test func `what refers to something that is not valid is held without a word of its own`() {
        let broken = file("places.yaml", text(places).replacing("rooms: [r3]", with: "roms: [r3]"))
        let assembly = assembled(broken, file("c.yaml", cluster()))
        #expect(lines(assembly.diagnostics).map { $0.split(separator: ":")[0] } == ["places.yaml", "places.yaml"])
        #expect(
            assembly.held.keys.sorted().map(\.description) == [
                "AvailabilityZone/west-b", "Host/b-1", "Cluster/orders",
            ])
        #expect(assembly.held[UnitID(.cluster, "orders")]?.map(\.message) == ["the AvailabilityZone `west-b` is not valid"])
        #expect(assembly.fleet.clusters.isEmpty)
    }

    private func text(_ file: ManifestFile) -> String {
        if case .bytes(let bytes) = file.content { String(decoding: bytes, as: UTF8.self) } else { "" }
    }

    // MARK: What only one can have

    @Test func `two manifests with one name are told, in two files and in one`() {
        let assembly = assembled(places, file("c.yaml", cluster()), file("d.yaml", cluster() + "\n---\n" + cluster()))
        #expect(
            lines(assembly.diagnostics) == [
                "d.yaml:3:18: error: the Cluster `orders` is declared twice",
                "d.yaml:12:18: error: the Cluster `orders` is declared twice",
            ])
        #expect(assembly.diagnostics[0].help == "the other is at c.yaml:3:18; rename or remove one of the two")
        #expect(assembly.held.keys.map(\.description) == ["Cluster/orders"])
        #expect(assembly.fleet.clusters.isEmpty)
    }

    @Test func `one name in two kinds is fine`() {
        #expect(assembled(places(with: cluster("west"))).diagnostics.isEmpty)
    }

    @Test(arguments: [-1, 128]) func `a location code out of range is told`(_ code: Int) {
        let diagnostics = assembled(region("x", "locationCode: \(code)"), places).diagnostics
        #expect(
            lines(diagnostics) == [
                "r-x.yaml:4:22: error: `spec.locationCode` must be a whole number from 0 to 127, not \"\(code)\""
            ])
    }

    @Test func `a location code that is used twice is told at the later`() {
        let assembly = assembled(region("east", "locationCode: 3"), places)
        #expect(
            lines(assembly.diagnostics) == [
                "r-east.yaml:4:22: error: the location code 3 belongs to the Region `west`"
            ])
        #expect(assembly.fleet.regions.keys.sorted() == ["west"])
    }

    @Test func `an address that is used twice is told at the later`() {
        let assembly = assembled(places, host("z", "zone: west-b, address: 10.0.1.1"))
        #expect(lines(assembly.diagnostics) == ["x.yaml:4:31: error: the address 10.0.1.1 belongs to the Host `a-1`"])
        #expect(assembly.held.keys.map(\.description) == ["Host/z"])
    }

    private func region(_ name: String, _ spec: String) -> ManifestFile {
        file("r-\(name).yaml", "apiVersion: evenkeel.dev/v1\nkind: Region\nmetadata: {name: \(name)}\nspec: {\(spec)}\n")
    }

    // MARK: The default region

    @Test func `no default region holds the revision`() {
        let assembly = assembled(file("places.yaml", text(places).replacing(", default: true", with: "")))
        #expect(lines(assembly.diagnostics) == ["places.yaml:4:7: error: no Region is the default"])
        #expect(assembly.revisionHeld == assembly.diagnostics)
        #expect(assembly.diagnostics[0].unit == nil)
        #expect(assembly.fleet.regions.isEmpty)
    }

    @Test func `two default regions hold the revision`() {
        let assembly = assembled(places, region("east", "locationCode: 9, default: true"))
        #expect(
            lines(assembly.diagnostics) == [
                "places.yaml:4:34: error: two Regions are the default: this one and `east`",
                "r-east.yaml:4:34: error: two Regions are the default: this one and `west`",
            ])
        #expect(assembly.revisionHeld == assembly.diagnostics)
    }

    @Test func `a repository without a manifest holds the revision`() {
        for files in [[], [file("a.yaml", "# nothing\n")], [file("notes.txt", "hello")]] {
            let assembly = assembled(files)
            #expect(lines(assembly.diagnostics) == [".:1:1: error: there is no manifest here"])
            #expect(assembly.revisionHeld != nil)
        }
    }

    // MARK: Clusters

    @Test func `more replicas than hosts are told`() throws {
        let diagnostic = try only(cluster(zones: "{zone: west-a, replicas: 3}"))
        #expect(lines([diagnostic]) == ["c.yaml:6:40: error: 3 instances in `west-a`, which has 2 hosts"])
    }

    @Test func `more replicas than schedulable hosts are a warning, for those that are there stay`() throws {
        let cordoned = file("places.yaml", text(places).replacing("address: 10.0.1.2", with: "address: 10.0.1.2, schedulable: false"))
        let assembly = assembled(cordoned, file("c.yaml", cluster(zones: "{zone: west-a, replicas: 2}")))
        #expect(
            lines(assembly.diagnostics) == [
                "c.yaml:6:40: warning: 2 instances in `west-a`, which has 2 hosts, but only 1 that takes new instances"
            ])
        #expect(assembly.held.isEmpty)
        #expect(assembly.fleet.clusters["orders"] != nil)
    }

    @Test(arguments: ["drain: true", "schedulable: false"])
    func `a zone that takes no new instances is a warning, also once it is closed later`(_ closed: String) {
        let open = "metadata: {name: west-a}\nspec: {region: west, "
        let places = file("places.yaml", text(places).replacing(open, with: open + closed + ", "))
        let expected = "c.yaml:6:15: warning: 1 instance in `west-a`, which has 2 hosts, but takes no new instances"
        let assembly = assembled(places, file("c.yaml", cluster()))
        #expect(lines(assembly.diagnostics) == [expected] && assembly.held.isEmpty)
        #expect(assembly.diagnostics.first?.help.contains("on AvailabilityZone `west-a`; instances that are there stay") == true)
        var set = ManifestSet()
        _ = set.apply(changed: [ManifestsTests.places, file("c.yaml", cluster())], revision: first)
        #expect(set.assemble().diagnostics.isEmpty)
        _ = set.apply(changed: [places], revision: second)
        #expect(lines(set.assemble().diagnostics) == [expected])
        _ = set.apply(changed: [ManifestsTests.places], revision: third)
        #expect(set.assemble().diagnostics.isEmpty)
    }

    @Test func `what a zone says of itself is true or false`() {
        let zone = "apiVersion: evenkeel.dev/v1\nkind: AvailabilityZone\nmetadata: {name: x}\nspec: {region: west, rooms: [r], drain: yes, schedulable: 1}\n"
        let assembly = assembled(places, file("z.yaml", zone))
        #expect(
            lines(assembly.diagnostics) == [
                "z.yaml:4:41: error: `spec.drain` must be true or false, not \"yes\"",
                "z.yaml:4:59: error: `spec.schedulable` must be true or false, not \"1\"",
            ])
    }

    @Test(arguments: [("2026-11-22", "2026-11-22"), ("42", "42"), ("\"a # b\"", "a # b"), ("新 OpenSSL", "新 OpenSSL")])
    func `a mark for a restart is taken as it is written`(_ written: String, _ mark: String) {
        #expect(assembled(places, file("c.yaml", cluster("orders", "restart: \(written)"))).fleet.clusters["orders"]?.value.restart == mark)
    }

    @Test(arguments: [
        ("topology: single", "c.yaml:6:14: error: `topology: single` has one instance, not 2"),
        ("availability: {min: 2}", "c.yaml:8:23: error: `spec.availability.min` is 2 of 2 instances, which would never let one be restarted"),
        ("primary: {preferredZones: [west-a, west-c]}", "c.yaml:8:38: error: the primary cannot be in `west-c`: `spec.placement` has no instance there"),
        ("primary: {preferredZones: [west-a, west-a]}", "c.yaml:8:38: error: `west-a` is preferred twice"),
        ("databases: [{name: mysql}]", "c.yaml:8:22: error: `spec.databases.name` is `mysql`, which belongs to the server"),
        ("databases: [{name: Evenkeel_x}]", "c.yaml:8:22: error: `spec.databases.name` is `Evenkeel_x`, which belongs to the server"),
        ("databases: [{name: a}, {name: b}, {name: a}]", "c.yaml:8:37: error: `spec.databases` has `a` twice"),
        ("databases: [{name: \"a`b\"}]", "c.yaml:8:22: error: `spec.databases.name` must be the name of a database, not \"a`b\""),
        ("databases: [{name: a, collation: latin1_bin}]", "c.yaml:8:36: error: the collation `latin1_bin` is none of the character set `utf8mb4`"),
        ("parameters: {server_id: 1}", "c.yaml:8:16: error: the parameter `server_id` belongs to Evenkeel"),
        ("parameters: {a: \"1\\nserver_id=1\"}", "c.yaml:8:19: error: `spec.parameters.a` must be one line without control characters"),
        ("parameters: {\"a\\nb\": 1}", "c.yaml:8:16: error: \"a b\" is no name of a server variable"),
        ("restart: \" x\"", "c.yaml:8:12: error: `spec.restart` must be a text that neither begins nor ends with a blank"),
        ("restart: \"\"", "c.yaml:8:12: error: `spec.restart` must be a text that neither begins nor ends with a blank"),
        ("restart: \"a\\nb=1\"", "c.yaml:8:12: error: `spec.restart` must be one line without control characters"),
        ("restart: {at: 1}", "c.yaml:8:12: error: `spec.restart` must be a value, not a mapping"),
        ("parameters: {a: [1]}", "c.yaml:8:19: error: `spec.parameters.a` must be a value, not a list"),
    ]) func `fields of a cluster that do not go together`(_ more: String, _ expected: String) throws {
        #expect(lines([try only(cluster("orders", more))]) == [expected])
    }

    @Test func `a zone twice in a placement is told`() throws {
        let diagnostic = try only(cluster(zones: "{zone: west-a}, {zone: west-b}, {zone: west-a}"))
        #expect(lines([diagnostic]) == ["c.yaml:6:47: error: `spec.placement` has `west-a` twice"])
    }

    @Test func `semiSync needs another instance`() throws {
        let one = cluster("orders", "topology: single\ndurability: semiSync", zones: "{zone: west-a}")
        #expect(try only(one).message == "`durability: semiSync` needs another instance, and `topology: single` has none")
        #expect(try only(cluster(zones: "{zone: west-a}")).message.hasPrefix("`durability: semiSync` needs two or more instances"))
        let fine = assembled(places(with: cluster("orders", "topology: single", zones: "{zone: west-a}")))
        #expect(fine.fleet.clusters["orders"]?.value.durability == .async)
    }

    @Test(arguments: [
        "server_id", "server-id", "SERVER_ID", "gtid_domain_id", "gtid_strict_mode", "log_bin", "log-bin", "skip_log_bin",
        "loose_server_id", "loose-skip-log-bin", "read_only", "rpl_semi_sync_master_enabled", "sync_binlog",
        "innodb_flush_log_at_trx_commit", "datadir", "socket", "port", "log_slave_updates", "binlog_format", "relay_log",
        "skip_slave_start", "bind_address", "report_host", "disable_log_bin", "maximum_server_id", "server_i", "extra_port",
        "pid_file", "slave_net_timeout", "skip_name_resolve", "plugin_load_add", "init_file", "replicate_do_db",
        "event_scheduler", "unix_socket", "skip-unix-socket", "require_secure_transport", "innodb_page_size",
        "lower_case_table_names", "innodb_flush_method", "sql_slave_skip_counter",
    ]) func `a parameter of ours is refused, with what to use instead`(_ name: String) throws {
        let diagnostic = try only(cluster("orders", "parameters: {\(name): 1}"))
        #expect("\(diagnostic.position)" == "c.yaml:8:16")
        #expect(!diagnostic.help.isEmpty)
    }

    @Test func `port and durability name the field to use`() throws {
        #expect(try only(cluster("o", "parameters: {port: 1}")).help == "use `spec.port`")
        #expect(try only(cluster("o", "parameters: {sync-binlog: 1}")).help == "use `spec.durability`")
    }

    @Test func `parameters of the user are kept as text by their one name`() throws {
        let text = cluster("orders", "parameters: {log_bin_trust_function_creators: 1, Max-Connections: 200, sql_mode: TRADITIONAL, innodb_buffer_pool_size: 128M, event_x: on, x: 1.10}")
        let assembly = assembled(places(with: text))
        #expect(assembly.diagnostics.isEmpty, "\(lines(assembly.diagnostics))")
        #expect(
            assembly.fleet.clusters["orders"]?.value.parameters == [
                "log_bin_trust_function_creators": "1", "max_connections": "200", "sql_mode": "TRADITIONAL", "innodb_buffer_pool_size": "128M",
                "event_x": "on", "x": "1.10",
            ])
    }
}
