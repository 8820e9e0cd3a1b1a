import FleetModel
import JSONStream

extension Diagnostic {
    /// `file:line:column: error: message`, the source line with a caret below it, `help: …`. Lines end with a newline.
    package func rendered(color: Bool = false) -> String {
        let paint = Paint(isOn: color)
        let word = severity == .error ? paint.red("error:") : paint.yellow("warning:")
        var text = "\(paint.bold("\(position):")) \(word) \(paint.bold(message))\n"
        if let sourceLine, let caretColumn {
            let blanks = String(repeating: " ", count: Swift.max(0, caretColumn - 1))
            text += "  \(sourceLine)\n  \(blanks)\(paint.green("^"))\n"
        }
        if !help.isEmpty { text += "  \(paint.bold("help:")) \(help)\n" }
        return text
    }
}

/// ANSI colours, or none.
private struct Paint {
    var isOn: Bool

    func bold(_ text: String) -> String { with("1", text) }
    func red(_ text: String) -> String { with("1;31", text) }
    func yellow(_ text: String) -> String { with("1;33", text) }
    func green(_ text: String) -> String { with("1;32", text) }

    private func with(_ code: String, _ text: String) -> String { isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text }
}

extension Collection where Element == Diagnostic {
    /// All of them in their order, then how many there are. Empty where there is none.
    package func rendered(color: Bool = false) -> String {
        guard !isEmpty else { return "" }
        let errors = count { $0.severity == .error }
        let counts = [(errors, "error"), (count - errors, "warning")].filter { $0.0 > 0 }
            .map { "\($0.0) \($0.1)\($0.0 == 1 ? "" : "s")" }
        return map { $0.rendered(color: color) }.joined(separator: "\n") + "\n\(counts.joined(separator: ", "))\n"
    }

    /// A JSON array of `{severity, file, line, column, message, help, sourceLine, unit}`, one element a line.
    package var json: String {
        var writer = JSONWriter()
        writer.beginArray()
        for diagnostic in self {
            writer.lineEnd()
            diagnostic.write(to: &writer)
        }
        if !isEmpty { writer.lastLineEnd() }
        writer.endArray()
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}

extension Diagnostic {
    /// `help`, `sourceLine` and `unit` are missing where there is none.
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("severity", severity.rawValue)
            writer.member("file", position.file)
            writer.member("line", position.line)
            writer.member("column", position.column)
            writer.member("message", message)
            if !help.isEmpty { writer.member("help", help) }
            if let sourceLine { writer.member("sourceLine", sourceLine) }
            if let unit { writer.member("unit", unit.description) }
        }
    }
}
