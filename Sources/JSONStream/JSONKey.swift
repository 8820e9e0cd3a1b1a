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
        guard let base = raw.baseAddress else { return true }
        let (mine, other) = (UnsafeRawPointer(base), UnsafeRawPointer(name.utf8Start))
        var index = 0
        while index + 8 <= raw.count {
            if mine.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                != other.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            {
                return false
            }
            index += 8
        }
        while index < raw.count {
            if base[index] != name.utf8Start[index] { return false }
            index += 1
        }
        return true
    }
}
