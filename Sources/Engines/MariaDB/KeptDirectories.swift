import FleetModel

/// Numbered directories of one kind, of which the last ones are kept. What is removed for room is told, with its path,
/// before it is removed, and once more where the removal is reported.
struct KeptDirectories: Sendable {
    /// What each holds, for people: `ends of the binary log of t-1`.
    let what: String
    let parent: String
    /// What their names begin with, before the number.
    var prefix = ""
    let max: Int

    /// Oldest first.
    var numbers: [Int] {
        Files.names(in: parent).compactMap { $0.hasPrefix(prefix) ? Int($0.dropFirst(prefix.count)) : nil }.sorted()
    }

    func path(_ number: Int) -> String { "\(parent)/\(prefix)\(number)" }

    var newest: String? { numbers.last.map(path) }
    var next: String { path((numbers.last ?? 0) + 1) }

    /// Removes all but the last ones. What people have to know of that: what was removed, or could not be, and which one the
    /// next one takes the place of; nil where there is room for another one.
    func removeOldest(_ report: @Sendable (EngineProgress) -> Void) -> String? {
        var said: [String] = []
        for number in numbers.dropLast(max) {
            report(EngineProgress(phase: "removing \(path(number)): of \(what) the last \(max) are kept"))
            do {
                try Files.removeTree(path(number))
                said.append("removed for room: \(path(number)) (of \(what) the last \(max) are kept)")
            } catch {
                said.append("\(path(number)) is to be removed for room, and could not be: \(error)")
            }
        }
        let kept = numbers
        if kept.count >= max, let first = kept.first { said.append("the next one removes \(path(first))") }
        return said.isEmpty ? nil : said.joined(separator: "; ")
    }
}
