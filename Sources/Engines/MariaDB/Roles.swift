import FleetModel
import MySQLClient

// Who may be written to: opening, closing, and the two halves of a switchover.

extension AdminSession {
    /// One try to become read-only hangs behind a commit that waits for an acknowledgement; bounded it fails instead
    /// (error 1969) and nothing has changed. Once it succeeds no commit is in flight.
    static let readOnlyTry = "0.2"
    static let readOnlyBound: Duration = .seconds(2)

    /// Makes the server read-only, trying again until the bound, and then stops its events. Throws `transient` where it is still writable.
    func makeReadOnly(_ id: InstanceID) async throws {
        let deadline = ContinuousClock.now + Self.readOnlyBound
        while try await !isOn("read_only") {
            do {
                try await run("SET STATEMENT max_statement_time = \(verbatim: Self.readOnlyTry) FOR SET GLOBAL read_only = 1")
            } catch let error as MySQLError where error.code == 1969 {
                guard ContinuousClock.now < deadline else {
                    throw EngineError(.transient, "\(id) is still writable: commits that wait for an acknowledgement, or a long statement, kept it from becoming read-only for \(Self.readOnlyBound.components.seconds) s")
                }
            }
        }
        try await run("SET GLOBAL event_scheduler = OFF")
    }

    /// The last step of opening: events run on the writer only.
    func makeWritable() async throws {
        try await run("SET GLOBAL read_only = 0")
        try await run("SET GLOBAL event_scheduler = ON")
    }
}

extension InstanceWorker {
    /// Replicas attach within this time, or opening is tried again.
    static let ackersBound: Duration = .seconds(10)
    static let positionBound: Duration = .seconds(2)

    /// Opens the writer. Semi-sync comes first; the last step lifts read-only.
    func open(semiSync: Bool, within bound: Duration = ackersBound) async throws -> TaskResult {
        guard let result = try await openIfAcked(semiSync: semiSync, within: bound) else {
            throw EngineError(.transient, "\(layout.id) stays closed: no replica is attached to acknowledge its writes")
        }
        return result
    }

    /// Nil where no replica that acknowledges came within the bound; the instance is closed still.
    func openIfAcked(semiSync: Bool, within bound: Duration) async throws -> TaskResult? {
        try requireReady()
        return try await withSession { session in
            if let status = try await session.replicaStatus(), !status.isStopped {
                throw EngineError(.refused, "\(layout.id) replicates from \(status.host):\(status.port): it is promoted, not opened")
            }
            let isOpen = try await !session.isOn("read_only")
            let hasSemiSync = try await session.isOn("rpl_semi_sync_master_enabled")
            if isOpen, hasSemiSync == semiSync, try await session.isOn("event_scheduler") { return TaskResult(acted: false) }
            try await session.run("SET GLOBAL rpl_semi_sync_slave_enabled = OFF, rpl_semi_sync_master_enabled = \(verbatim: semiSync ? "ON" : "OFF")")
            if semiSync, !isOpen {
                let acked = try await wait(within: bound) { try await session.semiSyncClients() > 0 }
                guard acked else { return nil }
            }
            try await session.makeWritable()
            return TaskResult()
        }
    }

    /// Makes an instance that is not the writer read-only.
    func closeForWriting() async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            if try await session.isOn("read_only"), try await !session.isOn("event_scheduler") { return TaskResult(acted: false) }
            try await session.makeReadOnly(layout.id)
            return TaskResult()
        }
    }

    /// The writer stops taking writes; its last position is the result. Where it does not within the bound it is as it
    /// was. Throws `refused`, before anything was done, where something is under way that would hold that up.
    func demote() async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            let wasOpen = try await !session.isOn("read_only")
            if wasOpen, let holder = try await session.switchoverHolder() {
                throw EngineError(.refused, "\(layout.id) goes on taking writes: \(holder.text). It is asked again; where that has to end sooner, end it there")
            }
            try await session.makeReadOnly(layout.id)
            let (binlog, applied) = try await session.positions()
            return TaskResult(acted: wasOpen, position: binlog.merged(with: applied))
        }
    }

    /// The candidate takes over once it has applied `position`. Where it has not within the bound it replicates on.
    ///
    /// After a revocation nothing more comes in, and what there is is applied as long as it takes, that in the relay logs
    /// aside too.
    ///
    /// Who is refused may be set up to acknowledge for this instance from an earlier life of both, and nobody could ask.
    func promote(
        position: GTIDSet, semiSync: Bool, refusing refused: [Int] = [], _ report: @Sendable (EngineProgress) -> Void = { _ in }
    ) async throws -> TaskResult {
        try requireReady()
        return try await withSession { session in
            for ordinal in refused { _ = try await refuse(ordinal, session) }
            let status = try await session.replicaStatus()
            if try await !session.isOn("read_only"), status == nil {
                try await session.run("SET GLOBAL event_scheduler = ON")
                try await enableEvents()
                return TaskResult(acted: false)
            }
            try await endRescue(session)
            if let status, status.io != .running { try await applyReceived(session, status, upTo: position, report) }
            try await requireApplied(session, position)
            if status != nil { try await session.run("STOP SLAVE", within: Self.stopThreadBound) }
            try await session.run("SET GLOBAL rpl_semi_sync_slave_enabled = OFF, rpl_semi_sync_master_enabled = \(verbatim: semiSync ? "ON" : "OFF")")
            // From here on there is no return: a cancellation would leave a writer with a source and without events.
            try await Task {
                try await session.makeWritable()
                try await session.run("RESET SLAVE ALL")
                try RelayLogsAside(self.layout).settle()
                try await self.enableEvents()
            }.value
            return TaskResult()
        }
    }

    /// Nothing more comes in; what came is applied, from the relay logs of an earlier life where it has to be.
    private func applyReceived(
        _ session: AdminSession, _ status: ReplicaStatus, upTo position: GTIDSet, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        if status.io == .stopped, status.isApplying { try await drainUnlessStopped(session, status.received, report) }
        if try await rightfullyHeld(session).contains(position) { return }
        try await applyAllReceived(session, status, report)
    }

    private func requireApplied(_ session: AdminSession, _ position: GTIDSet) async throws {
        guard try await !rightfullyHeld(session).contains(position) else { return }
        let seconds = Self.positionBound.components.seconds
        let answer = try await session.value("SELECT MASTER_GTID_WAIT(\(position.description), \(seconds))")
        guard answer == "0" else {
            throw EngineError(.refused, "\(layout.id) has not applied \(position) within \(seconds) s: it is not promoted")
        }
    }

    /// Events that came by replication stay disabled for ever unless they are enabled on the new writer.
    func enableEvents() async throws {
        try await withSession(binlogged: true) { session in
            let events = try await session.run(
                "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE STATUS = 'SLAVESIDE_DISABLED'")
            for event in events.rows {
                guard let schema = event[0], let name = event[1] else { continue }
                try await session.run("ALTER EVENT \(identifier: schema).\(identifier: name) ENABLE")
            }
        }
    }
}

extension AdminSession {
    /// Replicas attached semi-synchronously. Not proof of a living one.
    func semiSyncClients(within bound: Duration = quick) async throws -> Int {
        Int(try await status("Rpl_semi_sync_master_clients", within: bound)) ?? 0
    }
}
