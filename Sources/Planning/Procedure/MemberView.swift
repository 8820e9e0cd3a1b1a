import FleetModel

/// One member of a cluster as a step sees it: its record, and what is known of it now.
///
/// An immutable object, because a step looks at the same few members many times and their values are large.
final class MemberView {
    enum Knowledge {
        /// No report of its host was ever seen.
        case unknown
        /// The last one is older than its bound: shown, never relied on.
        case stale
        case fresh
    }

    let record: MemberRecord
    let knowledge: Knowledge
    /// How old what is known is; nil where nothing ever was.
    let age: Duration?
    /// For how long its host's agent has said nothing at all; nil where it never did.
    let silence: Duration?
    /// Age limit for a change of writer is tighter.
    let isFreshForWriter: Bool
    /// Nil where the host's report does not list it: it is not there.
    let report: InstanceReport?
    let engines: [EngineBinary]
    /// An attempt works on it.
    let isBusy: Bool

    /// It runs, and its database was looked at just now.
    let isAnswering: Bool
    /// It takes writes.
    let isWritable: Bool
    /// Semi-sync is on at it as a replica.
    let acknowledges: Bool

    init(
        record: MemberRecord, knowledge: Knowledge, age: Duration?, silence: Duration?, report: InstanceReport?,
        engines: [EngineBinary], isBusy: Bool
    ) {
        self.record = record
        self.knowledge = knowledge
        self.age = age
        self.silence = silence
        isFreshForWriter = age.map { $0 <= ObservedHost.writerAgeMax } ?? false
        self.report = report
        self.engines = engines
        self.isBusy = isBusy
        isAnswering =
            knowledge == .fresh && report?.process == .running && report?.directory == .ready && report?.database != nil
        isWritable = isAnswering && report?.database?.readOnly == false
        acknowledges = isAnswering && report?.database?.semiSyncReplica == true
    }

    /// What the database says; nil unless it runs and was looked at just now.
    var database: DatabaseReport? { isAnswering ? report?.database : nil }

    var ordinal: Int { record.ordinal }
    var isActive: Bool { record.phase == .active }
    var isRetired: Bool { if case .retired = record.phase { true } else { false } }
    var isRunning: Bool { report?.process == .running && report?.directory == .ready }

    /// Everything that it holds or has received of its cluster's rows, as far as it tells.
    var received: GTIDSet { database?.replication.map { held.merged(with: $0.receivedPosition) } ?? held }

    /// What is in its tables of its cluster's rows, as far as it tells: what it has only received is not.
    var held: GTIDSet {
        guard let database else { return GTIDSet() }
        guard database.replication != nil else { return database.binlogPosition.merged(with: database.appliedPosition) }
        return database.binlogPosition.rightful(on: database.serverID, applied: database.appliedPosition)
    }

    /// What somebody wrote to this replica itself: no other member has it, and its number in the domain belongs to
    /// another transaction. Empty where there is nothing of the kind.
    var rowsOfItsOwn: GTIDSet {
        guard let database, database.replication != nil else { return GTIDSet() }
        return database.binlogPosition.own(of: database.serverID, beyond: database.appliedPosition)
    }

    /// Receives from this source: its IO thread is connected.
    func receives(from source: MemberRecord) -> Bool {
        points(to: source) && report?.database?.replication?.ioRunning == true
    }

    /// Replicates from this source, both threads up.
    func isAttached(to source: MemberRecord) -> Bool {
        guard isAnswering, let replication = report?.database?.replication else { return false }
        return points(to: source) && replication.ioRunning && replication.sqlRunning
    }

    /// Replicates from this writer, or from one of its replicas of which nothing else is known; `provably`: that is known
    /// to replicate from the writer.
    func follows(_ writer: MemberView, among members: [MemberView], provably: Bool = false) -> Bool {
        isAttached(to: writer.record)
            || members.contains {
                $0.isActive && isAttached(to: $0.record) && ($0.knowledge != .fresh && !provably || $0.isAttached(to: writer.record))
            }
    }

    func points(to source: MemberRecord) -> Bool {
        guard isAnswering, let replication = report?.database?.replication else { return false }
        return replication.sourceHost == source.address && replication.sourcePort == source.port
    }

    /// Lag beyond this keeps a replica from joining the ack set and from becoming the writer, in seconds.
    static let lagMax: Int64 = 5

    var hasCaughtUp: Bool { !isAnswering || (report?.database?.replication?.lagSeconds ?? 0) <= MemberView.lagMax }
}

extension ClusterSituation {
    /// Views of all members whose directory may still be there, by ordinal.
    func views(_ context: StepContext? = nil) -> [MemberView] {
        var views: [MemberView] = []
        views.reserveCapacity(records.members.count)
        for record in records.members {
            if case .purged = record.phase { continue }
            let isBusy = !running.isEmpty && isBusy(record.ordinal)
            if !isBusy, let known = context?.view(of: record) {
                views.append(known)
            } else {
                let view = view(of: record, isBusy: isBusy)
                context?.keep(view)
                views.append(view)
            }
        }
        return views
    }

    private func isBusy(_ ordinal: Int) -> Bool {
        if donating.contains(ordinal) { return true }
        return running.contains { attempt in
            if case .instance(let id, _) = attempt.task.target, id.ordinal == ordinal { return true }
            return attempt.task.alsoBusy == InstanceID(clusterUID: records.uid, ordinal: ordinal)
        }
    }

    private func view(of record: MemberRecord, isBusy: Bool) -> MemberView {
        MemberView(of: record, in: records.uid, at: observed[record.host], now, isBusy: isBusy)
    }
}

extension RelatedCluster {
    func views(at now: Instant) -> [MemberView] {
        records.members.compactMap { record in
            if case .purged = record.phase { return nil }
            return MemberView(of: record, in: records.uid, at: observed[record.host], now, isBusy: busy.contains(record.ordinal))
        }
    }
}

extension MemberView {
    /// `seen`: what is known of its host; nil: it never reported.
    fileprivate convenience init(
        of record: MemberRecord, in uid: String, at seen: ObservedHost?, _ now: Instant, isBusy: Bool
    ) {
        guard let seen else {
            self.init(record: record, knowledge: .unknown, age: nil, silence: nil, report: nil, engines: [], isBusy: isBusy)
            return
        }
        let report = seen.report.instances.first { $0.id.ordinal == record.ordinal && $0.id.clusterUID == uid }
        self.init(
            record: record, knowledge: seen.isFresh(at: now) ? .fresh : .stale, age: now - seen.renewed,
            silence: now - max(seen.heard, seen.renewed), report: report,
            engines: seen.report.engines, isBusy: isBusy)
    }
}
