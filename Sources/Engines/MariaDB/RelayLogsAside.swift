import FleetModel

/// The sets of relay logs that starts kept aside: what a replica received before its last start, and does not know of any
/// more itself.
struct RelayLogsAside: Sendable {
    let layout: InstanceLayout

    init(_ layout: InstanceLayout) { self.layout = layout }

    /// Their numbers, oldest first.
    var sets: [Int] { Files.names(in: layout.relayAside).compactMap { Int($0) }.sorted() }

    /// The directory of the last set, where it is of the source that the replica has now. It holds all that the ones before
    /// it do and the instance does not: relay logs begin with what is not applied, and a set is made of those only that go
    /// further than the one before.
    var counted: [String] {
        guard let last = sets.last, last > settled else { return [] }
        return [layout.relayAside + "/\(last)"]
    }

    /// The complete groups in it beyond `held`, and its files, oldest first; nil where there are none.
    func lacking(beyond held: GTIDSet, until deadline: ContinuousClock.Instant) throws -> (groups: LackingGroups, files: [String])? {
        guard let directory = counted.first else { return nil }
        let files = BinlogPositions(layout: layout).logs(BinlogPositions.relayName, in: directory)
        var scan = BinlogScan(beyond: held)
        for file in files { try scan.read(file, until: deadline) }
        return scan.lacking.map { ($0, files) }
    }

    private var settledMark: String { layout.relayAside + "/settled" }
    private var settled: Int { (try? Files.text(settledMark)).flatMap { $0 }.flatMap { Int($0.trimmedSpaces) } ?? 0 }

    /// From here on the replica has another source, whose history decides: what is aside says nothing of what it received.
    func settle() throws {
        guard let last = sets.last, last > settled else { return }
        try Files.write(settledMark, "\(last)\n")
    }
}
