/// An enumeration without payload, in JSON by its name. An unknown name is `JSONError.Kind.unknownCase`.
package protocol JSONNamedCase: JSONCodable, RawRepresentable where RawValue == String {}

extension JSONNamedCase {
    package func write(to writer: inout JSONWriter) { writer.write(rawValue) }

    package init(from reader: inout JSONReader) throws {
        let name = try reader.string()
        guard let value = Self(rawValue: name) else { throw reader.unknownCase("\(Self.self)", name) }
        self = value
    }
}

/// A value that is in JSON the text of its description, such as `Cluster/orders`.
package protocol JSONTextForm: JSONCodable, CustomStringConvertible {
    /// The reverse of `description`.
    init?(_ text: String)
}

extension JSONTextForm {
    package func write(to writer: inout JSONWriter) { writer.write(description) }

    package init(from reader: inout JSONReader) throws {
        let text = try reader.string()
        guard let value = Self(text) else {
            throw reader.mismatch("\"\(text.prefix(64))\" is no \(Self.self)")
        }
        self = value
    }
}
