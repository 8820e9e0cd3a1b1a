package import JSONStream

/// An automatic failover that was carried out: when, and from which zone the writer was taken.
package struct FailoverMark: Sendable, Hashable {
    package var at: Instant
    package var zone: String
    /// How many commits the new writer was known to lack; nil where it provably lacked none that was acknowledged.
    package var atRisk: Int64?

    package init(at: Instant, zone: String, atRisk: Int64? = nil) {
        self.at = at
        self.zone = zone
        self.atRisk = atRisk
    }
}

extension FailoverMark: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("at", at)
            writer.member("zone", zone)
            writer.member("atRisk", ifPresent: atRisk)
        }
    }

    package init(from reader: inout JSONReader) throws {
        var at: Instant?
        var zone = ""
        var atRisk: Int64?
        try reader.object { reader, key in
            switch key {
            case "at": try reader.read(&at)
            case "zone": try reader.read(&zone)
            case "atRisk": try reader.read(&atRisk)
            default: try reader.skip()
            }
        }
        self.init(at: try reader.required(at, "at"), zone: zone, atRisk: atRisk)
    }
}
