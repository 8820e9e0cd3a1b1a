/// A member's name as it stands in the bytes that a reader reads, so that comparing it with a known one makes no string.
///
/// Valid only while the reader's bytes are: it is handed to a closure and must not leave it.
package struct JSONKey {
    let raw: UnsafeBufferPointer<UInt8>
    /// Set where the name is written with escapes.
    let decoded: String?

    package var text: String { decoded ?? String(decoding: raw, as: UTF8.self) }

    package static func ~= (pattern: StaticString, key: JSONKey) -> Bool { key.equals(pattern) }
    package static func == (key: JSONKey, name: StaticString) -> Bool { key.equals(name) }

    private func equals(_ name: StaticString) -> Bool {
        if let decoded { return decoded == name.description }
        guard name.utf8CodeUnitCount == raw.count else { return false }
        let other = name.utf8Start
        for index in 0..<raw.count where raw[index] != other[index] { return false }
        return true
    }
}
