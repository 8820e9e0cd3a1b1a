import FleetModel
import Foundation
import MetadataStore
@testable import Monitoring
import Testing

@Suite struct AlertPayloadTests {
    private let alert = AlertRecord(
        key: "k", labels: ["alertname": "InstanceDown", "unit": "Cluster/a\"b", "cluster": "a\"b"],
        annotations: ["summary": "s"], began: Instant(milliseconds: 1_700_000_000_123),
        ended: Instant(milliseconds: 1_700_000_060_000))

    @Test func `the payload is Alertmanager's, version 4`() {
        let text = AlertPayload.text(alert, channel: "hook", isResolved: false, externalURL: "http://127.0.0.1:7070")
        #expect(
            text == #"{"version":"4","groupKey":"{}:{alertname=\"InstanceDown\", unit=\"Cluster/a\\\"b\"}","truncatedAlerts":0,"#
                + #""status":"firing","receiver":"hook","groupLabels":{"alertname":"InstanceDown","unit":"Cluster/a\"b"},"#
                + #""commonLabels":{"alertname":"InstanceDown","cluster":"a\"b","unit":"Cluster/a\"b"},"#
                + #""commonAnnotations":{"summary":"s"},"externalURL":"http://127.0.0.1:7070","alerts":[{"status":"firing","#
                + #""labels":{"alertname":"InstanceDown","cluster":"a\"b","unit":"Cluster/a\"b"},"annotations":{"summary":"s"},"#
                + #""startsAt":"2023-11-14T22:13:20.123Z","endsAt":"0001-01-01T00:00:00Z","#
                + #""generatorURL":"http://127.0.0.1:7070","fingerprint":"\#(alert.fingerprint)"}]}"#)
        #expect(alert.fingerprint.count == 16)
    }

    @Test func `a resolved alert has its end`() {
        let text = AlertPayload.text(alert, channel: "hook", isResolved: true, externalURL: "")
        #expect(text.contains(#""endsAt":"2023-11-14T22:14:20.000Z""#))
        #expect(!text.contains("firing"))
    }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
        (1_709_164_800_000, "2024-02-29T00:00:00.000Z"), (1_704_067_199_000, "2023-12-31T23:59:59.000Z"),
    ])
    func `a moment is written as RFC 3339 has it`(milliseconds: Int64, text: String) {
        #expect(Timestamp.text(Instant(milliseconds: milliseconds)) == text)
    }
}
