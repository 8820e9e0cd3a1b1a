import FleetModel
import JSONStream
import MetadataStore

/// The body of a message: Alertmanager's webhook payload, version 4, with one alert.
/// <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>
enum AlertPayload {
    /// What Alertmanager gives for the end of an alert that fires: Go's zero time.
    private static let noEnd = "0001-01-01T00:00:00Z"

    static func text(_ alert: AlertRecord, channel: String, isResolved: Bool, externalURL: String) -> String {
        let group = ["alertname", "unit"].reduce(into: [String: String]()) { $0[$1] = alert.labels[$1] }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", "4" as StaticString)
            writer.member("groupKey", groupKey(group))
            writer.member("truncatedAlerts", 0)
            writer.member("status", status(isResolved))
            writer.member("receiver", channel)
            writer.member("groupLabels", group)
            writer.member("commonLabels", alert.labels)
            writer.member("commonAnnotations", alert.annotations)
            writer.member("externalURL", externalURL)
            writer.key("alerts")
            writer.beginArray()
            writer.object { writer in write(alert, isResolved, externalURL, to: &writer) }
            writer.endArray()
        }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    static func status(_ isResolved: Bool) -> String { isResolved ? "resolved" : "firing" }

    private static func write(_ alert: AlertRecord, _ isResolved: Bool, _ externalURL: String, to writer: inout JSONWriter) {
        let end = isResolved ? alert.ended : nil
        writer.member("status", status(isResolved))
        writer.member("labels", alert.labels)
        writer.member("annotations", alert.annotations)
        writer.member("startsAt", Timestamp.text(alert.began))
        writer.member("endsAt", end.map(Timestamp.text) ?? noEnd)
        writer.member("generatorURL", externalURL)
        writer.member("fingerprint", alert.fingerprint)
    }

    /// `{}:{alertname="InstanceDown", unit="Cluster/orders"}`
    private static func groupKey(_ labels: [String: String]) -> String {
        let inner = labels.sorted { $0.key < $1.key }.map { label in
            let value = label.value.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return "\(label.key)=\"\(value)\""
        }
        return "{}:{" + inner.joined(separator: ", ") + "}"
    }
}
