import FleetModel
import MySQLClient

// Relay-log rescue: applying what a replica had received before its last start and had not applied.
//
// Whatever starts a replication thread while both are down throws the relay logs away, and a replica's source may be gone
// for good: then acknowledged rows are only in the files that the start kept aside. They are given to the server as
// the relay logs of a second, named connection, which has no source and applies them one by one (with several applier
// threads such relay logs bring the server down). The unnamed connection and the files aside stay as they are, so that a
// rescue that is cut short at any place is begun again. It ends with the last complete group: what is torn is never read.

extension InstanceWorker {
    /// Connections that users name are none of ours.
    static let rescueConnection = "evenkeel_rescue"
    /// How long looking for the first group that is not applied may take.
    static let rescueReadBound: Duration = .seconds(60)

    /// Stops both threads with all applied that was ever received from the present source: by its own applier, and from
    /// the relay logs where that stopped or does not know of them any more. Throws where some of it cannot be applied.
    func applyAllReceived(
        _ session: AdminSession, _ status: ReplicaStatus, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        if status.io != .stopped {
            // With both threads down what it received would be thrown away by whichever starts first.
            if !status.isApplying, status.sqlErrorCode == 0 {
                try await session.run("START SLAVE SQL_THREAD", within: Self.stopThreadBound)
            }
            try await session.run("STOP SLAVE IO_THREAD", within: Self.stopThreadBound)
        }
        guard let now = try await session.replicaStatus() else { return }
        // One that is told to wait applies nothing soon; from the relay logs aside it is applied at once.
        if now.isApplying, now.delaySeconds == 0 { try await drainUnlessStopped(session, now.received, report) }
        try await session.run("STOP SLAVE", within: AdminSession.quick)
        try keepRelayLogsAside()
        _ = try await rescueRelayLogs(session, report)
        let held = try await rightfullyHeld(session)
        guard held.contains(now.received) else {
            throw EngineError(.refused, "\(layout.id) has received up to \(now.received) from \(now.host):\(now.port) and applied only \(held), its threads are stopped: it would lose the rest; its relay logs are in \(layout.relayAside)")
        }
    }

    /// Where the applier stops with an error the relay logs are what is left.
    func drainUnlessStopped(
        _ session: AdminSession, _ received: GTIDSet, _ report: @Sendable (EngineProgress) -> Void
    ) async throws {
        do {
            try await drain(session, received, report)
        } catch let error as EngineError where error.kind == .permanent {
            report(EngineProgress(phase: error.message))
        }
    }

    /// Applies the complete groups that only the relay logs aside hold; false where there are none. Both threads are down,
    /// before and after.
    func rescueRelayLogs(_ session: AdminSession, _ report: @Sendable (EngineProgress) -> Void) async throws -> Bool {
        try await endRescue(session)
        let deadline = ContinuousClock.now + Self.rescueReadBound
        guard try RelayLogsAside(layout).lacking(beyond: try await rightfullyHeld(session), until: deadline) != nil else { return false }
        do {
            try await rescue(session, report)
            try await endRescue(session)
            return true
        } catch {
            // Whoever comes next ends it too: the one thing that fails here is a server that does not answer.
            try? await Task { try await self.endRescue(session) }.value
            throw error
        }
    }

    /// Of more transactions the rows are not set back: tables that differ so much are no base for a writer.
    private static let setBacksMax = 100

    private func rescue(_ session: AdminSession, _ report: @Sendable (EngineProgress) -> Void) async throws {
        var (setBack, error): ([LogPlace], String?) = ([], nil)
        while let (groups, files) = try RelayLogsAside(layout).lacking(
            beyond: try await rightfullyHeld(session), until: ContinuousClock.now + Self.rescueReadBound)
        {
            if let error {
                guard !setBack.contains(groups.first), setBack.count < Self.setBacksMax else { throw cannotRescue(groups.position, error) }
                report(EngineProgress(phase: "setting rows back that are there before the transaction that makes them: \(error)"))
                try await self.setBack(groups, in: files, session)
                setBack.append(groups.first)
            }
            report(EngineProgress(phase: "applying up to \(groups.position) from the relay logs of its last life"))
            try await apply(groups, in: files, session)
            error = try await stop(session, before: groups.position, report)
            if error == nil { return }
            try await endRescue(session)
        }
    }

