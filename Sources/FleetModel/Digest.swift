/// SHA-256 (FIPS 180-4) and HMAC (RFC 2104), so that the pure part of the product can name a plan or a configuration by
/// its content without a C library.
package enum SHA256 {
    private static let roundConstants: [UInt32] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ]

    /// The 32 bytes of the digest.
    package static func hash(_ message: [UInt8]) -> [UInt8] { Prefix().hash(appending: message) }

    /// A message of which the first part is known beforehand: it is digested once, what follows many times.
    package struct Prefix: Sendable {
        private var state: State = (
            0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
        )
        /// Bytes that do not fill a block yet.
        private var rest: [UInt8] = []
        private var count = 0

        package init() {}

        package init(_ text: String) {
            rest = Array(text.utf8)
            count = rest.count
            SHA256.compress(rest[...], into: &state)
            rest.removeFirst(rest.count / 64 * 64)
        }

        /// The digest of the prefix and this.
        package func hash(appending message: [UInt8]) -> [UInt8] {
            var state = state
            var last: [UInt8] = []
            // The mark, the zeros and the length fill at most two more blocks.
            last.reserveCapacity(rest.count + message.count + 128)
            last += rest
            last += message
            let bits = UInt64(count + message.count) * 8
            last.append(0x80)
            last.append(contentsOf: repeatElement(0, count: (120 - last.count % 64) % 64))
            for shift in stride(from: 56, through: 0, by: -8) { last.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift))) }
            SHA256.compress(last[...], into: &state)
            var digest: [UInt8] = []
            digest.reserveCapacity(32)
            for word in [state.0, state.1, state.2, state.3, state.4, state.5, state.6, state.7] {
                for shift in [24, 16, 8, 0] as [UInt32] { digest.append(UInt8(truncatingIfNeeded: word >> shift)) }
            }
            return digest
        }
    }

    /// Lower-case hex of the digest of a text's UTF-8 bytes.
    package static func hex(_ text: String) -> String { hex(hash(Array(text.utf8))) }

    /// Keyed digest of a text, lower-case hex.
    package static func keyedHex(key: [UInt8], _ text: String) -> String {
        hex(keyed(key: key, Array(text.utf8)))
    }

    package static func keyed(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? hash(key) : key
        block.append(contentsOf: repeatElement(0, count: 64 - block.count))
        return hash(block.map { $0 ^ 0x5c } + hash(block.map { $0 ^ 0x36 } + message))
    }

    package static func hex(_ bytes: [UInt8]) -> String {
        func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }
        return String(unsafeUninitializedCapacity: bytes.count * 2) { text in
            for (index, byte) in bytes.enumerated() {
                text[2 * index] = digit(byte >> 4)
                text[2 * index + 1] = digit(byte & 15)
            }
            return bytes.count * 2
        }
    }

    fileprivate typealias State = (UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32, UInt32)

    @inline(__always)
    private static func rotated(_ word: UInt32, _ by: UInt32) -> UInt32 { word &>> by | word &<< (32 &- by) }

    /// Takes in all whole blocks. On memory without bounds checks, the rounds written out by eight so that the eight words
    /// change places by name only: every configuration, record and task of a fleet passes through here in each plan.
    fileprivate static func compress(_ bytes: ArraySlice<UInt8>, into state: inout State) {
        bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            roundConstants.withUnsafeBufferPointer { constants in
                guard let constants = constants.baseAddress else { return }
                withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { schedule in
                    guard let schedule = schedule.baseAddress else { return }
                    for block in 0..<bytes.count / 64 {
                        expand(UnsafeRawPointer(base + block &* 64), schedule)
                        mix(schedule, constants, &state)
                    }
                }
            }
        }
    }

    @inline(__always)
    private static func expand(_ block: UnsafeRawPointer, _ schedule: UnsafeMutablePointer<UInt32>) {
        for index in 0..<16 {
            schedule[index] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self))
        }
        for index in 16..<64 {
            let early = schedule[index &- 15]
            let late = schedule[index &- 2]
            let small0 = rotated(early, 7) ^ rotated(early, 18) ^ early &>> 3
            let small1 = rotated(late, 17) ^ rotated(late, 19) ^ late &>> 10
            schedule[index] = schedule[index &- 16] &+ small0 &+ schedule[index &- 7] &+ small1
        }
    }

    /// One round: of the eight words only `d` and `h` change.
    @inline(__always)
    private static func round(
        _ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: inout UInt32, _ e: UInt32, _ f: UInt32, _ g: UInt32,
        _ h: inout UInt32, _ word: UInt32
    ) {
        let first = h &+ (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) &+ (g ^ e & (f ^ g)) &+ word
        d = d &+ first
        h = first &+ (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) &+ (a & b | c & (a | b))
    }

    @inline(__always)
    private static func mix(
        _ schedule: UnsafeMutablePointer<UInt32>, _ constants: UnsafePointer<UInt32>, _ state: inout State
    ) {
        var (a, b, c, d, e, f, g, h) = state
        var index = 0
        while index < 64 {
            let words = schedule + index
            let keys = constants + index
            round(a, b, c, &d, e, f, g, &h, words[0] &+ keys[0])
            round(h, a, b, &c, d, e, f, &g, words[1] &+ keys[1])
            round(g, h, a, &b, c, d, e, &f, words[2] &+ keys[2])
            round(f, g, h, &a, b, c, d, &e, words[3] &+ keys[3])
            round(e, f, g, &h, a, b, c, &d, words[4] &+ keys[4])
            round(d, e, f, &g, h, a, b, &c, words[5] &+ keys[5])
            round(c, d, e, &f, g, h, a, &b, words[6] &+ keys[6])
            round(b, c, d, &e, f, g, h, &a, words[7] &+ keys[7])
            index += 8
        }
        state.0 &+= a
        state.1 &+= b
        state.2 &+= c
        state.3 &+= d
        state.4 &+= e
        state.5 &+= f
        state.6 &+= g
        state.7 &+= h
    }
}
