import FleetModel

/// JSON Schema, draft 2020-12, of what the tables describe. It takes nothing that `validate` refuses for its form; what
/// needs more than one field or document is checked by `validate` alone.
enum JSONSchema {
    static let dialect = "https://json-schema.org/draft/2020-12/schema"

    static func members(of shape: ShapeDescription) -> [(String, JSONTree)] {
        switch shape {
        case .text(let pattern, let lengthMax):
            return [("type", .text("string"))] + limits(pattern, lengthMax)
        case .anyScalar:
            return [("type", .texts(["string", "number", "boolean"]))]
        case .constant(let text):
            return [("const", .text(text))]
        case .choice(let choices):
            return [("enum", .texts(choices))]
        case .integer(let range):
            return [
                ("type", .text("integer")), ("minimum", .number(range.lowerBound)),
                ("maximum", .number(range.upperBound)),
            ]
        case .boolean:
            return [("type", .text("boolean"))]
        case .quantity:
            return [
                ("type", .texts(["string", "number"])), ("pattern", .text(Quantity.pattern)), ("minimum", .number(0)),
            ]
        case .duration:
            return [("type", .text("string")), ("pattern", .text(GoDuration.pattern))]
        case .moment:
            return [("type", .text("string")), ("pattern", .text(Instant.rfc3339Pattern))]
        case .list(let item, let countMin):
            guard countMin > 0 else {
                return [("type", .texts(["array", "null"])), ("items", .object(members(of: item)))]
            }
            return [
                ("type", .text("array")), ("minItems", .number(countMin)), ("items", .object(members(of: item))),
            ]
        case .map(let value, let keyPattern):
            let names = keyPattern.map { [("propertyNames", JSONTree.object([("pattern", .text($0))]))] } ?? []
            return [("type", .texts(["object", "null"]))] + names
                + [("additionalProperties", .object(members(of: value)))]
        case .object(let object):
            return members(of: object)
        case .either(let word, let object):
            return [("oneOf", .list([.object(members(of: word)), .object(members(of: object))]))]
        }
    }

    private static func limits(_ pattern: String?, _ lengthMax: Int?) -> [(String, JSONTree)] {
        (lengthMax.map { [("maxLength", JSONTree.number($0))] } ?? []) + (pattern.map { [("pattern", .text($0))] } ?? [])
    }

    static func members(of object: ObjectDescription) -> [(String, JSONTree)] {
        let fields = object.fields.filter(\.isSupported)
        let required = fields.filter(\.isRequired).map(\.name)
        var members: [(String, JSONTree)] = [
            ("type", .text("object")),
            ("properties", .object(fields.map { ($0.name, property($0)) })),
        ]
        if !required.isEmpty { members.append(("required", .texts(required))) }
        members.append(("additionalProperties", .boolean(false)))
        if !object.exactlyOne.isEmpty {
            members.append(("oneOf", .list(object.exactlyOne.map { .object([("required", .texts([$0]))]) })))
        }
        return members
    }

    private static func property(_ field: FieldDescription) -> JSONTree {
        var members = [("description", JSONTree.text(field.summary))] + members(of: field.shape)
        if let literal = literal(field) { members.append(("default", literal)) }
        return .object(members)
    }

    /// The default where it is a value and not words about one.
    private static func literal(_ field: FieldDescription) -> JSONTree? {
        guard let text = field.defaultText else { return nil }
        switch field.shape {
        case .boolean: return .boolean(text == "true")
        case .integer: return Int(text).map(JSONTree.number)
        case .choice(let choices): return choices.contains(text) ? .text(text) : nil
        case .duration: return GoDuration.duration(text) == nil ? nil : .text(text)
        case .quantity: return Quantity.bytes(text) == nil ? nil : .text(text)
        case .text: return text.contains(" ") ? nil : .text(text)
        case .anyScalar, .constant, .moment, .list, .map, .object, .either: return nil
        }
    }
}
