import FleetModel

// Shapes of single values.

extension Shape where Value == String {
    /// Text that `check` accepts and may rewrite. `pattern` says to editors what `check` says to us.
    static func text(
        pattern: String? = nil, lengthMax: Int? = nil, expected: String = "a text",
        check: @escaping @Sendable (String) throws(ScalarProblem) -> String
    ) -> Shape {
        .scalar(
            .text(pattern: pattern, lengthMax: lengthMax), expected: expected, write: { $1.string($0) }
        ) { text throws(ScalarProblem) in
            if let lengthMax, Letters.isLonger(text, than: lengthMax) {
                throw ScalarProblem("is longer than \(lengthMax) characters")
            }
            return try check(text)
        }
    }

    /// Any text on one line.
    static func line(lengthMax: Int) -> Shape {
        text(pattern: "^[^\\u0000-\\u001f\\u007f]*$", lengthMax: lengthMax) { text throws(ScalarProblem) in
            guard Letters.isOneLine(text) else { throw ScalarProblem("must be one line without control characters") }
            return text
        }
    }

    /// Text made of ASCII letters, digits and `others`.
    static func word(others: String, first: String? = nil, lengthMax: Int, expected: String) -> Shape {
        let pattern = "^[A-Za-z0-9\(Letters.escaped(first ?? others))][A-Za-z0-9\(Letters.escaped(others))]*$"
        return text(pattern: pattern, lengthMax: lengthMax, expected: expected) { text throws(ScalarProblem) in
            guard Letters.isWord(text, others: others, first: first ?? others) else {
                throw ScalarProblem("must be \(expected), not \"\(Decoder.shortened(text))\"")
            }
            return text
        }
    }

    /// A name as DNS labels are written (RFC 1123): of things that become parts of host names, files and labels.
    static func name(_ what: String) -> Shape {
        text(pattern: Letters.labelPattern, lengthMax: 63, expected: what) { text throws(ScalarProblem) in
            guard Letters.isLabel(text) else {
                throw ScalarProblem(
                    "must be \(what), not \"\(Decoder.shortened(text))\"", help: Letters.labelHelp(text))
            }
            return text
        }
    }

    /// A text, a number or a boolean, taken as it is written.
    static func anyScalar(
        lengthMax: Int, check: @escaping @Sendable (String) throws(ScalarProblem) -> String
    ) -> Shape {
        .scalar(
            .anyScalar, expected: "a value",
            write: { value, text in
                if Int(value) != nil { text.raw(value) } else { text.string(value) }
            }
        ) { text throws(ScalarProblem) in
            guard !Letters.isLonger(text, than: lengthMax) else {
                throw ScalarProblem("is longer than \(lengthMax) characters")
            }
            return try check(text)
        }
    }

    static func constant(_ constant: String, help: String) -> Shape {
        .scalar(.constant(constant), expected: "`\(constant)`", write: { $1.string($0) }) { text throws(ScalarProblem) in
            guard text == constant else {
                throw ScalarProblem("must be `\(constant)`, not \"\(Decoder.shortened(text))\"", help: help)
            }
            return text
        }
    }
}

extension Shape where Value == Int {
    static func integer(_ range: ClosedRange<Int>) -> Shape {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return .scalar(
            .integer(range), isPlain: true, expected: expected, write: { $1.raw(String($0)) }
        ) { text throws(ScalarProblem) in
            // `Int` would take a sign that the schema does not know.
            guard let number = Int(text), range.contains(number), text.first != "+" else {
                throw ScalarProblem("must be \(expected), not \"\(Decoder.shortened(text))\"")
            }
            return number
        }
    }
}

extension Shape where Value == Bool {
    static var boolean: Shape {
        .scalar(.boolean, isPlain: true, expected: "true or false", write: { $1.raw($0 ? "true" : "false") }) {
            text throws(ScalarProblem) in
            switch text {
            case "true": return true
            case "false": return false
            default:
                let meant: String? =
                    switch text.lowercased() {
                    case "yes", "on", "y", "true": "true"
                    case "no", "off", "n", "false": "false"
                    default: nil
                    }
                throw ScalarProblem(
                    "must be true or false, not \"\(Decoder.shortened(text))\"",
                    help: meant.map { "write `\($0)`" } ?? "")
            }
        }
    }
}

extension Shape where Value == Int64 {
    static func quantity(min: Int64) -> Shape {
        .scalar(.quantity, expected: "a size such as `1Gi`", write: { $1.raw(Quantity.text($0)) }) {
            text throws(ScalarProblem) in
            guard let bytes = Quantity.bytes(text) else {
                throw ScalarProblem(
                    "must be a size such as `1Gi`, not \"\(Decoder.shortened(text))\"",
                    help: "a number and Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000)")
            }
            guard bytes >= min else {
                throw ScalarProblem("is \(Decoder.shortened(text)); the least is \(Quantity.text(min))")
            }
            return bytes
        }
    }
}

extension Shape where Value == Duration {
    static func duration(_ range: ClosedRange<Duration>) -> Shape {
        .scalar(.duration, expected: "a duration such as `30s`", write: { $1.raw(GoDuration.text($0)) }) {
            text throws(ScalarProblem) in
            guard let duration = GoDuration.duration(text) else {
                throw ScalarProblem(
                    "must be a duration such as `30s`, not \"\(Decoder.shortened(text))\"",
                    help: "numbers with a unit: `ms`, `s`, `m` or `h`, as in `1h30m`")
            }
            guard range.contains(duration) else {
                let least = GoDuration.text(range.lowerBound)
                throw ScalarProblem(
                    "is \(Decoder.shortened(text)); it goes from \(least) to \(GoDuration.text(range.upperBound))")
            }
            return duration
        }
    }
}

extension Shape where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of an enumeration's words.
    static var choice: Shape {
        let choices = Value.allCases.map(\.rawValue)
        let listed = choices.map { "`\($0)`" }.joined(separator: " or ")
        return .scalar(.choice(choices), expected: listed, write: { $1.string($0.rawValue) }) {
            text throws(ScalarProblem) in
            guard let value = Value(rawValue: text) else {
                let near = Suggestion.nearest(to: text, among: choices)
                throw ScalarProblem(
                    "must be \(listed), not \"\(Decoder.shortened(text))\"",
                    help: near.map { "did you mean `\($0)`?" } ?? "")
            }
            return value
        }
    }
}
