/// A member's name as it stands in the bytes that a reader reads, so that comparing it with a known one makes no string.
///
/// Valid only while the reader's bytes are: it is handed to a closure and must not leave it.
@usableFromInline
package struct JSONKey {
    @usableFromInline let raw: UnsafeBufferPointer<UInt8>
    @usableFromInline let hasEscapes: Bool
    /// The name where it is written with escapes, which nobody does but who may.
    private let decoded: String?

    init(raw: UnsafeBufferPointer<UInt8>, decoded: String?) {
        self.raw = raw
        self.decoded = decoded
        hasEscapes = decoded != nil
    }

    @usableFromInline
    package var text: String { decoded ?? String(decoding: raw, as: UTF8.self) }

    @inlinable
    package static func ~= (pattern: StaticString, key: JSONKey) -> Bool { key.equals(pattern) }
    @inlinable
    package static func == (key: JSONKey, name: StaticString) -> Bool { key.equals(name) }

    @inlinable @inline(__always)
    func equals(_ name: StaticString) -> Bool {
        if name.utf8CodeUnitCount != raw.count && !hasEscapes { return false }
        return hasSameText(name)
    }

    @usableFromInline
    func hasSameText(_ name: StaticString) -> Bool {
        if let decoded { return decoded == name.description }
        let other = name.utf8Start
        for index in 0..<raw.count where raw[index] != other[index] { return false }
        return true
    }
}
