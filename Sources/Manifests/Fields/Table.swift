/// The fields of one mapping, in the order in which they are documented and written.
struct Table<Owner: Sendable>: Sendable {
    let fields: [Field<Owner>]
    /// Of these exactly one must be given.
    let exactlyOne: [String]
    /// The bits of the fields that must be given.
    private let required: UInt64

    init(exactlyOne: [String] = [], _ fields: [Field<Owner>]) {
        // `seen` below is a word of 64 bits.
        precondition(fields.count <= 64, "a table of \(fields.count) fields is too large")
        self.fields = fields
        self.exactlyOne = exactlyOne
        var required: UInt64 = 0
        for (number, field) in fields.enumerated() where field.description.isRequired { required |= 1 << UInt64(number) }
        self.required = required
    }

    var description: ObjectDescription {
        ObjectDescription(fields: fields.map(\.description), exactlyOne: exactlyOne)
    }

    /// Reads a mapping's fields into the owner and tells each that is unknown, double or missing.
    func read(_ decoder: inout Decoder, _ node: Int, _ path: UInt32, _ owner: inout Owner) {
        guard decoder.tape.nodes[node].kind == .mapping else {
            decoder.error(
                at: node, "\(place(path, decoder)) must be a mapping, not \(decoder.article(node))",
                help: "write its fields on lines of their own, indented below it")
            return
        }
        let pairs = decoder.pushPairs(node)
        var seen: UInt64 = 0
        var expected = 0
        for index in pairs {
            let pair = decoder.pair(index)
            guard let number = find(pair.key, from: expected, decoder) else {
                tellUnknown(pair.key, path, &decoder)
                continue
            }
            expected = number + 1
            let bit = UInt64(1) << UInt64(number)
            guard seen & bit == 0 else {
                decoder.error(at: pair.key, "`\(fields[number].name)` is given twice", help: "remove one of the two")
                continue
            }
            seen |= bit
            let field = fields[number]
            let child = decoder.paths.field(path, token: field.token, name: field.name)
            decoder.note(child, key: pair.key, value: pair.value)
            field.read(&decoder, pair.value, child, &owner)
        }
        decoder.popPairs(pairs)
        if required & ~seen != 0 || !exactlyOne.isEmpty { tellMissing(seen, node, path, &decoder) }
    }

    /// Documents mostly keep the table's order, so the search begins after the field before.
    private func find(_ key: Int, from expected: Int, _ decoder: borrowing Decoder) -> Int? {
        for number in expected..<fields.count where decoder.tape.equals(key, fields[number].nameBytes) { return number }
        for number in 0..<min(expected, fields.count) where decoder.tape.equals(key, fields[number].nameBytes) {
            return number
        }
        return nil
    }

    func write(_ owner: Owner, _ text: inout YAMLText) {
        for field in fields { field.write(owner, &text) }
    }
}

// MARK: Problems

extension Table {
    private func tellUnknown(_ key: Int, _ path: UInt32, _ decoder: inout Decoder) {
        let name = decoder.tape.string(key)
        let known = fields.filter(\.description.isSupported).map(\.name)
        decoder.error(
            at: key, "unknown field `\(Decoder.shortened(name))` in \(place(path, decoder))",
            help: Suggestion.help(for: name, among: known, else: "its fields are "))
    }

    private func tellMissing(_ seen: UInt64, _ node: Int, _ path: UInt32, _ decoder: inout Decoder) {
        for (number, field) in fields.enumerated() where required & ~seen & UInt64(1) << UInt64(number) != 0 {
            let example = field.description.shape.example.map { ", for example `\(field.name): \($0)`" } ?? ""
            decoder.error(
                at: node, "\(place(path, decoder)) has no `\(field.name)`", help: "add `\(field.name)`\(example)")
        }
        guard !exactlyOne.isEmpty else { return }
        let given = fields.indices.filter {
            seen & UInt64(1) << UInt64($0) != 0 && exactlyOne.contains(fields[$0].name)
        }
        guard given.count != 1 else { return }
        let names = exactlyOne.map { "`\($0)`" }.joined(separator: " or ")
        decoder.error(
            at: node, "\(place(path, decoder)) must have exactly one of \(names)",
            help: given.isEmpty ? "add one of them" : "remove all but one of them")
    }

    private func place(_ path: UInt32, _ decoder: borrowing Decoder) -> String {
        path == PathTable.root ? "the manifest" : "`\(decoder.shownName(path))`"
    }
}

extension ShapeDescription {
    /// A short value for a message; nil where none is short.
    var example: String? {
        switch self {
        case .text, .anyScalar, .list, .map, .object: nil
        case .either(let word, _): word.example
        case .constant(let text): text
        case .choice(let choices): choices.first
        case .integer(let range): String(range.lowerBound)
        case .boolean: "true"
        case .quantity: "1Gi"
        case .duration: "30s"
        case .moment: "2026-11-21T22:00:00Z"
        }
    }
}
