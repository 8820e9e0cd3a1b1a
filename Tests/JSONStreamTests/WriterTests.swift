import JSONStream
import Testing

@Test func `commas stand between values only`() {
    var writer = JSONWriter()
    writer.object { writer in
        writer.member("a", 1)
        writer.key("b")
        writer.beginArray()
        writer.object { _ in }
        writer.object { $0.member("c", true) }
        writer.endArray()
        writer.member("d", ifPresent: nil as String?)
        writer.member("e", ifFilled: [] as [Int])
        writer.member("f", "x")
    }
    #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a":1,"b":[{},{"c":true}],"f":"x"}"#)
}

@Test func `strings are escaped where JSON asks for it and nowhere else`() {
    #expect("a\"\\/\n\r\t\u{1}\u{1f}é😀".jsonText == #""a\"\\/\n\r\t\u0001\u001fé😀""#)
}

@Test(arguments: [0, 7, -1, 10, 1_234_567_890, .max, .min] as [Int64])
func `integers are written as they are`(_ value: Int64) {
    #expect(value.jsonText == "\(value)")
}

@Test func `doubles that JSON cannot say become null`() {
    #expect([1.5, -0.25, .infinity, .nan].jsonText == "[1.5,-0.25,null,null]")
}

@Test func `dictionaries and sets are written sorted`() {
    #expect(["b": 1, "a": 2, "c": 3].jsonText == #"{"a":2,"b":1,"c":3}"#)
    #expect(Set(["b", "a"]).jsonText == #"["a","b"]"#)
}

@Test func `a flushed document is the same document`() throws {
    var pieces: [UInt8] = []
    var writer = JSONWriter()
    writer.beginArray()
    for number in 0..<100_000 {
        writer.write(number)
        writer.flushIfLarge { pieces += $0 }
        #expect(writer.bytes.count < JSONWriter.flushSize)
    }
    writer.endArray()
    writer.flush { pieces += $0 }
    writer.flush { _ in Issue.record("nothing was left") }
    #expect(try [Int](json: pieces) == Array(0..<100_000))
}

@Test func `line ends between values stay JSON`() throws {
    var writer = JSONWriter()
    writer.beginArray()
    for number in 1...3 {
        writer.lineEnd()
        writer.write(number)
    }
    writer.lastLineEnd()
    writer.endArray()
    #expect(String(decoding: writer.bytes, as: UTF8.self) == "[\n1,\n2,\n3\n]")
    #expect(try [Int](json: writer.bytes) == [1, 2, 3])
}

@Test func `optional values keep nil apart in dictionaries`() throws {
    let values: [String: String?] = ["a": nil, "b": "x"]
    #expect(values.jsonText == #"{"a":null,"b":"x"}"#)
    #expect(try [String: String?](jsonText: values.jsonText) == values)
}
