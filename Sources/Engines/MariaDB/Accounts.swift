import FleetModel
import MySQLClient

// Accounts as the server stores them, and how one becomes what was declared.

struct StoredAccount: Sendable, Hashable {
    var name: String
    var host: String

    var sql: SQL { "\(name)@\(host)" }

    /// What the server stores of an account's authentication.
    struct Authentication: Sendable, Hashable {
        var plugin: String
        var text: String
        var isLocked: Bool
    }
}

extension AdminSession {
    func authentication(of account: StoredAccount) async throws -> StoredAccount.Authentication? {
        let answer = try await run(
            """
            SELECT JSON_VALUE(Priv, '$.plugin'), JSON_VALUE(Priv, '$.authentication_string'),
            JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv WHERE User = \(account.name) AND Host = \(account.host)
            """)
        guard let row = answer.rows.first else { return nil }
        return StoredAccount.Authentication(
            plugin: row[0] ?? "", text: row[1] ?? "", isLocked: ["1", "true"].contains(row[2] ?? ""))
    }

    func grants(of account: StoredAccount, within bound: Duration = quick) async throws -> [StoredGrant] {
        try await run("SHOW GRANTS FOR \(account.sql)", within: bound).rows.compactMap { $0[0] }.compactMap { StoredGrant($0) }
    }

    /// Makes an account exactly as wanted. Nothing is written, and so nothing binlogged, where it is right. True where
    /// something was changed.
    func ensure(_ account: StoredAccount, authentication: String, grants: [Grant]) async throws -> Bool {
        var changed = false
        if let found = try await self.authentication(of: account) {
            if found.plugin != "mysql_native_password" || found.text != authentication || found.isLocked {
                try await run("ALTER USER \(account.sql) IDENTIFIED BY PASSWORD \(secret: authentication) ACCOUNT UNLOCK")
                changed = true
            }
        } else {
            // A replica that has one of its own by this name gets this one.
            try await run("CREATE OR REPLACE USER \(account.sql) IDENTIFIED BY PASSWORD \(secret: authentication)")
            changed = true
        }
        let statements = GrantChanges(from: try await self.grants(of: account), to: grants).statements(for: account)
        for statement in statements { try await run(statement) }
        return changed || !statements.isEmpty
    }
}

extension InstanceWorker {
    func ensureAccount(_ spec: AccountSpec, secrets: [String: String]) async throws -> TaskResult {
        try requireReady()
        guard let password = secrets["accountPassword"] else {
            throw EngineError(.refused, "the order carries no password for account \(spec.key)")
        }
        let account = StoredAccount(name: spec.name, host: spec.host)
        return try await withWriterSession { session in
            let authentication = NativePassword.authenticationString(password)
            let acted = try await session.ensure(account, authentication: authentication, grants: spec.grants)
            return TaskResult(acted: acted)
        }
    }

    func dropAccount(name: String, host: String) async throws -> TaskResult {
        try requireReady()
        let account = StoredAccount(name: name, host: host)
        return try await withWriterSession { session in
            guard try await session.authentication(of: account) != nil else { return TaskResult(acted: false) }
            try await session.run("DROP USER \(account.sql)")
            return TaskResult()
        }
    }

    func ensureDatabase(_ spec: DatabaseSpec) async throws -> TaskResult {
        try requireReady()
        return try await withWriterSession { session in
            let collation = try await session.collation(of: spec)
            let found = try await session.run("SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = \(spec.name)")
            if found.first == collation { return TaskResult(acted: false) }
            let verb = found.rows.isEmpty ? "CREATE" : "ALTER"
            try await session.run("\(verbatim: verb) DATABASE \(identifier: spec.name) CHARACTER SET \(identifier: spec.characterSet) COLLATE \(identifier: collation)")
            return TaskResult()
        }
    }

    func dropDatabase(_ name: String) async throws -> TaskResult {
        try requireReady()
        guard !OwnDatabase.hidden.contains(name) else { throw EngineError(.refused, "database \(name) is not dropped: it is the server's own") }
        return try await withWriterSession { session in
            let found = try await session.value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = \(name)")
            if found == "0" { return TaskResult(acted: false) }
            try await session.run("DROP DATABASE \(identifier: name)", within: .seconds(60))
            return TaskResult()
        }
    }
}

extension AdminSession {
    /// The declared collation, or the character set's default one. Throws where the server has no such character set,
    /// or the collation is another's.
    fileprivate func collation(of spec: DatabaseSpec) async throws -> String {
        let set = spec.characterSet.lowercased()
        let answer = try await run(
            """
            SELECT COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY
            WHERE CHARACTER_SET_NAME = \(set) AND FULL_COLLATION_NAME = \(spec.collation ?? "")
            UNION SELECT DEFAULT_COLLATE_NAME FROM information_schema.CHARACTER_SETS
            WHERE CHARACTER_SET_NAME = \(set) AND \(spec.collation == nil ? 1 : 0) = 1
            """)
        guard answer.first != nil else {
            throw EngineError(.permanent, "database \(spec.name): the server knows no character set \(spec.characterSet)\(spec.collation.map { " with collation " + $0 } ?? "")")
        }
        return spec.collation ?? answer.first ?? ""
    }
}
