/// Writes block-style YAML. The caller writes a key, then one value for it.
struct YAMLText {
    private(set) var text = ""
    private var indent = 0
    /// The next key goes on the line of the `- ` before it.
    private var isAtItem = false

    mutating func key(_ name: String) {
        startLine()
        text += YAMLText.quoted(name) + ":"
    }

    /// A value that YAML itself reads as text, quoted where it might be read as something else.
    mutating func string(_ value: String) { raw(YAMLText.quoted(value)) }

    /// A value that needs no quotes: a number, a boolean.
    mutating func raw(_ value: String) {
        if isAtItem { isAtItem = false } else { text += " " }
        text += value
    }

    mutating func mapping(_ body: (inout YAMLText) -> Void) {
        let length = text.utf8.count
        if isAtItem {
            body(&self)
            isAtItem = false
        } else {
            indent += 1
            body(&self)
            indent -= 1
        }
        if text.utf8.count == length { raw("{}") }
    }

    /// A key and its mapping, or neither where the mapping would be empty.
    mutating func group(_ name: String, _ body: (inout YAMLText) -> Void) {
        let before = self
        key(name)
        let length = text.utf8.count
        indent += 1
        body(&self)
        indent -= 1
        if text.utf8.count == length { self = before }
    }

    mutating func list<Element>(_ elements: [Element], _ body: (Element, inout YAMLText) -> Void) {
        if elements.isEmpty { raw("[]") }
        indent += 1
        for element in elements {
            startLine()
            text += "- "
            isAtItem = true
            indent += 1
            body(element, &self)
            indent -= 1
            isAtItem = false
        }
        indent -= 1
    }

    private mutating func startLine() {
        guard !isAtItem else {
            isAtItem = false
            return
        }
        if !text.isEmpty { text += "\n" }
        text += String(repeating: "  ", count: indent)
    }

    private static let reserved: Set<String> = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]

    /// The text as it is where every YAML reader takes it as text, else in double quotes.
    static func quoted(_ value: String) -> String {
        let isLetter = { (byte: UInt8) in byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") }
        let isPlain =
            value.utf8.first.map(isLetter) == true && !reserved.contains(value.lowercased())
            && value.utf8.allSatisfy { isLetter($0) || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || "_./- ".utf8.contains($0) }
            && value.utf8.last != UInt8(ascii: " ")
        if isPlain { return value }
        var quoted = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                quoted += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
