import FleetModel
import Testing

@testable import Manifests

@Suite struct ChannelTests {
    private func channel(_ spec: String) -> ManifestFile {
        file("ch.yaml", "apiVersion: evenkeel.dev/v1\nkind: AlertChannel\nmetadata: {name: on-call}\nspec:\n" + spec.split(separator: "\n").map { "  \($0)\n" }.joined())
    }

    @Test func `a webhook and a script are read with their defaults`() {
        let webhook = assembled(places, channel("webhook: {url: \"https://x.example/h\", headers: {X-Team: db}}\nroute: {matchers: {severity: critical}, repeatInterval: 90m}\nsendResolved: false"))
        #expect(webhook.diagnostics.isEmpty, "\(lines(webhook.diagnostics))")
        #expect(
            webhook.fleet.channels["on-call"]?.value
                == AlertChannel(
                    metadata: Metadata(name: "on-call"), target: .webhook(url: "https://x.example/h", headers: ["X-Team": "db"]),
                    matchers: ["severity": "critical"], repeatInterval: .seconds(5400), sendResolved: false))
        let script = assembled(places, channel("script: {name: page}"))
        #expect(
            script.fleet.channels["on-call"]?.value
                == AlertChannel(metadata: Metadata(name: "on-call"), target: .script(name: "page", timeout: .seconds(30))))
    }

    @Test(arguments: [
        ("sendResolved: true", "`spec` must have exactly one of `webhook` or `script`"),
        ("webhook: {url: \"http://x/\"}\nscript: {name: x}", "`spec` must have exactly one of `webhook` or `script`"),
        ("webhook: {url: \"ftp://x/\"}", "`spec.webhook.url` must be a URL, not \"ftp://x/\""),
        ("webhook: {url: \"http://me:secret@x/\"}", "`spec.webhook.url` must not hold a name and password"),
        ("webhook: {url: \"http://x/\", format: slack}", "`spec.webhook.format` is not supported in this release"),
        ("webhook: {url: \"http://x/\", headers: {Host: y}}", "the header `Host` is set by Evenkeel"),
        ("webhook: {url: \"http://x/\", headers: {A: \"b\\r\\nC: d\"}}", "`spec.webhook.headers.A` must be one line without control characters"),
        ("script: {name: ../x}", "`spec.script.name` must be a script's name, not \"../x\""),
        ("script: {name: x, command: rm}", "`spec.script.command` is not supported in this release"),
        ("script: {name: x, timeout: 1h}", "`spec.script.timeout` is 1h; it goes from 1s to 10m"),
        ("script: {name: x}\nroute: {groupBy: [a]}", "`spec.route.groupBy` is not supported in this release"),
    ]) func `a channel that is not as it should be`(_ spec: String, _ message: String) {
        let diagnostics = assembled(places, channel(spec)).diagnostics
        #expect(diagnostics.map(\.message) == [message])
        #expect(!diagnostics.contains { $0.message.contains("secret") })
    }

    @Test func `a header that holds a secret is a warning`() {
        let diagnostics = assembled(places, channel("webhook: {url: \"http://x/\", headers: {Authorization: abc}}")).diagnostics
        #expect(diagnostics.map(\.severity) == [.warning])
    }
}
