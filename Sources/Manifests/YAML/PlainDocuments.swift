/// Reads documents in the plain part of YAML that most manifests keep to, straight onto the tape: block mappings and
/// lists, flow collections on one line, scalars on one line without escapes, comments.
///
/// It is there for speed: libyaml takes most of the time of reading a large fleet. It never judges. Whatever it is not
/// sure of, valid or not, it refuses, and libyaml reads the file from that document on; what it does put on the tape is
/// what libyaml would (`PlainDocumentsTests` compares the two).
struct PlainDocuments {
    enum Outcome { case document, end, refused }

    private struct Refusal: Error {}

    private let bytes: UnsafePointer<UInt8>
    private let count: Int
    /// The next byte, the first of its line, and that line's number from 1.
    private var place = 0
    private var lineStart = 0
    private var lineNumber = 1
    /// Where the document begins that is read, or is to be read by libyaml: at the beginning of a line.
    private(set) var offset = 0
    private(set) var line = 1

    /// Nil where there is any byte but printable ASCII and line feeds: libyaml looks far ahead for bytes that are not text,
    /// so that even the documents before them are its own. The bytes must stay where they are.
    init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let base = bytes.baseAddress, bytes.allSatisfy({ $0 &- 0x20 < 0x5F || $0 == 0x0A }) else { return nil }
        self.bytes = base
        count = bytes.count
    }

    /// Puts the next document on the tape; where it refuses, the tape holds nothing of use.
    mutating func next(into tape: inout EventTape) -> Outcome {
        tape.reset()
        (offset, line) = (lineStart, lineNumber)
        do throws(Refusal) {
            return try document(&tape) ? .document : .end
        } catch {
            return .refused
        }
    }

    /// From the beginning of a line to the next marker or the end of the file.
    private mutating func document(_ tape: inout EventTape) throws(Refusal) -> Bool {
        guard skipToContent() else { return false }
        if isAtMarker {
            place += 3
            try endLine()
            guard skipToContent(), !isAtMarker else { throw Refusal() }
        }
        try mapping(at: column, &tape)
        guard isAtEnd || isAtMarker else { throw Refusal() }
        return true
    }
}

// MARK: Blocks

extension PlainDocuments {
    /// A block mapping whose keys stand at this column; ends at the first line of content that is not its own.
    private mutating func mapping(at indent: Int, _ tape: inout EventTape) throws(Refusal) {
        try begin(.mapping, isBlock: true, &tape)
        while true {
            guard let length = keyLength() else { throw Refusal() }
            try add(place, length, isPlain: true, &tape)
            place += length + 1
            skipBlanks()
            if isAtLineEnd || byte == UInt8(ascii: "#") {
                try endLine()
                try nested(below: indent, &tape)
            } else {
                try value(&tape)
                try endLine()
                _ = skipToContent()
            }
            guard !isAtEnd, !isAtMarker, column >= indent else { break }
            guard column == indent else { throw Refusal() }
        }
        tape.end()
    }

    /// The value of a key that ends its line.
    private mutating func nested(below indent: Int, _ tape: inout EventTape) throws(Refusal) {
        guard skipToContent(), !isAtMarker, column >= indent else { throw Refusal() }
        if isAtItem {
            try list(at: column, isIndented: column > indent, &tape)
        } else {
            guard column > indent else { throw Refusal() }
            try mapping(at: column, &tape)
        }
    }

    /// A block list whose dashes stand at this column; one that is not indented shares it with the keys around it.
    private mutating func list(at indent: Int, isIndented: Bool, _ tape: inout EventTape) throws(Refusal) {
        try begin(.sequence, isBlock: true, &tape)
        while true {
            place += 1
            skipBlanks()
            if keyLength() != nil {
                try mapping(at: column, &tape)
            } else {
                try value(&tape)
                try endLine()
                _ = skipToContent()
            }
            guard !isAtEnd, !isAtMarker, column >= indent else { break }
            guard column == indent else { throw Refusal() }
            if isAtItem { continue }
            guard !isIndented else { throw Refusal() }
            break
        }
        tape.end()
    }
}

