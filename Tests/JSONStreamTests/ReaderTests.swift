import JSONStream
import Testing

private func read<Value: JSONCodable>(_ text: String, as type: Value.Type) throws -> Value { try Value(jsonText: text) }

/// The same numbers in every run (SplitMix64), so that a failure comes back.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

private func fault(_ text: String) -> JSONError? {
    do {
        try JSONReader.readAll(Array(text.utf8)) { reader in try reader.skip() }
        return nil
    } catch {
        return error as? JSONError
    }
}

@Test(arguments: [
    ("\"\"", ""), (#""a\"b\\c\/d""#, "a\"b\\c/d"), (#""\b\f\n\r\t""#, "\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u4e2d""#, "Aé中"),
    (#""\ud83d\ude00!""#, "😀!"), ("\"杭州 é\"", "杭州 é"), (#""\u0000""#, "\0"),
])
func `a string means what its escapes say`(_ json: String, _ text: String) throws {
    #expect(try read(json, as: String.self) == text)
}

@Test(arguments: [
    #""\ud83d""#, #""\ud83d\u0041""#, #""\ude00""#, #""\ud83dx""#, #""\x41""#, #""\u00g0""#, #""\u00""#, "\"a\nb\"", "\"abc",
    #""abc\""#,
])
func `a malformed string is refused`(_ json: String) {
    #expect(fault(json) != nil)
}

@Test(arguments: [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]] as [[UInt8]])
func `bytes that are not UTF-8 are refused, also where they are skipped`(_ bytes: [UInt8]) {
    let json = [0x22] + bytes + [0x22]
    #expect(throws: JSONError.self) { try String(json: json) }
    #expect(throws: JSONError.self) { try JSONReader.readAll(json) { try $0.skip() } }
}

@Test func `integers of 64 bits are exact at both ends`() throws {
    #expect(try read("9223372036854775807", as: Int64.self) == .max)
    #expect(try read("-9223372036854775808", as: Int64.self) == .min)
    #expect(try read("-0", as: Int64.self) == 0)
    for json in ["9223372036854775808", "-9223372036854775809", "1.0", "1e3", "99999999999999999999"] {
        #expect(throws: JSONError.self) { try read(json, as: Int64.self) }
    }
}

@Test func `doubles are read and infinite ones refused`() throws {
    #expect(try read("-1.5e-3", as: Double.self) == -0.0015)
    #expect(throws: JSONError.self) { try read("1e999", as: Double.self) }
}

@Test(arguments: [
    "", " ", "01", "-", "1.", ".5", "1e", "+1", "tru", "nul", "truex", "{", "[", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "[1 2]",
    "[1]]", "{} {}", "'a'", "NaN", "// x\n1", "{\"a\":}", "[,1]", "\u{feff}1",
])
func `what is not JSON is refused`(_ json: String) {
    #expect(fault(json) != nil)
}

@Test(arguments: ["0", "-0.5E+10", " [ ] ", "{ }", "\t[1,\r\n{\"a\":null,\"b\":[true,false]}] ", "\"\\u007f\u{7f}\""])
func `what is JSON passes`(_ json: String) {
    #expect(fault(json) == nil)
}

@Test func `an error tells the byte`() {
    #expect(fault("{\"abc\": [1, x]}")?.offset == 12)
    #expect(fault("[\"é\", \"\\q\"]")?.offset == 8)
}

@Test func `nesting is bounded`() {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(fault(deep) == nil)
    #expect(fault("[" + deep + "]")?.kind == .depth)
    #expect(fault(String(repeating: "[", count: 100_000))?.kind == .depth)
    #expect(fault(String(repeating: "{\"a\":", count: 100_000))?.kind == .depth)
}

@Test func `a tag is found wherever it stands and the reader stays`() throws {
    let json = Array(#"{"a":[1,{"type":"no"}],"type":"yes"}"#.utf8)
    try JSONReader.readAll(json) { reader in
        #expect(try reader.tag("type") == "yes")
        #expect(reader.offset == 0)
        try reader.skip()
    }
    #expect(throws: JSONError.self) {
        try JSONReader.readAll(Array("{}".utf8)) { reader in _ = try reader.tag("type"); try reader.skip() }
    }
}

@Test func `a key with escapes is the same key`() throws {
    var found = false
    try JSONReader.readAll(Array(#"{"n\u0061me":1}"#.utf8)) { reader in
        try reader.object { reader, key in
            found = key == "name"
            #expect(key.text == "name")
            try reader.skip()
        }
    }
    #expect(found)
}

@Test func `another type than wanted is told apart from a broken text`() {
    for (json, isMismatch) in [("\"a\"", true), ("[]", true), ("?", false), ("", false)] {
        let error = #expect(throws: JSONError.self) { try Int64(jsonText: json) }
        #expect(error?.isAboutMeaning == isMismatch)
    }
}

@Test func `random bytes never crash and mutilated documents never pass silently`() throws {
    let whole = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",null,true],"b":{"c":"d"}}"#.utf8)
    for length in 0..<whole.count {
        #expect(throws: JSONError.self) { try JSONReader.readAll(whole[..<length]) { try $0.skip() } }
    }
    var random = Seeded(state: 7)
    let alphabet = Array("{}[]\",:\\u0123456789-+.eE truefalsn\u{e9}".utf8) + [0xff, 0x80, 0x00]
    for _ in 0..<20_000 {
        let length = Int.random(in: 0...40, using: &random)
        let bytes = (0..<length).map { _ in alphabet.randomElement(using: &random) ?? 0 }
        _ = try? JSONReader.readAll(bytes) { try $0.skip() }
        _ = try? [String: [Int64]](json: bytes)
        var broken = whole
        broken[Int.random(in: 0..<broken.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        _ = try? JSONReader.readAll(broken) { try $0.skip() }
    }
}
