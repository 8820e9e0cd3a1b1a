/// A value whose JSON form is a table, one line a field, from which it is both written and read: an object with the
/// fields in the table's order. For what commands and people exchange; where a form is read or written by the hundred
/// thousand it is spelt out.
package protocol JSONDocument: JSONCodable {
    init()
    static var fields: [JSONField<Self>] { get }
}

/// One field of a document.
package struct JSONField<Document>: Sendable {
    let name: StaticString
    let write: @Sendable (Document, inout JSONWriter) -> Void
    let read: @Sendable (inout Document, inout JSONReader) throws -> Void
    /// Whether a text that may not be missing is.
    var isEmpty: @Sendable (Document) -> Bool = { _ in false }

    /// Always written; keeps its default where it is missing.
    package init<Value: JSONCodable>(_ name: StaticString, _ path: any WritableKeyPath<Document, Value> & Sendable) {
        self.name = name
        write = { document, writer in writer.member(name, document[keyPath: path]) }
        read = { document, reader in document[keyPath: path] = try Value(from: &reader) }
    }

    /// Left out where it is nil.
    package init<Value: JSONCodable>(_ name: StaticString, ifPresent path: any WritableKeyPath<Document, Value?> & Sendable) {
        self.name = name
        write = { document, writer in writer.member(name, ifPresent: document[keyPath: path]) }
        read = { document, reader in document[keyPath: path] = try Value?(from: &reader) }
    }

    /// A text without which the document is refused.
    package init(_ name: StaticString, required path: any WritableKeyPath<Document, String> & Sendable) {
        self.init(name, path)
        isEmpty = { document in document[keyPath: path].isEmpty }
    }
}

extension JSONDocument {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        for field in Self.fields { field.write(self, &writer) }
        writer.endObject()
    }

    /// Throws `JSONError`.
    package init(from reader: inout JSONReader) throws {
        self.init()
        let fields = Self.fields
        try reader.object { reader, key in
            if let field = fields.first(where: { key == $0.name }) {
                try field.read(&self, &reader)
            } else {
                try reader.skip()
            }
        }
        for field in fields where field.isEmpty(self) { try reader.requireFilled("", field.name) }
    }
}
