package import FleetModel
import JSONStream

/// What was observed of all hosts, found by cluster.
///
/// A snapshot of 300,000 instances is kept as its bytes with an index; the instances of one cluster become values only
/// while that cluster is planned. What a server holds in memory is indexed where it is.
package struct ObservedFacts: Sendable {
    /// Where one instance's report is.
    private struct Place: Sendable {
        var host: Int32
        /// The report's number within its host in memory; its first and last byte in a snapshot.
        var start: Int
        var end: Int
    }

    /// A host without its instances, by name.
    private var hosts: [ObservedHost] = []
    private var numbers: [String: Int32] = [:]
    private var places: [String: [Place]] = [:]
    private var reports: [HostReport] = []
    private var bytes: [UInt8] = []
    /// Every version's list of variables, sorted by version.
    package private(set) var catalogs: [VariableCatalog] = []
    package private(set) var instanceCount = 0

    /// Nothing was ever seen.
    package init() {}

    /// What a server's memory holds.
    package init(_ observed: [String: ObservedHost]) {
        for (_, seen) in observed.sorted(by: { $0.key < $1.key }) {
            let number = addHost(seen)
            reports.append(seen.report)
            for (index, instance) in seen.report.instances.enumerated() {
                add(instance.id, Place(host: number, start: index, end: index))
            }
        }
    }

    package var hostCount: Int { hosts.count }
    package func isSeen(_ host: String) -> Bool { numbers[host] != nil }

    /// When the host that was heard longest ago was heard; nil where none was.
    package var oldest: Instant? { hosts.map(\.renewed).min() }

    /// The hosts of a cluster's members as step needs them: of the instances on them only this cluster's.
    package func hosts(of records: ClusterRecords) throws -> [String: ObservedHost] {
        var found: [(number: Int32, seen: ObservedHost)] = []
        for member in records.members {
            guard let number = numbers[member.host], !found.contains(where: { $0.number == number }) else { continue }
            found.append((number, hosts[Int(number)]))
        }
        for place in places[records.uid] ?? [] {
            guard let index = found.firstIndex(where: { $0.number == place.host }) else { continue }
            found[index].seen.report.instances.append(try report(at: place))
        }
        var byName = [String: ObservedHost](minimumCapacity: found.count)
        for (_, seen) in found {
            var seen = seen
            if seen.report.instances.count > 1 { seen.report.instances.sort { $0.id < $1.id } }
            byName[seen.report.host] = seen
        }
        return byName
    }

    private func report(at place: Place) throws -> InstanceReport {
        guard bytes.isEmpty else { return try Self.parse(bytes, place.start, place.end) }
        return reports[Int(place.host)].instances[place.start]
    }

    private static func parse(_ bytes: [UInt8], _ start: Int, _ end: Int) throws -> InstanceReport {
        do {
            return try InstanceReport(json: bytes[start..<end])
        } catch var error as JSONError {
            error.offset += start
            throw error
        }
    }

    private mutating func addHost(_ seen: ObservedHost) -> Int32 {
        var seen = seen
        for catalog in seen.report.catalogs { add(catalog) }
        seen.report.catalogs = []
        seen.report.instances = []
        let number = Int32(hosts.count)
        numbers[seen.report.host] = number
        hosts.append(seen)
        return number
    }

    private mutating func add(_ id: InstanceID, _ place: Place) {
        places[id.clusterUID, default: []].append(place)
        instanceCount += 1
    }

    package mutating func add(_ catalog: VariableCatalog) {
        guard !catalogs.contains(where: { $0.type == catalog.type && $0.version == catalog.version }) else { return }
        catalogs.append(catalog)
        catalogs.sort { ($0.type.rawValue, $0.version) < ($1.type.rawValue, $1.version) }
    }

    // MARK: Snapshots

    /// Remembers the hosts of a snapshot; `keep` its bytes and `settle` the ages before the first use.
    mutating func read(from reader: inout JSONReader) throws {
        try reader.array { reader in
            var age: Duration = .zero
            var silence: Duration?
            var report = HostReport(host: "")
            var instances: [(id: InstanceID, place: Place)] = []
            try reader.object { reader, key in
                switch key {
                case "age": try reader.read(&age)
                case "silence": try reader.read(&silence)
                case "report": try Self.readHost(&report, &instances, from: &reader)
                default: try reader.skip()
                }
            }
            try reader.requireFilled(report.host, "report")
            guard numbers[report.host] == nil else { throw reader.mismatch("the host \(report.host) stands there twice") }
            let heard = Instant(milliseconds: -(silence ?? age).milliseconds)
            let number = addHost(ObservedHost(report: report, renewed: Instant(milliseconds: -age.milliseconds), heard: heard))
            for (id, place) in instances { add(id, Place(host: number, start: place.start, end: place.end)) }
        }
    }

    /// A host's report, of its instances only who and where.
    private static func readHost(
        _ report: inout HostReport, _ instances: inout [(id: InstanceID, place: Place)], from reader: inout JSONReader
    ) throws {
        try reader.object { reader, key in
            switch key {
            case "host": try reader.read(&report.host)
            case "agentVersion": try reader.read(&report.agentVersion)
            case "storeID": try reader.read(&report.storeID)
            case "engines": try reader.read(&report.engines)
            case "storageFreeBytes": try reader.read(&report.storageFreeBytes)
            case "memoryTotalBytes": try reader.read(&report.memoryTotalBytes)
            case "catalogs": try reader.read(&report.catalogs)
            case "instances":
                try reader.array { reader in
                    let text = try reader.tag("id")
                    guard let id = InstanceID(bytes: text) else { throw reader.mismatch("\"\(text.prefix(64))\" is no instance") }
                    let start = reader.offset
                    try reader.skip()
                    instances.append((id, Place(host: 0, start: start, end: reader.offset)))
                }
            default: try reader.skip()
            }
        }
    }

    mutating func settle(bytes: [UInt8], taken: Instant) {
        self.bytes = bytes
        for index in hosts.indices {
            hosts[index].renewed = taken + .milliseconds(hosts[index].renewed.milliseconds)
            hosts[index].heard = taken + .milliseconds(hosts[index].heard.milliseconds)
        }
    }

    /// Writes every host with its age at `taken`, by name; catalogs are written apart, once a version.
    func write(to writer: inout JSONWriter, taken: Instant, sink: ([UInt8]) throws -> Void) throws {
        writer.beginArray()
        var byHost: [Int32: [Place]] = [:]
        if !bytes.isEmpty {
            for place in places.values.joined() { byHost[place.host, default: []].append(place) }
        }
        for (_, number) in numbers.sorted(by: { $0.key < $1.key }) {
            var seen = hosts[Int(number)]
            if bytes.isEmpty {
                seen.report.instances = reports[Int(number)].instances
            } else {
                let places = (byHost[number] ?? []).sorted { $0.start < $1.start }
                seen.report.instances = try places.map { try report(at: $0) }
            }
            writer.lineEnd()
            writer.object { writer in
                writer.member("age", max(taken - seen.renewed, .zero))
                // Its agent was heard since, with nothing new to say of the facts.
                if seen.heard > seen.renewed { writer.member("silence", max(taken - seen.heard, .zero)) }
                writer.member("report", seen.report)
            }
            try writer.flushIfLarge(to: sink)
        }
        writer.endArray()
    }
}
