import FleetModel

/// All that there is to know of a kind: one table gives decoding, defaults, checks within a document, the JSON Schema
/// and the documentation page.
struct KindTable<Value: Sendable & Hashable>: Sendable {
    let kind: Kind
    let table: Table<Value>
    /// A value with every default, and what is required still empty.
    let blank: @Sendable () -> Value
    /// Defaults that depend on other fields, and checks between fields. Runs also where fields are wrong; it must pass
    /// over what is still empty.
    let finish: @Sendable (inout Value, inout Decoder) -> Void
    let page: KindPage

    init(
        _ kind: Kind, _ metadata: any Path<Value, Metadata>, spec: Table<Value>,
        blank: @escaping @Sendable () -> Value,
        finish: @escaping @Sendable (inout Value, inout Decoder) -> Void = { _, _ in }, page: KindPage
    ) {
        self.kind = kind
        self.blank = blank
        self.finish = finish
        self.page = page
        table = Table([
            .fixed("apiVersion", Document.apiVersion, "The version of the manifest's format."),
            .fixed("kind", kind.rawValue, "The kind of the manifest."),
            .required("metadata", metadata, Shape.metadata, "What every manifest has."),
            .group("spec", isRequired: true, "What is declared.", spec),
        ])
    }

    /// The document on the tape as a value of this kind. What is wrong has been told to the decoder when it returns.
    func read(_ decoder: inout Decoder, file: String, revision: String) -> Declared<Value> {
        var value = blank()
        table.read(&decoder, 0, PathTable.root, &value)
        finish(&value, &decoder)
        return Declared(
            value: value, file: file, line: Int(decoder.tape.nodes[0].line), fields: decoder.takePositions(),
            revision: revision)
    }

    func yaml(_ value: Value) -> String {
        var text = YAMLText()
        table.write(value, &text)
        return text.text + "\n"
    }
}

/// What a documentation page says beside its table of fields.
struct KindPage: Sendable {
    /// Paragraphs before the example.
    var about: String
    /// A manifest that validates but for its references.
    var example: String
    /// What is checked between fields and documents, one sentence each.
    var checks: [String]
}

extension Field {
    /// A field that always has the same value and is kept nowhere.
    static func fixed(_ name: String, _ value: String, _ summary: String) -> Field {
        let shape = Shape<String>.constant(value, help: "write `\(name): \(value)`")
        return Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: true, defaultText: nil,
                isSupported: true),
            read: { decoder, node, path, _ in _ = shape.read(&decoder, node, path) },
            write: { _, text in
                text.key(name)
                text.raw(value)
            })
    }
}

extension Shape where Value == Metadata {
    static var metadata: Shape {
        .object(
            Table([
                .required(
                    "name", \.name, .name("a name"),
                    "The name, unique within its kind: lower-case letters, digits and `-`, at most 63."),
                .optional(
                    "labels", \.labels, .labels(lengthMax: 63), default: [:], "none",
                    "For people and alert routes to select by."),
                .optional(
                    "annotations", \.annotations, .labels(lengthMax: 4096), default: [:], "none",
                    "Notes that nothing selects by."),
            ]),
            blank: { Metadata(name: "") })
    }
}

extension Shape where Value == [String: String] {
    /// Names and values as on Kubernetes' labels.
    static func labels(lengthMax: Int) -> Shape {
        .map(
            of: .line(lengthMax: lengthMax), keyPattern: "^[A-Za-z0-9]([A-Za-z0-9._/-]{0,315}[A-Za-z0-9])?$"
        ) { key throws(ScalarProblem) in
            let isWhole = key.utf8.last.map(Letters.isAlphanumeric) == true && key.utf8.count <= 317
            guard isWhole, Letters.isWord(key, others: "._/-", first: "") else {
                throw ScalarProblem(
                    "\"\(Decoder.shortened(key))\" is no name of a label",
                    help: "letters, digits, `.`, `_`, `-` and `/`, beginning and ending with a letter or a digit")
            }
            return key
        }
    }
}
