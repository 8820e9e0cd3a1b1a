/// What goes over a copy's connection, once it is encrypted and the receiver is known to the donor.
///
/// The donor sends a greeting, `<token> <bytes expected>\n`, and the receiver answers one byte, `ready`. Then frames:
/// a length of four bytes, the highest first, and as many bytes of the backup. Length 0 ends a backup that is complete;
/// the largest length, and after it one frame of text, one that failed; the one below it, and one frame of text, where the
/// donor's binary log stood (a galera member's, before the end). At its end the receiver answers `stored`.
enum CopyStream {
    static let ready: UInt8 = 0x52
    static let stored: UInt8 = 0x53
    static let greetingMax = 256
    static let frameMax = 1 << 20
    static let failureMark = UInt32.max
    static let positionMark = UInt32.max - 1
    static let textMax = 1024

    static func greeting(token: String, expected: Int64) -> [UInt8] { Array("\(token) \(expected)\n".utf8) }

    static func frame(_ bytes: ArraySlice<UInt8>) -> [UInt8] { length(UInt32(bytes.count)) + bytes }

    static let end: [UInt8] = length(0)

    static func failure(_ message: String) -> [UInt8] { text(message, after: failureMark) }

    /// A GTID position; empty: nothing is logged.
    static func position(_ position: String) -> [UInt8] { text(position, after: positionMark) }

    private static func text(_ message: String, after mark: UInt32) -> [UInt8] {
        let text = Array(message.utf8.prefix(textMax))
        return length(mark) + length(UInt32(text.count)) + text
    }

    private static func length(_ count: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> UInt32($0)) }
    }

    /// Compares without telling by its time where the two differ.
    static func isSame(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.count == right.count && zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// Takes a copy's stream apart, in whatever pieces it arrives.
struct CopyReader {
    enum Part: Sendable, Hashable {
        case greeting(token: String, expected: Int64)
        case bytes([UInt8])
        case end
        case failed(String)
        case position(String)
    }

    private enum Expecting { case greeting, length, bytes(Int), textLength(isFailure: Bool), text(Int, isFailure: Bool), nothing }

    private var expecting = Expecting.greeting
    private var buffer: [UInt8] = []
    private var start = 0

    mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next part, nil where more bytes are needed. Throws where the stream is no copy's.
    mutating func next() throws(EngineError) -> Part? {
        while true {
            switch expecting {
            case .greeting:
                return try greeting()
            case .length:
                guard let length = takeLength() else { return nil }
                if length == 0 {
                    expecting = .nothing
                    return .end
                }
                if length == CopyStream.failureMark || length == CopyStream.positionMark {
                    expecting = .textLength(isFailure: length == CopyStream.failureMark)
                    continue
                }
                guard length <= CopyStream.frameMax else { throw Self.malformed }
                expecting = .bytes(Int(length))
            case .bytes(let count):
                guard let bytes = take(count) else { return nil }
                expecting = .length
                return .bytes(bytes)
            case .textLength(let isFailure):
                guard let length = takeLength() else { return nil }
                guard length <= CopyStream.textMax else { throw Self.malformed }
                expecting = .text(Int(length), isFailure: isFailure)
            case .text(let count, let isFailure):
                guard let bytes = take(count) else { return nil }
                expecting = isFailure ? .nothing : .length
                let text = String(decoding: bytes, as: UTF8.self)
                return isFailure ? .failed(text) : .position(text)
            case .nothing:
                return nil
            }
        }
    }

    private static let malformed = EngineError(.transient, "what the donor sends is no copy")

    private mutating func greeting() throws(EngineError) -> Part? {
        guard let newline = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) else {
            guard buffer.count - start <= CopyStream.greetingMax else { throw Self.malformed }
            return nil
        }
        let words = String(decoding: buffer[start..<newline], as: UTF8.self).split(separator: " ")
        guard words.count == 2, let expected = Int64(words[1]) else { throw Self.malformed }
        start = newline + 1
        expecting = .length
        return .greeting(token: String(words[0]), expected: expected)
    }

    private mutating func take(_ count: Int) -> [UInt8]? {
        guard buffer.count - start >= count else { return nil }
        defer { start += count }
        return Array(buffer[start..<start + count])
    }

    private mutating func takeLength() -> UInt32? {
        take(4)?.reduce(0) { $0 << 8 | UInt32($1) }
    }
}
