import FleetModel
import MySQLClient

// Making a replica that may have acknowledged receive nothing more, for whatever it has promised before.

extension InstanceStopper {
    /// What has not stopped receiving by then is killed: stopping takes for ever where the relay log's disk is full.
    static let revokeBound: Duration = .milliseconds(1500)
    /// How long reading what it received from its files may take.
    static let receivedBound: Duration = .seconds(10)

    /// Stops receiving; the applier goes on with what there is. The result's position is all that it has received.
    func revoke() async throws -> TaskResult {
        let deadline = ContinuousClock.now + Self.revokeBound
        // What is under way may be about to let it replicate.
        calls.cancel([.work])
        guard process.living() != nil else { return try await revokeStopped(acted: false) }
        do {
            while !calls.isFree(of: [.work]) {
                guard ContinuousClock.now < deadline else { throw MySQLError(.timedOut, message: "other work has not ended") }
                try await Task.sleep(for: .milliseconds(5))
            }
            return try await revokeRunning(until: deadline)
        } catch let error as MySQLError {
            if try await isOnlyStarting(error) { return try await revokeStopped(acted: false) }
            return try await revokeByKilling()
        }
    }

    /// Nobody listens on its socket yet: it was started closed, and receives nothing.
    private func isOnlyStarting(_ error: MySQLError) async throws -> Bool {
        error.kind == .connection && error.code == 2002 && calls.isFree(of: [.work])
    }

    private func revokeByKilling() async throws -> TaskResult {
        process.barStarts()
        calls.cancel([.start, .work])
        let outcome = try process.kill(waitingAtMost: Self.endBound)
        guard outcome.isOver else {
            throw EngineError(.transient, "\(layout.id) did not stop receiving, was killed and has not ended yet: what it has received cannot be read")
        }
        return try await revokeStopped(acted: outcome.wasDelivered)
    }

    /// Nothing is started: its files say what it has received.
    private func revokeStopped(acted: Bool) async throws -> TaskResult {
        TaskResult(acted: acted, position: try await read(within: Self.receivedBound) { try $0.received(until: $1) })
    }

    private func revokeRunning(until deadline: ContinuousClock.Instant) async throws -> TaskResult {
        let session = try await AdminSession.open(layout, as: host.administrator, within: deadline.left)
        do {
            let result = try await revoke(session, until: deadline)
            await session.close()
            return result
        } catch {
            await session.close()
            throw error
        }
    }

    private func revoke(_ session: AdminSession, until deadline: ContinuousClock.Instant) async throws -> TaskResult {
        guard try await session.value("SELECT @@GLOBAL.read_only", within: deadline.left) == "1" else {
            throw EngineError(.refused, "\(layout.id) is open for writing: it acknowledges for nobody")
        }
        var acted = false
        if try await session.value("SELECT @@GLOBAL.rpl_semi_sync_slave_enabled", within: deadline.left) == "1" {
            try await session.run("SET GLOBAL rpl_semi_sync_slave_enabled = OFF", within: deadline.left)
            acted = true
        }
        let status = try await session.replicaStatus(within: deadline.left)
        if let status, status.io != .stopped {
            if !status.isApplying, status.sqlErrorCode == 0 {
                // With both threads down what it received would be thrown away by whichever starts first.
                try await session.run("START SLAVE SQL_THREAD", within: deadline.left)
            }
            guard let server = process.living() else { throw MySQLError(.connection, message: "its process has ended") }
            try await ReceiverWaking(layout: layout, user: host.administrator, server: server)
                .stopReceiving(session, within: deadline.left)
            acted = true
        }
        let now = try await session.replicaStatus(within: deadline.left)
        guard now == nil || now?.io == .stopped else {
            throw MySQLError(.timedOut, message: "the IO thread runs on")
        }
        let (binlog, applied) = try await session.positions(within: deadline.left)
        // What somebody wrote to this replica is nothing that it received, and would pass for rows that it lacks.
        let own = now.flatMap { _ in InstanceIdentity(at: layout)?.serverID }
        let held = own.map { binlog.rightful(on: $0, applied: applied) } ?? binlog.merged(with: applied)
        let known = held.merged(with: now?.received ?? GTIDSet())
        // Since its last start it knows nothing of what it received before; its relay logs do, or what the start kept of
        // them where a thread has begun since. A source may not have sent all of it again.
        let asksFiles = now?.received.isEmpty ?? true
        let before = try await read(within: Self.receivedBound) { asksFiles ? try $0.received(until: $1) : try $0.keptAside(until: $1) }
        return TaskResult(acted: acted, position: known.merged(with: before))
    }
}
