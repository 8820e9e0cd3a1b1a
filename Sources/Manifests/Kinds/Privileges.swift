/// The privileges of MariaDB 10.11 and where each can be granted.
enum Privileges {
    enum Scope: Int, Comparable {
        case table, database, global

        static func < (left: Scope, right: Scope) -> Bool { left.rawValue < right.rawValue }
    }

    static let all = "ALL PRIVILEGES"

    /// The narrowest scope that takes each.
    static let scopes: [String: Scope] = [
        "ALTER": .table, "CREATE": .table, "CREATE VIEW": .table, "DELETE": .table, "DELETE HISTORY": .table,
        "DROP": .table, "INDEX": .table, "INSERT": .table, "REFERENCES": .table, "SELECT": .table,
        "SHOW VIEW": .table, "TRIGGER": .table, "UPDATE": .table, all: .table,
        "ALTER ROUTINE": .database, "CREATE ROUTINE": .database, "CREATE TEMPORARY TABLES": .database,
        "EVENT": .database, "EXECUTE": .database, "LOCK TABLES": .database,
        "BINLOG MONITOR": .global, "CONNECTION ADMIN": .global, "CREATE TABLESPACE": .global, "CREATE USER": .global,
        "FEDERATED ADMIN": .global, "FILE": .global, "PROCESS": .global, "RELOAD": .global,
        "REPLICATION SLAVE": .global, "SET USER": .global, "SHOW DATABASES": .global, "SHUTDOWN": .global,
        "SLAVE MONITOR": .global,
    ]

    /// Other names for the same, as the server itself shows them back.
    private static let aliases = [
        "ALL": all, "REPLICATION CLIENT": "BINLOG MONITOR", "REPLICA MONITOR": "SLAVE MONITOR",
        "REPLICATION REPLICA": "REPLICATION SLAVE", "DELETE VERSIONING ROWS": "DELETE HISTORY",
    ]

    /// Privileges that no account of a manifest gets, each with the reason.
    private static let refused = [
        "READ_ONLY ADMIN": writesThrough, "BINLOG ADMIN": writesThrough, "SUPER": writesThrough,
        "BINLOG REPLAY": changesReplication, "REPLICATION MASTER ADMIN": changesReplication,
        "REPLICATION SLAVE ADMIN": changesReplication, "REPLICATION REPLICA ADMIN": changesReplication,
    ]
    private static let writesThrough = "it writes through `read_only`, so that a replica would differ from its primary"
    private static let changesReplication = "it changes replication, which Evenkeel keeps"

    /// The privilege as the server shows it: upper case, one space between words, its first name.
    static func normalized(_ text: String) throws(ScalarProblem) -> String {
        if scopes[text] != nil { return text }
        let words = text.uppercased().split(separator: " ").joined(separator: " ")
        if let reason = refused[words] {
            throw ScalarProblem("must not have `\(words)`: \(reason)", help: "grant what the application needs: SELECT, INSERT, UPDATE, DELETE …")
        }
        if words == "GRANT OPTION" {
            throw ScalarProblem("must not have `GRANT OPTION`", help: "write `withGrantOption: true` beside `privileges`")
        }
        if words == "USAGE" { throw ScalarProblem("must not have `USAGE`, which grants nothing", help: "remove it") }
        let name = aliases[words] ?? words
        guard scopes[name] != nil else {
            throw ScalarProblem(
                "has \"\(Decoder.shortened(text))\", which is no privilege of MariaDB 10.11",
                help: Suggestion.nearest(to: words, among: Array(scopes.keys) + Array(aliases.keys)).map {
                    "did you mean `\($0)`?"
                } ?? "for example SELECT, INSERT, UPDATE, DELETE")
        }
        return name
    }
}

/// Where privileges are granted: `*.*`, `db.*` or `db.table`.
struct GrantScope {
    /// Nil: all databases.
    var database: String?
    /// Nil: all tables.
    var table: String?

    init?(_ text: String) {
        guard let point = text.utf8.firstIndex(of: UInt8(ascii: ".")) else { return nil }
        let left = text[..<point]
        let right = text[text.utf8.index(after: point)...]
        guard right == "*" || left != "*" && GrantScope.isName(right), left == "*" || GrantScope.isName(left) else {
            return nil
        }
        database = left == "*" ? nil : String(left)
        table = right == "*" ? nil : String(right)
    }

    private static func isName(_ part: Substring) -> Bool {
        part.utf8.count <= 64 && Letters.isWord(String(part), others: "_$-", first: "_$")
    }

    var scope: Privileges.Scope { database == nil ? .global : table == nil ? .database : .table }
}

/// Databases that belong to the server or to us.
enum SystemSchemas {
    static func isOne(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["mysql", "sys", "information_schema", "performance_schema"].contains(name) || name.hasPrefix("evenkeel")
    }
}

/// Accounts that belong to the server or to us.
enum SystemAccounts {
    static func isOne(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["root", "mariadb.sys", "mysql", "public"].contains(name) || name.hasPrefix("evenkeel")
    }
}
