import FleetModel
import Testing

@testable import Manifests

@Suite struct ReaderTests {
    /// Files of several kinds, labels of their own in each, some wrong in themselves and some only beside others.
    private var files: [ManifestFile] {
        var files = [places]
        for number in 0..<12 {
            let labels = (0...number).map { "    label-\($0): v\n    own-\(number)-\($0): v" }.joined(separator: "\n")
            let more = number == 3 ? "durabilty: async" : number == 5 ? "parameters: {server_id: 7}" : "parameters: {max_connections: \(number)}"
            let zones = number == 7 ? "{zone: nowhere}" : number == 9 ? "{zone: west-b}, {zone: west-a}" : "{zone: west-a}, {zone: west-b}"
            let text = cluster("c\(number)", more, zones: zones)
                .replacing("metadata: {name: c\(number)}", with: "metadata:\n  name: c\(number)\n  labels:\n\(labels)")
            files.append(file("c\(number < 10 ? "0" : "")\(number).yaml", number == 11 ? text + "\n---\n" + text : text + "\n"))
        }
        files.append(file("d.yaml", "a: [\n"))
        return files
    }

    /// Everything in force and every place in it, by name.
    private func summary(_ assembly: Assembly) -> [String] {
        let paths = assembly.fleet.fieldPaths
        return assembly.fleet.clusters.values.flatMap { declared in
            paths.names.map { "\(declared.value.metadata.name) \($0) \(paths.position(of: $0, in: declared))" }
                + [ManifestWriter.yaml(declared.value)]
        }.sorted()
    }

    @Test(arguments: [1, 2, 5, 100]) func `files read apart make the same set as files read one by one`(portion: Int) {
        let files = files
        let expected = assembled(files)
        var set = ManifestSet()
        _ = set.apply(changed: Array(files.prefix(1)), revision: first)
        let reader = set.reader(of: first)
        var units: Set<UnitID> = []
        for start in stride(from: 1, to: files.count, by: portion) {
            // The reader knows what the first file taught and nothing of other portions, as when they are read side by side.
            let read = reader.read(files[start..<min(start + portion, files.count)])
            units.formUnion(set.apply(read: [read], revision: first).changedUnits)
        }
        let assembly = set.assemble()
        #expect(units.count == 12)
        #expect(lines(assembly.diagnostics) == lines(expected.diagnostics))
        #expect(assembly.diagnostics.count >= 5)
        #expect(Set(assembly.held.keys) == Set(expected.held.keys))
        #expect(assembly.changed == expected.changed)
        #expect(Set(summary(assembly)) == Set(summary(expected)))
    }

    @Test func `documents of one layout share their places, and each has its own lines`() throws {
        let text = cluster("one") + "\n---\n" + cluster("two") + "\n"
        let fleet = assembled(places, file("c.yaml", text)).fleet
        let one = try #require(fleet.clusters["one"])
        let two = try #require(fleet.clusters["two"])
        #expect(one.fields.entries == two.fields.entries && one.fields.line != two.fields.line)
        let place = { (declared: Declared<Cluster>) in fleet.fieldPaths.position(of: "spec.engine.version", in: declared) }
        #expect(place(two).line == place(one).line + two.line - one.line && place(two).column == place(one).column)
    }

    @Test func `a zone that goes or comes back is told to every cluster that names it`() {
        var set = ManifestSet()
        let zone = file("z.yaml", "apiVersion: evenkeel.dev/v1\nkind: AvailabilityZone\nmetadata: {name: west-c}\nspec: {region: west, rooms: [r]}\n")
        let host = file("h.yaml", "apiVersion: evenkeel.dev/v1\nkind: Host\nmetadata: {name: h}\nspec: {zone: west-c, address: 10.0.3.1}\n")
        let clusters = (0..<3).map { file("c\($0).yaml", cluster("c\($0)", zones: "{zone: west-a}, {zone: west-c}")) }
        _ = set.apply(changed: [places, zone, host] + clusters, revision: first)
        #expect(set.assemble().diagnostics.isEmpty)
        _ = set.apply(changed: [], removed: ["z.yaml"], revision: second)
        #expect(set.assemble().held.keys.filter { $0.kind == .cluster }.count == 3)
        _ = set.apply(changed: [zone], revision: third)
        #expect(set.assemble().held.isEmpty)
        _ = set.apply(changed: [], removed: ["h.yaml"], revision: second)
        #expect(set.assemble().held.keys.filter { $0.kind == .cluster }.count == 3)
    }
}
