import FleetModel

// Whatever ends a process, it is started closed at once (with a bounded backoff where it ends again and again). Then a
// replica replicates on, and a writer is opened only by its grant. Nothing here waits for a server.

extension AgentMachine {
    mutating func start() {
        beganAt = now
        for (id, instance) in journal.instances where instance.shouldRun { watch(id) }
        lookAtEverything()
    }

    mutating func processExited(_ id: InstanceID) {
        guard var watch = watches[id] else { return }
        // After something was done to it, this may be the end of an earlier process: then only a look can tell.
        if !watch.mustLook, !isWorkedOn(id), var facts = watch.facts {
            facts.process = .stopped
            facts.database = nil
            watch.facts = facts
            watch.factsAt = now
            reporting.note(.significant)
        }
        watch.look.renew(at: now)
        watches[id] = watch
    }

    mutating func closedStartEnded(_ id: InstanceID, error: String?) {
        guard watches[id]?.operation == .startingClosed else { return }
        watches[id]?.grantDue = nil
        watches[id]?.resumeDue = nil
        reconsiderRole(id, after: .zero)
        if let error {
            // It may still come up later, after a long recovery: then it is closed, and due to take up its role.
            tell(.error, "an instance could not be started", ["instance": id.description, "reason": error])
            return endOperation(id)
        }
        // An order that isolates may have begun meanwhile.
        if let following = journal.instances[id]?.following, !isWorkedOn(id) { resume(id, following) } else { endOperation(id) }
    }

    private mutating func resume(_ id: InstanceID, _ following: Following) {
        watches[id]?.operation = .resumingReplication
        directives.append(.resumeReplication(id, acknowledges: following.acknowledges))
    }

    mutating func resumeEnded(_ id: InstanceID, resumed: Bool) {
        guard watches[id]?.operation == .resumingReplication else { return }
        watches[id]?.resumeDue = resumed ? nil : now + AgentLimits.serverFirst
        if resumed { tell(.info, "a replica replicates on", ["instance": id.description]) }
        endOperation(id)
    }

    mutating func grantEnded(_ id: InstanceID, opened: Bool) {
        guard watches[id]?.operation == .openingByGrant else { return }
        watches[id]?.grantDue = opened ? nil : now + AgentLimits.grantInterval
        if opened { tell(.info, "the writer was opened by its grant", ["instance": id.description]) }
        endOperation(id)
    }

    mutating func endOperation(_ id: InstanceID) {
        watches[id]?.operation = nil
        lookAfterChange(id)
        resumeHeld(id)
    }

    /// The instance may be closed: whoever closed it without taking its role from it meant it to take it up again.
    mutating func reconsiderRole(_ id: InstanceID, after delay: Duration) {
        guard var watch = watches[id] else { return }
        let kept = journal.instances[id]
        watch.grantDue = kept?.grant == nil ? nil : watch.grantDue ?? now + delay
        watch.resumeDue = kept?.following == nil ? nil : watch.resumeDue ?? now + delay
        watches[id] = watch
    }

    /// Begins what is due on instances that nothing works on.
    mutating func supervise() {
        for (id, watch) in watches {
            guard let kept = journal.instances[id] else { continue }
            if watch.grantDue != nil, kept.grant == nil || isOpen(watch) { watches[id]?.grantDue = nil }
            if watch.resumeDue != nil, kept.following == nil || replicates(watch) { watches[id]?.resumeDue = nil }
            guard isFree(id, watch) else { continue }
            if mayStart(watch, kept) {
                guard now >= startDue(watch, kept), !isStartHeld(id) else { continue }
                startClosed(id)
            } else if let grant = kept.grant, isClosed(watch), let due = watch.grantDue, now >= due {
                watches[id]?.operation = .openingByGrant
                directives.append(.openByGrant(id, semiSync: grant.semiSync, within: AgentLimits.grantWithin))
            } else if let following = kept.following, standsStill(watch), let due = watches[id]?.resumeDue, now >= due {
                resume(id, following)
            }
        }
    }

    private mutating func startClosed(_ id: InstanceID) {
        guard var watch = watches[id] else { return }
        let hasLasted = watch.startedAt.map { now >= $0 + AgentLimits.restartForgotten } ?? true
        watch.shortLives = hasLasted ? 0 : watch.shortLives + 1
        watch.startedAt = now
        watch.startAfter =
            now + .doubled(AgentLimits.restartFirst, times: watch.shortLives, limit: AgentLimits.restartMax)
        watch.operation = .startingClosed
        watches[id] = watch
        tell(.warning, "an instance that should run does not: starting it closed", ["instance": id.description])
        directives.append(.startClosed(id))
    }

