import FleetModel
import MySQLClient

// Which member of a galera cluster applications write to. All can: a move needs no fence and no proof, and can be undone at
// every step.

extension InstanceWorker {
    /// Opens the member for writing. Refused where it is in no component: nobody there could acknowledge a write.
    func openMember() async throws -> TaskResult {
        try requireGalera()
        return try await withSession { session in
            _ = try await requireInComponent(session)
            let isOpen = try await !session.isOn("read_only")
            if isOpen, try await session.isOn("event_scheduler") { return TaskResult(acted: false) }
            try await open(session)
            return TaskResult()
        }
    }

    /// Opens it once it has applied `sequence`, the last write set of the one that was open before.
    func promoteMember(after sequence: Int64?) async throws -> TaskResult {
        try requireGalera()
        return try await withSession { session in
            if let sequence {
                let isThere = try await wait(within: Self.positionBound) {
                    try await self.requireInComponent(session).lastCommitted >= sequence
                }
                guard isThere else {
                    let seconds = Self.positionBound.components.seconds
                    throw EngineError(.refused, "\(layout.id) has not applied \(sequence) within \(seconds) s: it is not opened")
                }
            } else {
                _ = try await requireInComponent(session)
            }
            let wasOpen = try await !session.isOn("read_only")
            try await open(session)
            return TaskResult(acted: !wasOpen)
        }
    }

    /// The member stops taking writes; the last write set that it holds is the result.
    func demoteMember() async throws -> TaskResult {
        try requireGalera()
        return try await withSession { session in
            let wasOpen = try await !session.isOn("read_only")
            try await session.makeReadOnly(layout.id)
            let galera = try await session.galera(within: AdminSession.quick)
            return TaskResult(acted: wasOpen, position: try await session.positions().binlog, sequence: galera.lastCommitted)
        }
    }

    /// A member that differs from its cluster is stopped, and its directory moved aside and kept, for a copy to take its place.
    func setMemberAside(_ report: @Sendable (EngineProgress) -> Void) async throws -> TaskResult {
        try requireReady()
        if process.living(thorough: true) != nil {
            let isOpen = try await withSession { session in
                let galera = try await session.galera(within: AdminSession.quick)
                let isClosed = try await session.isOn("read_only")
                return galera.isInComponent(of: galera.stateUUID) && !isClosed
            }
            guard !isOpen else { throw EngineError(.refused, "\(layout.id) is the open member of its component: another one is opened first") }
        }
        let why = GaleraFiles(layout).isInconsistent ? "it was voted out of its component" : "its rows or its history are not its component's"
        return try moveAside(why, nil, report)
    }

    private func open(_ session: AdminSession) async throws {
        try await session.makeWritable()
        try await enableEvents()
        // It serves: from here on its data are the cluster's.
        try Files.remove(layout.foundingMark)
    }

    private func requireInComponent(_ session: AdminSession) async throws -> GaleraReport {
        let galera = try await session.galera(within: AdminSession.quick)
        guard galera.isInComponent(of: galera.stateUUID) else {
            throw EngineError(.refused, "\(layout.id) is not in a primary component (\(galera.state.rawValue)): nobody there can acknowledge a write")
        }
        return galera
    }
}
