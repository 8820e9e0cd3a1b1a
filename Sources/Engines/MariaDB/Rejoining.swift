import FleetModel
import Glibc
import MySQLClient

// Bringing back a member that a failover left behind, as a replica of the new writer.
//
// The lost writer's binary log may end with rows that nobody acknowledged. Started plainly it would commit them for good
// and never fit to its cluster again; so the first start cuts what InnoDB had not committed durably. That may take
// acknowledged rows too: hence only once the source covers them, and the tail is kept first. What cannot be cut (it was
// committed, or is no InnoDB row) makes the member differ from its cluster: then its directory is moved aside as it is,
// and a clone takes its place.

extension InstanceWorker {
    /// How long a killed server may take to end before its directory is moved.
    static let rejoinEndBound: Duration = .seconds(30)

    /// Attaches to `source`, asynchronously; the result's position is where it goes on. Nil where it was moved aside:
    /// then there is no instance any more.
    func rejoin(
        to source: Peer, password: String, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> TaskResult {
        try requireReady()
        guard !password.isEmpty else { throw EngineError(.refused, "the order carries no replication password") }
        var kept: TailAside?
        var started = false
        if process.living(thorough: true) == nil {
            let end = try logEnd(against: try await history(of: source, password))
            kept = try await keepTailAside(end, lackedBy: source, report)
            let earlier = try tellBeforeCut(end, kept, source)
            report(EngineProgress(phase: "starting without what was not committed"))
            let logged = Files.size(layout.errorLog)
            do {
                started = try await startClosed(cutsTail: true)
                try await tellCut(end, kept, source, earlier)
            } catch let error as EngineError where tailCannotBeCut(since: logged) {
                try tellOnly(earlier)
                let tail = kept.map { " (\($0.end.lackingText), not held by \(source.address):\(source.port))" } ?? ""
                return try moveAside("its binary log ends with what cannot be cut\(tail): \(error)", kept, report)
            }
        } else {
            try await waitUntilReady(from: Files.size(layout.errorLog))
        }
        let position: (value: GTIDSet, acted: Bool)
        do {
            guard let attached = try await attachIfHeld(by: source, password, report) else {
                if kept == nil { kept = try await keepTailAside(try logEnd(against: try await history(of: source, password)), lackedBy: source, report) }
                let tail = kept.map { ": \($0.end.lackingText)" } ?? ""
                return try moveAside("\(layout.id) holds what \(source.address):\(source.port) does not\(tail)", kept, report)
            }
            position = attached
        } catch let differs as DiffersInRows {
            return try moveAside(differs.why, kept, report)
        }
        let note = try takeUntold(report)
        if let note { report(EngineProgress(phase: note)) }
        return TaskResult(acted: started || position.acted, position: position.value, note: note)
    }

    /// Attaches where the source holds all that is held here; nil where it does not.
    private func attachIfHeld(
        by source: Peer, _ password: String, _ report: @Sendable (EngineProgress) -> Void
    ) async throws -> (value: GTIDSet, acted: Bool)? {
        try await withSession { session in
            guard try await session.isOn("read_only") else {
                throw EngineError(.refused, "\(layout.id) is open for writing: it is fenced before it rejoins")
            }
            if let status = try await session.replicaStatus() {
                if try await isAttached(session, status, to: source, acknowledges: false) {
                    try RelayLogsAside(layout).settle()
                    return (try await heldHere(session), false)
                }
                try await settleUnlessHeld(by: source, password)
                try await applying(status.received, of: source, password) { try await leave(status, for: source, session, report) }
            }
            let held = try await heldHere(session)
            guard try await history(of: source, password).holds(held) else { return nil }
            if try await session.positions().applied != held {
                try await session.run("SET GLOBAL gtid_slave_pos = \(held.description)")
            }
            let acted = try await applying(held, of: source, password) {
                try await attach(session, to: source, acknowledges: false, password, report)
            }
            // Also where its source's address is the one that it had: that one wrote other rows since.
            try RelayLogsAside(layout).settle()
            return (held, acted)
        }
    }

    /// Its applier stands still at a row although its positions fit: its tables are others than its source's.
    private struct DiffersInRows: Error {
        var why: String
    }

    /// `body` applies what is, or was, received. Where that cannot be done and the source holds all of it, no copy of
    /// this member's is needed, and none is of use.
    private func applying<Value: Sendable>(
        _ received: GTIDSet, of source: Peer, _ password: String, _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch let error as EngineError where error.kind == .permanent || error.kind == .refused {
            guard try await history(of: source, password).holds(received) else { throw error }
            throw DiffersInRows(why: error.message)
        }
    }

    /// What it received and the writer does not hold was never acknowledged: it is not applied. The server may have had
    /// its old source's address in an earlier life, so that also what is aside from there counts no more.
    private func settleUnlessHeld(by source: Peer, _ password: String) async throws {
        let relays = RelayLogsAside(layout)
        let aside = try BinlogPositions(layout: layout).keptAside(until: .now + Self.rescueReadBound)
        guard !aside.isEmpty, try await !history(of: source, password).holds(aside) else { return }
        try tell(
            "what it had received up to \(aside) is not applied: not all of it is held by \(source.address):\(source.port); its relay logs are kept in \(relays.counted.joined()) until its second next start",
            after: try untold())
        try RelayLogsAside(layout).settle()
    }

    /// All that is in its tables, whoever wrote it.
    func heldHere(_ session: AdminSession) async throws -> GTIDSet {
        let (binlog, applied) = try await session.positions()
        return binlog.merged(with: applied)
    }

    /// What is in its tables of its cluster's rows: to a replica somebody may have written others, under numbers that its
    /// source gave to rows that it lacks.
    func rightfullyHeld(_ session: AdminSession) async throws -> GTIDSet {
        guard try await session.replicaStatus() != nil else { return try await heldHere(session) }
        let (binlog, applied) = try await session.positions()
        return binlog.rightful(on: try identity().serverID, applied: applied)
    }

    /// Whoever was written to is compared with the writer (`rejoin`), and attached no other way.
    func requireNoRowsOfItsOwn(_ session: AdminSession) async throws {
        // Of one moment: the applier goes on meanwhile.
        let (binlog, applied) = try await session.positions()
        guard !binlog.own(of: try identity().serverID, beyond: applied).isEmpty else { return }
        throw EngineError(.refused, "\(layout.id) was written to as a replica: its binary log ends with \(binlog), and it has applied \(applied)")
    }

    /// The source's whole history, as this member's own replication account. Throws `refused` where it is not the writer.
    private func history(of source: Peer, _ password: String) async throws -> GTIDHistory {
        try await withSource(source, password) { connection in
            let history = try await connection.history()
            guard try await connection.query("SELECT @@GLOBAL.read_only", within: AdminSession.quick).first == "0" else {
                throw EngineError(.refused, "\(source.address):\(source.port) is read-only: nothing is cut for one that is not the writer")
            }
            return history
        }
    }

    /// Whether the server gave up since then because what follows the tail cannot be taken back.
    private func tailCannotBeCut(since logged: Int64) -> Bool {
        errorLog(since: logged).text.contains("Cannot truncate the binary log to file")
    }

    func moveAside(
        _ why: String, _ kept: TailAside?, _ report: @Sendable (EngineProgress) -> Void
    ) throws -> TaskResult {
        guard try process.kill(waitingAtMost: Self.rejoinEndBound).isOver else {
            throw EngineError(.transient, "\(layout.id) was killed and has not ended yet: its directory is moved when it has")
        }
        let aside = SetAside(layout, in: host)
        let place = aside.kept.next
        let text = kept.map { ", as text in \(place)\($0.directory.dropFirst(layout.directory.count))/tail.sql\($0.textTrouble.map { " (\($0))" } ?? "")" } ?? ""
        let cut = try untold()?.replacing(layout.directory + "/", with: place + "/")
        let said = ["moved aside to \(place): \(why)\(text)", cut].compactMap(\.self).joined(separator: "; ")
        report(EngineProgress(phase: said))
        try aside.move(to: place, why)
        let note = [said, aside.kept.removeOldest(report)].compactMap(\.self).joined(separator: "; ")
        report(EngineProgress(phase: note))
        return TaskResult(note: note)
    }
}

extension ReplicaStatus {
    func isFrom(_ source: Peer) -> Bool { host == source.address && port == source.port }
}
