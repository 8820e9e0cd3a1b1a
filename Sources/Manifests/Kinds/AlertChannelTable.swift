import FleetModel

extension KindTable where Value == AlertChannel {
    static let alertChannel = KindTable(
        .alertChannel, \.metadata,
        spec: Table(
            exactlyOne: ["webhook", "script"],
            [
                .target("webhook", .webhook, "Posts each alert to a URL, in the format of Alertmanager's webhooks, version 4.") {
                    .webhook(url: $0.url, headers: $0.headers)
                } value: {
                    if case .webhook(let url, let headers) = $0 { Webhook(url: url, headers: headers) } else { nil }
                },
                .target("script", .script, "Runs a script of the server for each alert, with the same text on its standard input.") {
                    .script(name: $0.name, timeout: $0.timeout)
                } value: {
                    if case .script(let name, let timeout) = $0 { Script(name: name, timeout: timeout) } else { nil }
                },
                .group("route", "Which alerts come here, and how often.", Table([
                    .optional(
                        "matchers", \.matchers, .labels(lengthMax: 256), default: [:], "every alert",
                        "Label values that an alert must carry to come here."),
                    .optional(
                        "repeatInterval", \.repeatInterval, .duration(.seconds(1)...(.seconds(365 * 24 * 3600))),
                        default: .seconds(4 * 3600), "4h", "How long after it was told an alert that goes on is told again."),
                    .unsupported("groupBy", "each alert is told by itself."),
                    .unsupported("groupWait", "each alert is told by itself."),
                    .unsupported("groupInterval", "each alert is told by itself."),
                ])),
                .optional(
                    "sendResolved", \.sendResolved, .boolean, default: true, "true", "Whether the end of an alert is told too."),
            ]),
        blank: { AlertChannel(metadata: Metadata(name: ""), target: .webhook(url: "", headers: [:])) },
        finish: warnOfSecrets,
        page: KindPage(
            about:
                "Where alerts go: failed reconciliations, drift, an instance down, replication broken, and the end of each. Each is told once, and again after `repeatInterval` while it lasts.",
            example: """
                apiVersion: evenkeel.dev/v1
                kind: AlertChannel
                metadata:
                  name: on-call
                spec:
                  webhook:
                    url: https://alerts.example.com/hook
                  route:
                    matchers: {severity: critical}
                    repeatInterval: 1h

                """,
            checks: ["Exactly one of `webhook` and `script` is given."]))

    @Sendable private static func warnOfSecrets(_ channel: inout AlertChannel, _ decoder: inout Decoder) {
        guard case .webhook(_, let headers) = channel.target else { return }
        for name in headers.keys.sorted() where ["authorization", "x-api-key", "cookie"].contains(name.lowercased()) {
            decoder.warning(
                field: "spec.webhook.headers.\(name)", "whoever can read the repository can read this header",
                help: "let the receiver trust the server's address, or use a script, which can keep a secret")
        }
    }
}

private struct Webhook: Sendable {
    var url: String
    var headers: [String: String]
}

private struct Script: Sendable {
    var name: String
    var timeout: Duration
}

extension Field where Owner == AlertChannel {
    fileprivate static func target<Target>(
        _ name: String, _ shape: Shape<Target>, _ summary: String,
        make: @escaping @Sendable (Target) -> ChannelTarget,
        value: @escaping @Sendable (ChannelTarget) -> Target?
    ) -> Field {
        Field(
            FieldDescription(
                name: name, summary: summary, shape: shape.description, isRequired: false, defaultText: nil,
                isSupported: true),
            read: { decoder, node, path, owner in
                if let target = shape.read(&decoder, node, path) { owner.target = make(target) }
            },
            write: { owner, text in
                guard let value = value(owner.target) else { return }
                text.key(name)
                shape.write(value, &text)
            })
    }
}

extension Shape where Value == Webhook {
    fileprivate static var webhook: Shape {
        .object(
            Table([
                .required("url", \.url, .url, "Where to post: `http://` or `https://`, without a name and password."),
                .optional("headers", \.headers, .headers, default: [:], "none", "HTTP headers to send besides. No place for secrets."),
                .unsupported("format", "the format is Alertmanager's."),
                .unsupported("signing", "let the receiver trust the server's address."),
            ]),
            blank: { Webhook(url: "", headers: [:]) })
    }
}

extension Shape where Value == Script {
    fileprivate static var script: Shape {
        .object(
            Table([
                .required(
                    "name", \.name, .name("a script's name"),
                    "The script, by the name under which the server's configuration declares it; never a path."),
                .optional(
                    "timeout", \.timeout, .duration(.seconds(1)...(.seconds(600))), default: .seconds(30), "30s",
                    "How long it may take before it is killed and tried again."),
                .unsupported("command", "name a script of the server's configuration with `name`."),
            ]),
            blank: { Script(name: "", timeout: .seconds(30)) })
    }
}

extension Shape where Value == String {
    fileprivate static var url: Shape {
        text(pattern: "^https?://[^\\s@/]+(/[^\\s]*)?$", lengthMax: 2048, expected: "a URL") { text throws(ScalarProblem) in
            let rest = text.drop { $0 != ":" }
            guard !rest.dropFirst(3).prefix(while: { $0 != "/" }).contains("@") else {
                throw ScalarProblem("must not hold a name and password", help: "remove what stands before the `@`")
            }
            let authority = rest.dropFirst(3).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            guard text.hasPrefix("http://") || text.hasPrefix("https://"), !authority.isEmpty,
                !text.unicodeScalars.contains(where: { $0.value <= 0x20 || $0.value == 0x7F })
            else {
                throw ScalarProblem(
                    "must be a URL, not \"\(Decoder.shortened(text))\"", help: "for example `https://alerts.example.com/hook`")
            }
            return text
        }
    }
}

extension Shape where Value == [String: String] {
    fileprivate static var headers: Shape {
        .map(of: .line(lengthMax: 4096), keyPattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$") { key throws(ScalarProblem) in
            guard Letters.isWord(key, others: "!#$%&'*+.^_`|~-", first: "!#$%&'*+.^_`|~-"), key.utf8.count <= 128 else {
                throw ScalarProblem("\"\(Decoder.shortened(key))\" is no name of an HTTP header", help: "for example `X-Team`")
            }
            guard !["host", "content-length", "content-type", "transfer-encoding", "connection"].contains(key.lowercased()) else {
                throw ScalarProblem("the header `\(key)` is set by Evenkeel", help: "remove it")
            }
            return key
        }
    }
}
