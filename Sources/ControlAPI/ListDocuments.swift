package import FleetModel
package import JSONStream

/// One attempt of a task, running or ended.
package struct TaskDocument: JSONDocument, Hashable {
    package var id = ""
    package var unit = ""
    package var action = ""
    /// `orders-2`, or `server`.
    package var target = ""
    package var host = ""
    package var summary = ""
    /// The manifest's `file:line:column` and field, or what was observed.
    package var cause = ""
    package var revision = ""
    package var plan = ""
    package var started = Instant(milliseconds: 0)
    package var ended: Instant?
    /// `running`, `succeeded`, `failed`, `cancelled` or `refused`.
    package var state = "running"
    /// Progress of a running one; why one failed or was refused.
    package var message = ""

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("id", \.id),
        JSONField("unit", \.unit),
        JSONField("action", \.action),
        JSONField("target", \.target),
        JSONField("host", \.host),
        JSONField("summary", \.summary),
        JSONField("cause", \.cause),
        JSONField("revision", \.revision),
        JSONField("plan", \.plan),
        JSONField("startedMilliseconds", \.started),
        JSONField("endedMilliseconds", ifPresent: \.ended),
        JSONField("state", \.state),
        JSONField("message", \.message),
    ]
}

/// One revision as the loop took it.
package struct RevisionDocument: JSONDocument, Hashable {
    package var source = ""
    package var revision = Revision(commit: "")
    /// When its source told of it, and when it was taken into force (nil: it was not).
    package var seen = Instant(milliseconds: 0)
    package var accepted: Instant?
    /// `accepted`, `held` or `refused`.
    package var state = ""
    package var message = ""

    package init() {}

    package static let fields: [JSONField<Self>] = [
        JSONField("source", \.source),
        JSONField("revision", \.revision),
        JSONField("seenMilliseconds", \.seen),
        JSONField("acceptedMilliseconds", ifPresent: \.accepted),
        JSONField("state", \.state),
        JSONField("message", \.message),
    ]
}

/// One line of `GET /api/v1/watch`: where something changed. The truth is read from the view.
package struct ChangeDocument: JSONDocument, Hashable {
    /// `unit`, `host`, `source` or `leadership`.
    package var kind = ""
    package var name = ""

    package init() {}

    package init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    package static let fields: [JSONField<Self>] = [
        JSONField("kind", \.kind),
        JSONField("name", \.name),
    ]
}
