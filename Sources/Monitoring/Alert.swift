import FleetModel
import MetadataStore

/// What makes a finding one with the finding of the next pass.
struct AlertIdentity: Hashable, Comparable {
    var unit: String
    var reason: String
    var subject: String

    init(unit: UnitID, _ finding: Finding) {
        self.unit = unit.description
        reason = finding.reason
        subject = finding.subject
    }

    /// From the labels that it was stored with.
    init(_ record: AlertRecord) {
        unit = record.labels["unit"] ?? ""
        reason = record.labels["alertname"] ?? ""
        subject = record.labels["subject"] ?? ""
    }

    /// So long it must be gone before its alert has ended.
    var lingering: Duration { AlertFacts.telling(reason).lingering }

    static func < (left: AlertIdentity, right: AlertIdentity) -> Bool {
        (left.unit, left.reason, left.subject) < (right.unit, right.reason, right.subject)
    }
}

extension AlertRecord {
    /// A new alert. Labels say which one it is and are what channels match; annotations are for people.
    static func from(_ finding: Finding, of report: UnitAlerts, began: Instant) -> AlertRecord {
        let fact = AlertFacts.fact(finding.reason, unit: report.unit)
        let identity = AlertIdentity(unit: report.unit, finding)
        var labels = [
            "alertname": finding.reason, "unit": identity.unit, "subject": finding.subject,
            "severity": fact.severity.rawValue,
        ]
        if report.unit.kind == .cluster { labels["cluster"] = report.unit.name }
        if !finding.host.isEmpty { labels["host"] = finding.host }
        if let instance = instance(finding.subject, of: report.unit) { labels["instance"] = instance }
        let key = [identity.unit, identity.reason, identity.subject, String(began.milliseconds)].joined(separator: "|")
        var record = AlertRecord(key: key, labels: labels, annotations: [:], began: began)
        record.annotations = annotations(finding, report, since: began, mend: fact.mend)
        return record
    }

    static func annotations(_ finding: Finding, _ report: UnitAlerts, since: Instant, mend: String) -> [String: String] {
        [
            "summary": finding.reason + ": " + finding.subject, "description": finding.message,
            "since": Timestamp.text(since), "revision": report.revision, "mend": mend,
        ]
    }

    /// `orders-2` of `orders-2` and `orders-2.max_connections`.
    private static func instance(_ subject: String, of unit: UnitID) -> String? {
        guard unit.kind == .cluster, subject.hasPrefix(unit.name + "-") else { return nil }
        let name = subject.prefix { $0 != "." }
        let ordinal = name.dropFirst(unit.name.count + 1)
        return !ordinal.isEmpty && ordinal.allSatisfy(\.isNumber) ? String(name) : nil
    }

    /// As Alertmanager has it: 16 hex digits that name the labels.
    var fingerprint: String {
        let text = labels.sorted { $0.key < $1.key }.map { "\($0.key)\u{ff}\($0.value)\u{ff}" }.joined()
        return String(SHA256.hex(text).prefix(16))
    }

    func matches(_ channel: AlertChannel) -> Bool {
        channel.matchers.allSatisfy { labels[$0.key] == $0.value }
    }
}

/// RFC 3339, in UTC, with milliseconds: `2026-11-21T02:26:06.123Z`.
enum Timestamp {
    static func text(_ instant: Instant) -> String {
        let (seconds, milliseconds) = floored(instant.milliseconds, 1000)
        let (days, second) = floored(seconds, 86_400)
        let (year, month, day) = CivilDate.date(ofDay: days)
        let time = [second / 3600, second / 60 % 60, second % 60].map { padded($0, 2) }.joined(separator: ":")
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T\(time).\(padded(milliseconds, 3))Z"
    }

    private static func floored(_ value: Int64, _ unit: Int64) -> (Int64, Int64) {
        let rest = (value % unit + unit) % unit
        return ((value - rest) / unit, rest)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}
