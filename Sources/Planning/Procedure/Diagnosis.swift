import FleetModel

/// What only another writer mends: a named condition of the primary, and what showed it.
struct WriterLoss: Hashable {
    enum Code: String {
        /// Its agent says that it does not run, and it could not be started, or its directory is gone.
        case deadPrimary = "DeadPrimary"
        /// Its host is silent, and no possible acker is connected to it.
        case unreachablePrimary = "UnreachablePrimary"
        /// It runs and does not answer, and no possible acker is connected to it.
        case hungPrimary = "HungPrimary"
        /// It runs, and its disk takes no writes: every commit waits.
        case diskStalled = "DiskStalled"
        case diskFull = "DiskFull"
        /// It runs, its commits wait for an acknowledgement, and nobody who could give it reaches it over the network.
        case semiSyncBlocked = "SemiSyncBlocked"
        /// It was to take over and cannot, and another one holds as much.
        case stuckCandidate = "StuckCandidate"
        /// It is not in the component that the other members of a galera cluster are in.
        case leftComponent = "PrimaryOutside"
    }

    var code: Code
    /// One sentence, for people.
    var evidence: String

    /// As intents and findings tell it.
    var text: String { code.rawValue + ": " + evidence }
}

// Diagnosis: whether the writer is lost. Evidence is holistic: that the servers lost sight of it is none by itself.

extension PrimaryReplicaProcedure {
    /// A host from which nothing was heard for so long is looked into. Its agent's heartbeats come every second.
    static let silenceMin: Duration = .seconds(2)
    /// While something is suspected the facts are looked at again after this.
    static let suspicionStep: Duration = .milliseconds(250)

    /// Who may have acknowledged a write of the present writer: each may hold a row that nobody else has.
    func possibleAckers(of writer: MemberView) -> [MemberView] {
        views.filter { $0.ordinal != writer.ordinal && records.ackSet.contains($0.ordinal) }
    }

    /// Nil where the writer is not lost, or not provably.
    mutating func diagnose(_ writer: MemberView) -> WriterLoss? {
        if writer.knowledge == .fresh, let loss = dead(writer) ?? blocked(writer) { return loss }
        let ackers = possibleAckers(of: writer)
        let isHung = writer.knowledge == .fresh && writer.report?.process == .unresponsive
        guard isHung || isSilent(writer), !ackers.isEmpty else { return nil }
        var cutOff: [String] = []
        var silent: [String] = []
        /// They receive from nobody, and cannot tell whether they could.
        var down = 0
        for view in ackers {
            guard view.isFreshForWriter else {
                // What it says of the writer is asked for; without it nothing is concluded.
                wait(.host(view.record.host), "what \(label(view)) says of \(label(writer)), which \(isHung ? "does not answer" : "is silent")")
                if !isHung, isSilent(view) { silent.append(label(view)) }
                continue
            }
            if view.isAnswering, !view.receives(from: writer.record) {
                cutOff.append(label(view))
            } else if view.report?.process == .stopped {
                down += 1
            } else if view.report?.process == .unresponsive, !isHung {
                silent.append(label(view))
            } else {
                wait(.host(view.record.host), "\(label(view)) to lose \(label(writer)), which \(isHung ? "does not answer" : "is silent"), or to keep it")
            }
        }
        guard !cutOff.isEmpty, cutOff.count + silent.count + down == ackers.count else {
            if !isHung { wait(.time(now + Self.suspicionStep), "\(writer.record.host), silent, to be heard again or given up by all replicas") }
            return nil
        }
        let others = cutOff.joined(separator: " and ")
        if isHung {
            return WriterLoss(code: .hungPrimary, evidence: "\(label(writer)) runs and does not answer, and \(others) cannot reach it")
        }
        var evidence = "\(writer.record.host) is silent, and \(others) cannot reach \(label(writer))"
        if !silent.isEmpty {
            // Nobody is promoted then: who is silent too may hold what nobody else does.
            wait(.time(now + Self.suspicionStep), "\(silent.joined(separator: " and ")), silent too, to be heard again")
            evidence += "; \(silent.joined(separator: " and ")) cannot be asked"
        }
        return WriterLoss(code: .unreachablePrimary, evidence: evidence)
    }

