/// One statement. Values and names are kept apart from its text until a connection quotes them by the rules of its
/// session:
///
///     "SELECT 1 FROM mysql.global_priv WHERE User = \(name)"
///     "CREATE DATABASE \(identifier: database) CHARACTER SET \(identifier: characterSet)"
package struct SQL: Sendable, ExpressibleByStringInterpolation {
    enum Piece: Sendable {
        case text(String)
        /// A string literal; nil is NULL.
        case value(String?)
        /// A string literal that no error may repeat.
        case secret(String)
        case identifier(String)
    }

    private(set) var pieces: [Piece]

    package init(stringLiteral text: String) { pieces = [.text(text)] }
    package init(stringInterpolation: StringInterpolation) { pieces = stringInterpolation.pieces }

    /// Text that the caller vouches for: keywords, statements read from the server's own tools.
    package init(verbatim text: String) { pieces = [.text(text)] }

    package static func + (left: SQL, right: SQL) -> SQL {
        var both = left
        both.pieces += right.pieces
        return both
    }

    /// The statements' texts in order with `separator` between them.
    package static func joined(_ parts: [SQL], separator: String) -> SQL {
        var whole = SQL(verbatim: "")
        for (index, part) in parts.enumerated() {
            if index > 0 { whole.pieces.append(.text(separator)) }
            whole.pieces += part.pieces
        }
        return whole
    }

    /// A name in backticks, for databases, tables, variables, privileges' objects.
    package static func quoted(identifier: String) -> String {
        "`" + identifier.split(separator: "`", omittingEmptySubsequences: false).joined(separator: "``") + "`"
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        var pieces: [Piece] = []

        package init(literalCapacity: Int, interpolationCount: Int) { pieces.reserveCapacity(2 * interpolationCount + 1) }

        package mutating func appendLiteral(_ text: String) { pieces.append(.text(text)) }
        package mutating func appendInterpolation(_ value: String?) { pieces.append(.value(value)) }
        package mutating func appendInterpolation(_ number: some BinaryInteger) { pieces.append(.text(String(number))) }
        package mutating func appendInterpolation(secret value: String) { pieces.append(.secret(value)) }
        package mutating func appendInterpolation(identifier name: String) { pieces.append(.identifier(name)) }
        package mutating func appendInterpolation(verbatim text: String) { pieces.append(.text(text)) }
        package mutating func appendInterpolation(_ part: SQL) { pieces += part.pieces }
    }

    /// Bytes of its text, but for what quoting adds.
    package var size: Int {
        pieces.reduce(0) { size, piece in
            switch piece {
            case .text(let text), .secret(let text), .identifier(let text): size + text.utf8.count
            case .value(let text): size + (text?.utf8.count ?? 0)
            }
        }
    }

    /// The text for the wire; `escape` makes a string safe between single quotes.
    func rendered(escape: (String) -> String) -> String {
        pieces.reduce(into: "") { text, piece in
            switch piece {
            case .text(let part): text += part
            case .value(nil): text += "NULL"
            case .value(let value?), .secret(let value): text += "'" + escape(value) + "'"
            case .identifier(let name): text += SQL.quoted(identifier: name)
            }
        }
    }

    /// `message` without the secrets of this statement, nor the part of it that a syntax error repeats.
    func redacted(_ message: String) -> String {
        pieces.reduce(message) { message, piece in
            guard case .secret(let secret) = piece, !secret.isEmpty else { return message }
            return message.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "***")
        }
    }
}
