import FleetModel
import Testing

@testable import Manifests

/// What is held, at what, and how it comes back: commit by commit.
@Suite struct HoldingTests {
    private let orders = UnitID(.cluster, "orders")
    private let billing = UnitID(.cluster, "billing")

    /// A set that has accepted the places and two clusters, each in a file of its own.
    private func running() -> ManifestSet {
        var set = ManifestSet()
        _ = set.apply(changed: [places, file("orders.yaml", cluster()), file("billing.yaml", cluster("billing"))], revision: first)
        let assembly = set.assemble()
        #expect(assembly.diagnostics.isEmpty)
        #expect(assembly.changed.count == 8)
        return set
    }

    @Test func `an error holds its unit at the last good manifest and nothing else`() throws {
        var set = running()
        let report = set.apply(
            changed: [file("orders.yaml", cluster("orders", "port: no")), file("billing.yaml", cluster("billing", "port: 3400"))],
            revision: second)
        #expect(report.changedUnits == [billing, orders])
        let assembly = set.assemble()
        #expect(assembly.held.keys.map(\.self) == [orders])
        #expect(assembly.changed == [billing])
        #expect(assembly.revisionHeld == nil)
        #expect(assembly.fleet.revision == second)
        #expect(assembly.fleet.clusters["orders"]?.revision == first.commit)
        #expect(assembly.fleet.clusters["orders"]?.value.port == nil)
        #expect(assembly.fleet.clusters["billing"]?.revision == second.commit)
        #expect(assembly.fleet.clusters["billing"]?.value.port == 3400)
    }

    @Test func `what is mended comes into force`() {
        var set = running()
        _ = set.apply(changed: [file("orders.yaml", cluster("orders", "port: no"))], revision: second)
        _ = set.assemble()
        _ = set.apply(changed: [file("orders.yaml", cluster("orders", "port: 3399"))], revision: third)
        let assembly = set.assemble()
        #expect(assembly.held.isEmpty)
        #expect(assembly.diagnostics.isEmpty)
        #expect(assembly.changed == [orders])
        #expect(assembly.fleet.clusters["orders"]?.revision == third.commit)
    }

    @Test func `an unreadable file holds every unit last declared in it`() {
        var set = ManifestSet()
        let both = cluster() + "\n---\n" + cluster("billing")
        _ = set.apply(changed: [places, file("c.yaml", both)], revision: first)
        _ = set.assemble()
        _ = set.apply(changed: [file("c.yaml", both + "\n---\n{")], revision: second)
        // Also over another commit that leaves it unreadable.
        for revision in [second, third] {
            let assembly = set.assemble()
            #expect(assembly.held.keys.sorted() == [])
            #expect(assembly.fleet.clusters.count == 2)
            #expect(assembly.diagnostics.count == 1)
            _ = set.apply(changed: [file("c.yaml", "{")], revision: revision)
            let worse = set.assemble()
            #expect(worse.held.keys.sorted() == [billing, orders])
            #expect(worse.held[orders]?.count == 1)
            #expect(worse.fleet.clusters.count == 2)
            #expect(worse.revisionHeld == nil)
            _ = set.apply(changed: [file("c.yaml", both + "\n---\n{")], revision: revision)
        }
        _ = set.apply(changed: [], removed: ["c.yaml"], revision: third)
        #expect(set.assemble().fleet.clusters.isEmpty)
    }

    @Test func `a document whose name was lost holds the unit that its file declared`() {
        var set = running()
        _ = set.apply(changed: [file("orders.yaml", cluster("Orders"))], revision: second)
        let assembly = set.assemble()
        #expect(assembly.held.keys.map(\.self) == [orders])
        #expect(assembly.fleet.clusters["orders"] != nil)
        #expect(assembly.changed.isEmpty)
    }

    @Test func `a unit that moved to another file is not held by the one it left`() {
        var set = running()
        _ = set.apply(changed: [file("orders.yaml", "{"), file("new.yaml", cluster())], revision: second)
        let assembly = set.assemble()
        #expect(assembly.held.isEmpty)
        #expect(assembly.fleet.clusters["orders"]?.file == "new.yaml")
    }