    /// It answers, and can commit nothing.
    mutating func blocked(_ writer: MemberView) -> WriterLoss? {
        guard !writer.isBusy, let report = writer.report, report.process == .running || report.process == .unresponsive else { return nil }
        // Where the disks of all have the same trouble nobody is better off.
        let hasOther = views.contains { $0.isActive && $0.ordinal != writer.ordinal && $0.isAnswering && $0.report?.disk == nil }
        switch hasOther ? report.disk : nil {
        case .stalled: return WriterLoss(code: .diskStalled, evidence: "the disk of \(label(writer)) on \(writer.record.host) takes no writes")
        case .full: return WriterLoss(code: .diskFull, evidence: "the disk of \(label(writer)) on \(writer.record.host) is full")
        case nil: break
        }
        let ackers = possibleAckers(of: writer)
        guard writer.isWritable, writer.isFreshForWriter, writer.database?.areCommitsWaiting == true,
            ackers.contains(where: { isCutOff($0, from: writer) })
        else { return nil }
        guard ackers.allSatisfy({ isCutOff($0, from: writer) }) else {
            for view in ackers where !view.isFreshForWriter { wait(.host(view.record.host), "what \(label(view)) says of \(label(writer)), whose commits wait") }
            wait(.time(now + Self.suspicionStep), "the replicas of \(label(writer)), whose commits wait, to reach it or to lose it")
            return nil
        }
        let others = ackers.map { label($0) }.joined(separator: " and ")
        return WriterLoss(code: .semiSyncBlocked, evidence: "commits wait on \(label(writer)), and \(others) cannot reach it over the network")
    }

    /// Nothing commits, and nobody who could acknowledge reaches the writer: whether a commit would come back is found out before
    /// an application's has to wait. That it waits is seen as of any other.
    mutating func probe(_ writer: MemberView) {
        let ackers = possibleAckers(of: writer)
        guard writer.isWritable, writer.isFreshForWriter, !writer.isBusy, !ackers.isEmpty, let database = writer.database,
            database.semiSyncPrimary, !database.awaitsAcknowledgement, !database.areCommitsWaiting, ackers.allSatisfy({ isCutOff($0, from: writer) })
        else { return }
        let others = ackers.map { label($0) }.joined(separator: " and ")
        emit(
            .probe, on: writer, isVoluntary: false, cause: .observation("\(others) cannot reach \(label(writer)) over the network"),
            "commit a row of our own, to see whether anybody acknowledges")
    }

    /// A replica whose IO thread does not run is no evidence of the network: only one that tries to connect in vain is, and that
    /// reached nobody. One that is answered, be it that there are too many connections, is none.
    private func isCutOff(_ view: MemberView, from writer: MemberView) -> Bool {
        guard view.isFreshForWriter, view.points(to: writer.record), let replication = view.database?.replication else { return false }
        return replication.ioConnecting && (replication.ioErrorCode == 0 || Self.networkErrors.contains(replication.ioErrorCode))
    }

    /// A client's errors: nobody listens or answers (2002, 2003), a name that is not found (2005), a connection that ended (2006,
    /// 2013, 2055). All others are a server's words.
    private static let networkErrors: Set<Int> = [2002, 2003, 2005, 2006, 2013, 2055]

    private func isSilent(_ view: MemberView) -> Bool { view.silence.map { $0 >= Self.silenceMin } ?? true }

    /// Whether it was tried in vain to start it.
    func isDead(_ writer: MemberView) -> Bool { dead(writer) != nil }

    private func dead(_ writer: MemberView) -> WriterLoss? {
        guard !writer.isBusy else { return nil }
        guard let report = writer.report, report.directory == .ready else {
            return WriterLoss(code: .deadPrimary, evidence: "the directory of \(label(writer)) is gone from \(writer.record.host)")
        }
        guard report.process == .stopped, !records.failures.isEmpty else { return nil }
        guard let failure = records.failures.newest({ $0.hasSuffix(startMark(of: writer)) }) else { return nil }
        return WriterLoss(code: .deadPrimary, evidence: "\(label(writer)) does not start: \(failure.value.message)")
    }
}

extension Planner {
    /// A host that is silent for so long asks for a look at the clusters on it.
    package static let silenceMin = PrimaryReplicaProcedure.silenceMin
}
