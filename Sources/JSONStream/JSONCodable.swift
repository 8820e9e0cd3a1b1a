/// A value with one JSON form, the same on the wire, in the store, in snapshots and in plans.
///
/// The form is byte-stable: equal values give equal bytes. A reader skips keys that it does not know and gives the
/// default to those that are missing, so that neighbouring releases understand each other.
@usableFromInline
package protocol JSONCodable: Sendable {
    /// Writes exactly one value.
    func write(to writer: inout JSONWriter)
    /// Reads exactly one value. Throws `JSONError`.
    init(from reader: inout JSONReader) throws
}

extension JSONCodable {
    /// The value's JSON without any line end.
    package var jsonBytes: [UInt8] {
        var writer = JSONWriter()
        write(to: &writer)
        return writer.bytes
    }

    package var jsonText: String { String(decoding: jsonBytes, as: UTF8.self) }

    /// Reads one value that fills the whole of `json`, white space aside. Throws `JSONError`.
    @inlinable
    package init(json: some Collection<UInt8>) throws {
        self = try JSONReader.readAll(json) { reader in try Self(from: &reader) }
    }

    package init(jsonText: String) throws {
        var text = jsonText
        self = try text.withUTF8 { try Self(json: $0) }
    }
}
