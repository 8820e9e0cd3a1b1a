import Glibc

/// The time-zone tables as statements for a bootstrapping server, from what `mariadb-tzinfo-to-sql` writes: for each zone
/// an insert of its row, its name, its transitions and its types, with the id in a variable, a row a line.
///
/// Zones of one content share their rows. The founding of a cluster waits for this, so lines are found by `memchr`.
struct TimeZoneTables {
    private var identifiers: [String: Int] = [:]
    private var zones = Inserts(table: "time_zone")
    private var names = Inserts(table: "time_zone_name")
    private var transitions = Inserts(table: "time_zone_transition")
    private var types = Inserts(table: "time_zone_transition_type")

    /// Rows of one table, a line each, in statements as long as a bootstrapping server takes them (60,000 bytes).
    private struct Inserts {
        let table: String
        private var text: [UInt8] = []
        private var statementStart = 0

        private static let statementMax = 50_000

        init(table: String) { self.table = table }

        mutating func add(_ start: some Sequence<UInt8>, _ rest: some Sequence<UInt8>) {
            if text.count - statementStart > Self.statementMax { text.append(contentsOf: Array(";\n".utf8)) }
            if text.isEmpty || text[text.count - 1] == UInt8(ascii: "\n") {
                statementStart = text.count
                text.append(contentsOf: "INSERT INTO mysql.\(table) VALUES\n".utf8)
            } else {
                text.append(contentsOf: Array(",\n".utf8))
            }
            text.append(contentsOf: start)
            text.append(contentsOf: rest)
        }

        /// All statements, each ended; empty without rows.
        var ended: [UInt8] { text.isEmpty ? [] : text + Array(";\n".utf8) }
    }

    private static let zoneStart = Array("INSERT INTO time_zone (".utf8)
    private static let nameStart = Array("INSERT INTO time_zone_name (".utf8)
    private static let transitionStart = Array("INSERT INTO time_zone_transition (".utf8)
    /// ` (@time_zone_id` and `,(@time_zone_id`.
    private static let rowStart = Array("(@time_zone_id".utf8)

    init(_ output: [UInt8]) {
        output.withUnsafeBytes { bytes in
            var (name, start) = ("", 0)
            var line = 0
            while line < bytes.count {
                let end = Self.lineEnd(bytes, from: line)
                if Self.begins(bytes, line, Self.zoneStart) {
                    add(name, bytes, start..<line)
                    name = ""
                } else if Self.begins(bytes, line, Self.nameStart) {
                    name = Self.quoted(String(decoding: UnsafeRawBufferPointer(rebasing: bytes[line..<end]), as: UTF8.self))
                    start = end + 1
                }
                line = end + 1
            }
            add(name, bytes, start..<bytes.count)
        }
    }

    private static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = bytes.baseAddress, let found = memchr(base + start, 10, bytes.count - start) else { return bytes.count }
        return UnsafeRawPointer(found) - base
    }

    private static func begins(_ bytes: UnsafeRawBufferPointer, _ at: Int, _ prefix: [UInt8]) -> Bool {
        guard let base = bytes.baseAddress, bytes.count - at >= prefix.count else { return false }
        return memcmp(base + at, prefix, prefix.count) == 0
    }

    /// What stands between the first two quotes of a line.
    private static func quoted(_ line: String) -> String {
        let parts = line.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        return parts.count > 1 ? String(parts[1]) : ""
    }

    private mutating func add(_ name: String, _ bytes: UnsafeRawBufferPointer, _ block: Range<Int>) {
        guard !name.isEmpty, !block.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || "/_+-".contains($0) }) else { return }
        let content = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[block]), as: UTF8.self)
        if let known = identifiers[content] {
            names.add("('\(name)'".utf8, ",\(known))".utf8)
            return
        }
        let id = identifiers.count + 1
        identifiers[content] = id
        zones.add("(\(id)".utf8, ",'N')".utf8)
        names.add("('\(name)'".utf8, ",\(id))".utf8)
        addRows(bytes, block, start: Array("(\(id)".utf8))
    }

    private mutating func addRows(_ bytes: UnsafeRawBufferPointer, _ block: Range<Int>, start: [UInt8]) {
        var isTransitions = false
        var line = block.lowerBound
        while line < block.upperBound {
            let end = min(Self.lineEnd(bytes, from: line), block.upperBound)
            if Self.begins(bytes, line + 1, Self.rowStart) {
                let values = UnsafeRawBufferPointer(rebasing: bytes[line + 1 + Self.rowStart.count..<end])
                if isTransitions { transitions.add(start, values) } else { types.add(start, values) }
            } else if Self.begins(bytes, line, Array("INSERT".utf8)) {
                isTransitions = Self.begins(bytes, line, Self.transitionStart)
            }
            line = end + 1
        }
    }

    /// Empty where nothing was read. For empty tables.
    var statements: [UInt8] { zones.ended + names.ended + transitions.ended + types.ended }
}
