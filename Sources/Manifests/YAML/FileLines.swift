/// Where the lines of a file begin, made when the first diagnostic of the file needs one.
struct FileLines {
    private let bytes: [UInt8]
    /// The offset of each line's first byte.
    private let starts: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var starts = [0]
        bytes.withUnsafeBufferPointer { bytes in
            for index in bytes.indices where bytes[index] == FileLines.newline { starts.append(index + 1) }
        }
        self.starts = starts
    }

    private static let newline = UInt8(ascii: "\n")

    /// The bytes of a line (from 1) without its end; nil beyond the last.
    func line(_ number: Int) -> ArraySlice<UInt8>? {
        guard number >= 1, number <= starts.count else { return nil }
        let start = starts[number - 1]
        var end = number < starts.count ? starts[number] - 1 : bytes.count
        if end > start, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return bytes[start..<end]
    }

    /// The offset at which a line begins; the file's end beyond the last.
    func offset(ofLine number: Int) -> Int { number <= starts.count ? starts[number - 1] : bytes.count }

    /// Line and column (in Unicode scalars) of a byte.
    func place(ofOffset offset: Int) -> (line: Int, column: Int) {
        var low = 0
        var high = starts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle } else { high = middle }
        }
        let before = bytes[starts[low]..<min(offset, bytes.count)]
        return (low + 1, before.count { $0 & 0xC0 != 0x80 } + 1)
    }

    /// The next line from `number` on that begins a document (`---`); nil where there is none.
    func documentStart(from number: Int) -> Int? {
        var number = number
        while let line = line(number) {
            if line.starts(with: FileLines.marker),
                line.count == 3 || FileLines.blanks.contains(line[line.startIndex + 3])
            {
                return number
            }
            number += 1
        }
        return nil
    }

    private static let marker = Array("---".utf8)
    private static let blanks: [UInt8] = Array(" \t".utf8)

    /// What a diagnostic shows of a line: at most `shownMax` scalars around the column, and where the column is in it.
    /// Tabs are shown as one space, so that the caret stands where it should.
    func excerpt(line number: Int, column: Int) -> (text: String, column: Int)? {
        guard let line = line(number), line.count <= FileLines.lineBytesMax else { return nil }
        let scalars = Array(String(decoding: line, as: UTF8.self).unicodeScalars)
        let first = column <= FileLines.shownMax ? 0 : column - FileLines.shownMax / 2
        var text = String.UnicodeScalarView()
        for scalar in scalars.dropFirst(first).prefix(FileLines.shownMax) {
            let isBlank = scalar == "\t" || scalar.properties.generalCategory == .control
            text.append(isBlank ? " " : scalar)
        }
        return (String(text), column - first)
    }

    static let shownMax = 160
    /// Longer lines are not shown: each diagnostic on one would read all of it again.
    static let lineBytesMax = 16 << 10
}
