/// The time-zone tables as a few statements, from what `mariadb-tzinfo-to-sql` writes: for each zone an insert of its
/// row, its name, its transitions and its types, with the id in a variable.
///
/// Zones with leap seconds (`right/…`) are left out: the server counts none.
struct TimeZoneTables {
    private var identifiers: [[UInt8]: Int] = [:]
    private var zones: [String] = []
    private var names: [String] = []
    private var transitions: [UInt8] = []
    private var types: [UInt8] = []

    private static let zoneStart = Array("INSERT INTO time_zone (".utf8)
    private static let nameStart = Array("INSERT INTO time_zone_name (".utf8)
    private static let transitionStart = Array("INSERT INTO time_zone_transition (".utf8)
    private static let variable = Array("@time_zone_id".utf8)

    init(_ output: [UInt8]) {
        var name = ""
        var block: [UInt8] = []
        for line in output.split(separator: UInt8(ascii: "\n")) {
            if line.starts(with: Self.zoneStart) {
                add(name, block)
                (name, block) = ("", [])
            } else if line.starts(with: Self.nameStart) {
                name = Self.quoted(line)
            } else if !name.isEmpty, line.first == UInt8(ascii: "I") || line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: ",") {
                block.append(contentsOf: line)
                block.append(UInt8(ascii: "\n"))
            }
        }
        add(name, block)
    }

    /// What stands between the first two quotes of a line.
    private static func quoted(_ line: ArraySlice<UInt8>) -> String {
        let parts = line.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false)
        return parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : ""
    }

    private mutating func add(_ name: String, _ block: [UInt8]) {
        guard !name.isEmpty, !name.hasPrefix("right/"), name.allSatisfy({ $0.isLetter || $0.isNumber || "/_+-".contains($0) })
        else { return }
        if let known = identifiers[block] {
            names.append("('\(name)',\(known))")
            return
        }
        let id = identifiers.count + 1
        identifiers[block] = id
        zones.append("(\(id),'N')")
        names.append("('\(name)',\(id))")
        addRows(of: block, id: Array(String(id).utf8))
    }

    /// Lines of rows are ` (@time_zone_id, -968, 0)` and `,(@time_zone_id, …)`.
    private mutating func addRows(of block: [UInt8], id: [UInt8]) {
        var isTransitions = false
        for line in block.split(separator: UInt8(ascii: "\n")) {
            if line.first == UInt8(ascii: "I") {
                isTransitions = line.starts(with: Self.transitionStart)
                continue
            }
            let row = line.dropFirst(2)
            guard row.starts(with: Self.variable) else { continue }
            let start = [UInt8(ascii: ","), UInt8(ascii: "(")] + id
            if isTransitions {
                transitions.append(contentsOf: start)
                transitions.append(contentsOf: row.dropFirst(Self.variable.count))
            } else {
                types.append(contentsOf: start)
                types.append(contentsOf: row.dropFirst(Self.variable.count))
            }
        }
    }

    /// Empty where nothing was read. Safe to repeat.
    var statements: [String] {
        guard !zones.isEmpty else { return [] }
        let tables = [
            ("time_zone", zones.joined(separator: ",")), ("time_zone_name", names.joined(separator: ",")),
            ("time_zone_transition", String(decoding: transitions.dropFirst(), as: UTF8.self)),
            ("time_zone_transition_type", String(decoding: types.dropFirst(), as: UTF8.self)),
        ]
        return tables.flatMap { table, rows in
            ["TRUNCATE TABLE mysql.\(table)"] + (rows.isEmpty ? [] : ["INSERT INTO mysql.\(table) VALUES \(rows)"])
        }
    }
}
