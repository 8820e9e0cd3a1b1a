import FleetModel
import MySQLClient

// Planned restarts, and the end of an instance.

extension InstanceWorker {
    func start() async throws -> TaskResult {
        let acted = try await startClosed()
        return TaskResult(acted: acted, readBack: try await readBack())
    }

    /// Stops in good order and starts closed. A writer is made read-only first: a stop while commits wait would
    /// acknowledge rows that no replica has. A replica applies all that it received: the start throws relay logs away.
    /// A process that has its configuration already is left alone.
    func restart(isPrimary: Bool, _ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        try requireReady()
        if process.living(thorough: true) != nil {
            if try Files.text(layout.started) == Files.text(layout.configuration) {
                return TaskResult(acted: false, readBack: try await readBack())
            }
            try await stopInOrder(isPrimary: isPrimary, report)
        }
        report(EngineProgress(phase: "starting"))
        _ = try await startClosed(insists: true)
        try requireStartedAsOrdered()
        return TaskResult(readBack: try await readBack())
    }

    /// A writer made read-only, a replica drained, then stopped.
    func stopInOrder(isPrimary: Bool, _ report: @Sendable (EngineProgress) -> Void) async throws {
        try await withSession { session in
            try await keepRunningAsProven(session)
            if isPrimary { return try await session.makeReadOnly(layout.id) }
            guard let status = try await session.replicaStatus(), !status.isStopped else { return }
            try await stopReplicating(session, status, report)
        }
        report(EngineProgress(phase: "stopping"))
        _ = try await stop()
    }

    /// Takes the instance out of service for good; its directory stays. The mark comes first, so that nothing starts it
    /// again.
    func retire() async throws -> TaskResult {
        switch layout.state {
        case nil: throw EngineError(.refused, "there is no instance \(layout.id) on this host")
        case .halfMade: throw EngineError(.refused, "\(layout.directory) is half made: it is purged, not retired")
        case .ready, .retired: break
        }
        let wasRetired = layout.isRetired
        if !wasRetired { try Files.write(layout.retiredMark, "out of service: kept until it is purged\n") }
        if process.living(thorough: true) != nil {
            try? await withSession { session in
                _ = try await session.run("STOP SLAVE IO_THREAD", within: Self.stopThreadBound)
            }
        }
        let stopped = try await stop()
        return TaskResult(acted: stopped || !wasRetired)
    }

    /// Deletes a retired or half-made directory.
    func purge(_ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        guard Files.exists(layout.directory) else { return TaskResult(acted: false) }
        guard layout.isHalfMade || layout.isRetired else {
            throw EngineError(.refused, "\(layout.directory) is in service: only a retired or half-made instance is purged")
        }
        _ = try await stop()
        try await endProcesses()
        report(EngineProgress(phase: "deleting"))
        if layout.socketDirectory != layout.run { try Files.removeTree(layout.socketDirectory) }
        try removeDirectory()
        return TaskResult()
    }
}
