/// What a value looks like, for the schema, the documentation and messages.
indirect enum ShapeDescription: Sendable {
    /// Text. `pattern` is an ECMA 262 regular expression, as JSON Schema wants it.
    case text(pattern: String? = nil, lengthMax: Int? = nil)
    /// A scalar that may look like a number or a boolean and is taken as text.
    case anyScalar
    case constant(String)
    case choice([String])
    case integer(ClosedRange<Int>)
    case boolean
    case quantity
    case duration
    case moment
    case list(ShapeDescription, countMin: Int)
    case map(ShapeDescription, keyPattern: String?)
    case object(ObjectDescription)
    /// One value, or a mapping of which it is one field.
    case either(ShapeDescription, ObjectDescription)
}

struct ObjectDescription: Sendable {
    var fields: [FieldDescription]
    /// Of these exactly one must be given.
    var exactlyOne: [String] = []
}

struct FieldDescription: Sendable {
    var name: String
    /// A sentence or more: what the field is for.
    var summary: String
    var shape: ShapeDescription
    var isRequired: Bool
    /// The value where it is not given, as people read it; nil: there is none.
    var defaultText: String?
    /// False: named by the design and not there yet.
    var isSupported: Bool
}

/// How one type of value is read from a document, written to one, and described.
struct Shape<Value: Sendable>: Sendable {
    var description: ShapeDescription
    /// The value of a node, or nil where it is not valid, which has been told then. The path is the field's.
    var read: @Sendable (inout Decoder, _ node: Int, _ path: UInt32) -> Value?
    var write: @Sendable (Value, inout YAMLText) -> Void
}

/// Why a text is no value of its type: the end of a sentence that begins with the field (`must be …`).
struct ScalarProblem: Error {
    var message: String
    var help: String

    init(_ message: String, help: String = "") {
        self.message = message
        self.help = help
    }
}

extension Shape {
    /// A scalar that `parse` understands. `isPlain`: only without quotes, so that a quoted text is not taken for it.
    static func scalar(
        _ description: ShapeDescription, isPlain: Bool = false, expected: String,
        write: @escaping @Sendable (Value, inout YAMLText) -> Void,
        parse: @escaping @Sendable (String) throws(ScalarProblem) -> Value
    ) -> Shape {
        Shape(
            description: description,
            read: { decoder, node, path in
                guard decoder.expectScalar(node, path, isPlain: isPlain, expected: expected) else { return nil }
                do throws(ScalarProblem) {
                    return try parse(decoder.tape.string(node))
                } catch {
                    decoder.error(at: node, "`\(decoder.shownName(path))` \(error.message)", help: error.help)
                    return nil
                }
            },
            write: write)
    }
}

extension Decoder {
    /// How messages name a field: its path without the numbers of list items.
    func shownName(_ path: UInt32) -> String {
        var shown = ""
        var isIndex = false
        for character in paths.name(path) {
            if character == "[" { isIndex = true }
            if !isIndex { shown.append(character) }
            if character == "]" { isIndex = false }
        }
        return shown
    }

    /// Whether a node is a scalar with a value; tells what is wrong where not.
    mutating func expectScalar(_ node: Int, _ path: UInt32, isPlain: Bool, expected: String) -> Bool {
        let name = { (decoder: borrowing Decoder) in decoder.shownName(path) }
        guard tape.nodes[node].kind == .scalar else {
            error(at: node, "`\(name(self))` must be \(expected), not \(article(node))")
            return false
        }
        guard !tape.isNull(node) else {
            error(at: node, "`\(name(self))` has no value", help: "it must be \(expected); leave the field out for its default")
            return false
        }
        guard !isPlain || tape.nodes[node].isPlain else {
            error(
                at: node, "`\(name(self))` must be \(expected), not a quoted text", help: "remove the quotes")
            return false
        }
        return true
    }

    /// `a list`, `a mapping`, or the scalar in quotes.
    func article(_ node: Int) -> String {
        switch tape.nodes[node].kind {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .scalar, .alias: tape.isNull(node) ? "nothing" : "\"\(Decoder.shortened(tape.string(node)))\""
        }
    }

    /// At most 60 characters of what a user wrote, on one line, for a message.
    static func shortened(_ text: String) -> String {
        let line = text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) }
        return line.count <= 60 ? String(line) : String(line.prefix(60)) + "…"
    }
}
