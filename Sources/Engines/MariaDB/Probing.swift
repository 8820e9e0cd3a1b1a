import FleetModel
import MySQLClient

// The probe of acknowledgements, for a writer that nobody writes to: whether a commit would come back shows in no other way.
//
// MARIADB-FACTS, part 1: it misfires beside anything else that commits, and one that is killed answers as if it had been
// acknowledged. So it is one at a time, beside nothing else, and nobody ends it: whoever looks at the instance sees it wait as
// he sees a client's commit wait, and judges by that.

extension InstanceWorker {
    /// For so long its end is waited for here; it goes on waiting in the server. Longer than what a look takes for waiting, so
    /// that the look which follows shows it.
    static let probeBound: Duration = .milliseconds(1500)

    func probe() async throws -> TaskResult {
        try requireReady()
        return try await withWriterSession { session in
            guard try await session.isOn("rpl_semi_sync_master_enabled") else {
                throw EngineError(.refused, "\(layout.id) commits without an acknowledgement")
            }
            let threads = try await session.run("SHOW PROCESSLIST").records
            guard threads.allSatisfy({ LookQuestions.acknowledgementWait($0) == nil }) else { return TaskResult(acted: false) }
            // In the one table of ours, which never has more than this row: what nobody acknowledged has to be a row of InnoDB,
            // which a rejoin can cut.
            try await session.run("BEGIN")
            try await session.run("DELETE FROM evenkeel.initialized")
            try await session.run("INSERT INTO evenkeel.initialized (since) VALUES (CURRENT_TIMESTAMP)")
            do {
                try await session.run("COMMIT", within: Self.probeBound)
            } catch let error as MySQLError where error.kind == .timedOut {
                // That nobody answers yet is what it is to show, and not for us to judge.
            }
            return TaskResult()
        }
    }
}
