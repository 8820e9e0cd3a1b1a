import FleetModel

/// What an instance's data directory tells of its GTID positions while no server is to be asked.
struct BinlogPositions: Sendable {
    let layout: InstanceLayout

    /// As every instance's configuration names them.
    static let binlogName = "binlog"
    static let relayName = "relay-bin"

    /// The last position in its own binary log: what it wrote, and what it applied. Throws where it cannot be read.
    func written(until deadline: ContinuousClock.Instant) throws -> GTIDSet {
        var found = GTIDSet()
        let files = logs(Self.binlogName, in: layout.data)
        guard !files.isEmpty else { throw EngineError(.transient, "there is no binary log in \(layout.data)") }
        for file in files.reversed() {
            var scan = BinlogScan()
            try scan.read(file, until: deadline)
            found = found.over(scan.position)
            // One that was just begun when the server ended may not say what came before it.
            if let start = scan.start { return found.over(start) }
        }
        return found
    }

    /// What it has received: complete groups in its relay logs, those that its last start kept aside, its own binary log,
    /// and the position of the copy that it began as.
    func received(until deadline: ContinuousClock.Instant) throws -> GTIDSet {
        let found = try written(until: deadline).merged(with: keptAside(until: deadline))
            .merged(with: complete(in: layout.data, until: deadline))
        let copied = (try Files.text(layout.copiedPosition)).flatMap { GTIDSet($0.trimmedSpaces) } ?? GTIDSet()
        return found.merged(with: copied)
    }

    /// What it had received before its last start, of the source that it has now.
    func keptAside(until deadline: ContinuousClock.Instant) throws -> GTIDSet {
        try RelayLogsAside(layout).counted.reduce(GTIDSet()) { $0.merged(with: try complete(in: $1, until: deadline)) }
    }

    /// The last complete group of each domain in the relay logs of a directory.
    func complete(in directory: String, until deadline: ContinuousClock.Instant) throws -> GTIDSet {
        var scan = BinlogScan()
        for file in logs(Self.relayName, in: directory) { try scan.read(file, until: deadline) }
        return scan.position
    }

    /// Paths of a log's files, oldest first.
    func logs(_ name: String, in directory: String) -> [String] {
        Files.names(in: directory).compactMap { file -> (Int, String)? in
            guard file.hasPrefix(name + "."), let number = Int(file.dropFirst(name.count + 1)) else { return nil }
            return (number, directory + "/" + file)
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }
}

extension GTIDSet {
    /// This one, and of domains that it does not have the older one's.
    fileprivate func over(_ older: GTIDSet) -> GTIDSet { GTIDSet(domains: domains.merging(older.domains) { mine, _ in mine }) }
}
