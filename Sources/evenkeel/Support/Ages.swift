import FleetModel
import FoundationEssentials

/// An age in one unit, as people read it: `4s`, `3m`, `2h`, `5d`.
func ageText(_ age: Duration?) -> String {
    guard let age else { return "-" }
    let seconds = max(0, age.milliseconds / 1000)
    switch seconds {
    case ..<120: return "\(seconds)s"
    case ..<7200: return "\(seconds / 60)m"
    case ..<172_800: return "\(seconds / 3600)h"
    default: return "\(seconds / 86_400)d"
    }
}

/// UTC, to the second: `2026-11-21 02:03:04`.
func timeText(_ time: Instant) -> String {
    let date = Date(timeIntervalSince1970: Double(time.milliseconds) / 1000)
    return date.formatted(.iso8601.year().month().day().time(includingFractionalSeconds: false).dateTimeSeparator(.space))
}

/// Powers of 1024 with one digit: `1.5Gi`.
func bytesText(_ bytes: Int64) -> String {
    var value = Double(bytes)
    for unit in ["", "Ki", "Mi", "Gi", "Ti"] {
        if value < 1024 { return unit.isEmpty ? "\(bytes)" : "\((value * 10).rounded() / 10)\(unit)" }
        value /= 1024
    }
    return "\((value * 10).rounded() / 10)Pi"
}