    func noteSupervisionDeadlines(_ next: inout Earliest) {
        for (id, watch) in watches {
            guard isFree(id, watch) else { continue }
            // Most run as they should, and then there is nothing to look up.
            if isStopped(watch), let kept = journal.instances[id], mayStart(watch, kept) {
                let due = startDue(watch, kept)
                next.note(max(due, kept.startHeldUntil ?? due))
            } else if watch.grantDue != nil || watch.resumeDue != nil, journal.instances[id] != nil {
                if isClosed(watch) { next.note(watch.grantDue) }
                if standsStill(watch) { next.note(watch.resumeDue) }
            }
        }
    }

    /// Whether nothing works on it and what is known of it is from after whatever did.
    private func isFree(_ id: InstanceID, _ watch: Watch) -> Bool {
        watch.operation == nil && !watch.mustLook && !isWorkedOn(id) && unsavedFences[id] == nil
    }

    /// A plain start commits for good what a lost writer's log ends with: where another may have been promoted while this
    /// agent was away, the server is given a moment to say so. It is not waited for longer.
    private func startDue(_ watch: Watch, _ kept: InstanceJournal) -> Instant {
        guard !isWelcomed, kept.grant?.rivals.isEmpty == false, let beganAt else { return watch.startAfter }
        return max(watch.startAfter, beganAt + AgentLimits.welcomeFirst)
    }

    private func mayStart(_ watch: Watch, _ kept: InstanceJournal) -> Bool { kept.shouldRun && isStopped(watch) }

    private func isStopped(_ watch: Watch) -> Bool {
        guard let seen = watch.seen else { return false }
        return seen.report.directory == .ready && seen.report.process == .stopped
    }

    private func isClosed(_ watch: Watch) -> Bool { isReadOnly(watch) == true }

    private func isOpen(_ watch: Watch) -> Bool { !watch.mustLook && isReadOnly(watch) == false }

    /// Nil where nothing answers.
    private func isReadOnly(_ watch: Watch) -> Bool? {
        guard let seen = watch.seen, seen.report.process == .running else { return nil }
        return seen.report.database?.readOnly
    }

    /// A replica, closed, neither of whose threads runs: as a start leaves it.
    private func standsStill(_ watch: Watch) -> Bool {
        guard isClosed(watch), let threads = threads(watch) else { return false }
        return !threads.io && !threads.sql
    }

    private func replicates(_ watch: Watch) -> Bool {
        guard !watch.mustLook, let threads = threads(watch) else { return false }
        return threads.io || threads.sql
    }

    /// Which threads of a replica run; nil where it is none.
    private func threads(_ watch: Watch) -> (io: Bool, sql: Bool)? {
        guard let seen = watch.seen, let io = seen.report.database?.replication?.ioRunning,
            let sql = seen.report.database?.replication?.sqlRunning
        else { return nil }
        return (io, sql)
    }

    // MARK: roles

    private func role(_ id: InstanceID, _ watch: Watch) -> InstanceRole {
        guard let readOnly = isReadOnly(watch) else { return .none }
        if journal.instances[id]?.grant != nil { return readOnly ? .none : .primary }
        return threads(watch) == nil ? .none : .replica
    }

    /// Tells each instance's role when it differs from what was told last; at first only where it has one.
    mutating func tellRoles() {
        for (id, watch) in watches where !watch.mustLook || watch.seen?.report.process == .stopped {
            let change = RoleChange(
                instance: id, clusterName: watch.seen?.report.clusterName ?? watch.told?.clusterName ?? "",
                role: role(id, watch), epoch: journal.instances[id]?.epoch ?? 0)
            guard change != watch.told, watch.told != nil || change.role != .none else { continue }
            watches[id]?.told = change
            directives.append(.roleChanged(change))
        }
    }

    /// For the health port, sorted by instance.
    package var health: [InstanceHealth] {
        watches.compactMap { id, watch in
            guard let facts = watch.facts else { return nil }
            return InstanceHealth(
                instance: id, clusterName: facts.clusterName, role: role(id, watch),
                epoch: journal.instances[id]?.epoch ?? 0,
                isApplying: facts.database?.replication?.sqlRunning ?? true, seen: watch.factsAt)
        }
    }
}
