/// Writes JSON (RFC 8259) into bytes, without white space of its own and without a tree in between.
///
/// Commas come by themselves. The writer does not check that keys stand in objects: its callers are our own
/// conformances. A long document is passed on in pieces with `flush`.
@usableFromInline
package struct JSONWriter {
    /// Room for what is written; of it the first `count` bytes are. Filled by pointers: a plan of a large fleet writes
    /// hundreds of millions of bytes, a few at a time.
    private var storage: [UInt8] = []
    private var count = 0
    private var needsComma = false

    package init() {}

    /// What was written since the last flush.
    package var bytes: [UInt8] { Array(storage[..<count]) }

    /// How many bytes a stream gathers before it passes them on.
    package static let flushSize = 64 * 1024

    /// Hands what was written to `sink` and forgets it; the document goes on. Nothing is handed over when empty.
    package mutating func flush(to sink: ([UInt8]) throws -> Void) rethrows {
        guard count > 0 else { return }
        try sink(bytes)
        count = 0
    }

    /// Flushes once `flushSize` bytes are there.
    package mutating func flushIfLarge(to sink: ([UInt8]) throws -> Void) rethrows {
        if count >= Self.flushSize { try flush(to: sink) }
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
        let length = name.utf8CodeUnitCount
        write(atMost: length + 4) { [needsComma] place in
            var place = place
            if needsComma { put(UInt8(ascii: ","), &place) }
            put(UInt8(ascii: "\""), &place)
            place.update(from: name.utf8Start, count: length)
            place += length
            put(UInt8(ascii: "\""), &place)
            put(UInt8(ascii: ":"), &place)
            return place
        }
        needsComma = false
    }

    /// A member's name that is data, such as a parameter's.
    @usableFromInline
    package mutating func key(_ name: String) {
        write(name)
        append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A line end between two values, for documents that people compare line by line.
    package mutating func lineEnd() {
        // Before the comma would be as valid; after it a line holds one whole value.
        if needsComma {
            append(UInt8(ascii: ","))
            needsComma = false
        }
        append(UInt8(ascii: "\n"))
    }

    /// A line end where no value of the same array or object follows.
    package mutating func lastLineEnd() { append(UInt8(ascii: "\n")) }

    // MARK: Values

    package mutating func write(_ value: String) {
        var value = value
        value.withUTF8 { appendQuoted($0) }
    }

    package mutating func write(_ value: StaticString) {
        value.withUTF8Buffer { appendQuoted($0) }
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
        var text = String(value)
        text.withUTF8 { append($0) }
        needsComma = true
    }

    @usableFromInline
    package mutating func writeNull() { literal("null") }

    private mutating func literal(_ text: StaticString) {
        separate()
        text.withUTF8Buffer { append($0) }
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
        if needsComma { append(UInt8(ascii: ",")) }
    }

    private mutating func open(_ mark: UInt8) {
        separate()
        append(mark)
        needsComma = false
    }

    private mutating func close(_ mark: UInt8) {
        append(mark)
        needsComma = true
    }

    /// The text between quotes, and a comma before where one is due.
    private mutating func appendQuoted(_ text: UnsafeBufferPointer<UInt8>) {
        let plain = JSONText.plainLength(text)
        write(atMost: plain + 3) { [needsComma] place in
            var place = place
            if needsComma { put(UInt8(ascii: ","), &place) }
            put(UInt8(ascii: "\""), &place)
            if let base = text.baseAddress { place.update(from: base, count: plain) }
            place += plain
            if plain == text.count { put(UInt8(ascii: "\""), &place) }
            return place
        }
        if plain < text.count {
            appendEscaped(UnsafeBufferPointer(rebasing: text[plain...]))
            append(UInt8(ascii: "\""))
        }
        needsComma = true
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        for byte in text {
            if byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                append(byte)
            } else {
                appendEscape(of: byte)
            }
        }
    }

    private mutating func appendEscape(of byte: UInt8) {
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): append(byte)
        case UInt8(ascii: "\n"): append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): append(UInt8(ascii: "t"))
        default:
            for byte in "u00".utf8 { append(byte) }
            for digit in [byte >> 4, byte & 15] { append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
        }
    }

    private mutating func appendDecimal(_ value: Int64) {
        var rest = value.magnitude
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, rest >= bound {
            digits += 1
            let next = bound.multipliedReportingOverflow(by: 10)
            if next.overflow { break }
            bound = next.partialValue
        }
        write(atMost: digits + 1) { place in
            var place = place
            if value < 0 { put(UInt8(ascii: "-"), &place) }
            for index in stride(from: digits - 1, through: 0, by: -1) {
                place[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
            return place + digits
        }
    }

    private mutating func append(_ byte: UInt8) {
        write(atMost: 1) { place in
            place.pointee = byte
            return place + 1
        }
    }

    private mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        guard let base = text.baseAddress else { return }
        write(atMost: text.count) { place in
            place.update(from: base, count: text.count)
            return place + text.count
        }
    }

    /// Makes room for `length` bytes; `body` writes at most so many and answers where it stopped.
    @inline(__always)
    private mutating func write(atMost length: Int, _ body: (UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8>) {
        if storage.count - count < length { grow(length) }
        let count = count
        self.count = storage.withUnsafeMutableBufferPointer { room in
            // Only an array without elements has no address, and then there is nothing to write.
            guard let base = room.baseAddress else { return count }
            return body(base + count) - base
        }
    }

    private static let roomMin = 256

    private mutating func grow(_ length: Int) {
        let room = max(Self.roomMin, storage.count * 2, count + length)
        storage.append(contentsOf: repeatElement(0, count: room - storage.count))
    }
}

@inline(__always)
private func put(_ byte: UInt8, _ place: inout UnsafeMutablePointer<UInt8>) {
    place.pointee = byte
    place += 1
}
