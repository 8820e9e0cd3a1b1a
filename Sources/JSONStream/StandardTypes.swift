// The JSON forms of the standard library's types.

extension String: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = try reader.string() }
}

extension Int: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = try reader.int() }
}

extension Int64: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = try reader.int64() }
}

extension Double: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = try reader.double() }
}

extension Bool: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { writer.write(self) }
    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = try reader.bool() }
}

/// Whole milliseconds.
extension Duration: JSONCodable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) {
        writer.write(components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }

    @usableFromInline
    package init(from reader: inout JSONReader) throws { self = .milliseconds(try reader.int64()) }
}

/// Null where it is nil.
extension Optional: JSONCodable where Wrapped: JSONCodable {
    @inlinable
    package func write(to writer: inout JSONWriter) {
        if let self { self.write(to: &writer) } else { writer.writeNull() }
    }

    @inlinable
    package init(from reader: inout JSONReader) throws {
        self = try reader.null() ? nil : try Wrapped(from: &reader)
    }
}

extension Array: JSONCodable where Element: JSONCodable {
    @inlinable
    package func write(to writer: inout JSONWriter) {
        writer.beginArray()
        for element in self { element.write(to: &writer) }
        writer.endArray()
    }

    @inlinable
    package init(from reader: inout JSONReader) throws {
        self = []
        try reader.array { reader in append(try Element(from: &reader)) }
    }
}

/// A sorted array.
extension Set: JSONCodable where Element: JSONCodable & Comparable {
    @usableFromInline
    package func write(to writer: inout JSONWriter) { sorted().write(to: &writer) }

    @usableFromInline
    package init(from reader: inout JSONReader) throws {
        self = []
        try reader.array { reader in insert(try Element(from: &reader)) }
    }
}

/// An object with its keys sorted.
extension Dictionary: JSONCodable where Key == String, Value: JSONCodable {
    @inlinable
    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        for (name, value) in sorted(by: { $0.key < $1.key }) {
            writer.key(name)
            value.write(to: &writer)
        }
        writer.endObject()
    }

    @inlinable
    package init(from reader: inout JSONReader) throws {
        // Gathered first, so that the table is made once and of its size: a snapshot holds millions of small ones.
        var members: [(name: String, value: Value)] = []
        try reader.object { reader, key in members.append((key.text, try Value(from: &reader))) }
        self.init(minimumCapacity: members.count)
        for (name, value) in members { updateValue(value, forKey: name) }
    }
}
