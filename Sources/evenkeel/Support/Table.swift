/// A table for people: aligned columns, two spaces between them. Where the terminal is too narrow the widest columns
/// fold at spaces within their cell, so that no line is wider than the terminal.
struct Table {
    var columns: [String]
    var rows: [[String]] = []
    /// Said instead of a table without rows.
    var whenEmpty: String

    private static let gap = 2
    private static let columnWidthMin = 10

    init(_ columns: [String], whenEmpty: String = "Nothing to show.") {
        self.columns = columns
        self.whenEmpty = whenEmpty
    }

    mutating func add(_ cells: String...) { rows.append(cells) }

    /// The table as text, ending in a line end.
    func text(width: Int) -> String {
        guard !rows.isEmpty else { return whenEmpty + "\n" }
        let widths = fitted(width)
        return ([columns] + rows).map { line($0, widths) }.joined()
    }

    /// The widths of the columns, the widest made narrower until the whole fits.
    private func fitted(_ width: Int) -> [Int] {
        var widths = columns.indices.map { column in
            ([columns[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0
        }
        let room = width - Table.gap * (columns.count - 1)
        while widths.reduce(0, +) > room, let widest = widths.max(), widest > Table.columnWidthMin {
            guard let index = widths.lastIndex(of: widest) else { break }
            widths[index] -= 1
        }
        return widths
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        let folded = zip(cells, widths).map { fold($0, $1) }
        let height = folded.map(\.count).max() ?? 1
        var text = ""
        for row in 0..<height {
            var line = ""
            for (column, lines) in folded.enumerated() {
                let cell = row < lines.count ? lines[row] : ""
                line += cell + String(repeating: " ", count: max(0, widths[column] - cell.count + Table.gap))
            }
            text += line.trimmingTrailingSpaces + "\n"
        }
        return text
    }
}

/// Folds a text at spaces (a longer word is cut) into lines of at most `width` characters.
func fold(_ text: String, _ width: Int) -> [String] {
    guard text.count > width, width > 0 else { return [text] }
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
        var word = word
        if !line.isEmpty, line.count + 1 + word.count > width {
            lines.append(line)
            line = ""
        }
        while word.count > width {
            lines.append(String(word.prefix(width)))
            word = word.dropFirst(width)
        }
        line += (line.isEmpty ? "" : " ") + word
    }
    return lines + [line]
}

extension String {
    var trimmingTrailingSpaces: String {
        var end = endIndex
        while end > startIndex, self[index(before: end)] == " " { end = index(before: end) }
        return String(self[..<end])
    }
}
