import FleetModel

/// Reads one document after the other off the tape through the field tables. Keeps its buffers, so that a document
/// costs only what its value holds.
struct Decoder {
    var tape = EventTape()
    var paths = PathTable()
    /// Where the fields of this document stand.
    private(set) var positions: [FieldPositions.Entry] = []
    private(set) var problems: [LocalProblem] = []
    private(set) var hasError = false
    /// The latest layouts of documents, the last first: most documents of a fleet are written alike.
    private var layouts: [[FieldPositions.Entry]] = []
    private static let layoutsMax = 8
    /// The fields of the mappings that are being read, innermost last.
    private var pairs: [Pair] = []

    struct Pair {
        var key: Int
        var value: Int
        /// It came by a merge key (`<<`), so that a field beside it wins.
        var isMerged: Bool
    }

    /// A problem at a place of the file that is being read.
    struct LocalProblem {
        var severity: Diagnostic.Severity
        var line: Int
        var column: Int
        var message: String
        var help: String
    }

    /// Forgets what it knows of the document before.
    mutating func begin() {
        positions.removeAll(keepingCapacity: true)
        problems.removeAll(keepingCapacity: true)
        pairs.removeAll(keepingCapacity: true)
        hasError = false
        for tag in tape.tags {
            error(
                line: tag.line, column: tag.column, "tags are not used in manifests",
                help: "remove the word that begins with `!`; each value takes the type of its field")
        }
    }

    /// The places of this document's fields, shared with the latest documents of the same layout.
    mutating func takePositions() -> FieldPositions {
        let first = tape.nodes[0].line
        if let known = layouts.firstIndex(where: { isLayout($0, from: first) }) {
            if known > 0 { layouts.swapAt(0, known) }
            return FieldPositions(entries: layouts[0], line: first)
        }
        let layout = positions.map { FieldPositions.Entry(path: $0.path, line: $0.line &- first, column: $0.column) }
        if layouts.count == Decoder.layoutsMax { layouts.removeLast() }
        layouts.insert(layout, at: 0)
        return FieldPositions(entries: layout, line: first)
    }

    private func isLayout(_ layout: [FieldPositions.Entry], from first: UInt32) -> Bool {
        guard layout.count == positions.count else { return false }
        for index in layout.indices {
            let (known, entry) = (layout[index], positions[index])
            guard known.path == entry.path, known.line == entry.line &- first, known.column == entry.column else { return false }
        }
        return true
    }

    /// Forgets layouts, so that readers on several threads share none.
    mutating func forgetLayouts() { layouts = [] }
}

// MARK: Problems

extension Decoder {
    /// A document tells no more problems than this; it is invalid all the same.
    static let problemsMax = 1000

    mutating func error(at node: Int, _ message: String, help: String = "") {
        let place = tape.nodes[node]
        error(line: place.line, column: place.column, message, help: help)
    }

    mutating func error(line: UInt32, column: UInt32, _ message: String, help: String = "") {
        hasError = true
        add(.error, line, column, message, help)
    }

    /// An error at the place of a field (or the nearest enclosing one), found after all were read.
    mutating func error(field: String, _ message: String, help: String = "") {
        let place = place(ofField: field)
        error(line: place.line, column: place.column, message, help: help)
    }

    mutating func warning(field: String, _ message: String, help: String = "") {
        let place = place(ofField: field)
        add(.warning, place.line, place.column, message, help)
    }

    private mutating func add(
        _ severity: Diagnostic.Severity, _ line: UInt32, _ column: UInt32, _ message: String, _ help: String
    ) {
        guard problems.count < Decoder.problemsMax else { return }
        problems.append(
            LocalProblem(severity: severity, line: Int(line), column: Int(column), message: message, help: help))
    }

    private func place(ofField field: String) -> (line: UInt32, column: UInt32) {
        let first = tape.nodes[0]
        let declared = Declared(
            value: 0, file: "", line: Int(first.line), fields: FieldPositions(entries: positions))
        let position = paths.names.position(of: field, in: declared)
        return (UInt32(position.line), UInt32(position.column))
    }
}

// MARK: Places