// MARK: Values on one line

extension PlainDocuments {
    /// A scalar or a flow collection of a block.
    private mutating func value(_ tape: inout EventTape) throws(Refusal) {
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["): try flow(&tape)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): try quoted(&tape)
        default: try plain(inFlow: false, &tape)
        }
    }

    /// A flow collection, up to and with its closing mark.
    private mutating func flow(_ tape: inout EventTape) throws(Refusal) {
        let isMapping = byte == UInt8(ascii: "{")
        let close = isMapping ? UInt8(ascii: "}") : UInt8(ascii: "]")
        try begin(isMapping ? .mapping : .sequence, isBlock: false, &tape)
        place += 1
        skipBlanks()
        var isFirst = true
        while byte != close || !isFirst {
            isFirst = false
            if isMapping {
                try flowScalar(&tape)
                guard byte == UInt8(ascii: ":"), place + 1 < count, bytes[place + 1] == UInt8(ascii: " ") else {
                    throw Refusal()
                }
                place += 2
                skipBlanks()
            }
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { try flow(&tape) } else { try flowScalar(&tape) }
            skipBlanks()
            if byte == close { break }
            guard byte == UInt8(ascii: ",") else { throw Refusal() }
            place += 1
            skipBlanks()
        }
        place += 1
        tape.end()
    }

    private mutating func flowScalar(_ tape: inout EventTape) throws(Refusal) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): try quoted(&tape)
        default: try plain(inFlow: true, &tape)
        }
    }

    /// A text in quotes without an escape.
    private mutating func quoted(_ tape: inout EventTape) throws(Refusal) {
        let quote = byte
        var end = place + 1
        while end < count, bytes[end] != quote {
            guard bytes[end] != UInt8(ascii: "\n"), bytes[end] != UInt8(ascii: "\\") else { throw Refusal() }
            end += 1
        }
        // Two single quotes stand for one.
        guard end < count, end + 1 == count || bytes[end + 1] != quote else { throw Refusal() }
        guard end - place < PlainDocuments.keyLengthMax else { throw Refusal() }
        try add(place, isPlain: false, start: place + 1, length: end - place - 1, &tape)
        place = end + 1
    }

    /// A text without quotes, up to the line's end, a comment, or in a flow collection what may follow it there.
    private mutating func plain(inFlow: Bool, _ tape: inout EventTape) throws(Refusal) {
        guard PlainDocuments.isLetter(byte) || byte == UInt8(ascii: "/") || byte == UInt8(ascii: ".") else { throw Refusal() }
        var index = place
        var end = place
        scan: while index < count {
            let next = bytes[index]
            switch next {
            case UInt8(ascii: "\n"): break scan
            case UInt8(ascii: " "):
                index += 1
                if index < count, bytes[index] == UInt8(ascii: "#") { break scan }
                continue scan
            case UInt8(ascii: ":"):
                let follows = index + 1 < count ? bytes[index + 1] : UInt8(ascii: "\n")
                if follows == UInt8(ascii: " ") || follows == UInt8(ascii: "\n") {
                    guard inFlow else { throw Refusal() }
                    break scan
                }
                guard !inFlow || PlainDocuments.isLetter(follows) else { throw Refusal() }
            case UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "{"), UInt8(ascii: "}"):
                if inFlow { break scan }
            case UInt8(ascii: "?"):
                if inFlow { throw Refusal() }
            default: break
            }
            index += 1
            end = index
        }
        guard !inFlow || end - place < PlainDocuments.keyLengthMax else { throw Refusal() }
        try add(place, end - place, isPlain: true, &tape)
        place = end
        if inFlow { skipBlanks() }
    }
}

// MARK: Bytes

