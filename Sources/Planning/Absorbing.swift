package import FleetModel

extension Planner {
    /// The records after an attempt of a task ended: what was learnt (values read back, positions, versions), what is
    /// now in the inventory, and failures with the moment of the next try. Idempotent for one attempt's end.
    ///
    /// `jitter`: 0…1, spreads the retries of many units.
    package static func absorb(
        _ outcome: AttemptOutcome, of task: PlannedTask, into records: ClusterRecords, at now: Instant, jitter: Double
    ) -> ClusterRecords {
        var records = records
        switch outcome {
        case .succeeded(let result):
            absorbSuccess(result, task, &records)
            noteRolled(task, &records, now)
        case .failed(let message):
            noteFailure(task, message, &records, now, jitter)
            if case .promote(let epoch, _, _, _, _) = task.action, records.switchover?.epoch == epoch {
                records.switchover?.isPastReturn = false
            }
        case .refused(let reason):
            // The facts it was planned on have moved: observe and step again, nothing to hold against the task. A refused
            // promotion has opened nothing.
            if case .promote(let epoch, _, _, _, _) = task.action, records.switchover?.epoch == epoch {
                records.switchover?.isPastReturn = false
                noteFailure(task, "the candidate refused", &records, now, jitter)
            } else if case .promote(let epoch, _, _, _, _) = task.action, records.failover?.epoch == epoch {
                noteFailure(task, reason, &records, now, jitter)
            } else if case .demote(let epoch) = task.action {
                noteHeldUp(task, reason, epoch, &records, now, jitter)
            } else if case .takeBack = task.action {
                // An agent of an earlier release knows no such task.
                noteFailure(task, reason, &records, now, jitter)
            } else if task.action.beginsInGroup {
                // What its data are, and not a fact that has moved, speaks against it.
                noteFailure(task, reason, &records, now, jitter)
            }
        case .cancelled: break
        }
        return records
    }

    /// From here on it is to come back into service.
    private static func noteRolled(_ task: PlannedTask, _ records: inout ClusterRecords, _ now: Instant) {
        guard case .instance(let id, _) = task.target else { return }
        switch task.action {
        case .restart, .upgrade: records.rolled = RolledInstance(ordinal: id.ordinal, at: now)
        case .takeBack: records.rolled = nil
        default: break
        }
    }

    static func absorbSuccess(_ result: TaskResult, _ task: PlannedTask, _ records: inout ClusterRecords) {
        if !records.failures.isEmpty { records.failures[key(of: task)] = nil }
        guard case .instance(let id, _) = task.target else { return }
        if let version = result.engineVersion, records.engineVersion.isEmpty { records.engineVersion = version }
        switch task.action {
        case .configure: forgetStarts(of: id, &records)
        case .initialize(let replicas): records.preparedReplicas = union(records.preparedReplicas, replicas)
        case .prepareReplica(let ordinal, ""): records.preparedReplicas = union(records.preparedReplicas, [ordinal])
        case .open(_, let semiSync): noteOpening(semiSync: semiSync, takesOver: false, &records)
        case .promote(let epoch, _, let semiSync, let refused, _):
            noteOpening(semiSync: semiSync, takesOver: [records.failover?.epoch, records.switchover?.epoch, records.lead?.epoch].contains(epoch), &records)
            records.preparedReplicas.removeAll { refused.contains($0) }
        case .setVariables(let values, _):
            for case (let name, let declared?) in values {
                guard let readBack = result.readBack[name] else { continue }
                records.parameters[name] = AppliedParameter(
                    declared: declared, readBack: readBack, version: result.engineVersion ?? records.engineVersion)
            }
        case .demote(let epoch):
            if records.switchover?.epoch == epoch {
                records.switchover?.position = result.position
                records.switchover?.sequence = result.sequence
            }
            if let position = result.position { noteStepDown(epoch, position, &records) }
        case .ensureDatabase(let database): records.databases[database.name] = database.deletionPolicy
        case .ensureAccount(let account, let fingerprint):
            records.accounts[account.key] = AppliedAccount(fingerprint: fingerprint, grants: account.grants)
        case .retire: records.forget(id.ordinal)
        case .purge: setPhase(.purged, of: id.ordinal, in: &records, ifRetired: true)
        case .expel(let ordinal): records.expelled[ordinal] = result.position ?? GTIDSet()
        case .revoke(let epoch):
            if records.failover?.epoch == epoch { records.failover?.revoked[id.ordinal] = result.position ?? GTIDSet() }
        case .fence(let epoch):
            if records.failover?.epoch == epoch, records.failover?.from == id.ordinal {
                records.failover?.isFenced = true
                records.failover?.tail = result.position
            }
        case .foundComponent:
            if let recovered = result.recovered, records.galera?.stateUUID == "" { records.galera?.stateUUID = recovered.stateUUID }
        case .rejoin: forgetAttaching(of: id, &records)
        case .clone:
            // Another directory: by what the one before did not start says nothing of it.
            forgetAttaching(of: id, &records)
            forgetStarts(of: id, &records)
            if records.galera != nil { noteAnew(id, &records) }
        case .install, .start, .restart, .upgrade, .takeBack, .replicate, .acknowledge, .close, .applyChannel, .dropDatabase, .dropAccount,
            .prepareReplica, .probe, .joinComponent, .readPosition, .recoverComponent, .renewCertificate:
            // What was dropped leaves the inventory once it is seen to be gone for good.
            break
        }
    }

