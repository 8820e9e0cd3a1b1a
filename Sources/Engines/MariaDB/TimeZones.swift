import FleetModel
import Glibc

// The host's time zones for a new instance's tables.

extension InstanceWorker {
    static let timeZoneDirectory = "/usr/share/zoneinfo"
    static let timeZoneBound: Duration = .seconds(60)

    /// Writes what fills the time-zone tables to `path`, where the tool and the zones are there; false where not.
    ///
    /// Each instance fills its own, before its first start. By the founding primary's binlog it would be one large group
    /// of rows of tables that cannot be rolled back: a replica that is killed or re-pointed within it keeps a part, and
    /// applying it again ends in a duplicate key (1062), for good.
    func writeTimeZones(to path: String, _ binaries: MariaDBBinaries) async throws -> Bool {
        guard let tool = try? binaries.tool("mariadb-tzinfo-to-sql"), Files.isDirectory(Self.timeZoneDirectory) else { return false }
        let chosen = layout.temporary + "/zoneinfo"
        try chooseTimeZones(in: chosen)
        let outcome = try await Tool.run(tool, [chosen], within: Self.timeZoneBound)
        try Files.removeTree(chosen)
        let statements = TimeZoneTables(outcome.output).statements
        guard outcome.status == 0, !statements.isEmpty else { return false }
        try Files.write(path, String(decoding: statements, as: UTF8.self))
        return true
    }

    /// Zones and regions begin with a capital letter. What else is there repeats them all: `posix`, and `right` with
    /// leap seconds, which the server does not count.
    private func chooseTimeZones(in directory: String) throws {
        try Files.removeTree(directory)
        try Files.makeDirectory(directory)
        for name in Files.names(in: Self.timeZoneDirectory) where name.first?.isUppercase == true {
            guard symlink(Self.timeZoneDirectory + "/" + name, directory + "/" + name) == 0 else {
                throw EngineError.system("link", directory + "/" + name)
            }
        }
    }
}
