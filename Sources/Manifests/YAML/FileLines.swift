/// Where the lines of a file begin, made when the first diagnostic of the file needs one.
struct FileLines {
    private let bytes: [UInt8]
    /// The offset of each line's first byte.
    private let starts: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var starts = [0]
        bytes.withUnsafeBufferPointer { bytes in
            var index = 0
            while index < bytes.count {
                let length = FileLines.lineBreak(bytes, index)
                index += max(1, length)
                if length > 0 { starts.append(index) }
            }
        }
        self.starts = starts
    }

    /// How many bytes the line break at an offset has; 0 where there is none. libyaml counts lines by YAML 1.1: the next
    /// line, line separator and paragraph separator characters end one too.
    private static func lineBreak(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
        switch bytes[index] {
        case 0x0A: return 1
        case 0x0D: return index + 1 < bytes.count && bytes[index + 1] == 0x0A ? 2 : 1
        case 0xC2: return index + 1 < bytes.count && bytes[index + 1] == 0x85 ? 2 : 0
        case 0xE2:
            let isSeparator = index + 2 < bytes.count && bytes[index + 1] == 0x80 && bytes[index + 2] | 1 == 0xA9
            return isSeparator ? 3 : 0
        default: return 0
        }
    }

    var count: Int { starts.count }

    /// The bytes of a line (from 1) without its end; nil beyond the last.
    func line(_ number: Int) -> ArraySlice<UInt8>? {
        guard number >= 1, number <= starts.count else { return nil }
        let start = starts[number - 1]
        let end = number < starts.count ? starts[number] : bytes.count
        let line = bytes[start..<end]
        return line.dropLast(trailing(line))
    }

    /// How many bytes at a line's end are its break.
    private func trailing(_ line: ArraySlice<UInt8>) -> Int {
        if line.hasSuffix([0x0D, 0x0A]) { return 2 }
        if line.hasSuffix([0xC2, 0x85]) { return 2 }
        if line.hasSuffix([0xE2, 0x80, 0xA8]) || line.hasSuffix([0xE2, 0x80, 0xA9]) { return 3 }
        return line.hasSuffix([0x0A]) || line.hasSuffix([0x0D]) ? 1 : 0
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
        let scalars = SecretMask.masked(Array(String(decoding: line, as: UTF8.self).unicodeScalars))
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

extension ArraySlice where Element == UInt8 {
    fileprivate func hasSuffix(_ suffix: [UInt8]) -> Bool { self.suffix(suffix.count).elementsEqual(suffix) }
}
