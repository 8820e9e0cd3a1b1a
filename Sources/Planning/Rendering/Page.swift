/// Lines for a terminal, folded to its width.
///
/// Text that comes from databases and manifests may hold anything: control characters are shown as `?`, so that nothing
/// can move the cursor or rewrite the screen.
struct Page {
    private let width: Int?
    private let isColored: Bool
    private(set) var bytes: [UInt8] = []

    init(width: Int?, isColored: Bool) {
        self.width = width
        self.isColored = isColored
    }

    /// One line; where it is too long it is folded between words, further lines begin at column `hanging`.
    mutating func add(_ line: String, hanging: Int = 0) {
        let line = sanitized(line)
        guard let width, Self.columns(line) > width else {
            append(line)
            return
        }
        let indent = String(repeating: " ", count: min(hanging, width / 2))
        var current = ""
        for word in Self.words(line) {
            let candidate = current.isEmpty ? word : current + " " + word
            if Self.columns(candidate) <= width || current.allSatisfy({ $0 == " " }) {
                current = candidate
            } else {
                append(current)
                current = indent + word
            }
        }
        append(current)
    }

    /// A line of three parts: `lead`, `text` padded to `before` columns, and `right`. Where they do not fit side by side
    /// the text is folded and the last part has a line of its own.
    mutating func add(_ lead: String, _ text: String, before: Int, right: String) {
        guard !right.isEmpty else { return add(lead + text, hanging: Self.columns(lead)) }
        let whole = lead + Self.padded(text, before) + "  " + right
        if let width, Self.columns(whole) > width {
            let tight = lead + text + "  " + right
            if Self.columns(tight) <= width { return add(tight) }
            add(lead + text, hanging: Self.columns(lead))
            add("      " + right)
        } else {
            add(whole)
        }
    }

    private mutating func append(_ line: String) {
        var end = line.endIndex
        while end > line.startIndex, line[line.index(before: end)] == " " { end = line.index(before: end) }
        bytes.append(contentsOf: line[..<end].utf8)
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Words with the spaces that lead the line, so that its indent stays.
    private static func words(_ line: String) -> [String] {
        let indent = line.prefix { $0 == " " }
        var words = line.dropFirst(indent.count).split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        if let first = words.first { words[0] = indent + first }
        return words
    }

    static func padded(_ text: String, _ columns: Int) -> String {
        text + String(repeating: " ", count: max(columns - Self.columns(text), 0))
    }

    /// Columns that a text takes on a terminal: wide East Asian characters two, our own colours none.
    static func columns(_ text: String) -> Int {
        var columns = 0
        var isEscape = false
        for scalar in text.unicodeScalars {
            if isEscape {
                if scalar == "m" { isEscape = false }
            } else if scalar == "\u{1B}" {
                isEscape = true
            } else if scalar.properties.generalCategory != .nonspacingMark {
                columns += isWide(scalar.value) ? 2 : 1
            }
        }
        return columns
    }

    private static func isWide(_ value: UInt32) -> Bool {
        switch value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
            true
        default: false
        }
    }

    /// Where colours were asked for, only those of `Paint` stay of all control characters.
    private func sanitized(_ line: String) -> String {
        guard line.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F || $0 == 0xC2 }) else { return line }
        var result = String.UnicodeScalarView()
        var rest = line.unicodeScalars[...]
        while let scalar = rest.first {
            if isColored, let colour = Paint.codes.first(where: { rest.starts(with: $0.unicodeScalars) }) {
                result.append(contentsOf: colour.unicodeScalars)
                rest = rest.dropFirst(colour.unicodeScalars.count)
            } else {
                result.append(scalar.properties.generalCategory == .control ? "?" : scalar)
                rest = rest.dropFirst()
            }
        }
        return String(result)
    }
}

/// Colours of a terminal, or nothing.
struct Paint: Sendable {
    let isOn: Bool

    private static let end = "\u{1B}[0m"
    /// All that is ever put into a text.
    static let codes = ["1", "2", "31", "32", "33", "0"].map { "\u{1B}[\($0)m" }

    func bold(_ text: String) -> String { style(text, 0) }
    func faint(_ text: String) -> String { style(text, 1) }
    func red(_ text: String) -> String { style(text, 2) }
    func green(_ text: String) -> String { style(text, 3) }
    func yellow(_ text: String) -> String { style(text, 4) }

    func mark(_ mark: Character) -> String {
        switch mark {
        case "+": green("+")
        case "-": red("-")
        case "~": yellow("~")
        default: String(mark)
        }
    }

    private func style(_ text: String, _ code: Int) -> String {
        isOn && !text.isEmpty ? Self.codes[code] + text + Self.end : text
    }
}
