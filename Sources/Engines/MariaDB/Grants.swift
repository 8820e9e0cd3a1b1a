import FleetModel
import MySQLClient

/// One line of `SHOW GRANTS`.
///
/// In the scope of a database MariaDB takes `_` and `%` as wildcards. A declared `_` is the character itself and is
/// escaped; `%` stays a wildcard. A stored pattern with a bare `_` shows as `LIKE app_db.*`, so that it is no match for
/// a declared `app_db.*` and is replaced.
struct StoredGrant: Sendable, Hashable {
    /// As declared: `*.*`, `db.*`, `db.table`; for what cannot be declared the server's own words.
    var on: String
    /// How the server writes the object: what revoking names.
    var object: String
    /// Upper case, sorted, without `USAGE`.
    var privileges: [String]
    var withGrantOption: Bool
    var isRole: Bool = false

    /// Reads `GRANT SELECT, INSERT ON `db`.* TO `app`@`%` WITH GRANT OPTION` and its like; nil for another line.
    init?(_ line: String) {
        guard line.hasPrefix("GRANT ") else { return nil }
        let text = Substring(line).dropFirst(6)
        withGrantOption = text.contains(" WITH GRANT OPTION")
        guard let on = Self.firstOutsideQuotes(" ON ", in: text) else {
            guard let to = Self.firstOutsideQuotes(" TO ", in: text) else { return nil }
            object = String(text[..<to.lowerBound])
            self.on = "ROLE " + Self.unquoted(object)
            privileges = ["MEMBER"]
            isRole = true
            return
        }
        let rest = text[on.upperBound...]
        guard let to = Self.firstOutsideQuotes(" TO ", in: rest) else { return nil }
        object = String(rest[..<to.lowerBound])
        self.on = Self.declaredForm(of: object)
        privileges = Self.list(text[..<on.lowerBound]).filter { $0 != "USAGE" }.sorted()
    }

    /// The position of `mark` outside of backticks and parentheses.
    private static func firstOutsideQuotes(_ mark: String, in text: Substring) -> Range<Substring.Index>? {
        var isQuoted = false
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == "`" || text[index] == "'" { isQuoted.toggle() }
            if !isQuoted, text[index...].hasPrefix(mark) { return index..<text.index(index, offsetBy: mark.count) }
            index = text.index(after: index)
        }
        return nil
    }

    /// Splits at commas outside of parentheses, which hold the columns of a privilege.
    private static func list(_ text: Substring) -> [String] {
        var (parts, depth) = ([""], 0)
        for character in text {
            if character == "(" { depth += 1 }
            if character == ")" { depth -= 1 }
            if character == ",", depth == 0 { parts.append("") } else { parts[parts.count - 1].append(character) }
        }
        return parts.map { $0.trimmedSpaces }.filter { !$0.isEmpty }.map { String($0) }
    }

    private static func unquoted(_ text: some StringProtocol) -> String {
        guard text.hasPrefix("`"), text.hasSuffix("`"), text.count >= 2 else { return String(text) }
        return text.dropFirst().dropLast().split(separator: "``", omittingEmptySubsequences: false).joined(separator: "`")
    }

    private static func declaredForm(of object: String) -> String {
        guard object != "*.*", let dot = firstOutsideQuotes(".", in: Substring(object)) else { return object }
        let (schema, table) = (unquoted(object[..<dot.lowerBound]), unquoted(object[dot.upperBound...]))
        if object.hasPrefix("PROCEDURE ") || object.hasPrefix("FUNCTION ") || object.hasPrefix("PACKAGE ") { return object }
        guard table == "*" else { return schema + "." + table }
        var (plain, escaped, hasWildcard) = ("", false, false)
        for character in schema {
            if character == "\\", !escaped {
                escaped = true
                continue
            }
            if character == "_", !escaped { hasWildcard = true }
            if character == "%", escaped { plain += "\\" }
            plain.append(character)
            escaped = false
        }
        return hasWildcard ? "LIKE " + schema + ".*" : plain + ".*"
    }
}