    @Test func `a held revision changes nothing, and the next one counts from what was in force`() {
        var set = running()
        let noDefault = file("places.yaml", text(places).replacing(", default: true", with: ""))
        _ = set.apply(changed: [noDefault, file("orders.yaml", cluster("orders", "port: 3399"))], removed: ["billing.yaml"], revision: second)
        let held = set.assemble()
        #expect(held.revisionHeld?.count == 1)
        #expect(held.changed.isEmpty)
        #expect(held.fleet.revision == first)
        #expect(held.fleet.clusters["orders"]?.value.port == nil)
        #expect(held.fleet.clusters.count == 2)
        _ = set.apply(changed: [places], revision: third)
        let mended = set.assemble()
        #expect(mended.revisionHeld == nil)
        #expect(mended.changed == [billing, orders])
        #expect(mended.fleet.clusters["orders"]?.value.port == 3399)
        #expect(mended.fleet.clusters["billing"] == nil)
    }

    @Test func `holding the revision on an error refuses all of it`() {
        var set = running()
        _ = set.apply(
            changed: [file("orders.yaml", cluster("orders", "port: no")), file("billing.yaml", cluster("billing", "port: 3400"))],
            revision: second)
        let assembly = set.assemble(holdingRevisionOnError: true)
        #expect(assembly.revisionHeld?.count == 1)
        #expect(assembly.fleet.clusters["billing"]?.value.port == nil)
        #expect(assembly.fleet.revision == first)
        // The same set with the other policy takes what is good.
        #expect(set.assemble().fleet.clusters["billing"]?.value.port == 3400)
    }

    @Test func `a repository that became empty removes nothing`() {
        var set = running()
        _ = set.apply(changed: [], removed: ["places.yaml", "orders.yaml", "billing.yaml"], revision: second)
        let assembly = set.assemble()
        #expect(lines(assembly.diagnostics) == [".:1:1: error: there is no manifest here"])
        #expect(assembly.fleet.clusters.count == 2)
    }

    @Test func `removing a manifest takes its unit out of force`() {
        var set = running()
        #expect(set.apply(changed: [], removed: ["orders.yaml"], revision: second).changedUnits == [orders])
        let assembly = set.assemble()
        #expect(assembly.changed == [orders])
        #expect(assembly.fleet.clusters.keys.sorted() == ["billing"])
    }

    // MARK: What a change affects

    @Test func `a zone that goes holds what is in it, and its return releases it`() {
        var set = running()
        let without = file("places.yaml", text(places).replacing("west-b}\nspec: {region: west", with: "west-c}\nspec: {region: west"))
        _ = set.apply(changed: [without], revision: second)
        let gone = set.assemble()
        #expect(gone.held.keys.sorted() == [UnitID(.host, "b-1"), billing, orders])
        #expect(gone.fleet.clusters.count == 2)
        #expect(gone.diagnostics.map(\.position.file).sorted() == ["billing.yaml", "orders.yaml", "places.yaml"])
        #expect(gone.diagnostics.allSatisfy { $0.sourceLine != nil })
        _ = set.apply(changed: [places], revision: third)
        let back = set.assemble()
        #expect(back.held.isEmpty)
        #expect(back.diagnostics.isEmpty)
    }

    @Test func `a host that goes holds the clusters for which none is left`() {
        var set = running()
        let one = text(places).split(separator: "---\n")
        let hosts = one.filter { !$0.contains("name: b-1") }.joined(separator: "---\n")
        _ = set.apply(changed: [file("places.yaml", hosts)], revision: second)
        let assembly = set.assemble()
        #expect(assembly.changed == [UnitID(.host, "b-1")])
        #expect(assembly.held.keys.sorted() == [billing, orders])
        #expect(lines(assembly.diagnostics).allSatisfy { $0.hasSuffix("1 instance in `west-b`, which has no hosts") })
        _ = set.apply(changed: [places], revision: third)
        #expect(set.assemble().held.isEmpty)
    }

    @Test func `a change of a zone's rooms moves hosts that name none`() {
        var set = running()
        let renamed = text(places).replacing("rooms: [r3]", with: "rooms: [r9, r3]")
        _ = set.apply(changed: [file("places.yaml", renamed)], revision: second)
        let assembly = set.assemble()
        #expect(assembly.fleet.hosts["b-1"]?.value.room == "r9")
        #expect(assembly.changed == [UnitID(.availabilityZone, "west-b"), UnitID(.host, "b-1")])
    }

