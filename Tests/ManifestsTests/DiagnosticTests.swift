import FleetModel
import Foundation
import Testing

@testable import Manifests

@Suite struct DiagnosticTests {
    private var bad: Assembly {
        get throws { assembled(try ManifestDirectory.read(root.appending(path: "Tests/ManifestsTests/Golden/bad").path())) }
    }

    @Test func `everything that is wrong with a repository is told at once, in order, as people read it`() throws {
        let diagnostics = try bad.diagnostics
        try expectCurrent("Tests/ManifestsTests/Golden/bad.txt", diagnostics.rendered())
        #expect(diagnostics == diagnostics.sorted())
    }

    @Test func `and as machines read it`() throws {
        let diagnostics = try bad.diagnostics
        try expectCurrent("Tests/ManifestsTests/Golden/bad.json", diagnostics.json + "\n")
        let parsed = try #require(try JSONSerialization.jsonObject(with: Data(diagnostics.json.utf8)) as? [[String: Any]])
        #expect(parsed.count == diagnostics.count)
        #expect([Diagnostic]().json == "[]")
    }

    @Test func `colour changes nothing but colour`() throws {
        let plain = try bad.diagnostics.rendered()
        let colored = try bad.diagnostics.rendered(color: true)
        #expect(colored != plain)
        #expect(colored.replacing(/\u{1B}\[[0-9;]*m/, with: "") == plain)
    }

    @Test func `a caret stands below its column, also in a long line and after a tab`() throws {
        let padding = String(repeating: "x", count: 500)
        let long = try only(cluster("orders", "parameters: {a: \(padding), b: [1]}"))
        let shown = long.rendered().split(separator: "\n").map(String.init)
        let caret = try #require(shown[2].firstIndex(of: "^")).utf16Offset(in: shown[2])
        #expect(Array(shown[1])[caret] == "[")
        #expect(shown[1].count <= FileLines.shownMax + 2)
        let tab = try only(cluster("orders", "port:\t\tx"))
        let lines = tab.rendered().split(separator: "\n").map(String.init)
        let place = try #require(lines[2].firstIndex(of: "^")).utf16Offset(in: lines[2])
        #expect(Array(lines[1])[place] == "x")
    }

    @Test(arguments: [
        ("password: geheim", "password: ••••••"), ("{name: a, PASSWORD: x, b: c}", "{name: a, PASSWORD: •, b: c}"),
        ("passwordFrom: {file: x}", "passwordFrom: {file: x}"), ("url: https://me:geheim@x/y", "url: https://•••••••••@x/y"),
        ("url: https://x/y@z", "url: https://x/y@z"), ("\"my-token\": a b", "\"my-token\": • •"), ("Authorization: Bearer x", "Authorization: •••••• •"),
    ]) func `no secret is shown`(_ line: String, _ shown: String) {
        let masked = SecretMask.masked(Array(line.unicodeScalars))
        #expect(String(String.UnicodeScalarView(masked)) == shown)
    }

    @Test func `a password that stands in a manifest is not shown`() throws {
        let diagnostic = try only(cluster("orders", "accounts: [{name: a, passwordFrom: {env: X}, password: geheim}]"))
        #expect(diagnostic.help == "did you mean `passwordFrom`?")
        #expect(!diagnostic.rendered().contains("geheim") && ![diagnostic].json.contains("geheim"))
    }

    @Test(arguments: [
        ("prot", ["port", "sport", "engine"], "port"), ("Port", ["port"], "port"), ("x", ["port"], nil), ("", ["a"], nil),
        ("zone-1", ["zone-2", "zone-3"], "zone-2"), ("replcias", ["replicas"], "replicas"), ("abcdefgh", ["hgfedcba"], nil),
    ] as [(String, [String], String?)]) func `did you mean`(_ word: String, _ known: [String], _ expected: String?) {
        #expect(Suggestion.nearest(to: word, among: known) == expected)
    }
}
