import FleetModel
import MySQLClient

// Making replicas acknowledge.
//
// A replica goes on behind what it has. A row that it got while it did not acknowledge, or whose acknowledgement was lost
// with the connection, is not sent again: its commit waits on the writer until a later one is acknowledged, and where
// other commits queue behind it none can come. So whoever begins to acknowledge also tells the source what it has, in
// the way of a replica that connects at a place of the binary log: all before it counts as acknowledged.

extension InstanceWorker {
    /// A source that goes on acknowledging does so within this time.
    static let releaseBound: Duration = .seconds(3)

    /// A source that is started answers within this time, or is no matter of its replicas.
    static let answerBound: Duration = .seconds(5)
    private static let answerPause: Duration = .milliseconds(20)

    /// Turns acknowledging on at a replica that runs, and reconnects its IO thread so that it takes effect; the applier
    /// goes on, so that no relay log is thrown away. No commit waits for what it has already.
    func acknowledge(_ source: Peer, password: String) async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            guard let status = try await session.replicaStatus(), status.host == source.address,
                status.port == source.port, status.io != .stopped, status.isApplying
            else {
                throw EngineError(.refused, "\(layout.id) does not replicate from \(source.address):\(source.port) with both threads up")
            }
            let isEnabled = try await session.isOn("rpl_semi_sync_slave_enabled")
            if status.io == .connecting { try await awaitAnswer(of: source, password) }
            if isEnabled, try await session.isAcknowledging() {
                return TaskResult(acted: try await releaseCommits(session, at: source, password, receivedBefore: nil))
            }
            try await session.run("SET GLOBAL rpl_semi_sync_slave_enabled = ON")
            try await session.run("STOP SLAVE IO_THREAD", within: Self.stopThreadBound)
            let before = try await session.replicaStatus()?.receivedLog
            try await session.run("START SLAVE IO_THREAD", within: Self.stopThreadBound)
            let acknowledges = try await wait(within: Self.attachBound) { try await session.isAcknowledging() }
            guard acknowledges else {
                let error = try await session.replicaStatus()?.ioError ?? ""
                throw EngineError(.transient, "\(layout.id) does not acknowledge yet: \(error.isEmpty ? "its IO thread still connects" : error)")
            }
            _ = try await releaseCommits(session, at: source, password, receivedBefore: before)
            return TaskResult()
        }
    }

    /// Waits for a source that is being started. Its replica calls it once in a second; stopped meanwhile it could not tell
    /// any more whether a network leads there.
    private func awaitAnswer(of source: Peer, _ password: String) async throws {
        let answers = try await wait(within: Self.answerBound, every: Self.answerPause) {
            do {
                try await requireReachable(source, password)
                return true
            } catch let error as EngineError where error.kind == .transient {
                return false
            }
        }
        if !answers { try await requireReachable(source, password) }
    }

    /// Tells the source what this replica has while commits wait there and none goes on; false where none waits.
    /// `receivedBefore`: the place up to which it got rows before it acknowledged.
    func releaseCommits(
        _ session: AdminSession, at source: Peer, _ password: String, receivedBefore: BinlogPlace?
    ) async throws -> Bool {
        guard !password.isEmpty else { throw EngineError(.refused, "the order carries no replication password") }
        return try await withSource(source, password) { asking in
            let before = try await asking.acknowledged()
            guard before.waiting > 0 else { return false }
            var told: BinlogPlace?
            _ = try await wait(within: Self.releaseBound, every: .milliseconds(50)) {
                let now = try await asking.acknowledged()
                if now.waiting == 0 || told != nil && now.commits > before.commits { return true }
                let last = try await session.replicaStatus()?.receivedLog
                guard let place = told == nil ? receivedBefore ?? last : last, place != told,
                    try await holdsAll(session, before: place, asking)
                else { return false }
                try await withSource(source, password) { try await $0.acknowledge(upTo: place, within: AdminSession.quick) }
                told = place
                return false
            }
            return told != nil
        }
    }

    /// Whether all before a place of the source's binary log is in this replica's tables. The place alone says less: after
    /// a start it still names what was received before it and is thrown away since.
    private func holdsAll(_ session: AdminSession, before place: BinlogPlace, _ source: MySQLConnection) async throws -> Bool {
        guard !place.file.isEmpty else { return false }
        let answer = try await source.query(
            "SELECT BINLOG_GTID_POS(\(place.file), \(verbatim: String(place.position)))", within: AdminSession.quick)
        guard let text = answer.first, let theirs = GTIDSet(text) else { return false }
        return try await rightfullyHeld(session).contains(theirs)
    }

    func withSource<Answer: Sendable>(
        _ source: Peer, _ password: String, _ body: (MySQLConnection) async throws -> Answer
    ) async throws -> Answer {
        let connection = try await connect(to: source, password)
        do {
            let answer = try await body(connection)
            await connection.close()
            return answer
        } catch {
            await connection.close()
            throw error
        }
    }

    /// A connection to the source as this replica's account; by the extra port where commits that wait have taken all
    /// others.
    func connect(to source: Peer, _ password: String) async throws -> MySQLConnection {
        let user = ReplicationAccount.name(layout.id)
        do {
            return try await .connect(
                to: .tcp(host: source.address, port: source.port), user: user, password: password, within: AdminSession.quick)
        } catch let error as MySQLError where Self.tooManyConnections.contains(error.code) {
            return try await .connect(
                to: .tcp(host: source.address, port: source.port + Self.extraPort), user: user, password: password,
                within: AdminSession.quick)
        }
    }

    /// `ER_CON_COUNT_ERROR`, `ER_TOO_MANY_USER_CONNECTIONS`.
    private static let tooManyConnections: Set<Int> = [1040, 1203]
    /// As every instance's configuration has it.
    private static let extraPort = 20000
}

extension AdminSession {
    /// Whether the source has accepted this replica as one that acknowledges: the status is on before it has.
    func isAcknowledging() async throws -> Bool {
        guard try await status("Rpl_semi_sync_slave_status") == "ON" else { return false }
        return try await replicaStatus()?.io == .running
    }
}

extension MySQLConnection {
    /// How many commits wait for an acknowledgement, and how many ever had theirs.
    fileprivate func acknowledged() async throws -> (waiting: Int, commits: Int) {
        let rows = try await query("SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_%'", within: AdminSession.quick).rows
        let values = Dictionary(
            rows.compactMap { row in row[0].map { ($0.lowercased(), row[1].flatMap { Int($0) } ?? 0) } }, uniquingKeysWith: { $1 })
        return (values["rpl_semi_sync_master_wait_sessions"] ?? 0, values["rpl_semi_sync_master_yes_tx"] ?? 0)
    }
}
