extension Diagnostic {
    /// `file:line:column: error: message`, the source line with a caret, `help: …`; lines end with a newline.
    package func rendered(color: Bool = false) -> String { "" }
}

extension Collection where Element == Diagnostic {
    /// All of them, in their order, and how many there are.
    package func rendered(color: Bool = false) -> String { "" }

    /// A JSON array of `{severity, file, line, column, message, help, sourceLine, unit}`.
    package var json: String { "[]" }
}