extension PlainDocuments {
    /// A key is at most 1024 characters long for libyaml; far below that nothing of its rule matters.
    private static let keyLengthMax = 512

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte | 0x20 &- UInt8(ascii: "a") < 26 || byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "_")
    }

    private var isAtEnd: Bool { place >= count }
    /// A line feed behind the last byte.
    private var byte: UInt8 { place < count ? bytes[place] : UInt8(ascii: "\n") }
    private var isAtLineEnd: Bool { byte == UInt8(ascii: "\n") }
    /// From 0.
    private var column: Int { place - lineStart }

    /// `---` alone, or before a blank.
    private var isAtMarker: Bool {
        guard place == lineStart, place + 3 <= count else { return false }
        for index in place..<place + 3 where bytes[index] != UInt8(ascii: "-") { return false }
        return place + 3 == count || bytes[place + 3] == UInt8(ascii: " ") || bytes[place + 3] == UInt8(ascii: "\n")
    }

    private var isAtItem: Bool {
        byte == UInt8(ascii: "-") && place + 1 < count && bytes[place + 1] == UInt8(ascii: " ")
    }

    private mutating func skipBlanks() {
        while place < count, bytes[place] == UInt8(ascii: " ") { place += 1 }
    }

    /// From the beginning of a line to the first content of it or of a later one; false where there is none.
    private mutating func skipToContent() -> Bool {
        while place < count {
            skipBlanks()
            if byte == UInt8(ascii: "#") {
                while place < count, bytes[place] != UInt8(ascii: "\n") { place += 1 }
            }
            guard isAtLineEnd else { return true }
            startLine()
        }
        return false
    }

    private mutating func startLine() {
        guard place < count else { return }
        place += 1
        lineStart = place
        lineNumber += 1
    }

    /// Passes over the rest of a line, on which only a comment may stand.
    private mutating func endLine() throws(Refusal) {
        let start = place
        skipBlanks()
        if byte == UInt8(ascii: "#") {
            guard place > start || start > 0 && bytes[start - 1] == UInt8(ascii: " ") else { throw Refusal() }
            while place < count, bytes[place] != UInt8(ascii: "\n") { place += 1 }
        }
        guard isAtLineEnd else { throw Refusal() }
        startLine()
    }

    /// The length of the plain key that stands here; nil where none does.
    private func keyLength() -> Int? {
        guard PlainDocuments.isLetter(byte) else { return nil }
        var end = place + 1
        while end < count,
            PlainDocuments.isLetter(bytes[end]) || bytes[end] == UInt8(ascii: "-") || bytes[end] == UInt8(ascii: ".")
                || bytes[end] == UInt8(ascii: "/")
        {
            end += 1
        }
        guard end < count, bytes[end] == UInt8(ascii: ":"), end - place < PlainDocuments.keyLengthMax else { return nil }
        guard end + 1 == count || bytes[end + 1] == UInt8(ascii: " ") || bytes[end + 1] == UInt8(ascii: "\n") else { return nil }
        return end - place
    }

    // MARK: The tape

    private func begin(_ kind: EventTape.Kind, isBlock: Bool, _ tape: inout EventTape) throws(Refusal) {
        do throws(TapeRefusal) {
            try tape.begin(
                kind, isBlock: isBlock, line: UInt32(truncatingIfNeeded: lineNumber),
                column: UInt32(truncatingIfNeeded: column + 1), anchor: nil)
        } catch {
            throw Refusal()
        }
    }

    private func add(_ start: Int, _ length: Int, isPlain: Bool, _ tape: inout EventTape) throws(Refusal) {
        try add(start, isPlain: isPlain, start: start, length: length, &tape)
    }

    /// `at`: where the scalar begins, its quote included.
    private func add(
        _ at: Int, isPlain: Bool, start: Int, length: Int, _ tape: inout EventTape
    ) throws(Refusal) {
        do throws(TapeRefusal) {
            try tape.addScalar(
                UnsafeBufferPointer(start: bytes + start, count: length), isPlain: isPlain, isBlock: false,
                line: UInt32(truncatingIfNeeded: lineNumber), column: UInt32(truncatingIfNeeded: at - lineStart + 1),
                anchor: nil)
        } catch {
            throw Refusal()
        }
    }
}
