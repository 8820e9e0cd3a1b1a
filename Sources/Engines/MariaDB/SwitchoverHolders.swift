import FleetModel
import MySQLClient

// What would keep a writer from becoming read-only, looked for before that is tried: each try holds up all other writers
// too, for as long as it waits.
//
// As tried on MariaDB 10.11: whatever changes rows or tables holds it up to its end (DML also where it waits for a lock,
// DDL, SELECT … FOR UPDATE), and so does an open LOCK TABLES … WRITE. A SELECT, however long, an idle transaction, a
// prepared XA transaction, LOCK TABLES … READ, FLUSH TABLES WITH READ LOCK and the stages of a backup do not.

/// What holds it up, for people.
struct SwitchoverHolder: Sendable, Hashable {
    var text: String

    /// A statement that has run for so long is not waited for.
    static let statementMax: Duration = .seconds(1)
    /// How much of a statement is shown, without its literals.
    static let shownMax = 80
    static let lookBound: Duration = .seconds(2)
    /// Tables that are looked at for a lock of somebody who runs nothing.
    static let tablesMax = 20
}

extension AdminSession {
    /// Who holds it up now; nil where nobody does.
    func switchoverHolder() async throws -> SwitchoverHolder? {
        // Not information_schema's: that needs room on the disk which may be full.
        let threads = try await run("SHOW FULL PROCESSLIST", within: SwitchoverHolder.lookBound).records
        if let found = threads.lazy.compactMap(SwitchoverHolder.init(thread:)).first { return found }
        return try await tableLock(idle: threads.filter { $0["Command"] == "Sleep" })
    }

    /// `LOCK TABLES … WRITE` of a session that runs nothing shows in no list of threads: its tables are in use, and nobody
    /// else may read them.
    private func tableLock(idle: [[String: String]]) async throws -> SwitchoverHolder? {
        let used = try await run("SHOW OPEN TABLES WHERE In_use > 0 AND `Database` <> 'mysql'", within: SwitchoverHolder.lookBound)
        for row in used.rows.prefix(SwitchoverHolder.tablesMax) {
            guard let database = row[0], let table = row[1] else { continue }
            do {
                try await run(
                    "SET STATEMENT lock_wait_timeout = 0 FOR SELECT 1 FROM \(identifier: database).\(identifier: table) LIMIT 0",
                    within: SwitchoverHolder.lookBound)
            } catch let error as MySQLError where error.code == 1205 {
                let who = idle.count == 1 ? SwitchoverHolder.name(idle[0]) : "one of \(idle.count) idle sessions, or one at work,"
                return SwitchoverHolder(text: "\(who) holds \(database).\(table) by LOCK TABLES … WRITE")
            } catch let error as MySQLError where [1146, 1356].contains(error.code) {
                // Gone meanwhile.
                continue
            }
        }
        return nil
    }
}

extension SwitchoverHolder {
    /// Nil where the thread of a `SHOW FULL PROCESSLIST` holds nothing up, or not for long.
    init?(thread: [String: String]) {
        // An event runs as `Connect`. A commit that waits for an acknowledgement is no long statement: the try itself finds it.
        guard ["Query", "Execute", "Connect"].contains(thread["Command"] ?? ""), let seconds = Int64(thread["Time"] ?? ""),
            .seconds(seconds) >= Self.statementMax, thread["State"]?.hasPrefix("Waiting for semi-sync ACK") != true,
            let statement = thread["Info"], Self.changes(statement)
        else { return nil }
        text = "\(Self.name(thread)) has run for \(seconds) s: \(Self.shown(statement))"
    }

    static func name(_ thread: [String: String]) -> String {
        "thread \(thread["Id"] ?? "?") of \(thread["User"] ?? "?")@\(thread["Host"] ?? "?")"
    }

    /// Whether it may change rows or tables. What is not known to leave them alone may.
    static func changes(_ statement: String) -> Bool {
        let words = withoutLiterals(statement).uppercased()
            .split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" }).map(String.init)
        guard let first = words.first else { return false }
        let locks = zip(words, words.dropFirst()).contains { $0 == ("FOR", "UPDATE") || $0 == ("SHARE", "MODE") }
        switch first {
        case "SELECT", "WITH", "TABLE", "VALUES": return locks
        case "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "DO", "USE", "BEGIN", "START", "ROLLBACK", "KILL", "HELP", "FLUSH", "BACKUP", "CHECK",
            "CHECKSUM", "UNLOCK", "PREPARE", "DEALLOCATE":
            return false
        case "SET": return words.contains { Self.changing.contains($0) }
        default: return true
        }
    }

    /// Of `SET STATEMENT … FOR`.
    private static let changing: Set<String> = ["INSERT", "UPDATE", "DELETE", "REPLACE", "ALTER", "CREATE", "DROP", "TRUNCATE", "OPTIMIZE"]

    /// The first characters of it, without literals.
    static func shown(_ statement: String) -> String {
        let text = withoutLiterals(statement).split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return text.count > shownMax ? text.prefix(shownMax) + "…" : text
    }

    /// Strings and numbers as `?`, comments gone: a statement's values are nobody's business. A string that does not end is one
    /// to the end.
    static func withoutLiterals(_ statement: String) -> String {
        var found = ""
        var rest = Substring(statement)
        while let character = rest.first {
            if rest.hasPrefix("/*") {
                rest = rest.firstRange(of: "*/").map { rest[$0.upperBound...] } ?? ""
                found.append(" ")
            } else if character == "#" || rest.hasPrefix("-- ") {
                rest = rest.drop { $0 != "\n" }
            } else if character == "'" || character == "\"" {
                rest = afterString(rest, character)
                found.append("?")
            } else if character == "`" {
                let name = rest.dropFirst().prefix { $0 != "`" }
                found.append("`\(name)`")
                rest = rest.dropFirst(name.count + 2)
            } else if character.isNumber, found.last.map({ !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "$" && $0 != "@" }) ?? true {
                rest = rest.drop { $0.isLetter || $0.isNumber || $0 == "." }
                found.append("?")
            } else {
                found.append(character)
                rest = rest.dropFirst()
            }
        }
        return found
    }

    /// Behind the string that `text` begins with; a quote is in it doubled, or behind a backslash.
    private static func afterString(_ text: Substring, _ quote: Character) -> Substring {
        var rest = text.dropFirst()
        while let character = rest.first {
            rest = rest.dropFirst()
            if character == "\\" {
                rest = rest.dropFirst()
            } else if character == quote {
                guard rest.first == quote else { return rest }
                rest = rest.dropFirst()
            }
        }
        return rest
    }
}
