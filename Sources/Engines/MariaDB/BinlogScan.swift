import FleetModel
import Glibc

/// One GTID of a binary or relay log, and where its group begins.
struct LoggedGroup: Sendable, Hashable {
    var domain: Int64
    var serverID: Int64
    var sequence: Int64
    /// Offset of its first event in its file.
    var offset: Int64

    var text: String { "\(domain)-\(serverID)-\(sequence)" }
}

/// An offset in a file of a log.
struct LogPlace: Sendable, Hashable {
    var path: String
    var offset: Int64
}

/// The complete groups of a log that somebody lacks.
struct LackingGroups: Sendable, Hashable {
    /// Where the first begins and ends, and where the last ends.
    var first: LogPlace
    var firstEnd: LogPlace
    var end: LogPlace
    var position: GTIDSet
    /// Who wrote them.
    var writers: Set<Int64>
}

/// What files of a binary or relay log say, read by their events' headers alone: no server is needed, a gigabyte is gone
/// through in a second or so, and a file that ends in the middle of an event is read up to there. (`mariadb-binlog`
/// writes out every row: minutes where seconds count.)
///
/// A group counts when it is complete, by the rule of the server's own IO thread (`Master_info::gtid_event_seen` and
/// `Log_event::is_part_of_group` in its source): it ends with its XID, its COMMIT or ROLLBACK, or, where it stands alone,
/// with the first event that is no preparation of another. Checksums are verified of the events by which a group begins and
/// ends, so that room that was never written ends a log; the rest the server verifies when it applies it. Only actors
/// with a queue of their own call this.
struct BinlogScan {
    /// The state that the first file begins with; nil where it says none. A relay log's is its source's and says nothing
    /// of what was received.
    private(set) var start: GTIDSet?
    /// The last complete group of each domain.
    private(set) var position = GTIDSet()
    /// The complete groups that were asked for, in order; the first ones where there are more than `groupsMax`.
    private(set) var groups: [LoggedGroup] = []
    /// How many more were asked for, after those.
    private(set) var groupsLeftOut = 0
    /// How many others there are, and the last of them, in order: `othersMax` at least, where there are as many.
    private(set) var others = 0
    private(set) var lastOthers: [LoggedGroup] = []
    /// The complete groups beyond the position that was asked about; nil where there is none.
    private(set) var lacking: LackingGroups?

    private var isChecked = false
    private var open: (group: LoggedGroup, begin: LogPlace, isAlone: Bool)?
    private let isWanted: ((LoggedGroup) -> Bool)?
    private let held: GTIDSet?

    /// More groups than these are counted only: whoever wants them has a whole history in hand, no tail.
    static let groupsMax = 1_000_000
    static let othersMax = 10_000
    /// Between two looks at the clock.
    private static let eventsBetween = 1024

    /// `isWanted`: of which groups are kept. `held`: what is beyond it is found as `lacking`.
    init(keeping isWanted: ((LoggedGroup) -> Bool)? = nil, beyond held: GTIDSet? = nil) {
        self.isWanted = isWanted
        self.held = held
    }

