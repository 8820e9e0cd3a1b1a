import FleetModel

extension Shape where Value == AccountSpec {
    static var account: Shape {
        .object(
            Table([
                .required("name", \.name, .accountName, "The user name; letters, digits, `_`, `.` and `-`, at most 80."),
                .optional(
                    "host", \.host, .accountHost, default: "%", "%",
                    "Where it may connect from: an address, a pattern such as `10.1.%`, or `%` for anywhere."),
                .required(
                    "passwordFrom", \.passwordFrom, .secretReference,
                    "Where its password comes from. The server resolves it; a manifest never holds a secret."),
                .optional(
                    "grants", \.grants, .list(of: .grant, sortedBy: \.on), default: [], "none",
                    "What it may do, one entry a scope. What is granted beyond it is revoked."),
            ]),
            blank: { AccountSpec(name: "", host: "%", passwordFrom: .file(""), grants: []) })
    }
}

extension Shape where Value == Grant {
    static var grant: Shape {
        .object(
            Table([
                .required("on", \.on, .grantScope, "`*.*`, `database.*` or `database.table`; names are taken as they are."),
                .required(
                    "privileges", \.privileges, .list(of: .privilege, countMin: 1, sortedBy: { $0 }),
                    "Privileges as GRANT names them, in any case."),
                .optional(
                    "withGrantOption", \.withGrantOption, .boolean, default: false, "false",
                    "Whether it may pass these privileges on."),
            ]),
            blank: { Grant(on: "", privileges: []) })
    }
}

extension Shape where Value == SecretReference {
    static var secretReference: Shape {
        .object(
            Table(
                exactlyOne: ["file", "env"],
                [
                    .secret("file", .secretPath, "A file below the secrets root of the server's configuration.") {
                        .file($0)
                    } value: {
                        if case .file(let path) = $0 { path } else { nil }
                    },
                    .secret("env", .environmentName, "An environment variable that the server's configuration allows.") {
                        .env($0)
                    } value: {
                        if case .env(let name) = $0 { name } else { nil }
                    },
                ]),
            blank: { .file("") })
    }
}

extension Field where Owner == SecretReference {
    fileprivate static func secret(
        _ name: String, _ shape: Shape<String>, _ summary: String,
        make: @escaping @Sendable (String) -> SecretReference,
        value: @escaping @Sendable (SecretReference) -> String?
    ) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: false, defaultText: nil,
                isSupported: true),
            read: { decoder, node, path, owner in
                if let text = shape.read(&decoder, node, path) { owner = make(text) }
            },
            write: { owner, text in
                guard let value = value(owner) else { return }
                text.key(name)
                shape.write(value, &text)
            })
    }
}

extension Shape where Value == String {
    static var accountName: Shape {
        text(pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", lengthMax: 80) { text throws(ScalarProblem) in
            guard Letters.isWord(text, others: "_.-", first: "_") else {
                throw ScalarProblem(
                    "must be the name of an account, not \"\(Decoder.shortened(text))\"",
                    help: "letters, digits, `_`, `.` and `-`; where it may connect from goes to `host`")
            }
            guard !SystemAccounts.isOne(text) else {
                throw ScalarProblem(
                    "is `\(text)`, which belongs to the server or to Evenkeel", help: "choose another name")
            }
            return text
        }
    }

    static var accountHost: Shape {
        word(others: ".:%_/-", lengthMax: 255, expected: "an address or a pattern such as `10.1.%`")
    }

    /// Relative, without a way out of the root.
    static var secretPath: Shape {
        text(pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$", lengthMax: 255) {
            text throws(ScalarProblem) in
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.allSatisfy({ Letters.isWord(String($0), others: "_.-", first: "_") }) else {
                throw ScalarProblem(
                    "must be a path below the server's secrets root, not \"\(Decoder.shortened(text))\"",
                    help: "for example `orders-app`: no `/` at its beginning, no part that begins with a dot")
            }
            return text
        }
    }

    static var environmentName: Shape {
        word(others: "_", lengthMax: 128, expected: "the name of an environment variable")
    }

    static var grantScope: Shape {
        text(pattern: "^(\\*\\.\\*|[A-Za-z0-9_$][A-Za-z0-9_$-]*\\.(\\*|[A-Za-z0-9_$][A-Za-z0-9_$-]*))$") {
            text throws(ScalarProblem) in
            guard GrantScope(text) != nil else {
                throw ScalarProblem(
                    "must be `*.*`, `database.*` or `database.table`, not \"\(Decoder.shortened(text))\"",
                    help: text.contains("*") || text.contains(".") ? "" : "write `\"\(Decoder.shortened(text)).*\"`")
            }
            return text
        }
    }

    static var privilege: Shape {
        text(pattern: "^[A-Za-z_]+( [A-Za-z_]+)*$", check: Privileges.normalized)
    }
}
