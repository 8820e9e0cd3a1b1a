/// Reads JSON (RFC 8259) from bytes value by value, strictly and without a tree in between.
///
/// It does not own the bytes: it is valid only within the call that made it (`readAll`). Copying a reader remembers a
/// place; assigning the copy back returns to it. Every error is a `JSONError` with the byte's offset. Of a key that
/// stands twice in an object, the last one counts.
@usableFromInline
package struct JSONReader {
    private let base: UnsafePointer<UInt8>
    private let count: Int
    /// Bytes read so far.
    package private(set) var offset = 0
    private var depth = 0
    private let depthMax: Int

    /// How deep arrays and objects may nest.
    @usableFromInline
    package static let depthMaxDefault = 64

    /// Reads one value that fills all of `bytes`, white space aside. `depthMax` is at most `depthMaxDefault`.
    @inlinable
    package static func readAll<Value>(
        _ bytes: some Collection<UInt8>, depthMax: Int = depthMaxDefault,
        _ body: (inout JSONReader) throws -> Value
    ) throws -> Value {
        if let value = try bytes.withContiguousStorageIfAvailable({ try readAll(buffer: $0, depthMax: depthMax, body) }) {
            return value
        }
        return try Array(bytes).withUnsafeBufferPointer { try readAll(buffer: $0, depthMax: depthMax, body) }
    }

    @usableFromInline
    static func readAll<Value>(
        buffer: UnsafeBufferPointer<UInt8>, depthMax: Int, _ body: (inout JSONReader) throws -> Value
    ) throws -> Value {
        guard let base = buffer.baseAddress, !buffer.isEmpty else {
            throw JSONError(.syntax, "there is nothing to read", offset: 0)
        }
        var reader = JSONReader(base: base, count: buffer.count, depthMax: min(depthMax, depthMaxDefault))
        let value = try body(&reader)
        try reader.end()
        return value
    }

    /// The same from memory that somebody else holds, such as a mapped file.
    package static func readAll<Value>(
        raw bytes: UnsafeRawBufferPointer, depthMax: Int = depthMaxDefault,
        _ body: (inout JSONReader) throws -> Value
    ) throws -> Value {
        try readAll(buffer: bytes.bindMemory(to: UInt8.self), depthMax: depthMax, body)
    }

    private init(base: UnsafePointer<UInt8>, count: Int, depthMax: Int) {
        self.base = base
        self.count = count
        self.depthMax = depthMax
    }

    // MARK: Structure

    /// Reads an object: `member` is called for each key and must read or skip exactly its value.
    @usableFromInline
    package mutating func object(_ member: (inout JSONReader, JSONKey) throws -> Void) throws {
        guard try beginObject() else { return }
        repeat {
            let name = try key()
            try member(&self, name)
        } while try another(before: UInt8(ascii: "}"))
    }

    /// Reads an array: `element` is called for each value and must read or skip exactly it.
    @usableFromInline
    package mutating func array(_ element: (inout JSONReader) throws -> Void) throws {
        try expect(UInt8(ascii: "["), "an array")
        try descend()
        if try peek() == UInt8(ascii: "]") { return ascend() }
        repeat { try element(&self) } while try another(before: UInt8(ascii: "]"))
    }

    /// The text of the string member `name` of the object that comes next, without moving on. Throws `missing`.
    package func tag(_ name: StaticString) throws -> String {
        var ahead = self
        let start = offset
        if try ahead.beginObject() {
            repeat {
                if try ahead.key() == name { return try ahead.string() }
                try ahead.skip()
            } while try ahead.another(before: UInt8(ascii: "}"))
        }
        throw JSONError(.missing, "the key \"\(name)\" is missing", offset: start)
    }

    /// Passes over one value of any type, checking its syntax.
    package mutating func skip() throws {
        // One loop without recursion: snapshots of hundreds of megabytes are passed over here. Bit by bit, the innermost
        // lowest, whether each open value is an object.
        var objects: UInt64 = 0
        let bottom = depth
        while true {
            switch try peek() {
            case UInt8(ascii: "{"):
                if try beginObject() {
                    objects = objects << 1 | 1
                    try skipKey()
                    continue
                }
            case UInt8(ascii: "["):
                offset += 1
                try descend()
                if try peek() != UInt8(ascii: "]") {
                    objects <<= 1
                    continue
                }
                ascend()
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "t"), UInt8(ascii: "f"): _ = try bool()
            case UInt8(ascii: "n"): try literal("null")
            default: _ = try number()
            }
            while depth > bottom {
                let isObject = objects & 1 == 1
                if try another(before: isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    if isObject { try skipKey() }
                    break
                }
                objects >>= 1
            }
            if depth == bottom { return }
        }
    }

    private mutating func skipKey() throws {
        guard try peek() == UInt8(ascii: "\"") else { throw unexpected("a key") }
        try skipString()
        guard try peek() == UInt8(ascii: ":") else { throw unexpected("\":\"") }
        offset += 1
    }

    private mutating func skipString() throws {
        let (raw, hasEscapes) = try rawString()
        if hasEscapes { _ = try JSONText.unescaped(raw, at: offset - raw.count - 1) }
    }

    // MARK: Values

    package mutating func string() throws -> String {
        let (raw, hasEscapes) = try rawString()
        if hasEscapes { return try JSONText.unescaped(raw, at: offset - raw.count - 1) }
        return String(decoding: raw, as: UTF8.self)
    }

    /// An integer, exactly; a fraction, an exponent or a number that does not fit is refused.
    package mutating func int64() throws -> Int64 {
        if let value = shortInteger() { return value }
        let start = try startOfNumber()
        let (digits, isInteger) = try number()
        guard isInteger, let value = JSONText.integer(digits) else {
            throw JSONError(.mismatch, "an integer of 64 bits is wanted here", offset: start)
        }
        return value
    }

    package mutating func int() throws -> Int { Int(try int64()) }

    package mutating func double() throws -> Double {
        let start = try startOfNumber()
        let (digits, _) = try number()
        guard let value = Double(String(decoding: digits, as: UTF8.self)), value.isFinite else {
            throw JSONError(.mismatch, "the number is too large", offset: start)
        }
        return value
    }

    package mutating func bool() throws -> Bool {
        switch try peek() {
        case UInt8(ascii: "t"):
            try literal("true")
            return true
        case UInt8(ascii: "f"):
            try literal("false")
            return false
        default: throw unexpected("true or false")
        }
    }

    /// Reads `null` and answers true, or leaves another value where it is and answers false.
    @usableFromInline
    package mutating func null() throws -> Bool {
        guard try peek() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    /// Reads into a value that is there already: `case "port": try reader.read(&port)`.
    @inlinable
    package mutating func read<Value: JSONCodable>(_ value: inout Value) throws { value = try Value(from: &self) }
    package mutating func read(_ value: inout String) throws { value = try string() }
    package mutating func read(_ value: inout Int) throws { value = try int() }
    package mutating func read(_ value: inout Int64) throws { value = try int64() }
    package mutating func read(_ value: inout Bool) throws { value = try bool() }

    // MARK: Errors for conformances

    /// An enumeration's name that this release does not know.
    package func unknownCase(_ type: String, _ name: String) -> JSONError {
        JSONError(.unknownCase(type: type, name: name), "unknown \(type) \"\(name.prefix(64))\"", offset: offset)
    }

    package func mismatch(_ message: String) -> JSONError { JSONError(.mismatch, message, offset: offset) }

    /// The value, or an error where the key that it should come from was not there.
    package func required<Value>(_ value: Value?, _ key: StaticString) throws -> Value {
        guard let value else { throw JSONError(.missing, "the key \"\(key)\" is missing", offset: offset) }
        return value
    }

    /// Refuses a name that was not there, or is empty.
    package func requireFilled(_ value: String, _ key: StaticString) throws {
        if value.isEmpty { throw JSONError(.missing, "the key \"\(key)\" is missing or empty", offset: offset) }
    }

    // MARK: Bytes

    private mutating func beginObject() throws -> Bool {
        try expect(UInt8(ascii: "{"), "an object")
        try descend()
        if try peek() == UInt8(ascii: "}") {
            ascend()
            return false
        }
        return true
    }

    private mutating func key() throws -> JSONKey {
        guard try peek() == UInt8(ascii: "\"") else { throw unexpected("a key") }
        let (raw, hasEscapes) = try rawString()
        var decoded: String?
        if hasEscapes { decoded = try JSONText.unescaped(raw, at: offset - raw.count - 1) }
        guard try peek() == UInt8(ascii: ":") else { throw unexpected("\":\"") }
        offset += 1
        return JSONKey(raw: raw, decoded: decoded)
    }

    /// After a value: true past a comma, false past the closing mark.
    private mutating func another(before close: UInt8) throws -> Bool {
        let byte = try peek()
        if byte == UInt8(ascii: ",") {
            offset += 1
            return true
        }
        guard byte == close else { throw unexpected("\",\" or \"\(Character(Unicode.Scalar(close)))\"") }
        ascend()
        return false
    }

    private mutating func descend() throws {
        depth += 1
        if depth > depthMax {
            throw JSONError(.depth, "nested deeper than \(depthMax) levels", offset: offset - 1)
        }
    }

    private mutating func ascend() {
        depth -= 1
        offset += 1
    }

    /// The next byte that is not white space, which it passes over.
    @inline(__always)
    private mutating func peek() throws -> UInt8 {
        while offset < count {
            let byte = base[offset]
            if byte > 0x20 { return byte }
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            offset += 1
        }
        throw JSONError(.syntax, "the text ends too early", offset: count)
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws {
        guard try peek() == byte else { throw unexpected(what) }
        offset += 1
    }

    private mutating func end() throws {
        while offset < count {
            let byte = base[offset]
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else {
                throw JSONError(.syntax, "there is something after the value", offset: offset)
            }
            offset += 1
        }
    }

    private mutating func literal(_ text: StaticString) throws {
        let size = text.utf8CodeUnitCount
        guard count - offset >= size else { throw JSONError(.syntax, "the text ends too early", offset: count) }
        for index in 0..<size where base[offset + index] != text.utf8Start[index] { throw unexpected("\(text)") }
        offset += size
    }

    /// What stands here is another type's beginning, or not JSON at all.
    private func unexpected(_ wanted: String) -> JSONError {
        let isValue = offset < count && JSONText.beginsValue(base[offset])
        return JSONError(isValue ? .mismatch : .syntax, "\(wanted) is wanted here", offset: offset)
    }

    private mutating func startOfNumber() throws -> Int {
        let byte = try peek()
        guard byte == UInt8(ascii: "-") || JSONText.isDigit(byte) else { throw unexpected("a number") }
        return offset
    }

    /// The bytes between the quotes, in UTF-8 and without control characters.
    private mutating func rawString() throws -> (raw: UnsafeBufferPointer<UInt8>, hasEscapes: Bool) {
        guard try peek() == UInt8(ascii: "\"") else { throw unexpected("a string") }
        let start = offset + 1
        var index = JSONText.endOfPlain(base, start, count)
        var hasEscapes = false
        var seen: UInt8 = 0
        while index < count {
            let byte = base[index]
            if byte == UInt8(ascii: "\"") {
                let raw = UnsafeBufferPointer(start: base + start, count: index - start)
                if seen >= 0x80 { try JSONText.checkEncoding(raw, at: start) }
                offset = index + 1
                return (raw, hasEscapes)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                index += 1
            } else if byte < 0x20 {
                throw JSONError(.syntax, "a control character must be escaped", offset: index)
            }
            seen |= byte
            index += 1
        }
        throw JSONError(.syntax, "the text ends within a string", offset: count)
    }

    /// A plain integer of at most 18 digits, which always fits; nil, without moving on, for everything else.
    @inline(__always)
    private mutating func shortInteger() -> Int64? {
        guard let first = try? peek() else { return nil }
        let start = first == UInt8(ascii: "-") ? offset + 1 : offset
        var index = start
        var value: Int64 = 0
        while index < count, JSONText.isDigit(base[index]), index - start < 19 {
            value = value &* 10 &+ Int64(base[index] &- 0x30)
            index += 1
        }
        let digits = index - start
        guard digits > 0, digits <= 18, digits == 1 || base[start] != UInt8(ascii: "0") else { return nil }
        if index < count, base[index] == UInt8(ascii: ".") || base[index] | 0x20 == UInt8(ascii: "e") { return nil }
        offset = index
        return first == UInt8(ascii: "-") ? -value : value
    }

    /// The bytes of a number, and whether it has neither fraction nor exponent.
    private mutating func number() throws -> (digits: UnsafeBufferPointer<UInt8>, isInteger: Bool) {
        let start = try startOfNumber()
        var isInteger = true
        if base[offset] == UInt8(ascii: "-") { offset += 1 }
        if offset < count, base[offset] == UInt8(ascii: "0") { offset += 1 } else { try digits() }
        if offset < count, base[offset] == UInt8(ascii: ".") {
            isInteger = false
            offset += 1
            try digits()
        }
        if offset < count, base[offset] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            offset += 1
            if offset < count, base[offset] == UInt8(ascii: "+") || base[offset] == UInt8(ascii: "-") { offset += 1 }
            try digits()
        }
        return (UnsafeBufferPointer(start: base + start, count: offset - start), isInteger)
    }

    /// At least one digit.
    private mutating func digits() throws {
        guard offset < count, JSONText.isDigit(base[offset]) else {
            throw JSONError(.syntax, "a digit is wanted here", offset: offset)
        }
        while offset < count, JSONText.isDigit(base[offset]) { offset += 1 }
    }
}