extension Decoder {
    /// Notes where a field stands: its value, or its key where the value begins on a later line.
    mutating func note(_ path: UInt32, key: Int, value: Int) {
        let node = tape.nodes[value]
        let place = node.isBlock || node.length == 0 && node.isPlain ? tape.nodes[key] : node
        positions.append(FieldPositions.Entry(path: path, line: place.line, column: place.column))
    }

    mutating func note(_ path: UInt32, item: Int) {
        let node = tape.nodes[item]
        positions.append(FieldPositions.Entry(path: path, line: node.line, column: node.column))
    }

    /// Whether the document gives a field itself, rather than leaving it to its default.
    func isGiven(_ field: String) -> Bool {
        guard let number = paths.names.number(of: field) else { return false }
        return positions.contains { $0.path == number }
    }

    /// Moves the places noted for the items of a list from their order in the document to that in the model:
    /// `ranges[i]` are the entries of the document's item `i`, which is item `order[i]` of the model.
    mutating func reorder(list: UInt32, ranges: [Range<Int>], order: [Int]) {
        for (index, range) in ranges.enumerated() where order[index] != index {
            let from = paths.item(list, index)
            let to = paths.item(list, order[index])
            for entry in range {
                positions[entry].path = paths.rebased(positions[entry].path, from: from, to: to)
            }
        }
    }

    var placesNoted: Int { positions.count }
}

// MARK: Mappings

extension Decoder {
    /// The fields of a mapping, those of its merge keys last. Give the range back to `popPairs` when done.
    mutating func pushPairs(_ mapping: Int) -> Range<Int> {
        let first = pairs.count
        var hasMerge = false
        var child = mapping + 1
        let end = Int(tape.nodes[mapping].end)
        while child < end {
            let value = Int(tape.nodes[child].end)
            let key = tape.resolved(child)
            if tape.nodes[key].kind != .scalar {
                error(at: child, "a field's name must be a plain word", help: "write `name: value`")
            } else if isMergeKey(key) {
                hasMerge = true
            } else {
                pairs.append(Pair(key: key, value: tape.resolved(value), isMerged: false))
            }
            child = Int(tape.nodes[value].end)
        }
        if hasMerge { merge(mapping, first) }
        return first..<pairs.count
    }

    func pair(_ index: Int) -> Pair { pairs[index] }

    mutating func popPairs(_ range: Range<Int>) { pairs.removeLast(pairs.count - range.lowerBound) }

    private func isMergeKey(_ key: Int) -> Bool {
        tape.nodes[key].length == 2 && tape.nodes[key].isPlain && tape.equals(key, Decoder.mergeKey)
    }

    private static let mergeKey = Array("<<".utf8)

    /// Adds the fields of merge keys that are not there yet; of two merged mappings the first wins.
    private mutating func merge(_ mapping: Int, _ first: Int) {
        var known = Set(pairs[first...].map { tape.string($0.key) })
        var child = mapping + 1
        let end = Int(tape.nodes[mapping].end)
        while child < end {
            let value = Int(tape.nodes[child].end)
            let key = tape.resolved(child)
            if tape.nodes[key].kind == .scalar, isMergeKey(key) { merge(from: value, into: &known) }
            child = Int(tape.nodes[value].end)
        }
    }

    private mutating func merge(from value: Int, into known: inout Set<String>) {
        let source = tape.resolved(value)
        switch tape.nodes[source].kind {
        case .mapping:
            // The merged mapping's own merges come along.
            let inner = pushPairs(source)
            let merged = Array(pairs[inner])
            popPairs(inner)
            for pair in merged where known.insert(tape.string(pair.key)).inserted {
                pairs.append(Pair(key: pair.key, value: pair.value, isMerged: true))
            }
        case .sequence:
            var item = source + 1
            while item < Int(tape.nodes[source].end) {
                if tape.nodes[tape.resolved(item)].kind == .mapping {
                    merge(from: item, into: &known)
                } else {
                    mergeRefused(item)
                }
                item = Int(tape.nodes[item].end)
            }
        case .scalar, .alias:
            mergeRefused(value)
        }
    }

    private mutating func mergeRefused(_ node: Int) {
        error(at: node, "`<<` merges mappings, and this is none", help: "write `<<: *name` with the anchor of a mapping")
    }
}