    /// Reads one file, the next of its log: a group of a relay log may go on in the next file. Throws `transient` past
    /// `deadline`, and where the file is encrypted or no log.
    mutating func read(_ path: String, until deadline: ContinuousClock.Instant) throws {
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw EngineError.system("open", path) }
        defer { close(file) }
        var window = FileWindow(file: file, path: path)
        guard let magic = try window.bytes(at: 0, count: 4) else { return }
        guard magic == [0xfe, 0x62, 0x69, 0x6e] else {
            throw EngineError(.transient, "\(path) is no binary log that can be read here (encrypted?)")
        }
        var (offset, events) = (Int64(4), 0)
        while let header = try window.bytes(at: offset, count: Header.length).map(Header.init), header.isPossible {
            // An event that is not whole is not there.
            guard offset + header.size <= window.end else { break }
            try take(header, at: offset, &window)
            offset += header.size
            events += 1
            if events % Self.eventsBetween == 0, ContinuousClock.now > deadline {
                throw EngineError(.transient, "\(path) is too long to be read in time")
            }
        }
    }

    private mutating func take(_ header: Header, at offset: Int64, _ window: inout FileWindow) throws {
        switch header.kind {
        case .format: isChecked = try window.byte(at: offset + header.size - 5) == 1
        case .encryption: throw EngineError(.transient, "\(window.path) is encrypted: its positions cannot be read without its server")
        case .list: try takeList(header, at: offset, &window)
        case .gtid:
            guard try isIntact(header, at: offset, &window),
                let body = try window.bytes(at: offset + Int64(Header.length), count: 13)
            else {
                open = nil
                return
            }
            let group = LoggedGroup(
                domain: Int64(body.little(at: 8, 4)), serverID: header.serverID,
                sequence: Int64(bitPattern: body.little(at: 0, 8)), offset: offset)
            open = (group, LogPlace(path: window.path, offset: offset), body[12] & 1 != 0)
        case .ofFile: break
        default:
            guard let (group, begin, isAlone) = open else { return }
            let ends = try isAlone ? !header.isPartOfGroup : isCommit(header, at: offset, &window)
            guard ends else { return }
            open = nil
            guard try isIntact(header, at: offset, &window) else { return }
            complete(group, from: begin, to: LogPlace(path: window.path, offset: offset + header.size))
        }
    }

    /// Larger events are taken as they are: they are a statement's text, and no server was ever seen to write those torn.
    private static let checkedMax = Int64(1 << 16)

    private func isIntact(_ header: Header, at offset: Int64, _ window: inout FileWindow) throws -> Bool {
        guard isChecked, header.size <= Self.checkedMax, header.size >= Int64(Header.length + 4),
            let bytes = try window.bytes(at: offset, count: Int(header.size))
        else { return true }
        return UInt64(CRC32.of(bytes.dropLast(4))) == bytes.little(at: bytes.count - 4, 4)
    }

    private mutating func complete(_ group: LoggedGroup, from begin: LogPlace, to end: LogPlace) {
        position.domains[group.domain] = .init(serverID: group.serverID, sequence: group.sequence)
        keep(group)
        guard let held, group.sequence > held.domains[group.domain]?.sequence ?? 0 else { return }
        var found = lacking ?? LackingGroups(first: begin, firstEnd: end, end: end, position: GTIDSet(), writers: [])
        found.end = end
        found.position.domains[group.domain] = .init(serverID: group.serverID, sequence: group.sequence)
        found.writers.insert(group.serverID)
        lacking = found
    }

    private mutating func keep(_ group: LoggedGroup) {
        guard let isWanted else { return }
        guard isWanted(group) else {
            others += 1
            lastOthers.append(group)
            if lastOthers.count >= 2 * Self.othersMax { lastOthers.removeFirst(Self.othersMax) }
            return
        }
        if groups.count < Self.groupsMax { groups.append(group) } else { groupsLeftOut += 1 }
    }

    /// A domain's last one comes last among its own.
    private mutating func takeList(_ header: Header, at offset: Int64, _ window: inout FileWindow) throws {
        guard start == nil, let body = try window.bytes(at: offset + Int64(Header.length), count: Int(header.size) - Header.length)
        else { return }
        var found = GTIDSet()
        let count = body.count < 4 ? 0 : min(Int(body.little(at: 0, 4) & 0x0fff_ffff), (body.count - 4) / 16)
        for index in 0..<count {
            let place = 4 + index * 16
            found.domains[Int64(body.little(at: place, 4))] = .init(
                serverID: Int64(body.little(at: place + 4, 4)), sequence: Int64(bitPattern: body.little(at: place + 8, 8)))
        }
        start = found
    }

    private func isCommit(_ header: Header, at offset: Int64, _ window: inout FileWindow) throws -> Bool {
        switch header.kind {
        case .xid, .xaPrepare: return true
        case .query:
            let end = offset + header.size - (isChecked ? 4 : 0)
            func endsWith(_ text: String) throws -> Bool {
                let wanted = [0] + Array(text.utf8)
                guard Int64(wanted.count + Header.length) < header.size else { return false }
                return try window.bytes(at: end - Int64(wanted.count), count: wanted.count) == wanted
            }
            return try endsWith("COMMIT") || endsWith("ROLLBACK")
        default: return false
        }
    }

    /// The common header of an event.
    private struct Header {
        enum Kind { case query, format, ofFile, xid, xaPrepare, gtid, list, encryption, other }

        static let length = 19
        var type: UInt8
        var serverID: Int64
        var size: Int64

        init(_ bytes: [UInt8]) {
            type = bytes[4]
            serverID = Int64(bytes.little(at: 5, 4))
            size = Int64(bytes.little(at: 9, 4))
        }

        /// Room that was never written is zeros.
        var isPossible: Bool { size >= Header.length && type != 0 }

        var kind: Kind {
            switch type {
            case 2: .query
            // Stop, Rotate, Binlog_checkpoint: of no group, and a reconnect puts them into the middle of one.
            case 3, 4, 161: .ofFile
            case 15: .format
            case 16: .xid
            case 38: .xaPrepare
            case 162: .gtid
            case 163: .list
            case 164: .encryption
            default: .other
            }
        }

        /// Prepares another event of its group: Intvar, Rand, User_var, Table_map, Annotate_rows.
        var isPartOfGroup: Bool { [5, 13, 14, 19, 160, 162].contains(type) }
    }
}

/// A file, read by pieces.
private struct FileWindow {
    let file: Int32
    let path: String
    /// The file's size when it was opened.
    let end: Int64
    private var held: [UInt8] = []
    private var from: Int64 = 0

    private static let size = 1 << 18

    init(file: Int32, path: String) {
        self.file = file
        self.path = path
        var facts = stat()
        end = fstat(file, &facts) == 0 ? Int64(facts.st_size) : 0
    }

    /// Nil where the file ends before.
    mutating func bytes(at offset: Int64, count: Int) throws -> [UInt8]? {
        guard count >= 0, count <= Files.textMax, offset >= 0, offset + Int64(count) <= end else { return nil }
        if offset < from || offset + Int64(count) > from + Int64(held.count) { try fill(at: offset, count) }
        let start = Int(offset - from)
        guard start + count <= held.count else { return nil }
        return Array(held[start..<start + count])
    }

    mutating func byte(at offset: Int64) throws -> UInt8? { try bytes(at: offset, count: 1)?.first }

    private mutating func fill(at offset: Int64, _ count: Int) throws {
        let wanted = max(count, Self.size)
        var chunk = [UInt8](repeating: 0, count: wanted)
        var read = 0
        while read < wanted {
            let got = chunk.withUnsafeMutableBytes { pread(file, $0.baseAddress?.advanced(by: read), wanted - read, off_t(offset) + off_t(read)) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw EngineError.system("read", path) }
            if got == 0 { break }
            read += got
        }
        held = Array(chunk[..<read])
        from = offset
    }
}

/// The checksum of zlib, of Ethernet and of binary logs.
private enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { number in
        (0..<8).reduce(UInt32(number)) { rest, _ in rest & 1 == 0 ? rest >> 1 : 0xedb8_8320 ^ (rest >> 1) }
    }

    static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ ($0 >> 8) }
    }
}

extension [UInt8] {
    /// A little-endian number.
    fileprivate func little(at offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(self[offset + $1]) << UInt64(8 * $1) }
    }
}
