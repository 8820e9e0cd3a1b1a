/// Sizes as Kubernetes writes them: `1Gi`, `512Mi`, `1.5G`, `1e9`, plain bytes.
enum Quantity {
    private static let suffixes: [(text: String, factor: Int64)] = [
        ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("Pi", 1 << 50), ("Ei", 1 << 60),
        ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000), ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000), ("", 1),
    ]

    static let pattern = "^[0-9]+(\\.[0-9]+)?([eE][0-9]{1,2}|Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E)?$"

    /// Bytes. A fraction of a byte is rounded up, as Kubernetes does. Nil where it is none or beyond 2^63 - 1.
    static func bytes(_ text: String) -> Int64? {
        let number = text.utf8.prefix { isDigit($0) || $0 == UInt8(ascii: ".") }
        guard let factor = factor(of: String(text.dropFirst(number.count))) else { return nil }
        let parts = number.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, !whole.isEmpty, whole.count <= 19, let units = Int64(String(whole) ?? "")
        else { return nil }
        let product = units.multipliedReportingOverflow(by: factor)
        guard !product.overflow else { return nil }
        guard parts.count == 2 else { return product.partialValue }
        guard let fraction = scaled(parts[1], by: factor) else { return nil }
        let sum = product.partialValue.addingReportingOverflow(fraction)
        return sum.overflow ? nil : sum.partialValue
    }

    /// The largest unit that leaves a whole number: `1Gi`, `1536Mi`, `1000`.
    static func text(_ bytes: Int64) -> String {
        guard bytes > 0 else { return String(bytes) }
        let step = min(bytes.trailingZeroBitCount / 10, 6)
        return String(bytes >> Int64(step * 10)) + ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][step]
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func factor(of suffix: String) -> Int64? {
        if let known = suffixes.first(where: { $0.text == suffix }) { return known.factor }
        guard suffix.first == "e" || suffix.first == "E", suffix.dropFirst().allSatisfy({ $0.isASCII && $0.isNumber }),
            let exponent = Int(suffix.dropFirst()), exponent <= 18
        else { return nil }
        return (0..<exponent).reduce(Int64(1)) { factor, _ in factor * 10 }
    }

    /// `0.digits × factor`, rounded up. At most nine digits, so that the product of them and a factor fits 128 bits.
    private static func scaled(_ digits: some Collection<UInt8>, by factor: Int64) -> Int64? {
        guard !digits.isEmpty, digits.count <= 9, let units = Int64(String(decoding: digits, as: UTF8.self)) else {
            return nil
        }
        let divisor = (0..<digits.count).reduce(Int64(1)) { power, _ in power * 10 }
        let product = units.multipliedFullWidth(by: factor)
        let (quotient, remainder) = divisor.dividingFullWidth(product)
        return quotient + (remainder > 0 ? 1 : 0)
    }
}
