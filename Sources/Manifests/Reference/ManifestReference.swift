package import FleetModel

/// What the field tables say, for people and editors.
package enum ManifestReference {
    /// The JSON Schema (2020-12) of a kind; nil: of a document of any kind. Ends with a newline.
    package static func schema(_ kind: Kind?) -> String {
        let head = { (name: String, title: String) -> [(String, JSONTree)] in
            [
                ("$schema", .text(JSONSchema.dialect)),
                ("$id", .text("https://evenkeel.dev/schemas/v1/\(name).schema.json")), ("title", .text(title)),
            ]
        }
        if let kind, let parts = parts(kind) {
            let members = head(kind.rawValue.lowercased(), kind.rawValue) + JSONSchema.members(of: parts.object)
            return JSONTree.object(members).rendered() + "\n"
        }
        let kinds = Kind.allCases.compactMap { kind in
            parts(kind).map { JSONTree.object([("title", .text(kind.rawValue))] + JSONSchema.members(of: $0.object)) }
        }
        return JSONTree.object(head("manifest", "A manifest of any kind") + [("oneOf", .list(kinds))]).rendered() + "\n"
    }

    /// The documentation page of a kind, Markdown.
    package static func page(_ kind: Kind) -> String {
        parts(kind).map { PageText.text(kind, $0.object, $0.page) } ?? ""
    }

    private static func parts(_ kind: Kind) -> (object: ObjectDescription, page: KindPage)? {
        switch kind {
        case .region: (KindTable.region.table.description, KindTable.region.page)
        case .availabilityZone: (KindTable.availabilityZone.table.description, KindTable.availabilityZone.page)
        case .host: (KindTable.host.table.description, KindTable.host.page)
        case .cluster: (KindTable.cluster.table.description, KindTable.cluster.page)
        case .alertChannel: (KindTable.alertChannel.table.description, KindTable.alertChannel.page)
        case .source: nil
        }
    }
}

/// A kind's page.
private enum PageText {
    static func text(_ kind: Kind, _ object: ObjectDescription, _ page: KindPage) -> String {
        var text = "# \(kind.rawValue)\n\n\(page.about)\n\n## Example\n\n```yaml\n\(page.example)```\n\n## Fields\n\n"
        text += "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
        for (path, field) in rows(object, below: "") where field.isSupported { text += row(path, field) }
        if !page.checks.isEmpty {
            text += "\n## Checks\n\n" + page.checks.map { "- \($0)\n" }.joined()
        }
        let later = rows(object, below: "").filter { !$0.field.isSupported }
        if !later.isEmpty {
            text += "\n## Not in this release\n\n" + later.map { "- `\($0.path)`: \(instead($0.field))\n" }.joined()
        }
        return text + "\nA JSON Schema for editors is in [schemas](schemas/\(kind.rawValue.lowercased()).schema.json)"
            + " and comes from `evenkeel schema \(kind.rawValue)`.\n"
    }

    /// Every field with its path, an object's own fields below it.
    private static func rows(_ object: ObjectDescription, below: String) -> [(path: String, field: FieldDescription)] {
        object.fields.flatMap { field -> [(path: String, field: FieldDescription)] in
            let path = below + field.name
            let inner: [(path: String, field: FieldDescription)] =
                switch field.shape {
                case .object(let object), .either(_, let object): rows(object, below: path + ".")
                case .list(.object(let object), _): rows(object, below: path + "[].")
                default: []
                }
            return [(path, field)] + inner
        }
    }

    private static func row(_ path: String, _ field: FieldDescription) -> String {
        let fallback = field.isRequired ? "required" : field.defaultText ?? ""
        return "| `\(path)` | \(type(field.shape)) | \(fallback) | \(field.summary) |\n"
    }

    private static func instead(_ field: FieldDescription) -> String {
        field.summary.replacing("Not supported in this release. ", with: "")
    }

    private static func type(_ shape: ShapeDescription) -> String {
        switch shape {
        case .text: "text"
        case .anyScalar: "text or number"
        case .constant(let text): "`\(text)`"
        case .choice(let choices): choices.map { "`\($0)`" }.joined(separator: ", ")
        case .integer(let range): "\(range.lowerBound) to \(range.upperBound)"
        case .boolean: "`true`, `false`"
        case .quantity: "size (`1Gi`)"
        case .duration: "duration (`30s`)"
        case .moment: "moment (`2026-11-21T22:00:00Z`)"
        case .list(.object, _): "list"
        case .list(let item, _): "list of " + type(item)
        case .map(let value, _): "names with " + type(value)
        case .object: "fields"
        case .either(let word, _): type(word) + ", or fields"
        }
    }
}
