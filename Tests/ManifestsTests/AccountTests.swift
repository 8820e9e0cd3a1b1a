import FleetModel
import Testing

@testable import Manifests

@Suite struct AccountTests {
    private func account(_ fields: String) -> String { cluster("orders", "databases: [{name: shop}]\naccounts: [{\(fields)}]") }

    private func grants(_ grants: String) -> String { account("name: app, passwordFrom: {file: x}, grants: [\(grants)]") }

    @Test(arguments: [
        ("name: root, passwordFrom: {file: x}", 9, 21, "`spec.accounts.name` is `root`, which belongs to the server or to Evenkeel"),
        ("name: Evenkeel_repl, passwordFrom: {file: x}", 9, 21, "`spec.accounts.name` is `Evenkeel_repl`, which belongs to the server or to Evenkeel"),
        ("name: mariadb.sys, passwordFrom: {file: x}", 9, 21, "`spec.accounts.name` is `mariadb.sys`, which belongs to the server or to Evenkeel"),
        ("name: \"a'b\", passwordFrom: {file: x}", 9, 21, "`spec.accounts.name` must be the name of an account, not \"a'b\""),
        ("name: a", 9, 14, "`spec.accounts` has no `passwordFrom`"),
        ("name: a, passwordFrom: {}", 9, 38, "`spec.accounts.passwordFrom` must have exactly one of `file` or `env`"),
        ("name: a, passwordFrom: {file: x, env: Y}", 9, 38, "`spec.accounts.passwordFrom` must have exactly one of `file` or `env`"),
        ("name: a, passwordFrom: {file: ../x}", 9, 45, "`spec.accounts.passwordFrom.file` must be a path below the server's secrets root, not \"../x\""),
        ("name: a, passwordFrom: {file: /etc/shadow}", 9, 45, "`spec.accounts.passwordFrom.file` must be a path below the server's secrets root, not \"/etc/shadow\""),
        ("name: a, passwordFrom: {file: a//b}", 9, 45, "`spec.accounts.passwordFrom.file` must be a path below the server's secrets root, not \"a//b\""),
        ("name: a, host: \"x'y\", passwordFrom: {file: x}", 9, 30, "`spec.accounts.host` must be an address or a pattern such as `10.1.%`, not \"x'y\""),
        ("name: a, password: secret, passwordFrom: {file: x}", 9, 24, "unknown field `password` in `spec.accounts`"),
    ]) func `an account that is not as it should be`(_ fields: String, _ line: Int, _ column: Int, _ message: String) throws {
        let diagnostic = try only(account(fields))
        #expect(diagnostic.position == SourcePosition(file: "c.yaml", line: line, column: column))
        #expect(diagnostic.message == message)
    }

    @Test(arguments: ["SUPER", "READ_ONLY ADMIN", "read_only  admin", "BINLOG ADMIN", "BINLOG REPLAY", "REPLICATION SLAVE ADMIN"])
    func `a privilege that writes through read_only or changes replication is refused`(_ privilege: String) throws {
        let diagnostic = try only(grants("{on: \"*.*\", privileges: [SELECT, \(privilege)]}"))
        #expect(diagnostic.message.hasPrefix("`spec.accounts.grants.privileges` must not have `"))
    }

    @Test(arguments: ["ALL", "all privileges"]) func `ALL is refused on everything and fine on a database`(_ all: String) throws {
        #expect(try only(grants("{on: \"*.*\", privileges: [\(all)]}")).message.hasPrefix("`ALL` on `*.*` writes through `read_only`"))
        let fine = assembled(places(with: grants("{on: \"shop.*\", privileges: [\(all)]}")))
        #expect(fine.diagnostics.isEmpty)
        #expect(fine.fleet.clusters["orders"]?.value.accounts.first?.grants.first?.privileges == ["ALL PRIVILEGES"])
    }

