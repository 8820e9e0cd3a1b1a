/// "Did you mean": the known word that is nearest to what a user wrote.
enum Suggestion {
    /// `did you mean …?`, or `fallback` and the known words where none is near; empty where nothing is known.
    static func help(for word: String, among known: some Collection<String>, else fallback: String) -> String {
        if let near = nearest(to: word, among: known) { return "did you mean `\(near)`?" }
        guard !known.isEmpty else { return "" }
        let listed = known.sorted().prefix(listedMax).map { "`\($0)`" }.joined(separator: ", ")
        return fallback + listed + (known.count > listedMax ? " and \(known.count - listedMax) more" : "")
    }

    static let listedMax = 20
    /// Longer words are compared with nothing: the cost is the product of the lengths.
    private static let lengthMax = 64

    /// The word of `known` with the fewest edits, at most a third of the word's length; of equals the first by name.
    static func nearest(to word: String, among known: some Collection<String>) -> String? {
        let wanted = Array(word.lowercased().utf8)
        guard !wanted.isEmpty, wanted.count <= lengthMax else { return nil }
        var best: (distance: Int, word: String)?
        for candidate in known {
            let bytes = Array(candidate.lowercased().utf8)
            if isBeginning(wanted, bytes) { return candidate }
            guard abs(bytes.count - wanted.count) <= max(1, wanted.count / 3) else { continue }
            let distance = edits(wanted, bytes)
            guard distance <= max(1, wanted.count / 3) else { continue }
            if let known = best, (known.distance, known.word) <= (distance, candidate) { continue }
            best = (distance, candidate)
        }
        return best?.word
    }

    /// `password` for `passwordFrom`.
    private static func isBeginning(_ wanted: [UInt8], _ known: [UInt8]) -> Bool {
        wanted.count >= 4 && wanted.count < known.count && known.starts(with: wanted) && known.count <= 2 * wanted.count
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (optimal string
    /// alignment).
    static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var before: [Int] = []
        var previous = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var cost = min(previous[column + 1] + 1, current[column] + 1, previous[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    cost = min(cost, before[column - 1] + 1)
                }
                current.append(cost)
            }
            (before, previous) = (previous, current)
        }
        return previous[right.count]
    }
}
