package import FleetModel
package import MetadataStore

// Commands and views. `by` is the name of who asks, for the event.

extension Reconciler {
    /// Looks at the sources now and gives the unit (nil: every unit) a pass. Returns when the sources were read.
    package func reconcile(unit: UnitID?, by: String) async throws(ReconcilerError) {
        try checkLeader()
        for watcher in watchers { await watcher.look() }
        try checkKnown(unit)
        handle(.request(.reconcile(unit, by: by)))
    }

    /// Waits until the unit (nil: every unit) is converged or stalled at the newest revision, at most `timeout`.
    package func waitSettled(unit: UnitID?, timeout: Duration) async throws(ReconcilerError) -> SettleResult {
        let deadline = clock.now() + timeout
        lastWaiter += 1
        let number = lastWaiter
        jobSink.yield(.sleep(until: deadline, .waiter(number)))
        while true {
            try checkLeader()
            guard machine.isUnsettled(unit), clock.now() < deadline, !Task.isCancelled else { return machine.settled(unit) }
            await waitForNews(number)
        }
    }

    /// Until something happens, the waiter's time is over, or its task is cancelled.
    func waitForNews(_ number: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { waiters[number] = continuation }
            }
        } onCancel: {
            Task { await self.resume(number) }
        }
    }

    func resume(_ waiter: UInt64) { waiters.removeValue(forKey: waiter)?.resume() }

    func resumeWaiters() {
        guard !waiters.isEmpty else { return }
        let all = waiters
        waiters = [:]
        for continuation in all.values { continuation.resume() }
    }

    package func suspend(unit: UnitID, by: String) async throws(ReconcilerError) {
        try checkCluster(unit)
        handle(.request(.suspend(unit, by: by)))
    }

    package func resume(unit: UnitID, by: String) async throws(ReconcilerError) {
        try checkCluster(unit)
        handle(.request(.resume(unit, by: by)))
    }

    /// Asks for another writer: the instance of an ordinal, or the best one. Returns its ordinal.
    package func switchOver(unit: UnitID, to ordinal: Int?, by: String) async throws(ReconcilerError) -> Int {
        try checkCluster(unit, "has no primary")
        let target = try answer { machine throws(RequestObjection) in try machine.switchoverTarget(unit, to: ordinal) }
        handle(.request(.switchover(unit, to: target, by: by)))
        return target
    }

    /// Asks for another writer in place of one that is lost, which nobody takes over from by itself. Returns the lost one's ordinal.
    package func failOver(unit: UnitID, by: String) async throws(ReconcilerError) -> Int {
        try checkCluster(unit, "has no primary")
        let source = try answer { machine throws(RequestObjection) in try machine.failoverSource(unit) }
        handle(.request(.failover(unit, by: by)))
        return source
    }

    /// What the machine answers whoever asks; what is in the way is an invalid request.
    private func answer(_ question: (LoopMachine) throws(RequestObjection) -> Int) throws(ReconcilerError) -> Int {
        do { return try question(machine) } catch { throw ReconcilerError(.invalid, error.sentence) }
    }

    /// Takes a revision that waits for approval (full or abbreviated commit, at least 7 digits) into force.
    package func approve(revision: String, by: String) async throws(ReconcilerError) {
        try checkLeader()
        guard let commit = machine.pendingRevision(revision) else {
            if let newer = await newerRevision(than: revision) {
                throw ReconcilerError(.stale, "Revision \(revision) waited for approval, and \(newer.short) has been read since: what was looked at is not what would be approved. Look at `evenkeel plan` and `evenkeel get sources` again.")
            }
            throw ReconcilerError(.notFound, "No revision \(revision) waits for approval; `evenkeel get sources` shows which do.")
        }
        handle(.request(.approve(revision: commit, by: by)))
    }

    /// The newest revision of a source that held this one before.
    private func newerRevision(than text: String) async -> Revision? {
        guard text.count >= 7, let known = try? await store.revisions(limit: Reconciler.revisionsSearched) else { return nil }
        guard let old = known.first(where: { $0.revision.commit.hasPrefix(text) }), old.state == .held else { return nil }
        let newest = machine.sources[old.source]?.status.seen
        return newest?.commit == old.revision.commit ? nil : newest
    }

    /// How far back a revision that is to be approved is looked for.
    private static let revisionsSearched = 1000

    func checkLeader() throws(ReconcilerError) {
        try checkRebuilt()
        guard machine.isLeader else {
            throw ReconcilerError(.notLeader, "This server does not lead now; ask the leader, or try again in a moment.")
        }
    }

    private func checkKnown(_ unit: UnitID?) throws(ReconcilerError) {
        guard let unit, !machine.isKnown(unit) else { return }
        throw ReconcilerError(.notFound, "There is no \(unit) in the revision in force.")
    }

    private func checkCluster(_ unit: UnitID, _ what: String = "cannot be suspended") throws(ReconcilerError) {
        try checkLeader()
        try checkKnown(unit)
        guard unit.kind == .cluster else {
            throw ReconcilerError(.invalid, "\(unit) \(what): that is for clusters only.")
        }
    }

    // MARK: Views

    package func view() async -> FleetView { machine.view(at: clock.now()) }

    package func alertScope() -> AlertScope { machine.alertScope }
    package func leader() -> LeaderView { machine.leader }
    package func hasHeard(_ hosts: [String]) -> Bool { machine.hasHeard(hosts) }

    /// Newest first.
    package func events(unit: UnitID?, limit: Int) async throws -> [Event] {
        try await store.events(unit: unit, limit: limit)
    }
    package func attempts(unit: UnitID?, limit: Int) async throws -> [AttemptRecord] {
        try await store.attempts(unit: unit, limit: limit)
    }
    package func revisions(limit: Int) async throws -> [RevisionRecord] { try await store.revisions(limit: limit) }
    package func plans(unit: UnitID?, limit: Int) async throws -> [PlanRecord] {
        try await store.plans(unit: unit, limit: limit)
    }

    /// Where something changed, from now on; a slow reader loses the oldest beyond `changesBufferedMax`, and is to read
    /// the view anyway.
    package func changes() -> AsyncStream<FleetChange> {
        listeners.addChanges(Reconciler.changesBufferedMax) { number in Task { await self.forget(number) } }
    }

    /// The status that every pass of a unit made, for alerts: findings, conditions, revision. First of all the present
    /// status of every unit.
    package func passes() -> AsyncStream<UnitStatus> {
        listeners.addPasses(Reconciler.passesBufferedMax, first: machine.allStatuses) { number in
            Task { await self.forget(number) }
        }
    }

    /// What the log should say.
    package func notices() -> AsyncStream<LoopNotice> {
        listeners.addNotices(Reconciler.changesBufferedMax) { number in Task { await self.forget(number) } }
    }

    private func forget(_ listener: UInt64) { listeners.remove(listener) }

    package static let changesBufferedMax = 1024
    package static let passesBufferedMax = 8192
}
