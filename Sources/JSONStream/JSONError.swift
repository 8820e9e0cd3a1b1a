/// Why a JSON text was refused, and at which byte.
package struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// Not JSON (RFC 8259), or cut off.
        case syntax
        /// A string that is not UTF-8.
        case encoding
        /// Nested deeper than the reader's bound.
        case depth
        /// JSON, but not the type that is wanted here, or a number that does not fit it.
        case mismatch
        /// A key that has no default is missing.
        case missing
        /// An enumeration's name that this release does not know: `type` is the Swift type, `name` what was read.
        case unknownCase(type: String, name: String)
    }

    package var kind: Kind
    package var message: String
    /// Bytes before the place, from the start of the text.
    package var offset: Int

    package init(_ kind: Kind, _ message: String, offset: Int) {
        self.kind = kind
        self.message = message
        self.offset = offset
    }

    /// True where the text itself is fine and only its meaning is not: a reader can pass over the value and go on.
    package var isAboutMeaning: Bool {
        switch kind {
        case .mismatch, .missing, .unknownCase: true
        case .syntax, .encoding, .depth: false
        }
    }

    package var description: String { "JSON at byte \(offset): \(message)" }
}
