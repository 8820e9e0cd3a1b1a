/// What `mysql_native_password` stores for a password, so that a password never has to reach a server, its log or its
/// binlog as text.
package enum NativePassword {
    /// `*` and the 40 upper-case hex digits of SHA-1 of SHA-1 of the password's UTF-8 bytes; empty for an empty password.
    package static func authenticationString(_ password: String) -> String {
        guard !password.isEmpty else { return "" }
        return "*" + SHA256.hex(SHA1.hash(SHA1.hash(Array(password.utf8)))).uppercased()
    }
}

/// SHA-1 (FIPS 180-4). It protects nothing here: the protocol of MySQL prescribes it.
enum SHA1 {
    /// The 20 bytes of the digest.
    static func hash(_ message: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
        var padded = message
        padded.append(0x80)
        padded.append(contentsOf: repeatElement(0, count: (120 - padded.count % 64) % 64))
        let bits = UInt64(message.count) * 8
        for shift in stride(from: 56, through: 0, by: -8) { padded.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift))) }
        for start in stride(from: 0, to: padded.count, by: 64) { compress(padded[start..<start + 64], &state) }
        return state.flatMap { word in [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) } }
    }

    private static func compress(_ block: ArraySlice<UInt8>, _ state: inout [UInt32]) {
        let bytes = Array(block)
        var schedule = (0..<16).map { index in
            bytes[index * 4..<index * 4 + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        for index in 16..<80 {
            schedule.append(
                rotated(schedule[index - 3] ^ schedule[index - 8] ^ schedule[index - 14] ^ schedule[index - 16], 1))
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for index in 0..<80 {
            let (mixed, constant) = round(index, b, c, d)
            let next = rotated(a, 5) &+ mixed &+ e &+ constant &+ schedule[index]
            (e, d, c, b, a) = (d, c, rotated(b, 30), a, next)
        }
        for (index, value) in [a, b, c, d, e].enumerated() { state[index] = state[index] &+ value }
    }

    private static func round(_ index: Int, _ b: UInt32, _ c: UInt32, _ d: UInt32) -> (mixed: UInt32, constant: UInt32) {
        switch index {
        case ..<20: (b & c | ~b & d, 0x5a827999)
        case ..<40: (b ^ c ^ d, 0x6ed9eba1)
        case ..<60: (b & c | b & d | c & d, 0x8f1bbcdc)
        default: (b ^ c ^ d, 0xca62c1d6)
        }
    }

    private static func rotated(_ word: UInt32, _ by: UInt32) -> UInt32 { word << by | word >> (32 - by) }
}
