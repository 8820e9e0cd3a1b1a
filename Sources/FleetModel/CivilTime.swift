// The calendar, for people and manifests: moments as RFC 3339 text. Days and dates after Howard Hinnant's
// "chrono-compatible low-level date algorithms": years are counted from a first of March, in eras of 400.

package enum CivilDate {
    /// The Gregorian date of a day since 1970-01-01.
    package static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    /// The reverse. Of a date that there is not, such as 30 February, the day of another one.
    static func day(ofYear year: Int64, month: Int64, day: Int64) -> Int64 {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

extension Instant {
    /// What `init(rfc3339:)` takes, as an ECMA 262 regular expression.
    package static let rfc3339Pattern =
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"

    /// A moment as RFC 3339 writes it, with its offset: `2026-11-21T22:00:00Z`, `2026-11-22T06:00:00+08:00`. Finer than a
    /// millisecond is cut off. Nil for anything else, and for a date or time that there is not (a leap second is none).
    package init?(rfc3339 text: String) {
        var reader = DigitReader(rest: Array(text.utf8)[...])
        guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"),
            let day = reader.number(2), reader.skip("Tt "), let hour = reader.number(2), reader.skip(":"),
            let minute = reader.number(2), reader.skip(":"), let second = reader.number(2)
        else { return nil }
        guard let fraction = reader.milliseconds(), let offset = reader.offsetMinutes(), reader.rest.isEmpty else { return nil }
        let days = CivilDate.day(ofYear: year, month: month, day: day)
        let (civilYear, civilMonth, civilDay) = CivilDate.date(ofDay: days)
        guard (1...12).contains(month), (civilYear, civilMonth, civilDay) == (year, month, day), hour < 24, minute < 60, second < 60
        else { return nil }
        let seconds = days * 86_400 + hour * 3600 + (minute - offset) * 60 + second
        self.init(milliseconds: seconds * 1000 + fraction)
    }

    /// In UTC, to the second: `2026-11-21T22:00:00Z`; with milliseconds where there are any.
    package var rfc3339: String {
        let rest = ((milliseconds % 86_400_000) + 86_400_000) % 86_400_000
        let (year, month, day) = CivilDate.date(ofDay: (milliseconds - rest) / 86_400_000)
        let second = rest / 1000
        let time = [second / 3600, second / 60 % 60, second % 60].map { Self.padded($0, 2) }.joined(separator: ":")
        let fraction = rest % 1000 == 0 ? "" : "." + Self.padded(rest % 1000, 3)
        return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(day, 2))T\(time)\(fraction)Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

/// Reads ASCII digits and separators off the front of a text.
private struct DigitReader {
    var rest: ArraySlice<UInt8>

    /// Exactly so many digits.
    mutating func number(_ count: Int) -> Int64? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest = rest.dropFirst(count)
        return digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    /// One of these characters.
    mutating func skip(_ characters: String) -> Bool {
        guard let first = rest.first, characters.utf8.contains(first) else { return false }
        rest = rest.dropFirst()
        return true
    }

    /// A fraction of a second, if there is one; nil where it is none.
    mutating func milliseconds() -> Int64? {
        guard skip(".") else { return 0 }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...9).contains(digits.count) else { return nil }
        rest = rest.dropFirst(digits.count)
        return (Array(digits.prefix(3)) + [0x30, 0x30]).prefix(3).reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    mutating func offsetMinutes() -> Int64? {
        if skip("Zz") { return 0 }
        let sign: Int64 = rest.first == UInt8(ascii: "-") ? -1 : 1
        guard skip("+-"), let hours = number(2), skip(":"), let minutes = number(2), hours < 24, minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes)
    }
}
