/// Writes JSON (RFC 8259) into bytes, without white space of its own and without a tree in between.
///
/// Commas come by themselves. The writer does not check that keys stand in objects: its callers are our own
/// conformances. A long document is passed on in pieces with `flush`.
@usableFromInline
package struct JSONWriter {
    /// What was written since the last flush.
    package private(set) var bytes: [UInt8] = []
    private var needsComma = false

    package init() {}

    /// How many bytes a stream gathers before it passes them on.
    package static let flushSize = 64 * 1024

    /// Hands what was written to `sink` and forgets it; the document goes on. Nothing is handed over when empty.
    package mutating func flush(to sink: ([UInt8]) throws -> Void) rethrows {
        guard !bytes.isEmpty else { return }
        try sink(bytes)
        bytes.removeAll(keepingCapacity: true)
    }

    /// Flushes once `flushSize` bytes are there.
    package mutating func flushIfLarge(to sink: ([UInt8]) throws -> Void) rethrows {
        if bytes.count >= Self.flushSize { try flush(to: sink) }
    }

    // MARK: Structure

    @usableFromInline
    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    @usableFromInline
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    @usableFromInline
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    @usableFromInline
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// An object around what `body` writes.
    @inlinable
    package mutating func object(_ body: (inout JSONWriter) throws -> Void) rethrows {
        beginObject()
        try body(&self)
        endObject()
    }

    /// The name of the member that the next value is. Keys are ASCII without anything to escape.
    @usableFromInline
    package mutating func key(_ name: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member's name that is data, such as a parameter's.
    @usableFromInline
    package mutating func key(_ name: String) {
        write(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A line end between two values, for documents that people compare line by line.
    package mutating func lineEnd() {
        // Before the comma would be as valid; after it a line holds one whole value.
        if needsComma {
            bytes.append(UInt8(ascii: ","))
            needsComma = false
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    /// A line end where no value of the same array or object follows.
    package mutating func lastLineEnd() { bytes.append(UInt8(ascii: "\n")) }

    // MARK: Values

    package mutating func write(_ value: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { appendEscaped($0) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    package mutating func write(_ value: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        value.withUTF8Buffer { appendEscaped($0) }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    package mutating func write(_ value: Int64) {
        separate()
        appendDecimal(value)
        needsComma = true
    }

    package mutating func write(_ value: Int) { write(Int64(value)) }

    package mutating func write(_ value: Bool) { literal(value ? "true" : "false") }

    /// A finite number; anything else, which JSON cannot say, becomes null.
    package mutating func write(_ value: Double) {
        guard value.isFinite else { return writeNull() }
        separate()
        bytes.append(contentsOf: String(value).utf8)
        needsComma = true
    }

    @usableFromInline
    package mutating func writeNull() { literal("null") }

    private mutating func literal(_ text: StaticString) {
        separate()
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
        needsComma = true
    }

    // MARK: Members

    package mutating func member(_ name: StaticString, _ value: String) { key(name); write(value) }
    package mutating func member(_ name: StaticString, _ value: StaticString) { key(name); write(value) }
    package mutating func member(_ name: StaticString, _ value: Int) { key(name); write(Int64(value)) }
    package mutating func member(_ name: StaticString, _ value: Int64) { key(name); write(value) }
    package mutating func member(_ name: StaticString, _ value: Bool) { key(name); write(value) }
    @inlinable
    package mutating func member(_ name: StaticString, _ value: some JSONCodable) { key(name); value.write(to: &self) }

    /// Left out where it is nil.
    @inlinable
    package mutating func member(_ name: StaticString, ifPresent value: (some JSONCodable)?) {
        if let value { member(name, value) }
    }

    /// Left out where it is empty.
    @inlinable
    package mutating func member(_ name: StaticString, ifFilled value: some JSONCodable & Collection) {
        if !value.isEmpty { member(name, value) }
    }

    // MARK: Bytes

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func open(_ mark: UInt8) {
        separate()
        bytes.append(mark)
        needsComma = false
    }

    private mutating func close(_ mark: UInt8) {
        bytes.append(mark)
        needsComma = true
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { continue }
            bytes.append(contentsOf: text[start..<index])
            appendEscape(of: byte)
            start = index + 1
        }
        bytes.append(contentsOf: text[start...])
    }

    private mutating func appendEscape(of byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(byte)
        case UInt8(ascii: "\n"): bytes.append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): bytes.append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): bytes.append(UInt8(ascii: "t"))
        default:
            bytes.append(contentsOf: "u00".utf8)
            for digit in [byte >> 4, byte & 15] { bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
        }
    }

    private mutating func appendDecimal(_ value: Int64) {
        var rest = value.magnitude
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }
}
