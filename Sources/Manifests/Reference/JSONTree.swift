/// JSON with its members in a chosen order, written over several lines for people to read.
indirect enum JSONTree {
    case text(String)
    case number(Int)
    case boolean(Bool)
    case list([JSONTree])
    case object([(String, JSONTree)])

    static func texts(_ texts: [String]) -> JSONTree { .list(texts.map(JSONTree.text)) }

    /// Without a line end after it. Lists of plain values stay on one line.
    func rendered(indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .text(let text): return JSONTree.quoted(text)
        case .number(let number): return String(number)
        case .boolean(let boolean): return boolean ? "true" : "false"
        case .list(let items):
            if items.allSatisfy(\.isPlain) { return "[" + items.map { $0.rendered() }.joined(separator: ", ") + "]" }
            return "[\n" + items.map { inner + $0.rendered(indent: indent + 2) }.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let members):
            guard !members.isEmpty else { return "{}" }
            let lines = members.map { inner + JSONTree.quoted($0) + ": " + $1.rendered(indent: indent + 2) }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        }
    }

    private var isPlain: Bool {
        switch self {
        case .text, .number, .boolean: true
        case .list, .object: false
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                quoted += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
