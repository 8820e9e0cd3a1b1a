/// One row of a kind's table: how a field is read, written, described. A class, because every document passes all of
/// its fields and a reference is all that passing one should cost.
final class Field<Owner: Sendable>: Sendable {
    let description: FieldDescription
    let nameBytes: [UInt8]
    let token = FieldToken.next()
    /// Reads the node into the owner. What is wrong has been told when it returns.
    let read: @Sendable (inout Decoder, _ node: Int, _ path: UInt32, inout Owner) -> Void
    let write: @Sendable (Owner, inout YAMLText) -> Void

    var name: String { description.name }

    init(
        _ description: FieldDescription,
        read: @escaping @Sendable (inout Decoder, Int, UInt32, inout Owner) -> Void,
        write: @escaping @Sendable (Owner, inout YAMLText) -> Void
    ) {
        self.description = description
        nameBytes = Array(description.name.utf8)
        self.read = read
        self.write = write
    }
}

typealias Path<Root, Value> = WritableKeyPath<Root, Value> & Sendable

extension Field {
    static func required<Value>(
        _ name: String, _ path: any Path<Owner, Value>, _ shape: Shape<Value>, _ summary: String
    ) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: true, defaultText: nil,
                isSupported: true),
            read: { decoder, node, number, owner in
                if let value = shape.read(&decoder, node, number) { owner[keyPath: path] = value }
            },
            write: { owner, text in
                text.key(name)
                shape.write(owner[keyPath: path], &text)
            })
    }

    /// A field with a default, which the owner's blank value already has. `isDefault` says when it need not be written.
    static func optional<Value>(
        _ name: String, _ path: any Path<Owner, Value>, _ shape: Shape<Value>, default defaultText: String?,
        isDefault: @escaping @Sendable (Value, Owner) -> Bool, _ summary: String
    ) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: false, defaultText: defaultText,
                isSupported: true),
            read: { decoder, node, number, owner in
                if let value = shape.read(&decoder, node, number) { owner[keyPath: path] = value }
            },
            write: { owner, text in
                let value = owner[keyPath: path]
                guard !isDefault(value, owner) else { return }
                text.key(name)
                shape.write(value, &text)
            })
    }

    static func optional<Value: Equatable & Sendable>(
        _ name: String, _ path: any Path<Owner, Value>, _ shape: Shape<Value>, default value: Value,
        _ defaultText: String?, _ summary: String
    ) -> Field {
        optional(name, path, shape, default: defaultText, isDefault: { given, _ in given == value }, summary)
    }

    /// A field whose absence is a value of its own.
    static func optional<Value>(
        _ name: String, _ path: any Path<Owner, Value?>, _ shape: Shape<Value>, absent: String?, _ summary: String
    ) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: false, defaultText: absent,
                isSupported: true),
            read: { decoder, node, number, owner in
                if let value = shape.read(&decoder, node, number) { owner[keyPath: path] = value }
            },
            write: { owner, text in
                guard let value = owner[keyPath: path] else { return }
                text.key(name)
                shape.write(value, &text)
            })
    }

    /// A mapping whose fields belong to the same owner (`spec`, `spec.primary`).
    static func group(_ name: String, isRequired: Bool = false, _ summary: String, _ table: Table<Owner>) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: .object(table.description), isRequired: isRequired,
                defaultText: nil, isSupported: true),
            read: { decoder, node, number, owner in table.read(&decoder, node, number, &owner) },
            write: { owner, text in text.group(name) { table.write(owner, &$0) } })
    }

    /// One value, or a mapping of fields of the same owner, of which the value is `word`. It is written as the value alone
    /// where the others have their defaults.
    static func wordOrGroup<Value>(
        _ name: String, word: String, _ path: any Path<Owner, Value>, _ shape: Shape<Value>, default defaultText: String?,
        isDefault: @escaping @Sendable (Value, Owner) -> Bool, _ summary: String, more: [Field]
    ) -> Field {
        let own = Field.optional(word, path, shape, default: defaultText, isDefault: isDefault, summary)
        let others = Table(more)
        let table = Table([own] + more)
        return Field(
            FieldDescription(
                name: name, summary: summary, shape: .either(shape.description, table.description), isRequired: false,
                defaultText: defaultText, isSupported: true),
            read: { decoder, node, number, owner in
                if decoder.tape.nodes[node].kind == .mapping { return table.read(&decoder, node, number, &owner) }
                if let value = shape.read(&decoder, node, number) { owner[keyPath: path] = value }
            },
            write: { owner, text in
                var probe = text
                let length = probe.text.utf8.count
                probe.group(name) { others.write(owner, &$0) }
                guard probe.text.utf8.count == length else { return text.group(name) { table.write(owner, &$0) } }
                let value = owner[keyPath: path]
                guard !isDefault(value, owner) else { return }
                text.key(name)
                shape.write(value, &text)
            })
    }

    /// A field that is planned and not there: told as such rather than as unknown.
    static func unsupported(_ name: String, _ instead: String) -> Field {
        Field(
            FieldDescription(
                name: name, summary: "Not supported in this release. \(instead)", shape: .anyScalar,
                isRequired: false, defaultText: nil, isSupported: false),
            read: { decoder, node, number, _ in
                decoder.error(
                    at: node, "`\(decoder.shownName(number))` is not supported in this release",
                    help: "remove it; \(instead)")
            },
            write: { _, _ in })
    }
}
