import FleetModel
import MySQLClient

// Configuration, and variables of a running server.

/// What the server says of one of its variables.
struct VariableKind: Sendable, Hashable {
    /// `BIGINT UNSIGNED`, `BOOLEAN`, `ENUM`, `VARCHAR` …
    var type: String
    var isReadOnly: Bool

    /// How a declared value is written in `SET GLOBAL`: there `'256M'` is an error, and so is a quoted number.
    func literal(_ declared: String) -> SQL {
        let text = String(declared.trimmedSpaces)
        switch type {
        case "BOOLEAN":
            switch text.uppercased() {
            case "", "1", "ON", "TRUE", "YES": return "ON"
            case "0", "OFF", "FALSE", "NO": return "OFF"
            default: return "\(text)"
            }
        case _ where type.contains("INT"):
            return Self.quantity(text).map { SQL(verbatim: $0) } ?? "\(text)"
        case "DOUBLE":
            return Double(text) == nil ? "\(text)" : SQL(verbatim: text)
        default:
            // An enumeration may be given by its number.
            return Int64(text) != nil && (type == "ENUM" || type == "SET" || type == "FLAGSET") ? SQL(verbatim: text) : "\(text)"
        }
    }

    /// `256M` is 268435456. Nil where it is no quantity.
    static func quantity(_ text: String) -> String? {
        let shifts: [Character: UInt64] = ["K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60]
        if Int64(text) != nil || UInt64(text) != nil { return text }
        guard let last = text.uppercased().last, let shift = shifts[last], let number = UInt64(text.dropLast()) else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow ? nil : String(product)
    }
}

extension AdminSession {
    func kinds(of names: Set<String>) async throws -> [String: VariableKind] {
        guard !names.isEmpty else { return [:] }
        let list = SQL.joined(names.sorted().map { "\($0)" as SQL }, separator: ", ")
        let answer = try await run(
            "SELECT LOWER(VARIABLE_NAME), VARIABLE_TYPE, READ_ONLY FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME IN (\(list))")
        return Dictionary(
            answer.rows.compactMap { row in
                row[0].map { ($0, VariableKind(type: row[1] ?? "", isReadOnly: row[2] == "YES")) }
            }, uniquingKeysWith: { $1 })
    }
}

extension InstanceWorker {
    /// Writes the configuration file; a running process keeps what it has. What was refused before is tried again.
    func configure(_ configuration: String) throws -> TaskResult {
        try requireReady()
        let isForgotten = try layout.forgetRefused()
        return TaskResult(acted: try layout.writeConfiguration(configuration) || isForgotten)
    }

    /// Sets variables of the running server, then writes the configuration, and reads back what the server made of
    /// all declared ones.
    func setVariables(_ values: [String: String?], configuration: String) async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            let kinds = try await session.kinds(of: Set(values.keys))
            for (name, value) in values.sorted(by: { $0.key < $1.key }) { try await set(name, value, kinds[name], session) }
            try layout.forgetRefused()
            _ = try layout.writeConfiguration(configuration)
            let names = Set(ConfigurationFile(configuration).declared.keys).union(values.keys)
            return TaskResult(readBack: try await session.globals(names), engineVersion: try await session.version())
        }
    }

    private func set(_ name: String, _ value: String?, _ kind: VariableKind?, _ session: AdminSession) async throws {
        guard let kind else { throw EngineError(.permanent, "the server knows no variable \(name): take it out of spec.parameters") }
        guard !kind.isReadOnly else { throw EngineError(.permanent, "\(name) is set only by a start of the server") }
        let literal: SQL = value.map { kind.literal($0) } ?? "DEFAULT"
        do {
            try await session.run("SET GLOBAL \(identifier: name) = \(literal)", within: .seconds(30))
        } catch let error as MySQLError where error.kind == .server {
            throw EngineError(.permanent, "\(name) = \(value ?? "DEFAULT") is refused by the server: \(error.description)")
        }
    }

    /// Values of the declared parameters that the process was started with, as the server reads them back.
    func readBack() async throws -> [String: String] {
        let declared = ConfigurationFile(try Files.text(layout.started) ?? "").declared
        return try await withSession { try await $0.globals(Set(declared.keys)) }
    }
}
