import Glibc
import MySQLClient

/// Wakes a receiving thread that is being stopped from what it hangs in.
///
/// One that acknowledges ends by calling its source once more, to end its session there, and with a source that is gone that
/// takes `rpl_semi_sync_slave_kill_conn_timeout`, a whole second at least, while no commit is acknowledged. The server
/// itself wakes a thread that it stops by SIGUSR1, at once and then every 2 s; this does the same in between.
struct ReceiverWaking: Sendable {
    let layout: InstanceLayout
    let user: String
    let server: ProcessIdentity

    /// A thread that hangs in nothing has ended by then.
    static let patience: Duration = .milliseconds(20)
    static let interval: Duration = .milliseconds(50)
    static let statementBound: Duration = .seconds(1)

    /// Runs `STOP SLAVE IO_THREAD`; throws `timedOut` where it has not ended within `bound`.
    func stopReceiving(_ session: AdminSession, within bound: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await wake() }
            defer { group.cancelAll() }
            try await session.run("STOP SLAVE IO_THREAD", within: bound)
        }
    }

    /// Until it is cancelled. Where it cannot ask the server, stopping takes as long as it takes.
    private func wake() async {
        guard server.catches(SIGUSR1), (try? await Task.sleep(for: Self.patience)) != nil,
            let session = try? await AdminSession.open(layout, as: user, within: Self.statementBound)
        else { return }
        while let threads = try? await session.run(
            "SELECT TID FROM information_schema.PROCESSLIST WHERE USER = 'system user' AND COMMAND = 'Slave_IO'",
            within: Self.statementBound)
        {
            for row in threads.rows { if let thread = row[0].flatMap({ pid_t($0) }) { server.send(SIGUSR1, toThread: thread) } }
            guard (try? await Task.sleep(for: Self.interval)) != nil else { break }
        }
        await session.close()
    }
}
