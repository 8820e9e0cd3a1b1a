import FleetModel

// Content: databases and accounts, made on the writer and carried to the others by replication.

extension ClusterProcedure {
    mutating func keepContent(_ primary: MemberView) {
        guard primary.isWritable, let database = primary.database else { return }
        guard canCommit(primary, database) else { return }
        for spec in cluster.databases { keep(spec, primary, database) }
        for name in records.databases.keys.sorted() where !cluster.databases.contains(where: { $0.name == name }) {
            remove(database: name, primary, database)
        }
        for account in cluster.accounts { keep(account, primary, database) }
        for key in records.accounts.keys.sorted() where !cluster.accounts.contains(where: { $0.key == key }) {
            remove(account: key, primary, database)
        }
    }

    private func index(of spec: DatabaseSpec) -> Int { cluster.databases.firstIndex { $0.name == spec.name } ?? 0 }
    private func index(of spec: AccountSpec) -> Int { cluster.accounts.firstIndex { $0.key == spec.key } ?? 0 }

    private mutating func keep(_ spec: DatabaseSpec, _ primary: MemberView, _ database: DatabaseReport) {
        let wasMade = records.databases[spec.name] != nil
        if wasMade { records.databases[spec.name] = spec.deletionPolicy }
        let seen = database.databases.first { $0.name == spec.name }
        if let seen, isAsDeclared(seen, spec) {
            // One that was there before us is only adopted by name; it is dropped only where its manifest says Delete.
            if !wasMade { records.databases[spec.name] = spec.deletionPolicy }
            return
        }
        var cause = because("spec.databases[\(index(of: spec))].name")
        if wasMade && seen == nil {
            find("DatabaseDrift", "\(context.name).\(spec.name)", on: primary, "the database \(spec.name) is gone", drift: true)
            cause = .observation("the database \(spec.name) is gone")
        }
        emit(.ensureDatabase(spec), on: primary, cause: cause, "\(seen == nil ? "create" : "alter") database \(spec.name)")
    }

    private func isAsDeclared(_ seen: DatabaseFacts, _ spec: DatabaseSpec) -> Bool {
        seen.characterSet.lowercased() == spec.characterSet.lowercased()
            && (spec.collation.map { $0.lowercased() == seen.collation.lowercased() } ?? true)
    }

    private mutating func remove(database name: String, _ primary: MemberView, _ database: DatabaseReport) {
        guard database.databases.contains(where: { $0.name == name }) else {
            if isKept(primary, database) { records.databases[name] = nil }
            return
        }
        if records.databases[name] == .delete {
            emit(.dropDatabase(name: name), on: primary, cause: because("spec.databases"), "drop database \(name) (deletionPolicy Delete)")
        } else {
            decision.warnings.append("database \(name) is no longer declared and is kept (deletionPolicy Retain)")
        }
    }

    private mutating func keep(_ account: AccountSpec, _ primary: MemberView, _ database: DatabaseReport) {
        let field = "spec.accounts[\(index(of: account))]"
        guard let fingerprint = context.secrets[account.key] else {
            let message = "the secret \(account.passwordFrom) of account \(account.key) cannot be read on the server"
            find("SecretMissing", account.key, on: nil, message, drift: false)
            wait(.fact("secret"), message)
            return
        }
        let seen = database.accounts.first { $0.key == account.key }
        let isRight = seen.map { ($0.fingerprint ?? fingerprint) == fingerprint && areSame($0.grants, account.grants) } ?? false
        let wanted = AppliedAccount(fingerprint: fingerprint, grants: account.grants)
        guard !isRight else {
            if records.accounts[account.key] != wanted { records.accounts[account.key] = wanted }
            return
        }
        var cause = because(field)
        if records.accounts[account.key] == wanted {
            let message = seen == nil ? "the account \(account.key) is gone" : "the account \(account.key) was changed"
            find("AccountDrift", account.key, on: primary, message, drift: true)
            cause = .observation(message)
        }
        let what = seen == nil ? "create account \(account.key)" : "bring account \(account.key) to what is declared"
        let isOrdered = emit(.ensureAccount(account, fingerprint: fingerprint), on: primary, cause: cause, what)
        // It may be made although its attempt never ends well: then it is ours to drop.
        if isOrdered, records.accounts[account.key] == nil { records.accounts[account.key] = .unconfirmed }
    }

    private func areSame(_ left: [Grant], _ right: [Grant]) -> Bool {
        left == right || normalized(left) == normalized(right)
    }

    /// One spelling of grants: `ALL` is `ALL PRIVILEGES`, `USAGE` is nothing, sorted.
    private func normalized(_ grants: [Grant]) -> [Grant] {
        grants.compactMap { grant in
            var grant = grant
            grant.privileges = grant.privileges.map { $0 == "ALL" ? "ALL PRIVILEGES" : $0 }.filter { $0 != "USAGE" }.sorted()
            return grant.privileges.isEmpty && !grant.withGrantOption ? nil : grant
        }.sorted()
    }

    private mutating func remove(account key: String, _ primary: MemberView, _ database: DatabaseReport) {
        guard let seen = database.accounts.first(where: { $0.key == key }) else {
            if isKept(primary, database) { records.accounts[key] = nil }
            return
        }
        records.accounts[key] = .unconfirmed
        emit(.dropAccount(name: seen.name, host: seen.host), on: primary, cause: because("spec.accounts"), "drop account \(key)")
    }
}
