package import JSONStream

/// An automatic failover that was carried out: when, and from which zone the writer was taken.
package struct FailoverMark: Sendable, Hashable {
    package var at: Instant
    package var zone: String

    package init(at: Instant, zone: String) {
        self.at = at
        self.zone = zone
    }
}

extension FailoverMark: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("at", at)
            writer.member("zone", zone)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var at: Instant?
        var zone = ""
        try reader.object { reader, key in
            switch key {
            case "at": try reader.read(&at)
            case "zone": try reader.read(&zone)
            default: try reader.skip()
            }
        }
        self.init(at: try reader.required(at, "at"), zone: zone)
    }
}
