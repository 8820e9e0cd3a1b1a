package import JSONStream

/// An automatic failover that was carried out: when, and from which zone the writer was taken.
package struct FailoverMark: Sendable, Hashable {
    package var at: Instant
    package var zone: String
    /// Nil where the new writer provably held all that was acknowledged.
    package var loss: DataLoss?

    /// What may have been lost where there was no proof.
    package struct DataLoss: Sendable, Hashable {
        /// Commits that were seen and that the new writer lacked.
        package var known: Int64
        /// Whether that is all: the end of the lost writer's binlog was read. Otherwise what it wrote after its last report
        /// comes on top.
        package var isAll: Bool

        package init(known: Int64, isAll: Bool) {
            self.known = known
            self.isAll = isAll
        }
    }

    package init(at: Instant, zone: String, loss: DataLoss? = nil) {
        self.at = at
        self.zone = zone
        self.loss = loss
    }
}

extension FailoverMark: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("at", at)
            writer.member("zone", zone)
            writer.member("loss", ifPresent: loss)
        }
    }

    package init(from reader: inout JSONReader) throws {
        // Before failovers were counted by zone a mark was its moment alone; a store may hold such ones for an hour.
        var probe = reader
        if let at = try? Instant(from: &probe) {
            reader = probe
            self.init(at: at, zone: "")
            return
        }
        var at: Instant?
        var zone = ""
        var loss: DataLoss?
        try reader.object { reader, key in
            switch key {
            case "at": try reader.read(&at)
            case "zone": try reader.read(&zone)
            case "loss": try reader.read(&loss)
            default: try reader.skip()
            }
        }
        self.init(at: try reader.required(at, "at"), zone: zone, loss: loss)
    }
}

extension FailoverMark.DataLoss: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("known", known)
            writer.member("isAll", isAll)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init(known: 0, isAll: false)
        try reader.object { reader, key in
            switch key {
            case "known": try reader.read(&known)
            case "isAll": try reader.read(&isAll)
            default: try reader.skip()
            }
        }
    }
}
