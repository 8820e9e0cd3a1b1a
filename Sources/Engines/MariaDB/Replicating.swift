import FleetModel
import MySQLClient

// Attaching replicas.

/// The account by which a replica replicates: one for each, so that each can be refused alone. It carries the uid of its
/// cluster, since a standby has those of the cluster that it follows beside its own.
enum ReplicationAccount {
    static let prefix = "evenkeel_repl_"
    static func name(_ id: InstanceID) -> String { prefix + id.clusterUID + "_" + String(id.ordinal) }

    static func instance(_ name: String) -> InstanceID? {
        let parts = name.dropFirst(prefix.count).split(separator: "_", omittingEmptySubsequences: false)
        guard name.hasPrefix(prefix), parts.count == 2, !parts[0].isEmpty, let ordinal = Int(parts[1]) else { return nil }
        return InstanceID(clusterUID: String(parts[0]), ordinal: ordinal)
    }
}

extension InstanceWorker {
    /// Stopping the IO thread takes 1 s with a silent source, and never returns where the relay log's disk is full.
    static let stopThreadBound: Duration = .seconds(5)
    /// Both threads have to run this soon after they were started.
    static let attachBound: Duration = .seconds(10)
    /// What was received is applied as long as it takes, if it advances this often.
    static let drainStallMax: Duration = .seconds(30)

