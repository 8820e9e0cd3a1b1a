package import FleetModel
package import JSONStream

/// One attempt of a task, running or ended.
package struct TaskDocument: JSONCodable, Hashable {
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

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("id", id)
        writer.member("unit", unit)
        writer.member("action", action)
        writer.member("target", target)
        writer.member("host", host)
        writer.member("summary", summary)
        writer.member("cause", cause)
        writer.member("revision", revision)
        writer.member("plan", plan)
        writer.member("startedMilliseconds", started)
        writer.member("endedMilliseconds", ifPresent: ended)
        writer.member("state", state)
        writer.member("message", message)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "id": try reader.read(&id)
            case "unit": try reader.read(&unit)
            case "action": try reader.read(&action)
            case "target": try reader.read(&target)
            case "host": try reader.read(&host)
            case "summary": try reader.read(&summary)
            case "cause": try reader.read(&cause)
            case "revision": try reader.read(&revision)
            case "plan": try reader.read(&plan)
            case "startedMilliseconds": try reader.read(&started)
            case "endedMilliseconds": ended = try Instant?(from: &reader)
            case "state": try reader.read(&state)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
    }
}

/// One revision as the loop took it.
package struct RevisionDocument: JSONCodable, Hashable {
    package var source = ""
    package var revision = Revision(commit: "")
    /// When its source told of it, and when it was taken into force (nil: it was not).
    package var seen = Instant(milliseconds: 0)
    package var accepted: Instant?
    /// `accepted`, `held` or `refused`.
    package var state = ""
    package var message = ""

    package init() {}

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("source", source)
        writer.member("revision", revision)
        writer.member("seenMilliseconds", seen)
        writer.member("acceptedMilliseconds", ifPresent: accepted)
        writer.member("state", state)
        writer.member("message", message)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "source": try reader.read(&source)
            case "revision": try reader.read(&revision)
            case "seenMilliseconds": try reader.read(&seen)
            case "acceptedMilliseconds": accepted = try Instant?(from: &reader)
            case "state": try reader.read(&state)
            case "message": try reader.read(&message)
            default: try reader.skip()
            }
        }
    }
}

/// One line of `GET /api/v1/watch`: where something changed. The truth is read from the view.
package struct ChangeDocument: JSONCodable, Hashable {
    /// `unit`, `host`, `source` or `leadership`.
    package var kind = ""
    package var name = ""

    package init(kind: String, name: String) {
        self.kind = kind
        self.name = name
    }

    package func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.member("kind", kind)
        writer.member("name", name)
        writer.endObject()
    }

    package init(from reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "kind": try reader.read(&kind)
            case "name": try reader.read(&name)
            default: try reader.skip()
            }
        }
    }
}
