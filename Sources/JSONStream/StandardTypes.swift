// The JSON forms of the standard library's types.

extension String: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    package init(from reader: inout JSONReader) throws { self = try reader.string() }
}

extension Int: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    package init(from reader: inout JSONReader) throws { self = try reader.int() }
}

extension Int64: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    package init(from reader: inout JSONReader) throws { self = try reader.int64() }
}

extension Double: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    package init(from reader: inout JSONReader) throws { self = try reader.double() }
}

extension Bool: JSONCodable {
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    package init(from reader: inout JSONReader) throws { self = try reader.bool() }
}

/// Whole milliseconds.
extension Duration: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.write(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }

    package init(from reader: inout JSONReader) throws { self = .milliseconds(try reader.int64()) }
}

/// Null where it is nil.
extension Optional: JSONCodable where Wrapped: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        if let self { self.write(to: &writer) } else { writer.writeNull() }
    }

    package init(from reader: inout JSONReader) throws {
        self = try reader.null() ? nil : try Wrapped(from: &reader)
    }
}

extension Array: JSONCodable where Element: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginArray()
        for element in self { element.write(to: &writer) }
        writer.endArray()
    }

    package init(from reader: inout JSONReader) throws {
        self = []
        try reader.array { reader in append(try Element(from: &reader)) }
    }
}

/// A sorted array.
extension Set: JSONCodable where Element: JSONCodable & Comparable {
    package func write(to writer: inout JSONWriter) { sorted().write(to: &writer) }

    package init(from reader: inout JSONReader) throws {
        self = []
        try reader.array { reader in insert(try Element(from: &reader)) }
    }
}

/// An object with its keys sorted.
extension Dictionary: JSONCodable where Key == String, Value: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        for (name, value) in sorted(by: { $0.key < $1.key }) {
            writer.key(name)
            value.write(to: &writer)
        }
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        self = [:]
        try reader.object { reader, key in updateValue(try Value(from: &reader), forKey: key.text) }
    }
}
