/// What texts are made of.
enum Letters {
    static func isAlphanumeric(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
            || byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
    }

    /// In Unicode scalars, which are counted only where the bytes are too many.
    static func isLonger(_ text: String, than limit: Int) -> Bool {
        text.utf8.count > limit && text.unicodeScalars.count > limit
    }

    static func isOneLine(_ text: String) -> Bool {
        !text.unicodeScalars.contains {
            $0.value < 0x20 || $0.value >= 0x7F && $0.value < 0xA0 || $0.value == 0x2028 || $0.value == 0x2029
        }
    }

    static func isWord(_ text: String, others: String, first: String) -> Bool {
        guard let head = text.utf8.first, isAlphanumeric(head) || first.utf8.contains(head) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || others.utf8.contains($0) }
    }

    /// For a class of a regular expression.
    static func escaped(_ characters: String) -> String {
        characters.map { "\\]^-".contains($0) ? "\\\($0)" : String($0) }.joined()
    }

    static let labelPattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

    static func isLabel(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, let last = bytes.last, bytes.count <= 63 else { return false }
        return first != UInt8(ascii: "-") && last != UInt8(ascii: "-") && bytes.allSatisfy(isLabelByte)
    }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || isAlphanumeric(byte) && !(byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
    }

    /// A name like the wrong one that would do.
    static func labelHelp(_ text: String) -> String {
        let rule = "lower-case letters, digits and `-`, beginning and ending with a letter or a digit, at most 63"
        var near = ""
        for byte in text.lowercased().utf8.prefix(63) {
            near += isLabelByte(byte) ? String(UnicodeScalar(byte)) : "-"
        }
        return isLabel(near) && text.utf8.count <= 63 ? "write `\(near)`: \(rule)" : rule
    }
}
