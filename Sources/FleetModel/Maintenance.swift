package import JSONStream

/// Hands off, until a moment: people work on what this is declared of.
package struct Maintenance: Sendable, Hashable {
    /// From this moment on all goes on by itself.
    package var until: Instant
    /// For people; one line, may be empty.
    package var reason: String

    package init(until: Instant, reason: String = "") {
        self.until = until
        self.reason = reason
    }

    package func isInForce(at now: Instant) -> Bool { now < until }

    /// `until 2026-11-21T22:00:00Z (new memory)`
    package var text: String { "until \(until.rfc3339)" + (reason.isEmpty ? "" : " (\(reason))") }
}

extension Maintenance: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("until", until)
            writer.member("reason", ifFilled: reason)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var until: Instant?
        var reason = ""
        try reader.object { reader, key in
            switch key {
            case "until": try reader.read(&until)
            case "reason": try reader.read(&reason)
            default: try reader.skip()
            }
        }
        self.init(until: try reader.required(until, "until"), reason: reason)
    }
}
