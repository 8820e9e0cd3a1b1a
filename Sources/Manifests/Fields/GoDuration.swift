import FleetModel

/// Durations as Go writes them: `30s`, `24h`, `1h30m`, `250ms`.
enum GoDuration {
    private static let units: [(text: String, nanoseconds: Int64)] = [
        ("ns", 1), ("us", 1000), ("µs", 1000), ("μs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
        ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    static let pattern = "^(0|([0-9]+(\\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$"

    /// Nil where it is none, negative, or beyond 292 years.
    static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        guard !text.isEmpty, text.utf8.count <= 64 else { return nil }
        var rest = Substring(text)
        var total: Int64 = 0
        while !rest.isEmpty {
            guard let part = part(&rest) else { return nil }
            let sum = total.addingReportingOverflow(part)
            guard !sum.overflow else { return nil }
            total = sum.partialValue
        }
        return .nanoseconds(total)
    }

    /// Takes one number and its unit off the front; nanoseconds.
    private static func part(_ rest: inout Substring) -> Int64? {
        let number = rest.prefix { $0.isASCII && $0.isNumber || $0 == "." }
        rest = rest.dropFirst(number.count)
        let name = rest.prefix { !($0.isASCII && $0.isNumber) && $0 != "." }
        rest = rest.dropFirst(name.count)
        guard let unit = units.first(where: { $0.text == name }) else { return nil }
        let parts = number.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = parts.first, let units = Int64(whole) else { return nil }
        let product = units.multipliedReportingOverflow(by: unit.nanoseconds)
        guard !product.overflow else { return nil }
        guard parts.count == 2 else { return product.partialValue }
        guard let digits = Int64(parts[1]), parts[1].count <= 9 else { return nil }
        let divisor = (0..<parts[1].count).reduce(Int64(1)) { power, _ in power * 10 }
        let (fraction, overflow) = digits.multipliedReportingOverflow(by: unit.nanoseconds)
        guard !overflow else { return nil }
        let sum = product.partialValue.addingReportingOverflow(fraction / divisor)
        return sum.overflow ? nil : sum.partialValue
    }

    /// Hours, minutes, seconds, milliseconds, each where it is not zero; finer parts are cut off.
    static func text(_ duration: Duration) -> String {
        var milliseconds = duration.milliseconds
        guard milliseconds > 0 else { return "0s" }
        var text = ""
        for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] as [(String, Int64)] {
            if milliseconds >= size { text += "\(milliseconds / size)\(unit)" }
            milliseconds %= size
        }
        return text
    }
}
