import FleetModel
import MySQLClient

// Getting back rows that this very server wrote.
//
// A start that cuts the tail also cuts rows that were acknowledged and that the new writer holds. They come back by
// replication, under this server's own number; and a replica passes over what has its own number, without a word: both
// threads run, and the rows are missing for good. (`replicate_same_server_id` is refused beside `log_slave_updates`, and
// only a replica that acknowledges takes them.) So until it has them it goes by another number.

extension InstanceWorker {
    /// Above any that is given out: those have a location of seven bits in their upper byte.
    var otherNumber: Int64 { Int64(UInt32.max) - Int64(layout.id.ordinal) }

    /// Fetches what the source holds of this server's own rows and this server lacks. Both threads are down, before and
    /// after.
    func fetchOwnRows(
        _ session: AdminSession, from source: Peer, _ password: String, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        let own = try identity().serverID
        try await goBy(own, session)
        // A source that cannot be asked cannot be attached to either.
        let theirs = try await withSource(source, password) { try await $0.history() }
        let lacking = theirs.written(by: own, after: try await heldHere(session))
        guard !lacking.isEmpty else { return }
        report(EngineProgress(phase: "fetching back its own rows up to \(lacking)"))
        try await goBy(otherNumber, session)
        try await session.run("START SLAVE", within: Self.stopThreadBound)
        try await verifyAttached(session, source)
        try await drain(session, lacking, report)
        if let status = try await session.replicaStatus() { try await stopReplicating(session, status, report) }
        try await goBy(own, session)
    }

    func goBy(_ number: Int64, _ session: AdminSession) async throws {
        guard try await session.value("SELECT @@GLOBAL.server_id") != String(number) else { return }
        try await session.run("SET GLOBAL server_id = \(verbatim: String(number))")
    }
}