    /// Its rows are those of the writer: that it could not be attached with those that it had says nothing of them.
    private static func forgetAttaching(of id: InstanceID, _ records: inout ClusterRecords) {
        guard !records.failures.isEmpty else { return }
        records.failures = records.failures.filter { !$0.key.contains("/\(id)/replicate") }
    }

    /// A writer that took writes without waiting has some that nobody acknowledged: that it waits from now on proves nothing
    /// of them. One that takes over begins with what the records call its floor.
    private static func noteOpening(semiSync: Bool, takesOver: Bool, _ records: inout ClusterRecords) {
        if takesOver {
            records.isUnprotected = false
        } else if semiSync, records.isFounded, !records.isSemiSync {
            records.isUnprotected = true
        }
        records.isFounded = true
        records.isSemiSync = semiSync
    }

    /// The lead has ended: from here on nothing opens a member, until the lead is taken again. Not where a failover has begun
    /// since, which ends before the cluster steps down: what the old primary closed with may not be the last of it.
    private static func noteStepDown(_ epoch: Int64, _ position: GTIDSet, _ records: inout ClusterRecords) {
        guard let steppingDown = records.steppingDown, steppingDown.epoch == epoch, records.epoch == epoch else { return }
        records.steppingDown = nil
        records.standby = steppingDown.to
        records.demotion = DemotionToken(clusterUID: records.uid, epoch: epoch, position: position)
        records.lead = nil
        records.forgetAcknowledging(floor: GTIDSet())
    }

    /// A copy has nothing of what stood in its place before.
    private static func noteAnew(_ id: InstanceID, _ records: inout ClusterRecords) {
        records.galera?.inconsistent.removeAll { $0 == id.ordinal }
        records.leftBehind.removeAll { $0 == id.ordinal }
        let mark = "/\(id)/joinComponent"
        records.failures = records.failures.filter { !$0.key.contains(mark) }
    }

    /// What failed by an old configuration is tried at once by the new one.
    private static func forgetStarts(of id: InstanceID, _ records: inout ClusterRecords) {
        guard !records.failures.isEmpty else { return }
        let marks = ["/\(id)/start", "/\(id)/restart", "/\(id)/upgrade"]
        records.failures = records.failures.filter { failure in !marks.contains { failure.key.contains($0) } }
    }

    private static func setPhase(
        _ phase: MemberPhase, of ordinal: Int, in records: inout ClusterRecords, ifRetired: Bool
    ) {
        guard let index = records.members.firstIndex(where: { $0.ordinal == ordinal }) else { return }
        if ifRetired, case .retired = records.members[index].phase { records.members[index].phase = phase }
    }

