import Testing

@testable import Engines

@Test func `a copy's stream is read in whatever pieces it comes`() throws {
    let body = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let stream = CopyStream.greeting(token: "abc", expected: 7) + CopyStream.frame(body[...]) + CopyStream.position("7-1-9") + CopyStream.end
    for size in [1, 3, 64, 5000] {
        var reader = CopyReader()
        var parts: [CopyReader.Part] = []
        for start in stride(from: 0, to: stream.count, by: size) {
            reader.append(Array(stream[start..<min(start + size, stream.count)]))
            while let part = try reader.next() { parts.append(part) }
        }
        #expect(parts == [.greeting(token: "abc", expected: 7), .bytes(body), .position("7-1-9"), .end])
    }
}

@Test func `a failed backup is told with its reason`() throws {
    var reader = CopyReader()
    reader.append(CopyStream.greeting(token: "t", expected: 0) + CopyStream.failure("disk on fire"))
    #expect(try reader.next() == .greeting(token: "t", expected: 0))
    #expect(try reader.next() == .failed("disk on fire"))
}

@Test func `what is no copy is refused before it fills the memory`() throws {
    var reader = CopyReader()
    reader.append([UInt8](repeating: 65, count: 4096))
    #expect(throws: EngineError.self) { try reader.next() }
    var second = CopyReader()
    second.append(CopyStream.greeting(token: "t", expected: 0) + [0x7f, 0, 0, 0])
    _ = try second.next()
    #expect(throws: EngineError.self) { try second.next() }
}
