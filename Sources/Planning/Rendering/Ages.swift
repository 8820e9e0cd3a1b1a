import FleetModel

/// Times as people read them.
enum Ages {
    /// `0.8 s`, `42 s`, `5 min`, `3 h`, `12 days`: one unit, cut off.
    static func text(_ age: Duration) -> String {
        let milliseconds = max(age.milliseconds, 0)
        let seconds = milliseconds / 1000
        switch seconds {
        case ..<10: return "\(seconds).\(milliseconds % 1000 / 100) s"
        case ..<120: return "\(seconds) s"
        case ..<7200: return "\(seconds / 60) min"
        case ..<172_800: return "\(seconds / 3600) h"
        default: return "\(seconds / 86400) days"
        }
    }

    /// `2026-11-21 10:02:11Z`
    static func clock(_ moment: Instant) -> String {
        let seconds = moment.milliseconds / 1000 - (moment.milliseconds % 1000 < 0 ? 1 : 0)
        let days = (seconds - ((seconds % 86400) + 86400) % 86400) / 86400
        let time = ((seconds % 86400) + 86400) % 86400
        let (year, month, day) = date(days)
        return "\(year)-\(two(month))-\(two(day)) \(two(time / 3600)):\(two(time % 3600 / 60)):\(two(time % 60))Z"
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// The Gregorian date of a day since 1970-01-01, counted in eras of 400 years from a first of March (Howard Hinnant,
    /// "chrono-compatible low-level date algorithms").
    private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