    private static func noteFailure(
        _ task: PlannedTask, _ message: String, _ records: inout ClusterRecords, _ now: Instant, _ jitter: Double
    ) {
        let message = records.naming(message)
        let key = key(of: task)
        let count = (records.failures[key]?.count ?? 0) + 1
        var delay = FailureRecord.backoffFirst
        for _ in 1..<min(count, 10) where delay < FailureRecord.backoffLimit { delay = delay * 2 }
        delay = min(delay, FailureRecord.backoffLimit)
        let spread = Duration.milliseconds(Int64(Double(delay.milliseconds) * 0.2 * min(max(jitter, 0), 1)))
        records.failures[key] = FailureRecord(count: count, last: now, message: message, retryAt: now + delay + spread)
    }

    /// Something is under way on the writer that would hold up all its writes if they were to be stopped now, such as a long
    /// statement. A switchover asks again until it has taken too long; that is no failure yet. A move of the lead begins anew.
    private static func noteHeldUp(
        _ task: PlannedTask, _ reason: String, _ epoch: Int64, _ records: inout ClusterRecords, _ now: Instant, _ jitter: Double
    ) {
        if records.switchover?.epoch == epoch, records.galera == nil {
            records.failures[heldUpKey] = FailureRecord(count: 1, last: now, message: records.naming(reason), retryAt: now + heldUpRetry)
        } else if records.steppingDown?.epoch == epoch {
            noteFailure(task, reason, &records, now, jitter)
        }
    }

    /// Under which a switchover that waits for the writer keeps why; and between two times that it asks.
    static let heldUpKey = "switchover/held-up"
    static let heldUpRetry: Duration = .seconds(1)

    static func union(_ left: [Int], _ right: [Int]) -> [Int] { Set(left).union(right).sorted() }
}

extension ClusterRecords {
    /// A lead has ended, or begins at `floor`: who acknowledged for an earlier one counts no more.
    mutating func forgetAcknowledging(floor: GTIDSet) {
        beginWriting(at: floor, ackers: [])
        (isSemiSync, isUnprotected) = (false, false)
    }

    /// Another writer begins at `floor`; what was settled with the one before about its ackers is over with it.
    mutating func beginWriting(at floor: GTIDSet, ackers: [Int]) {
        (ackSet, expelled, quiet, self.floor) = (ackers, [:], [:], floor)
    }

    /// What the writer held when it was seen to acknowledge no more says nothing once it is out, or acknowledges again. That
    /// the writer refuses it stays true.
    mutating func leaveAckSet(_ ordinal: Int) {
        ackSet.removeAll { $0 == ordinal }
        quiet[ordinal] = nil
    }

    /// An instance that is stopped for good can acknowledge nothing any more.
    mutating func forget(_ ordinal: Int) {
        leaveAckSet(ordinal)
        preparedReplicas.removeAll { $0 == ordinal }
        leftBehind.removeAll { $0 == ordinal }
        expelled[ordinal] = nil
    }

    /// A message with its instances named as people know them: `orders-2` for `<uid>-2`; paths stay what they are.
    fileprivate func naming(_ message: String) -> String {
        var text = ""
        var rest = message[...]
        let mark = uid + "-"
        guard !uid.isEmpty else { return message }
        while let start = rest.utf8.indices.first(where: { rest[$0...].utf8.starts(with: mark.utf8) }) {
            text += rest[..<start]
            text += text.hasSuffix("/") ? mark : name + "-"
            rest = rest[rest.utf8.index(start, offsetBy: mark.utf8.count)...]
        }
        return text + rest
    }
}

extension Action {
    /// Starts an instance with a group, or reads what it would start with.
    fileprivate var beginsInGroup: Bool {
        switch self {
        case .foundComponent, .joinComponent, .readPosition, .recoverComponent: true
        default: false
        }
    }
}
