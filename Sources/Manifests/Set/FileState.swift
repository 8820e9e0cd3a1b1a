import FleetModel

/// A file as it was read last.
struct FileState: Sendable {
    var documents: [Document] = []
    /// What belongs to no document: not YAML, not UTF-8, too large.
    var diagnostics: [Diagnostic] = []
    /// Units that the file declared when it was last whole and that it may still mean: all of them where it is
    /// unreadable now, those that are missing where a document's kind or name cannot be told.
    var claims: Set<UnitID> = []
    /// Kept for the source lines of diagnostics that are found later.
    var text: [UInt8] = []

    var units: Set<UnitID> { Set(documents.compactMap(\.unit)) }
    /// Units that came, went or declare something else than they did in an earlier state of the file.
    func changedUnits(since old: FileState) -> Set<UnitID> {
        var before: [UnitID: Document] = [:]
        for document in old.documents { if let unit = document.unit { before[unit] = document } }
        var changed = claims.symmetricDifference(old.claims)
        for document in documents {
            guard let unit = document.unit else { continue }
            guard let was = before.removeValue(forKey: unit), was.isValid == document.isValid, let old = was.declared,
                document.declared?.declaresSame(as: old) == true
            else {
                changed.insert(unit)
                continue
            }
        }
        return changed.union(before.keys)
    }

    var hasProblem: Bool { !diagnostics.isEmpty || documents.contains { !$0.diagnostics.isEmpty } }
}

extension FileState {
    /// A file tells no more problems than this.
    static let problemsMax = 1000

    /// Reads all documents of a file. After a fault in the YAML it goes on with the next document, so that every
    /// problem is told at once; the file counts as unreadable all the same.
    static func read(_ file: ManifestFile, revision: String, decoder: inout Decoder) -> (state: FileState, isWhole: Bool) {
        switch file.content {
        case .unreadable(let message, let help):
            return (FileState(diagnostics: [unreadable(file.path, message, help)]), false)
        case .bytes(let bytes) where bytes.count > ManifestFile.bytesMax:
            let size = Quantity.text(Int64(ManifestFile.bytesMax))
            return (
                FileState(diagnostics: [
                    unreadable(file.path, "the file is larger than \(size)", "split it into several files")
                ]), false
            )
        case .bytes(let bytes):
            var reader = FileReader(file.path, bytes, revision)
            reader.readAll(&decoder)
            return (reader.state, reader.isWhole)
        }
    }

    private static func unreadable(_ path: String, _ message: String, _ help: String) -> Diagnostic {
        Diagnostic(position: SourcePosition(file: path, line: 1, column: 1), message: message, help: help)
    }
}

/// One reading of one file.
private struct FileReader {
    private let path: String
    private let bytes: [UInt8]
    private let revision: String
    private(set) var state = FileState()
    /// Every document was read and its unit could be told.
    private(set) var isWhole = true
    private var lines: FileLines?
    private var problems = 0

    init(_ path: String, _ bytes: [UInt8], _ revision: String) {
        self.path = path
        self.bytes = bytes
        self.revision = revision
        state.text = bytes
    }

    mutating func readAll(_ decoder: inout Decoder) {
        // A byte order mark is no character of the first line.
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var (offset, line) = readPlain(&decoder)
        if offset > 0, offset == bytes.count { return }
        if offset == 0, bytes.starts(with: mark) { offset = mark.count }
        while let problem = read(from: offset, line: line, &decoder) {
            isWhole = false
            let found = add(problem, from: offset)
            // After bytes that are no text nothing can be said about what follows.
            guard found.isText, problems < FileState.problemsMax,
                let next = knownLines().documentStart(from: max(found.line, line + 1))
            else { return }
            line = next
            offset = knownLines().offset(ofLine: next)
        }
    }

    /// Reads documents as long as they are of the plain kind; answers where the rest begins.
    private mutating func readPlain(_ decoder: inout Decoder) -> (offset: Int, line: Int) {
        let bytes = bytes
        return bytes.withUnsafeBufferPointer { buffer in
            guard var documents = PlainDocuments(buffer) else { return (0, 1) }
            while true {
                switch documents.next(into: &decoder.tape) {
                case .document: addDocument(&decoder)
                case .end: return (buffer.count, documents.line)
                case .refused: return (documents.offset, documents.line)
                }
            }
        }
    }

    /// Reads documents up to the end (nil) or the first fault.
    private mutating func read(from offset: Int, line: Int, _ decoder: inout Decoder) -> YAMLProblem? {
        let bytes = bytes
        return bytes.withUnsafeBufferPointer { buffer -> YAMLProblem? in
            let rest = UnsafeBufferPointer(rebasing: buffer[offset...])
            guard var stream = DocumentStream(rest, lineOffset: line - 1) else {
                return YAMLProblem(line: line, column: 1, message: "out of memory while reading YAML", help: "")
            }
            do throws(YAMLProblem) {
                while try stream.next(into: &decoder.tape) { addDocument(&decoder) }
                return nil
            } catch {
                return error
            }
        }
    }

    private mutating func addDocument(_ decoder: inout Decoder) {
        guard var document = Document.read(&decoder, file: path, revision: revision) else { return }
        if document.unit == nil { isWhole = false }
        for problem in decoder.problems.prefix(FileState.problemsMax - problems) {
            document.diagnostics.append(diagnostic(problem, document.unit))
            problems += 1
        }
        document.diagnostics = sortedWithoutRepeats(document.diagnostics)
        state.documents.append(document)
    }

    private mutating func diagnostic(_ problem: Decoder.LocalProblem, _ unit: UnitID?) -> Diagnostic {
        let excerpt = knownLines().excerpt(line: problem.line, column: problem.column)
        return Diagnostic(
            severity: problem.severity,
            position: SourcePosition(file: path, line: problem.line, column: problem.column),
            message: problem.message, help: problem.help, sourceLine: excerpt?.text,
            caretColumn: excerpt?.column, unit: unit)
    }

    private mutating func add(_ problem: YAMLProblem, from offset: Int) -> (line: Int, isText: Bool) {
        var place = (line: problem.line, column: problem.column)
        let isText = problem.line != YAMLProblem.atByteOffset
        if !isText { place = knownLines().place(ofOffset: offset + problem.column) }
        var local = Decoder.LocalProblem(
            severity: .error, line: place.line, column: place.column, message: problem.message, help: problem.help)
        explainTab(&local)
        state.diagnostics.append(diagnostic(local, nil))
        problems += 1
        return (place.line, isText)
    }

    /// libyaml says only that no token begins with a tab.
    private mutating func explainTab(_ problem: inout Decoder.LocalProblem) {
        guard let line = knownLines().line(problem.line), problem.column - 1 < line.count, problem.column > 0 else { return }
        // Before a tab that indents there are only blanks, so bytes are columns.
        guard line.prefix(problem.column).allSatisfy({ $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }),
            line.prefix(problem.column).contains(UInt8(ascii: "\t"))
        else { return }
        problem.message = "not valid YAML: a tab indents the line"
        problem.help = "indent with spaces"
    }

    private mutating func knownLines() -> FileLines {
        if let lines { return lines }
        let made = FileLines(bytes)
        lines = made
        return made
    }
}

/// In order, each once: what an anchor holds is read once for every alias.
func sortedWithoutRepeats(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
    guard diagnostics.count > 1 else { return diagnostics }
    var unique: [Diagnostic] = []
    for diagnostic in diagnostics.sorted() where unique.last != diagnostic { unique.append(diagnostic) }
    return unique
}
