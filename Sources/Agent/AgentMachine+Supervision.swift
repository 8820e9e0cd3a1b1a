import FleetModel

// Whatever ends a process, it is started closed at once (with a bounded backoff where it ends again and again), and
// opened only by the writer's grant. Nothing here waits for a server.

extension AgentMachine {
    mutating func start() {
        for (id, instance) in journal.instances where instance.shouldRun || instance.grant != nil {
            watch(id)
        }
        lookAtEverything()
    }

    mutating func processExited(_ id: InstanceID) {
        guard var watch = watches[id] else { return }
        // After something was done to it, this may be the end of an earlier process: then only a look can tell.
        if !watch.mustLook, !isWorkedOn(id), watch.facts != nil {
            watch.facts?.process = .stopped
            watch.facts?.database = nil
            watch.factsAt = now
            reporting.note(.significant)
        }
        watch.look.renew(at: now)
        watches[id] = watch
    }

    mutating func closedStartEnded(_ id: InstanceID, error: String?) {
        guard watches[id]?.operation == .startingClosed else { return }
        if let error {
            tell(.error, "an instance could not be started", ["instance": id.description, "reason": error])
        } else if journal.instances[id]?.grant != nil {
            watches[id]?.grantDue = now
        }
        endOperation(id)
    }

    mutating func grantEnded(_ id: InstanceID, opened: Bool) {
        guard watches[id]?.operation == .openingByGrant else { return }
        watches[id]?.grantDue = opened ? nil : now + AgentLimits.grantInterval
        if opened { tell(.info, "the writer was opened by its grant", ["instance": id.description]) }
        endOperation(id)
    }

    private mutating func endOperation(_ id: InstanceID) {
        watches[id]?.operation = nil
        lookAfterChange(id)
        resumeHeld(id)
    }

    /// After an attempt the writer may be closed: whoever closed it without taking its grant meant it to open again.
    mutating func reconsiderGrant(_ id: InstanceID) {
        let due = watches[id]?.grantDue ?? now
        watches[id]?.grantDue = journal.instances[id]?.grant == nil ? nil : due
    }

    /// Begins what is due on instances that nothing works on.
    mutating func supervise() {
        for id in watches.keys.sorted() {
            guard let watch = watches[id], let kept = journal.instances[id] else { continue }
            if kept.grant == nil || isOpen(watch) { watches[id]?.grantDue = nil }
            guard isFree(id, watch) else { continue }
            if mayStart(watch, kept), now >= watch.startAfter {
                startClosed(id)
            } else if let grant = kept.grant, isClosed(watch), let due = watch.grantDue, now >= due {
                watches[id]?.operation = .openingByGrant
                directives.append(.openByGrant(id, semiSync: grant.semiSync, within: AgentLimits.grantWithin))
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

    var supervisionDeadlines: [Instant] {
        watches.flatMap { id, watch -> [Instant] in
            guard let kept = journal.instances[id], isFree(id, watch) else { return [] }
            if mayStart(watch, kept) { return [watch.startAfter] }
            return isClosed(watch) ? [watch.grantDue].compactMap(\.self) : []
        }
    }

    /// Whether nothing works on it and what is known of it is from after whatever did.
    private func isFree(_ id: InstanceID, _ watch: Watch) -> Bool {
        watch.operation == nil && !watch.mustLook && !isWorkedOn(id)
    }

    private func mayStart(_ watch: Watch, _ kept: InstanceJournal) -> Bool {
        kept.shouldRun && watch.facts?.directory == .ready && watch.facts?.process == .stopped
    }

    private func isClosed(_ watch: Watch) -> Bool {
        watch.facts?.process == .running && watch.facts?.database?.readOnly == true
    }

    private func isOpen(_ watch: Watch) -> Bool {
        !watch.mustLook && watch.facts?.process == .running && watch.facts?.database?.readOnly == false
    }

    // MARK: roles

    private func role(_ id: InstanceID, _ watch: Watch) -> InstanceRole {
        guard let facts = watch.facts, facts.process == .running, let database = facts.database else { return .none }
        if journal.instances[id]?.grant != nil { return database.readOnly ? .none : .primary }
        return database.replication == nil ? .none : .replica
    }

    /// Tells each instance's role when it differs from what was told last; at first only where it has one.
    mutating func tellRoles() {
        for id in watches.keys.sorted() {
            guard let watch = watches[id], !watch.mustLook || watch.facts?.process == .stopped else { continue }
            let change = RoleChange(
                instance: id, clusterName: watch.facts?.clusterName ?? watch.told?.clusterName ?? "",
                role: role(id, watch), epoch: journal.instances[id]?.epoch ?? 0)
            guard change != watch.told, watch.told != nil || change.role != .none else { continue }
            watches[id]?.told = change
            directives.append(.roleChanged(change))
        }
    }

    /// For the health port, sorted by instance.
    package var health: [InstanceHealth] {
        watches.sorted { $0.key < $1.key }.compactMap { id, watch in
            guard let facts = watch.facts else { return nil }
            return InstanceHealth(
                instance: id, clusterName: facts.clusterName, role: role(id, watch),
                epoch: journal.instances[id]?.epoch ?? 0,
                isApplying: facts.database?.replication?.sqlRunning ?? true, seen: watch.factsAt)
        }
    }
}
