import JSONStream

/// A JSON value of any shape, for printing it in another form.
indirect enum JSONTree: JSONCodable {
    case null
    case scalar(String)
    case text(String)
    case array([JSONTree])
    case object([(String, JSONTree)])

    func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.writeNull()
        case .scalar(let text): if text == "true" || text == "false" { writer.write(text == "true") } else if let number = Int64(text) { writer.write(number) } else { writer.write(Double(text) ?? 0) }
        case .text(let text): writer.write(text)
        case .array(let elements): elements.write(to: &writer)
        case .object(let members):
            writer.beginObject()
            for (key, value) in members {
                writer.key(key)
                value.write(to: &writer)
            }
            writer.endObject()
        }
    }

    init(from reader: inout JSONReader) throws {
        if try reader.null() {
            self = .null
        } else if let text = try? reader.string() {
            self = .text(text)
        } else if let flag = try? reader.bool() {
            self = .scalar(flag ? "true" : "false")
        } else if let number = try? reader.int64() {
            self = .scalar(String(number))
        } else if let number = try? reader.double() {
            self = .scalar(String(number))
        } else {
            self = try JSONTree.container(&reader)
        }
    }

    private static func container(_ reader: inout JSONReader) throws -> JSONTree {
        var isArray = true
        var elements: [JSONTree] = []
        var ahead = reader
        do {
            try ahead.array { elements.append(try JSONTree(from: &$0)) }
        } catch {
            isArray = false
        }
        if isArray {
            reader = ahead
            return .array(elements)
        }
        var members: [(String, JSONTree)] = []
        try reader.object { reader, key in members.append((key.text, try JSONTree(from: &reader))) }
        return .object(members)
    }
}

/// YAML of a JSON value, in block style. Text is left plain only where no reader could take it for anything else.
enum YAMLText {
    static func text(ofJSON json: String) -> String {
        guard let tree = try? JSONTree(jsonText: json) else { return json }
        var lines: [String] = []
        append(tree, prefix: "", indent: "", to: &lines)
        return lines.map { $0 + "\n" }.joined()
    }

    /// `prefix` stands before the first line, `indent` before the others.
    private static func append(_ tree: JSONTree, prefix: String, indent: String, to lines: inout [String]) {
        switch tree {
        case .null: lines.append(prefix + "null")
        case .scalar(let text): lines.append(prefix + text)
        case .text(let text): lines.append(prefix + quoted(text))
        case .array(let elements) where elements.isEmpty: lines.append(prefix + "[]")
        case .object(let members) where members.isEmpty: lines.append(prefix + "{}")
        case .array(let elements):
            var prefix = prefix
            for element in elements {
                append(element, prefix: prefix + "- ", indent: indent + "  ", to: &lines)
                prefix = indent
            }
        case .object(let members):
            var prefix = prefix
            for (key, value) in members {
                appendMember(key, value, prefix: prefix, indent: indent, to: &lines)
                prefix = indent
            }
        }
    }

    private static func appendMember(
        _ key: String, _ value: JSONTree, prefix: String, indent: String, to lines: inout [String]
    ) {
        switch value {
        case .array(let elements) where !elements.isEmpty:
            lines.append(prefix + quoted(key) + ":")
            append(value, prefix: indent, indent: indent, to: &lines)
        case .object(let members) where !members.isEmpty:
            lines.append(prefix + quoted(key) + ":")
            append(value, prefix: indent + "  ", indent: indent + "  ", to: &lines)
        default: append(value, prefix: prefix + quoted(key) + ": ", indent: indent, to: &lines)
        }
    }

    private static func quoted(_ text: String) -> String {
        let isPlain =
            text.first.map { $0.isLetter || $0 == "/" } ?? false
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./@".contains($0)) }
            && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(text.lowercased())
        return isPlain ? text : text.jsonText
    }
}
