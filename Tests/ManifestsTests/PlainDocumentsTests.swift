import Foundation
import Testing

@testable import Manifests

/// A small generator, so that a failure can be had again from its seed.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}

/// What a reader made of a file: every document's tape, and the problem at which it ended.
private struct Reading: Equatable {
    var documents: [String] = []
    var problem = ""
}

/// libyaml's reading from an offset on, which is the beginning of a line.
private func libyaml(_ bytes: [UInt8], from offset: Int = 0, line: Int = 1) -> Reading {
    var reading = Reading()
    bytes[offset...].withUnsafeBufferPointer { buffer in
        guard var stream = DocumentStream(buffer, lineOffset: line - 1) else { return }
        var tape = EventTape()
        do throws(YAMLProblem) {
            while try stream.next(into: &tape) { reading.documents.append("\(tape.nodes) \(tape.text) \(tape.tags)") }
        } catch {
            reading.problem = "\(error)"
        }
    }
    return reading
}

/// The same by the reader of plain documents as far as it goes, libyaml behind it; and how many documents were plain.
private func plainFirst(_ bytes: [UInt8]) -> (reading: Reading, plain: Int)? {
    bytes.withUnsafeBufferPointer { buffer -> (reading: Reading, plain: Int)? in
        guard var documents = PlainDocuments(buffer) else { return nil }
        var reading = Reading()
        var tape = EventTape()
        while true {
            switch documents.next(into: &tape) {
            case .document: reading.documents.append("\(tape.nodes) \(tape.text) \(tape.tags)")
            case .end: return (reading, reading.documents.count)
            case .refused:
                let rest = libyaml(bytes, from: documents.offset, line: documents.line)
                let plain = reading.documents.count
                return (Reading(documents: reading.documents + rest.documents, problem: rest.problem), plain)
            }
        }
    }
}

@Suite struct PlainDocumentsTests {
    private static let texts = [
        "a: b\n", "a: b", "# c\n\na: b # c\n\n# end\n", "---\na: b\n---\nc: d\n", "--- # first\na: {b: c, d: [e, f], g: {}, h: []}\n",
        "a:\n  b:\n    - c\n    - d: e\n      f: g\n\n    # c\n    - {h: i}\nj: k\n", "a:\n- b\n- c: d\n  e: f\ng: h\n",
        "a: \"b: c\"\nd: 'e # f'\ng: h#i\nj: k:l\nm: http://n/o?p=q\n", "a: b c  d   # e\nf: 10.%\n", "a: [\"b\", 'c' , d e]\n",
        "  a: b\n  c: d\n", "a: {\"b\": c, 'd': e}\n", "a:    b   \n", "a: .\n", "a: b\\c\n", "a: {b: c}   # d\n",
    ]
    /// What is not plain, or not YAML, for libyaml alone to judge.
    private static let others = [
        "a:\n", "a:\nb: c\n", "a: b\n  c\n", "a: b\n c: d\n", "a: b: c\n", "a: |\n  b\n", "a: &b c\nd: *b\n", "a: !c d\n", "- a\n",
        "a\n", "---\n---\na: b\n", "a: b\n...\nc: d\n", "%YAML 1.1\n---\na: b\n", "a: {b: c,\n  d: e}\n", "a: {b}\n", "a: [b: c]\n",
        "a: {b: c,}\n", "a: \"b\" c\n", "a: \"b\"# c\n", "a: 'b''c'\n", "a: \"b\\n\"\n", "a: \"b\n  c\"\n", "? a\n: b\n", "a: -1\n",
        "a:\n  - b\n c: d\n", "a:\n  b: c\n d: e\n", "a:\n  - b\n  c: d\n", "a:\n    - b\n   - c\n", "a: [b, c\n", "a: }\n", "a: {b: c}}\n",
        "a: {b: c} d\n", "a: {b: c}: d\n", "\"a\": b\n", "a b: c\n", "<<: {a: b}\n", "a: {b:c}\n", "a: {b:: c}\n", "a: {b: c:,d: e}\n",
        "a: ~\n", "--- a\n", "---a: b\n", "a: b\n---\n", "a: b\n--- \n", "a:\n  - - b\n", "a:\n  -\n    b\n", "a: {b: }\n", "a: {?b: c}\n", "a: - b\n",
        "a:\n  - b\n    c\n", "a: b\n# c\n d\n", "a: @b\n", "a: `b\n", "a: {b: c # d\n}\n", "a: [b]c\n", "a: [b,,c]\n", "a: [,b]\n",
    ]

    private func expectSame(_ bytes: [UInt8], _ place: SourceLocation = #_sourceLocation) -> Int {
        guard let (reading, plain) = plainFirst(bytes) else { return 0 }
        #expect(reading == libyaml(bytes), "\(String(decoding: bytes, as: UTF8.self))", sourceLocation: place)
        return plain
    }

    @Test(arguments: texts) func `a plain document is read as libyaml reads it`(text: String) {
        let plain = expectSame(Array(text.utf8))
        #expect(plain > 0, "it was left to libyaml")
    }

    @Test(arguments: others) func `what is not plain is left to libyaml`(text: String) {
        _ = expectSame(Array(text.utf8))
        _ = expectSame(Array(("x: y\n---\n" + text).utf8))
        _ = expectSame(Array((text + "---\nx: y\n").utf8))
    }

    @Test func `bytes that are not plain text leave the whole file to libyaml`() {
        for text in ["a: b\n---\na: é\n", "a: b\r\n", "a:\tb\n", "a: b\n\u{0}", "\u{FEFF}a: b\n"] {
            #expect(plainFirst(Array(text.utf8)) == nil)
        }
    }

    @Test func `manifests are plain, and damaged ones are read as libyaml reads them`() throws {
        let pieces = [
            "\n", " ", "  ", "---\n", "...\n", ": ", ":", "- ", "-", "{", "}", "[", "]", ",", ", ", "\"", "'", "&a ", "*a", "#", " #", "|\n", "?",
            "\n    ", "\n  - ", "a: b\n", "!x ", "%", "@", "~", ".", "/", "\\",
        ].map { Array($0.utf8) }
        var plain = 0
        var refused = 0
        for folder in ["examples/three-zones", "examples/single-host"] {
            for file in try ManifestDirectory.read(root.appending(path: folder).path()) {
                guard case .bytes(let whole) = file.content else { continue }
                for seed in 0..<UInt64(400) {
                    var random = Seeded(state: seed &+ 1)
                    var bytes = whole
                    for _ in 0..<Int(seed % 4) {
                        let place = Int.random(in: 0..<bytes.count, using: &random)
                        switch Int.random(in: 0..<5, using: &random) {
                        case 0: bytes[place] = UInt8.random(in: 0x20..<0x7F, using: &random)
                        case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...12, using: &random)))
                        case 2: bytes.removeSubrange(max(place, 1)...)
                        default: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: place)
                        }
                        if bytes.isEmpty { bytes = [0x0A] }
                    }
                    let read = expectSame(bytes)
                    plain += read
                    if read == 0 { refused += 1 }
                }
            }
        }
        // Both must happen, or nothing was compared.
        #expect(plain > 1000 && refused > 100)
    }
}