    @Test(arguments: [
        ("{on: shop, privileges: [SELECT]}", "`spec.accounts.grants.on` must be `*.*`, `database.*` or `database.table`, not \"shop\""),
        ("{on: \"*.t\", privileges: [SELECT]}", "`spec.accounts.grants.on` must be `*.*`, `database.*` or `database.table`, not \"*.t\""),
        ("{on: \"a.b.c\", privileges: [SELECT]}", "`spec.accounts.grants.on` must be `*.*`, `database.*` or `database.table`, not \"a.b.c\""),
        ("{on: \"shop.*\", privileges: []}", "`spec.accounts.grants.privileges` must have at least one item"),
        ("{on: \"shop.*\", privileges: [SELECT, select]}", "`spec.accounts.grants.privileges` has `SELECT` twice"),
        ("{on: \"shop.*\", privileges: [SELCT]}", "`spec.accounts.grants.privileges` has \"SELCT\", which is no privilege of MariaDB 10.11"),
        ("{on: \"shop.*\", privileges: [PROCESS]}", "`PROCESS` cannot be granted on `shop.*`"),
        ("{on: \"shop.t\", privileges: [EXECUTE]}", "`EXECUTE` cannot be granted on `shop.t`"),
        ("{on: \"shop.*\", privileges: [ALL, SELECT]}", "`ALL` stands beside other privileges"),
        ("{on: \"shop.*\", privileges: [GRANT OPTION]}", "`spec.accounts.grants.privileges` must not have `GRANT OPTION`"),
        ("{on: \"mysql.*\", privileges: [SELECT, UPDATE]}", "`UPDATE` on `mysql.*` would change what belongs to the server"),
        ("{on: \"information_schema.*\", privileges: [SELECT]}", "nothing can be granted on `information_schema`"),
        ("{on: \"shop.*\", privileges: [SELECT]}, {on: \"shop.*\", privileges: [INSERT]}", "`spec.accounts.grants` has `shop.*` twice"),
    ]) func `a grant that is not as it should be`(_ grant: String, _ message: String) throws {
        #expect(try only(grants(grant)).message == message)
    }

    @Test func `a grant on a database that is nearly declared is a warning`() throws {
        let diagnostic = try only(grants("{on: \"shpo.*\", privileges: [SELECT]}"))
        #expect(diagnostic.severity == .warning)
        #expect(diagnostic.help == "did you mean `shop`?")
    }

    @Test func `an account from a host name is a warning`() throws {
        let diagnostic = try only(account("name: a, host: app.example.com, passwordFrom: {env: X}"))
        #expect(diagnostic.severity == .warning)
        for host in ["10.1.%", "%", "localhost", "127.0.0.1", "::1", "10.0.0.0/255.0.0.0", "%.example.com"] {
            #expect(assembled(places(with: account("name: a, host: \"\(host)\", passwordFrom: {env: X}"))).diagnostics.isEmpty)
        }
    }

    @Test func `accounts and grants are sorted, and their places go with them`() throws {
        let text = cluster(
            "orders",
            """
            accounts:
              - {name: zoe, passwordFrom: {file: z}}
              - name: app
                passwordFrom: {env: APP}
                grants:
                  - {on: "x.*", privileges: [update, SELECT]}
                  - {on: "a.*", privileges: [SELECT], withGrantOption: true}
            """)
        let fleet = assembled(places(with: text)).fleet
        let declared = try #require(fleet.clusters["orders"])
        #expect(
            declared.value.accounts == [
                AccountSpec(
                    name: "app", host: "%", passwordFrom: .env("APP"),
                    grants: [
                        Grant(on: "a.*", privileges: ["SELECT"], withGrantOption: true),
                        Grant(on: "x.*", privileges: ["SELECT", "UPDATE"]),
                    ]),
                AccountSpec(name: "zoe", host: "%", passwordFrom: .file("z"), grants: []),
            ])
        func line(_ field: String) -> Int { fleet.fieldPaths.position(of: field, in: declared).line }
        #expect(line("spec.accounts[0].name") == 10)
        #expect(line("spec.accounts[0].grants[0].on") == 14)
        #expect(line("spec.accounts[0].grants[1].privileges") == 13)
        #expect(line("spec.accounts[1].passwordFrom.file") == 9)
    }
}
