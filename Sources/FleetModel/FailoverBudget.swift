package import JSONStream

/// How many automatic failovers there may be within a while, of one cluster and, as incidents, away from one zone and
/// from all zones of one region; the server's configuration sets it.
package struct FailoverBudget: Sendable, Hashable {
    package var perCluster = 3
    package var perZone = 20
    package var perRegion = 40
    package var window: Duration = .seconds(3600)
    /// For so long after a failover the writer is not moved back to a wanted zone: twice as long with each more in the last
    /// hour, so that one that comes and goes is not promoted back and forth.
    package var coolDown: Duration = .seconds(60)

    /// No limit is larger than this; the least is 1.
    package static let limitMax = 1000

    package init() {}
}

extension FailoverBudget: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("perCluster", perCluster)
            writer.member("perZone", perZone)
            writer.member("perRegion", perRegion)
            writer.member("window", window)
            writer.member("coolDown", coolDown)
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "perCluster": try reader.read(&perCluster)
            case "perZone": try reader.read(&perZone)
            case "perRegion": try reader.read(&perRegion)
            case "window": try reader.read(&window)
            case "coolDown": try reader.read(&coolDown)
            default: try reader.skip()
            }
        }
    }
}
