/// What strings and numbers mean once their bytes are found.
enum JSONText {
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    static func beginsValue(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""), UInt8(ascii: "-"), UInt8(ascii: "t"),
            UInt8(ascii: "f"), UInt8(ascii: "n"):
            true
        default: isDigit(byte)
        }
    }

    /// The first byte from `start` on that is a quote, a backslash, a control character or no ASCII; at most `end`.
    ///
    /// Eight bytes at a time: of each byte of `word` the high bit of `word - 0x01…` is set where it was zero, of
    /// `word - 0x20…` where it was below 0x20; a borrow reaches only bytes behind the first that is found.
    @inline(__always)
    static func endOfPlain(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var index = start
        while index + 8 <= end {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let found =
                ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- ones &* 0x20) & ~word | word)
                & highs
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        return index
    }

    /// How many bytes at the text's beginning need no escape when written.
    @inline(__always)
    static func plainLength(_ text: UnsafeBufferPointer<UInt8>) -> Int {
        guard let base = text.baseAddress else { return 0 }
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var index = 0
        while index + 8 <= text.count {
            let word = UInt64(littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
            let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
            let found = ((quote &- ones) & ~quote | (backslash &- ones) & ~backslash | (word &- ones &* 0x20) & ~word) & highs
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < text.count {
            let byte = base[index]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
            index += 1
        }
        return index
    }

    /// Nil where it does not fit.
    static func integer(_ digits: UnsafeBufferPointer<UInt8>) -> Int64? {
        let isNegative = digits.first == UInt8(ascii: "-")
        var value: Int64 = 0
        for byte in isNegative ? digits.dropFirst() : digits[...] {
            let digit = Int64(byte &- 0x30)
            let (tens, overflowsTens) = value.multipliedReportingOverflow(by: 10)
            // Downwards, since the smallest number has no positive twin.
            let (next, overflows) = tens.subtractingReportingOverflow(digit)
            if overflowsTens || overflows { return nil }
            value = next
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    static func checkEncoding(_ raw: UnsafeBufferPointer<UInt8>, at offset: Int) throws {
        guard String(validating: raw, as: UTF8.self) != nil else {
            throw JSONError(.encoding, "the string is not UTF-8", offset: offset)
        }
    }

    /// A string's text where it is written with escapes. `offset`: of its first byte.
    static func unescaped(_ raw: UnsafeBufferPointer<UInt8>, at offset: Int) throws -> String {
        var result: [UInt8] = []
        result.reserveCapacity(raw.count)
        var index = 0
        while index < raw.count {
            guard raw[index] == UInt8(ascii: "\\") else {
                result.append(raw[index])
                index += 1
                continue
            }
            if raw[index + 1] == UInt8(ascii: "u") {
                let (scalar, used) = try escapedScalar(raw, index, offset)
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
                index += used
            } else {
                result.append(try simpleEscape(raw[index + 1], at: offset + index))
                index += 2
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func simpleEscape(_ byte: UInt8, at offset: Int) throws -> UInt8 {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: throw JSONError(.syntax, "unknown escape", offset: offset)
        }
    }

    /// The scalar of `\uXXXX` or of a pair of surrogates at `index`, and how many bytes it takes.
    private static func escapedScalar(
        _ raw: UnsafeBufferPointer<UInt8>, _ index: Int, _ offset: Int
    ) throws -> (scalar: Unicode.Scalar, used: Int) {
        let first = try codeUnit(raw, index + 2, offset)
        if let scalar = Unicode.Scalar(first) { return (scalar, 6) }
        if first < 0xDC00, index + 7 < raw.count, raw[index + 6] == UInt8(ascii: "\\"), raw[index + 7] == UInt8(ascii: "u") {
            let second = try codeUnit(raw, index + 8, offset)
            if (0xDC00...0xDFFF).contains(second) {
                let joined = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
                if let scalar = Unicode.Scalar(joined) { return (scalar, 12) }
            }
        }
        throw JSONError(.encoding, "half of a surrogate pair", offset: offset + index)
    }

    private static func codeUnit(_ raw: UnsafeBufferPointer<UInt8>, _ start: Int, _ offset: Int) throws -> UInt16 {
        guard start + 4 <= raw.count else {
            throw JSONError(.syntax, "\\u wants four hex digits", offset: offset + start)
        }
        var value: UInt16 = 0
        for index in start..<start + 4 {
            guard let digit = Character(Unicode.Scalar(raw[index])).hexDigitValue, raw[index] < 0x80 else {
                throw JSONError(.syntax, "\\u wants four hex digits", offset: offset + index)
            }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}
