import FleetModel
import MySQLClient

// Setting rows back to what they were before a transaction.
//
// An applier that stops at a row that is there already (1062) stands on a table that somebody changed by no way that the
// binary log shows. `slave_exec_mode=IDEMPOTENT` would go on, and lose the row for everybody else: of a row that is there
// as it should become the server writes nothing to its own binary log, and who replicates from it never gets it; of
// another one it writes a change of a row that nobody else has. So the transaction is undone first, as if it had been
// applied, by the inverse events that `mariadb-binlog --flashback` makes of it, unlogged; then it is applied as usual, and
// logged whole.

extension InstanceWorker {
    /// How long the tool may take for one transaction.
    private static let flashbackBound: Duration = .seconds(30)

    /// Sets back, unlogged, the rows that the first of `groups` changes. Nothing that runs applies anything meanwhile.
    func setBack(_ groups: LackingGroups, in files: [String], _ session: AdminSession) async throws {
        guard let first = files.firstIndex(of: groups.first.path), let last = files.firstIndex(of: groups.firstEnd.path), first <= last
        else { throw EngineError(.transient, "the relay logs of \(layout.id) changed while they were read") }
        let events = try await inverse(of: files[first...last], from: groups.first.offset, to: groups.firstEnd.offset)
        // For the inverse of a row that is not there; whoever ends a rescue takes it back, too.
        try await session.run("SET GLOBAL slave_exec_mode = 'IDEMPOTENT'")
        try await session.run("START TRANSACTION")
        for event in events { try await session.run("BINLOG \(event)", within: Self.flashbackBound) }
        try await session.run("COMMIT")
        try await session.run("SET GLOBAL slave_exec_mode = 'STRICT'")
    }

    /// The texts of `BINLOG` statements, in order.
    private func inverse(of files: ArraySlice<String>, from start: Int64, to end: Int64) async throws -> [String] {
        let binaries = try await finder.forInstance(madeWith: try identity().engineVersion)
        let arguments = ["--no-defaults", "--flashback", "--start-position=\(start)", "--stop-position=\(end)"] + files
        let outcome = try await Tool.run(try binaries.tool("mariadb-binlog"), arguments, within: Self.flashbackBound)
        guard outcome.status == 0, outcome.output.count < Tool.outputMax else {
            throw EngineError(.permanent, "a transaction in the relay logs of \(layout.id) cannot be undone: \(outcome.errors.isEmpty ? "it is too large" : outcome.errors)")
        }
        let statements = String(decoding: outcome.output, as: UTF8.self).split(separator: "BINLOG '", omittingEmptySubsequences: false)
        return statements.dropFirst().compactMap { $0.split(separator: "'/*!*/;", maxSplits: 1).first.map { String($0) } }
    }
}
