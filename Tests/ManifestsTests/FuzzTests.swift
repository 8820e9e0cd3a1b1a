import FleetModel
import Foundation
import Testing

@testable import Manifests

/// A small generator, so that a failure can be had again from its seed.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite struct FuzzTests {
    private func good() throws -> [UInt8] {
        var text = ""
        for file in try ManifestDirectory.read(root.appending(path: "examples/three-zones").path()) {
            if case .bytes(let bytes) = file.content { text += String(decoding: bytes, as: UTF8.self) + "\n---\n" }
        }
        text += "apiVersion: evenkeel.dev/v1\nkind: AlertChannel\nmetadata: &m {name: c}\nspec: {webhook: {url: \"http://x/\"}, route: {<<: {repeatInterval: 1h}}}\n"
        return Array(text.utf8)
    }

    private static let pieces = [
        "\n", "  ", "\t", "---\n", "...\n", ": ", "- ", "{", "}", "[", "]", ",", "\"", "'", "&a ", "*a", "<<: *a\n", "|\n",
        ">-\n", "!x ", "%", "@", "#", "? ", "~", "null", "name", "zone", "\u{0}", "é", "\u{85}", "0x1F", "-1", "1e99",
    ].map { Array($0.utf8) }

    private func mutated(_ bytes: [UInt8], _ random: inout Seeded) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0..<bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 1...30, using: &random))
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.removeSubrange(place..<end)
            case 2: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 3: bytes.removeSubrange(max(place, 1)...)
            default: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random) ?? [], at: place)
            }
            if bytes.isEmpty { bytes = [0x0A] }
        }
        return bytes
    }

    @Test func `a damaged repository is valid or told where it is not, and never ends the process`() throws {
        let good = try good()
        var rejected = 0
        for seed in 0..<UInt64(600) {
            var random = Seeded(state: seed)
            let bytes = mutated(good, &random)
            let assembly = assembled([ManifestFile(path: "x.yaml", bytes: bytes)])
            let lineCount = FileLines(bytes).count
            for diagnostic in assembly.diagnostics {
                let isReal = diagnostic.position.line >= 1 && diagnostic.position.line <= lineCount + 1 && diagnostic.position.column >= 1
                #expect(isReal || diagnostic.position.file == ".", "seed \(seed): \(diagnostic)")
                #expect(!diagnostic.message.isEmpty, "seed \(seed)")
                _ = diagnostic.rendered()
            }
            if assembly.hasErrors { rejected += 1 }
            // What is in force is good: written and read again it is the same.
            for (name, declared) in assembly.fleet.clusters where seed % 10 == 0 {
                let again = assembled(places(with: ManifestWriter.yaml(declared.value))).diagnostics
                #expect(again.allSatisfy { $0.message.contains("is declared") }, "seed \(seed) \(name): \(lines(again))")
            }
        }
        // Both must happen, or the mutations say nothing.
        #expect(rejected > 100 && rejected < 600)
    }

    @Test func `commit by commit a set comes to what it would be from the last revision alone`() throws {
        var compared = 0
        for seed in 0..<UInt64(100) {
            var random = Seeded(state: seed)
            var tree = [base.path: base]
            var set = ManifestSet()
            for step in 0..<6 {
                var changed: [ManifestFile] = step == 0 ? [base] : []
                var removed: [String] = []
                for path in ["a.yaml", "b.yaml", "c.yaml"] where step == 0 || Bool.random(using: &random) {
                    if Int.random(in: 0..<6, using: &random) == 0 { removed.append(path) } else { changed.append(file(path, randomFile(path, &random))) }
                }
                for file in changed { tree[file.path] = file }
                for path in removed { tree[path] = nil }
                _ = set.apply(changed: changed, removed: removed, revision: first)
                let assembly = set.assemble()
                let fresh = assembled([ManifestFile](tree.values))
                // Who keeps an address or a code depends on history; everything else does not.
                let isSettled = { (diagnostic: Diagnostic) in !diagnostic.message.contains("belongs to the") }
                if fresh.diagnostics.allSatisfy(isSettled), assembly.diagnostics.allSatisfy(isSettled) {
                    #expect(withoutConsequences(assembly) == withoutConsequences(fresh), "seed \(seed) step \(step)")
                }
                if fresh.diagnostics.isEmpty, assembly.diagnostics.isEmpty {
                    compared += 1
                    #expect(summary(assembly.fleet) == summary(fresh.fleet), "seed \(seed) step \(step)")
                }
            }
        }
        // Sets without an error must be among them, or nothing was compared.
        #expect(compared > 100)
    }

    /// Everything in force with its place. Numbers of field paths are each set's own, so places are looked up by name.
    private func summary(_ fleet: DesiredFleet) -> [String] {
        func line<Value>(_ declared: Declared<Value>, _ field: String) -> String {
            "\(declared.value) \(declared.file):\(declared.line) \(fleet.fieldPaths.position(of: field, in: declared))"
        }
        return (fleet.regions.values.map { line($0, "spec.locationCode") } + fleet.zones.values.map { line($0, "spec.rooms[1]") }
            + fleet.hosts.values.map { line($0, "spec.address") } + fleet.clusters.values.map { line($0, "spec.placement[0].zone") })
            .sorted()
    }

    /// The errors that no last good manifest can hide: those of documents and files.
    private func withoutConsequences(_ assembly: Assembly) -> [String] {
        lines(assembly.diagnostics).filter { !$0.contains("declared") && !$0.contains("instance") && !$0.contains("default") && !$0.contains("no room") && !$0.contains("no manifest") }
    }

    /// What most references of `randomFile` find; zone `z` is not there.
    private let base = file(
        "base.yaml",
        """
        apiVersion: evenkeel.dev/v1
        kind: Region
        metadata: {name: base}
        spec: {locationCode: 1, default: true}
        """
            + ["x", "y"].map { zone in
                """

                ---
                apiVersion: evenkeel.dev/v1
                kind: AvailabilityZone
                metadata: {name: \(zone)}
                spec: {region: base, rooms: [r1, r2]}
                ---
                apiVersion: evenkeel.dev/v1
                kind: Host
                metadata: {name: base-\(zone)}
                spec: {zone: \(zone), address: base-\(zone)}
                """
            }.joined())

    /// A few documents, a few of them wrong, whose names and references now and then meet those of other files.
    private func randomFile(_ path: String, _ random: inout Seeded) -> String {
        (0..<Int.random(in: 0...3, using: &random)).map { number -> String in
            let isShared = Int.random(in: 0..<12, using: &random) == 0
            let name = isShared ? "shared" : "\(path.prefix(1))\(number)"
            let zone = Int.random(in: 0..<12, using: &random) == 0 ? "z" : Bool.random(using: &random) ? "x" : "y"
            let head = { (kind: String) in "apiVersion: evenkeel.dev/v1\nkind: \(kind)\nmetadata: {name: \(name)}\n" }
            switch Int.random(in: 0..<16, using: &random) {
            case 0: return head("AvailabilityZone").replacing(name, with: "z") + "spec: {region: base, rooms: [r1, r2]}\n"
            case 1..<6: return head("Host") + "spec: {zone: \(zone), address: host-\(name)}\n"
            case 6: return head("Cluster") + "spec: {prot: 1}\n"
            default:
                return cluster(name, "durability: async\nparameters: {p\(Int.random(in: 0..<9, using: &random)): 1}", zones: "{zone: \(zone)}") + "\n"
            }
        }.joined(separator: "---\n")
    }
}