    /// Gives the server the groups to apply, one by one.
    private func apply(_ groups: LackingGroups, in files: [String], _ session: AdminSession) async throws {
        try placeRelayLogs(files)
        // A replica passes over rows that carry its own number.
        if groups.writers.contains(try identity().serverID) { try await goBy(otherNumber, session) }
        try await session.run(changeMaster(to: groups.first))
        try await session.run("SET GLOBAL \(identifier: Self.rescueConnection).slave_parallel_mode = 'none'")
        try await session.run(
            """
            START SLAVE \(Self.rescueConnection) SQL_THREAD UNTIL RELAY_LOG_FILE = \(rescueName(groups.end.path)),
            RELAY_LOG_POS = \(groups.end.offset)
            """, within: Self.stopThreadBound)
    }

    private func cannotRescue(_ position: GTIDSet, _ why: String) -> EngineError {
        EngineError(.permanent, "\(layout.id) cannot apply what it received before its last start, up to \(position): \(why); its relay logs are in \(layout.relayAside)")
    }

    /// Waits for the applier to end; tells the error where it stopped at a row that is there already.
    private func stop(
        _ session: AdminSession, before position: GTIDSet, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> String? {
        var (last, moved) = (GTIDSet(), ContinuousClock.now)
        while true {
            // In this order: an applier that ended has applied all that it will.
            let status = try await rescueStatus(session)
            let held = try await rightfullyHeld(session)
            if held.contains(position) { return nil }
            guard let status, status.isApplying else {
                if let status, status.sqlErrorCode == Self.duplicateRow { return status.sqlError }
                let why = status.map { $0.sqlError.isEmpty ? "its applier ended before" : $0.sqlError } ?? "its relay logs are gone from the server"
                throw cannotRescue(position, why)
            }
            if held != last { (last, moved) = (held, ContinuousClock.now) }
            report(EngineProgress(phase: "applying what was received before the last start", done: held.sequences, total: position.sequences))
            guard ContinuousClock.now - moved < Self.drainStallMax else {
                throw EngineError(.transient, "\(layout.id) has applied nothing for \(Self.drainStallMax.components.seconds) s, and received up to \(position) before its last start")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Takes away what a rescue left that was cut short, too: its connection and files, and how the server was set for it.
    func endRescue(_ session: AdminSession) async throws {
        do {
            try await session.run("STOP SLAVE \(Self.rescueConnection)", within: Self.stopThreadBound)
            try await session.run("RESET SLAVE \(Self.rescueConnection) ALL", within: Self.stopThreadBound)
        } catch let error as MySQLError where error.code == Self.noConnection {
            // The usual case.
        }
        try await session.run("SET GLOBAL slave_exec_mode = 'STRICT'")
        try await goBy(try identity().serverID, session)
        for name in Files.names(in: layout.data) where isOfRescue(name) { try Files.remove(layout.data + "/" + name) }
    }

    private func rescueStatus(_ session: AdminSession) async throws -> ReplicaStatus? {
        try await session.run("SHOW SLAVE \(Self.rescueConnection) STATUS").records.first.flatMap { ReplicaStatus($0) }
    }

    /// The host is none: its IO thread is never started.
    private func changeMaster(to first: LogPlace) -> SQL {
        """
        CHANGE MASTER \(Self.rescueConnection) TO MASTER_HOST = '127.0.0.1', MASTER_USER = \(Self.rescueConnection),
        MASTER_USE_GTID = no, RELAY_LOG_FILE = \(rescueName(first.path)), RELAY_LOG_POS = \(first.offset)
        """
    }

    /// Links, as the server will find them by the index when the connection is made: it deletes what it has applied.
    private func placeRelayLogs(_ files: [String]) throws {
        let user = try host.processUser() ?? HostUser.current()
        for file in files { try Files.link(file, layout.data + "/" + rescueName(file)) }
        let index = layout.data + "/" + Self.rescueLog + ".index"
        try Files.write(index, files.map { "./" + rescueName($0) + "\n" }.joined(), mode: 0o640)
        try Files.give(index, to: user)
    }

    /// The server's own way of naming the relay logs of a named connection.
    private static var rescueLog: String { BinlogPositions.relayName + "-" + rescueConnection }

    private func rescueName(_ file: String) -> String {
        Self.rescueLog + Files.name(file).dropFirst(BinlogPositions.relayName.count)
    }

    private func isOfRescue(_ name: String) -> Bool {
        name.hasPrefix(Self.rescueLog + ".") || ["master-\(Self.rescueConnection).info", "relay-log-\(Self.rescueConnection).info"].contains(name)
    }

    /// `ER_DUP_ENTRY`.
    private static let duplicateRow = 1062
    /// `WARN_NO_MASTER_INFO`.
    private static let noConnection = 1617
}
