import FleetModel
import Glibc

/// Moves the directory of an instance that differs from its cluster to a place where nothing takes it for an instance, so
/// that a clone can be made where it was and nothing that it holds is lost.
struct SetAside: Sendable {
    private let layout: InstanceLayout
    private let host: MariaDBHost

    /// How many are kept of one instance: each is as large as the instance was.
    static let keptMax = 2

    init(_ layout: InstanceLayout, in host: MariaDBHost) {
        self.layout = layout
        self.host = host
    }

    /// Moves it and removes the oldest ones; returns where it is. Nothing of it may run any more.
    func move(_ why: String) throws(EngineError) -> String {
        try Files.write(layout.setAsideMark, why + "\n")
        try Files.makeDirectory(host.setAsideDirectory, mode: 0o700)
        let kept = numbers
        let place = path((kept.last ?? 0) + 1)
        guard rename(layout.directory, place) == 0 else { throw .system("move aside", layout.directory) }
        try Files.syncDirectory(of: layout.directory)
        try Files.syncDirectory(of: place)
        if layout.socketDirectory != layout.run { try Files.removeTree(layout.socketDirectory) }
        for old in kept.dropLast(Self.keptMax - 1) { try Files.removeTree(path(old)) }
        return place
    }

    private func path(_ number: Int) -> String { "\(host.setAsideDirectory)/\(layout.id)-\(number)" }

    private var numbers: [Int] {
        let prefix = "\(layout.id)-"
        return Files.names(in: host.setAsideDirectory).compactMap { $0.hasPrefix(prefix) ? Int($0.dropFirst(prefix.count)) : nil }.sorted()
    }
}