extension Grant {
    /// How this scope is written in a statement.
    var object: SQL {
        guard on != "*.*", let dot = on.firstIndex(of: ".") else { return "*.*" }
        let (schema, table) = (String(on[..<dot]), String(on[on.index(after: dot)...]))
        guard table == "*" else { return "\(identifier: schema).\(identifier: table)" }
        let literal = schema.split(separator: "_", omittingEmptySubsequences: false).joined(separator: "\\_")
        return "\(identifier: literal).*"
    }

    /// The server's own names for privileges that have several.
    var canonicalPrivileges: Set<String> {
        Set(privileges.map { Self.canonical[$0.uppercased()] ?? $0.uppercased() })
    }

    private static let canonical = [
        "ALL": "ALL PRIVILEGES", "REPLICATION CLIENT": "BINLOG MONITOR", "REPLICATION REPLICA": "REPLICATION SLAVE",
        "REPLICA MONITOR": "SLAVE MONITOR", "DELETE VERSIONING ROWS": "DELETE HISTORY",
        "REPLICATION REPLICA ADMIN": "REPLICATION SLAVE ADMIN", "CREATE TABLESPACE": "CREATE TABLESPACE",
    ]
}

/// What has to be granted and revoked so that an account has exactly the wanted grants.
struct GrantChanges {
    private let stored: [StoredGrant]
    private let wanted: [Grant]

    init(from stored: [StoredGrant], to wanted: [Grant]) {
        self.stored = stored
        self.wanted = wanted
    }

    /// Grants first: no moment has less than both before and after.
    func statements(for account: StoredAccount) -> [SQL] {
        wanted.flatMap { grants($0, account) } + stored.flatMap { revokes($0, account) }
    }

    private func grants(_ grant: Grant, _ account: StoredAccount) -> [SQL] {
        let found = stored.filter { $0.on == grant.on && !$0.isRole }
        let has = Set(found.flatMap(\.privileges))
        let lacks = has.contains("ALL PRIVILEGES") ? [] : grant.canonicalPrivileges.subtracting(has)
        let lacksOption = grant.withGrantOption && !found.contains(where: \.withGrantOption)
        guard !lacks.isEmpty || lacksOption else { return [] }
        let list = (lacks.isEmpty ? grant.canonicalPrivileges : lacks).sorted().joined(separator: ", ")
        let option = grant.withGrantOption ? " WITH GRANT OPTION" : ""
        return ["GRANT \(verbatim: Self.checked(list)) ON \(grant.object) TO \(account.sql)\(verbatim: option)"]
    }

    private func revokes(_ found: StoredGrant, _ account: StoredAccount) -> [SQL] {
        if found.isRole { return ["REVOKE \(verbatim: found.object) FROM \(account.sql)"] }
        let grant = wanted.first { $0.on == found.on }
        let keeps = grant?.canonicalPrivileges ?? []
        var statements: [SQL] = []
        if found.withGrantOption, grant?.withGrantOption != true {
            statements.append("REVOKE GRANT OPTION ON \(verbatim: found.object) FROM \(account.sql)")
        }
        let surplus = keeps.contains("ALL PRIVILEGES") ? [] : Set(found.privileges).subtracting(keeps)
        guard !surplus.isEmpty else { return statements }
        statements.append("REVOKE \(verbatim: surplus.sorted().joined(separator: ", ")) ON \(verbatim: found.object) FROM \(account.sql)")
        // Revoking all of a scope takes what is wanted of it too.
        if surplus.contains("ALL PRIVILEGES"), let grant, !keeps.isEmpty {
            statements.append("GRANT \(verbatim: Self.checked(keeps.sorted().joined(separator: ", "))) ON \(grant.object) TO \(account.sql)")
        }
        return statements
    }

    /// Privileges are words, commas and column lists; anything else is not let into a statement.
    private static func checked(_ list: String) -> String {
        list.filter { $0.isLetter || $0.isNumber || " ,()_`".contains($0) }
    }
}