    /// Attaches to `source`, closed; applies before what was received from another one. Where it `acknowledges`, no commit
    /// waits for what it has.
    func replicate(
        from source: Peer, acknowledges: Bool = false, password: String, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            let acted = try await attach(session, to: source, acknowledges: acknowledges, password, report)
            let released = acknowledges ? try await releaseCommits(session, at: source, password, receivedBefore: nil) : false
            return TaskResult(acted: acted || released)
        }
    }

    func attach(
        _ session: AdminSession, to source: Peer, acknowledges: Bool, _ password: String,
        _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> Bool {
        let status = try await session.replicaStatus()
        if try await isAttached(session, status, to: source, acknowledges: acknowledges) { return false }
        guard !password.isEmpty else { throw EngineError(.refused, "the order carries no replication password") }
        if status != nil { try await requireNoRowsOfItsOwn(session) }
        if let status, status.isFrom(source), status.io == .connecting { try await requireReachable(source, password) }
        try await session.makeReadOnly(layout.id)
        // Of a replica: its applier hangs as long as this is on, and stopping it then hangs too.
        try await session.run("SET GLOBAL rpl_semi_sync_master_enabled = OFF")
        try await endRescue(session)
        if let status { try await leave(status, for: source, session, report) }
        // Before the threads start: what comes unacknowledged is never acknowledged later.
        try await session.run("SET GLOBAL rpl_semi_sync_master_enabled = OFF, rpl_semi_sync_slave_enabled = \(verbatim: acknowledges ? "ON" : "OFF")")
        try await adoptPosition(session, wasReplica: status != nil, from: source, password)
        try await awaitHeld(try await heldHere(session), at: source, password)
        try await session.replicating(changeMaster(to: source, password))
        try await fetchOwnRows(session, from: source, password, report)
        let applied = try await session.positions().applied
        try await session.run("START SLAVE", within: Self.stopThreadBound)
        try await verifyAttached(session, source)
        if let status, status.sqlErrorCode != 0 { try await verifyApplies(session, beyond: applied) }
        if status?.isFrom(source) != true { try RelayLogsAside(layout).settle() }
        return true
    }

    /// A replica that tries to connect goes on trying where no network leads to its source: stopped it could do no more,
    /// and what it says is the evidence that its writer is cut off from those who acknowledge.
    func requireReachable(_ source: Peer, _ password: String) async throws {
        do {
            try await withSource(source, password) { _ in }
        } catch let error as MySQLError where error.kind != .server {
            throw EngineError(.transient, "\(layout.id) cannot reach \(source.address):\(source.port) and goes on trying: \(error.message)")
        } catch is MySQLError {
            // It answers, if only with a refusal.
        }
    }

    /// Stops replicating, to be pointed to `source`; what was received from another one may be nowhere else, and is
    /// applied first.
    func leave(
        _ status: ReplicaStatus, for source: Peer, _ session: AdminSession, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        if status.isFrom(source) {
            try await stopReplicating(session, status, report)
            // What an applier that stands still has not applied is fetched again, if the source lives that long.
            try keepRelayLogsAside()
        } else {
            try await applyAllReceived(session, status, report)
        }
    }

    /// Whether nothing has to be done: both threads run from that source, acknowledging or not, on a closed server.
    func isAttached(
        _ session: AdminSession, _ status: ReplicaStatus?, to source: Peer, acknowledges: Bool
    ) async throws -> Bool {
        guard let status, status.host == source.address, status.port == source.port, status.io == .running,
            status.isApplying, status.delaySeconds == 0, status.user == ReplicationAccount.name(layout.id)
        else { return false }
        guard try await !session.isOn("rpl_semi_sync_master_enabled"),
            try await session.isOn("rpl_semi_sync_slave_enabled") == acknowledges
        else { return false }
        if acknowledges, try await !session.isAcknowledging() { return false }
        guard try await session.value("SELECT @@GLOBAL.server_id") == String(identity().serverID) else { return false }
        return try await session.isOn("read_only")
    }

    /// Stops both threads once all that was received is applied, unless it is told to wait: whatever starts one of them after both were down
    /// throws the relay logs away.
    func stopReplicating(
        _ session: AdminSession, _ status: ReplicaStatus, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        if status.io != .stopped { try await session.run("STOP SLAVE IO_THREAD", within: Self.stopThreadBound) }
        guard let now = try await session.replicaStatus() else { return }
        // Told to wait, it would be waited for as long; what it has not applied is kept aside at the next start.
        if now.isApplying, now.delaySeconds == 0 { try await drain(session, now.received, report) }
        try await session.run("STOP SLAVE", within: AdminSession.quick)
    }

    /// Waits until `received` is applied. Throws where the applier stopped, or stands still for long.
    func drain(
        _ session: AdminSession, _ received: GTIDSet, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        var (last, moved) = (GTIDSet(), ContinuousClock.now)
        while !received.isEmpty {
            let answer = try await session.value("SELECT MASTER_GTID_WAIT(\(received.description), 1)")
            if answer == "0" { return }
            let applied = try await session.positions().applied
            if applied != last { (last, moved) = (applied, ContinuousClock.now) }
            report(EngineProgress(phase: "applying what was received", done: applied.sequences, total: received.sequences))
            if let status = try await session.replicaStatus(), !status.isApplying {
                throw EngineError(.permanent, "\(layout.id) cannot apply what it received: \(status.sqlError)")
            }
            guard ContinuousClock.now - moved < Self.drainStallMax else {
                throw EngineError(.transient, "\(layout.id) has applied nothing for \(Self.drainStallMax.components.seconds) s, and has received up to \(received)")
            }
        }
    }

    /// Sets where replication goes on: a clone's recorded position, once; a former writer's own binlog. A replica's own
    /// position is touched only for what a kill took from it: what it lacks or has too much must show.
    private func adoptPosition(
        _ session: AdminSession, wasReplica: Bool, from source: Peer, _ password: String
    ) async throws {
        if let copied = try Files.text(layout.copiedPosition) {
            // The backup of a replica under load tells a position behind its data; the one in its tables is right. That of
            // a copied writer has only what it applied in an earlier life.
            let position = (GTIDSet(copied.trimmedSpaces) ?? GTIDSet()).merged(with: try await session.positions().applied)
            // With the binlog's state the copy can serve replicas of its own from here on, should it be promoted before
            // it has written anything. It names all who wrote, and is set once, on an empty log: without those before the
            // last one a promoted copy would deny their rows, and whoever brings them back would be told to lack them.
            if try await session.positions().binlog.isEmpty, !position.isEmpty {
                try await awaitHeld(position, at: source, password)
                let theirs = try await withSource(source, password) { try await $0.history() }
                try await session.run("SET GLOBAL gtid_binlog_state = \(theirs.upTo(position).description)")
            }
            try await session.run("SET GLOBAL gtid_slave_pos = \(position.description)")
            try Files.remove(layout.copiedPosition)
            try Files.syncDirectory(of: layout.copiedPosition)
            return
        }
        guard !wasReplica else { return try await adoptOwnLog(session) }
        let (binlog, applied) = try await session.positions()
        let held = binlog.merged(with: applied)
        if held != applied { try await session.run("SET GLOBAL gtid_slave_pos = \(held.description)") }
    }

    /// A statement that changes no InnoDB row (an account, a table) is in a replica's binary log before its position is,
    /// and a kill within the second leaves it there alone: it would be applied again, and is refused for good (1950). What
    /// the log ends with is applied where another server wrote it.
    private func adoptOwnLog(_ session: AdminSession) async throws {
        let own = try identity().serverID
        var (binlog, applied) = try await session.positions()
        binlog.domains = binlog.domains.filter { $0.value.serverID != own }
        guard !applied.contains(binlog) else { return }
        try await session.run("SET GLOBAL gtid_slave_pos = \(applied.merged(with: binlog).description)")
    }

    /// Waits until the source holds what this instance holds. One that is behind answers 1236, after which the IO thread
    /// never tries again; a candidate under load is behind another replica for a moment. A source that cannot be asked
    /// is left to who asks it next.
    private func awaitHeld(_ held: GTIDSet, at source: Peer, _ password: String) async throws {
        guard !held.isEmpty else { return }
        guard let connection = try? await connect(to: source, password) else { return }
        var theirs: GTIDSet?
        let holds = try? await wait(within: Self.attachBound) {
            let answer = try await connection.query("SELECT @@GLOBAL.gtid_binlog_pos", within: AdminSession.quick)
            theirs = answer.first.flatMap { GTIDSet($0) }
            return theirs?.contains(held) ?? false
        }
        await connection.close()
        guard holds == false, let theirs else { return }
        throw EngineError(.transient, "\(layout.id) holds \(held), and \(source.address):\(source.port) only \(theirs): it cannot replicate from a server that is behind it")
    }

    private func changeMaster(to source: Peer, _ password: String) -> SQL {
        """
        CHANGE MASTER TO MASTER_HOST = \(source.address), MASTER_PORT = \(source.port),
        MASTER_USER = \(ReplicationAccount.name(layout.id)), MASTER_PASSWORD = \(secret: password),
        MASTER_USE_GTID = slave_pos, MASTER_HEARTBEAT_PERIOD = 0.5, MASTER_CONNECT_RETRY = 1, MASTER_DELAY = 0
        """
    }

    func verifyAttached(_ session: AdminSession, _ source: Peer) async throws {
        var last: ReplicaStatus?
        let runs = try await wait(within: Self.attachBound) {
            last = try await session.replicaStatus()
            guard let last else { return false }
            if last.sqlErrorCode != 0 {
                throw EngineError(.permanent, "\(layout.id) cannot apply what it receives: \(last.sqlError)")
            }
            if last.ioErrorCode == 1236 {
                throw EngineError(.permanent, "\(layout.id) cannot replicate from \(source.address):\(source.port), which lacks what it needs or has not what it has: \(last.ioError)")
            }
            return last.io == .running && last.isApplying
        }
        guard runs else {
            let why = last.map { $0.ioError.isEmpty ? "it still connects" : $0.ioError } ?? "no source is configured"
            throw EngineError(.transient, "\(layout.id) does not replicate from \(source.address):\(source.port): \(why)")
        }
    }

    /// An applier that had stopped by an error runs for a moment, until it comes to the same row again.
    private func verifyApplies(_ session: AdminSession, beyond applied: GTIDSet) async throws {
        let advances = try await wait(within: Self.attachBound) {
            if let status = try await session.replicaStatus(), status.sqlErrorCode != 0 {
                throw EngineError(.permanent, "\(layout.id) cannot apply what it receives: \(status.sqlError)")
            }
            return try await session.positions().applied != applied
        }
        guard advances else { throw EngineError(.transient, "\(layout.id) has applied nothing since its applier was started again") }
    }

    /// Starts the threads of a replica that was started closed, towards the source that it had. What it had received and
    /// not applied is fetched again; the start kept it aside. False where it has no source, or is no closed instance.
    func resumeReplication(acknowledges: Bool) async throws -> Bool {
        try requireReady()
        return try await withSession { session in
            guard let status = try await session.replicaStatus(), try await session.isOn("read_only") else { return false }
            guard status.isStopped else { return true }
            try keepRelayLogsAside()
            try await endRescue(session)
            try await adoptOwnLog(session)
            try await session.run("SET GLOBAL rpl_semi_sync_master_enabled = OFF, rpl_semi_sync_slave_enabled = \(verbatim: acknowledges ? "ON" : "OFF")")
            try await session.replicating("START SLAVE", within: Self.stopThreadBound)
            return true
        }
    }
}

extension GTIDSet {
    /// How far all domains are, as one number for people.
    var sequences: Int64 { domains.values.reduce(0) { $0 + $1.sequence } }
}
