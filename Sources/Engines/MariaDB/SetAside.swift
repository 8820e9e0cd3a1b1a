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

    /// Those of this instance.
    var kept: KeptDirectories {
        KeptDirectories(
            what: "directories of \(layout.id) that were moved aside", parent: host.setAsideDirectory, prefix: "\(layout.id)-", max: Self.keptMax)
    }

    /// Moves it to `place`, the next of those that are kept. Nothing of it may run any more.
    func move(to place: String, _ why: String) throws(EngineError) {
        try Files.write(layout.setAsideMark, why + "\n")
        try Files.makeDirectory(host.setAsideDirectory, mode: 0o700)
        guard rename(layout.directory, place) == 0 else { throw .system("move aside", layout.directory) }
        try Files.syncDirectory(of: layout.directory)
        try Files.syncDirectory(of: place)
        if layout.socketDirectory != layout.run { try Files.removeTree(layout.socketDirectory) }
    }
}
