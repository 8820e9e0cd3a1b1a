import FleetModel
import Foundation
import Testing

@testable import Manifests

@Suite struct ReferenceTests {
    @Test(arguments: Kind.allCases) func `the page and the schema that are checked in are current`(_ kind: Kind) throws {
        try expectCurrent("manifests/\(kind.rawValue).md", ManifestReference.page(kind))
        try expectCurrent("manifests/schemas/\(kind.rawValue.lowercased()).schema.json", ManifestReference.schema(kind))
    }

    @Test func `the page of conditions that is checked in is current`() throws {
        try expectCurrent("manifests/conditions.md", ConditionsPage.text())
    }

    @Test func `the schema of all kinds that is checked in is current`() throws {
        try expectCurrent("manifests/schemas/manifest.schema.json", ManifestReference.schema(nil))
    }

    @Test(arguments: [nil] + Kind.allCases.map(Optional.some)) func `a schema is JSON of draft 2020-12`(_ kind: Kind?) throws {
        let text = ManifestReference.schema(kind)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(object["$schema"] as? String == "https://json-schema.org/draft/2020-12/schema")
        let kinds = kind == nil ? try #require(object["oneOf"] as? [[String: Any]]) : [object]
        #expect(kinds.count == (kind == nil ? Kind.allCases.count : 1))
        for one in kinds {
            let properties = try #require(one["properties"] as? [String: [String: Any]])
            #expect(properties["apiVersion"]?["const"] as? String == "evenkeel.dev/v1")
            #expect(one["required"] as? [String] == ["apiVersion", "kind", "metadata", "spec"])
            #expect(one["additionalProperties"] as? Bool == false)
        }
    }

    @Test(arguments: Kind.allCases) func `the example of a page is valid but for what it refers to`(_ kind: Kind) {
        let page = ManifestReference.page(kind)
        let yaml = page.split(separator: "```yaml\n")[1].split(separator: "```")[0]
        let diagnostics = assembled(file("example.yaml", String(yaml))).diagnostics
        let own = diagnostics.filter { !$0.message.hasSuffix("is declared") && $0.message != "no Region is the default" }
        #expect(own.isEmpty, "\(lines(own))")
    }

    @Test func `every field that a page lists can be read`() {
        for kind in Kind.allCases {
            let page = ManifestReference.page(kind)
            #expect(page.contains("| `metadata.name` |"))
            #expect(!page.contains("| `spec.upgrade` |"))
        }
        #expect(ManifestReference.page(.cluster).contains("- `spec.upgrade`: "))
    }
}
