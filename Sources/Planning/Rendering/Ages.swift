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
        let (year, month, day) = CivilDate.date(ofDay: days)
        return "\(year)-\(two(month))-\(two(day)) \(two(time / 3600)):\(two(time % 3600 / 60)):\(two(time % 60))Z"
    }

    private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
