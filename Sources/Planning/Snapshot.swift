package import FleetModel
package import JSONStream

/// All that a plan depends on beside the manifests: what was observed, the records and the policy, at one moment.
///
/// A server writes it (`GET /api/v1/snapshot`), `plan --observed FILE` plans from it anywhere. The empty object `{}`
/// means that nothing was ever seen. The form is described in `Rendering/README.md`.
package struct Snapshot: Sendable {
    package static let formatVersion = "1.0"

    /// When it was taken; nil for `{}`.
    package var taken: Instant?
    /// Of a snapshot that was read, each cluster's content is left out: `whole` has it.
    package private(set) var records: FleetRecords
    package var observed: ObservedFacts
    package var running: [RunningAttempt]
    /// Keyed fingerprints of the expected authentication strings, by cluster and account key. An empty one: the secret
    /// could not be read. A missing one: nobody tried; a plan takes it to be what it was.
    package var secrets: [String: [String: String]]
    package var policy: PlanningPolicy
    /// The variables of each engine version; those that a host's report brings are joined to them.
    package var catalogs: [VariableCatalog]
    /// The bytes of a snapshot that was read, and where each cluster's records are in them.
    private var bytes: [UInt8] = []
    private var places: [String: (start: Int, end: Int)] = [:]

    package init(
        taken: Instant? = nil, records: FleetRecords = FleetRecords(storeID: ""), observed: ObservedFacts = ObservedFacts(),
        running: [RunningAttempt] = [], secrets: [String: [String: String]] = [:],
        policy: PlanningPolicy = PlanningPolicy(), catalogs: [VariableCatalog] = []
    ) {
        self.taken = taken
        self.records = records
        self.observed = observed
        self.running = running
        self.secrets = secrets
        self.policy = policy
        self.catalogs = catalogs
    }

    /// Reads a snapshot and keeps its bytes: what it says of instances is read when their cluster is planned.
    ///
    /// Throws `JSONError`, also for a format that is newer than this release's.
    package init(json bytes: [UInt8]) throws {
        self.init()
        try JSONReader.readAll(bytes) { reader in
            try reader.object { reader, key in
                switch key {
                case "formatVersion": try Self.checkVersion(&reader)
                case "taken": try reader.read(&taken)
                case "records": try readRecords(&reader)
                case "observed": try observed.read(from: &reader)
                case "running": try reader.read(&running)
                case "secrets": try reader.read(&secrets)
                case "policy": try reader.read(&policy)
                case "catalogs": try reader.read(&catalogs)
                default: try reader.skip()
                }
            }
        }
        self.bytes = bytes
        observed.settle(bytes: bytes, taken: taken ?? Instant(milliseconds: 0))
        for catalog in catalogs { observed.add(catalog) }
        catalogs = observed.catalogs
    }

    private mutating func readRecords(_ reader: inout JSONReader) throws {
        try reader.object { reader, key in
            switch key {
            case "storeID": try reader.read(&records.storeID)
            case "nextServerNumber": try reader.read(&records.nextServerNumber)
            case "nextDomainNumber": try reader.read(&records.nextDomainNumber)
            case "clustersMade": try reader.read(&records.clustersMade)
            case "channels": try reader.read(&records.channels)
            case "clusters":
                try reader.array { reader in
                    let start = reader.offset
                    let cluster = try ClusterRecords(from: &reader, hasContent: false)
                    records.clusters[cluster.name] = cluster
                    places[cluster.name] = (start, reader.offset)
                }
            default: try reader.skip()
            }
        }
    }

    /// A cluster's records with their content, the members as `records` has them (allocation may have changed those).
    package func whole(_ records: ClusterRecords) throws -> ClusterRecords {
        guard let place = places[records.name] else { return records }
        do {
            var whole = try ClusterRecords(json: bytes[place.start..<place.end])
            whole.members = records.members
            return whole
        } catch var error as JSONError {
            error.offset += place.start
            throw error
        }
    }

    private static func checkVersion(_ reader: inout JSONReader) throws {
        let version = try reader.string()
        guard version.split(separator: ".").first == Self.formatVersion.split(separator: ".").first else {
            throw reader.mismatch("this snapshot has format \(version.prefix(16)); this release reads \(Self.formatVersion)")
        }
    }

    /// Writes the snapshot piece by piece, so that it is never in memory as one text.
    package func write(to sink: ([UInt8]) throws -> Void) throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("formatVersion", Self.formatVersion)
        writer.member("taken", ifPresent: taken)
        writer.member("policy", policy)
        writer.member("catalogs", ifFilled: mergedCatalogs)
        writer.member("running", ifFilled: running)
        writer.member("secrets", ifFilled: secrets)
        try writer.flush(to: sink)
        writer.key("records")
        try writeRecords(to: &writer, sink: sink)
        writer.key("observed")
        try observed.write(to: &writer, taken: taken ?? Instant(milliseconds: 0), sink: sink)
        writer.endObject()
        writer.lastLineEnd()
        try writer.flush(to: sink)
    }

    /// The whole snapshot as one text, for small ones.
    package func json() throws -> [UInt8] {
        var all: [UInt8] = []
        try write { all += $0 }
        return all
    }

    private func writeRecords(to writer: inout JSONWriter, sink: ([UInt8]) throws -> Void) throws {
        writer.beginObject()
        writer.member("storeID", records.storeID)
        writer.member("nextServerNumber", records.nextServerNumber)
        writer.member("nextDomainNumber", records.nextDomainNumber)
        writer.member("clustersMade", records.clustersMade)
        writer.member("channels", ifFilled: records.channels)
        writer.key("clusters")
        writer.beginArray()
        for (_, cluster) in records.clusters.sorted(by: { $0.key < $1.key }) {
            writer.lineEnd()
            try whole(cluster).write(to: &writer)
            try writer.flushIfLarge(to: sink)
        }
        writer.endArray()
        writer.endObject()
    }

    private var mergedCatalogs: [VariableCatalog] {
        var merged = observed
        for catalog in catalogs { merged.add(catalog) }
        return merged.catalogs
    }
}

extension PlanningPolicy: JSONCodable {
    package func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("rehearsalStepsMax", rehearsalStepsMax)
            writer.member("attemptsPerHostMax", attemptsPerHostMax)
            writer.member("attemptsMax", attemptsMax)
            writer.member("clonesPerDonorHostMax", clonesPerDonorHostMax)
            writer.member("removalShareMax", removalShareMax)
            if failovers != FailoverBudget() { writer.member("failovers", failovers) }
        }
    }

    package init(from reader: inout JSONReader) throws {
        self.init()
        try reader.object { reader, key in
            switch key {
            case "rehearsalStepsMax": try reader.read(&rehearsalStepsMax)
            case "attemptsPerHostMax": try reader.read(&attemptsPerHostMax)
            case "attemptsMax": try reader.read(&attemptsMax)
            case "clonesPerDonorHostMax": try reader.read(&clonesPerDonorHostMax)
            case "removalShareMax": try reader.read(&removalShareMax)
            case "failovers": try reader.read(&failovers)
            default: try reader.skip()
            }
        }
    }
}