    @Test func `an address stays with the host that has it and goes to another when it is given up`() {
        var set = running()
        let rival = "apiVersion: evenkeel.dev/v1\nkind: Host\nmetadata: {name: a-0}\nspec: {zone: west-a, address: 10.0.1.1}\n"
        _ = set.apply(changed: [file("a.yaml", rival)], revision: second)
        #expect(set.assemble().held.keys.map(\.description) == ["Host/a-0"])
        _ = set.apply(changed: [file("places.yaml", text(places).replacing("10.0.1.1", with: "10.0.1.9"))], revision: third)
        let assembly = set.assemble()
        #expect(assembly.held.isEmpty)
        #expect(assembly.fleet.hosts["a-0"]?.value.address == "10.0.1.1")
    }

    @Test func `of two manifests with one name the one that stays comes into force`() {
        var set = running()
        _ = set.apply(changed: [file("copy.yaml", cluster("orders", "port: 3500"))], revision: second)
        #expect(set.assemble().held.keys.map(\.self) == [orders])
        _ = set.apply(changed: [], removed: ["orders.yaml"], revision: third)
        let assembly = set.assemble()
        #expect(assembly.held.isEmpty)
        #expect(assembly.fleet.clusters["orders"]?.value.port == 3500)
        // Its relations are still known: a zone that goes still holds it.
        _ = set.apply(changed: [file("places.yaml", text(places).replacing("west-b", with: "west-c"))], revision: third)
        #expect(set.assemble().held.keys.contains(orders))
    }

    @Test(.timeLimit(.minutes(1))) func `very many manifests with one name come and go`() {
        var set = running()
        let twin = "apiVersion: evenkeel.dev/v1\nkind: AvailabilityZone\nmetadata: {name: twin}\nspec: {region: west, rooms: [r]}\n"
        let many = String(repeating: twin + "---\n", count: 5000)
        _ = set.apply(changed: [file("many.yaml", many)], revision: second)
        #expect(set.assemble().diagnostics.count == 4999)
        _ = set.apply(changed: [file("many.yaml", twin)], revision: third)
        let assembly = set.assemble()
        #expect(assembly.diagnostics.isEmpty)
        #expect(assembly.changed == [UnitID(.availabilityZone, "twin")])
    }

    @Test func `lines that moved change no unit and are still told`() {
        var set = running()
        let report = set.apply(changed: [file("orders.yaml", "# a comment\n" + cluster())], revision: second)
        #expect(report.changedUnits.isEmpty)
        let assembly = set.assemble()
        #expect(assembly.changed.isEmpty)
        #expect(assembly.fleet.clusters["orders"]?.line == 2)
    }

    // MARK: A server that starts anew

    @Test func `last good manifests are restored before the first revision`() {
        var set = ManifestSet()
        let missing = set.restore([
            LastGood(unit: orders, file: file("orders.yaml", cluster("orders", "port: 3377")), revision: "old"),
            LastGood(unit: billing, file: file("billing.yaml", "{"), revision: "old"),
        ])
        #expect(missing == [billing])
        _ = set.apply(changed: [places, file("orders.yaml", "{")], revision: first)
        let assembly = set.assemble()
        #expect(assembly.held.keys.map(\.self) == [orders])
        #expect(assembly.fleet.clusters["orders"]?.value.port == 3377)
        #expect(assembly.fleet.clusters["orders"]?.revision == "old")
    }

    @Test func `a restored unit that is no longer declared is gone`() {
        var set = ManifestSet()
        _ = set.restore([LastGood(unit: orders, file: file("orders.yaml", cluster()), revision: "old")])
        _ = set.apply(changed: [places], revision: first)
        #expect(set.assemble().fleet.clusters.isEmpty)
    }

    // MARK: Diagnostics of others

    @Test func `a problem of placement is told at its field`() {
        var set = running()
        _ = set.apply(changed: [file("orders.yaml", cluster("orders", "port: 3306"))], revision: second)
        _ = set.assemble()
        let port = set.diagnostic(unit: orders, field: "spec.port", message: "taken", help: "")
        #expect("\(port.position)" == "orders.yaml:8:9")
        #expect(port.sourceLine == "  port: 3306")
        #expect(port.unit == orders)
        let inner = set.diagnostic(unit: orders, field: "spec.placement[1].replicas", message: "no host", help: "")
        #expect("\(inner.position)" == "orders.yaml:6:31")
        let unknown = set.diagnostic(unit: UnitID(.cluster, "x"), field: "spec", message: "", help: "")
        #expect("\(unknown.position)" == ".:1:1")
    }

    private func text(_ file: ManifestFile) -> String {
        if case .bytes(let bytes) = file.content { String(decoding: bytes, as: UTF8.self) } else { "" }
    }
}
