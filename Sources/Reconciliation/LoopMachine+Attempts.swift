import ControlAPI
import FleetModel
import MetadataStore

// Attempts between the store and the agents. The journal of an agent knows attempts by id, so whatever is sent twice
// happens once.

extension LoopMachine {
    /// What an agent's journal holds, against what the store has as open. What the agent does not have, or was
    /// restarted under, is offered again once its unit had a pass, which may also cancel it.
    mutating func compareAttempts(_ statuses: [AttemptStatus], _ host: String) {
        let told = Set(statuses.map(\.id))
        for status in statuses { attemptStatus(status, host) }
        for (id, attempt) in attempts.sorted(by: { $0.key < $1.key }) where attempt.host == host && !told.contains(id) {
            attempts[id]?.phase = .unsent
            enqueue(attempt.record.task.unit)
        }
    }

    mutating func attemptStatus(_ status: AttemptStatus, _ host: String) {
        guard let attempt = attempts[status.id], attempt.host == host else {
            stranger(status, host)
            return
        }
        let unit = attempt.record.task.unit
        switch status.state {
        case .accepted:
            // In a hello: begun before a restart of the agent, and waiting for its order. Later: the answer to the offer.
            let isGreeting = agents[host]?.phase == .greeted
            attempts[status.id]?.phase = isGreeting ? .unsent : .sent
            if isGreeting { enqueue(unit) }
        case .running(let progress):
            attempts[status.id]?.phase = .sent
            attempts[status.id]?.progress = LoopMachine.text(of: progress)
            directives.append(.changed(.unit(unit)))
        case .ended(let outcome): end(status.id, outcome, isLookedAt: isUsable(host))
        }
    }

    /// An attempt that the store does not have as open: its end has been stored, or it was another store's.
    private mutating func stranger(_ status: AttemptStatus, _ host: String) {
        if case .ended = status.state {
            send(.settled(attempt: status.id), to: host)
        } else if let term = leadership.term {
            send(.cancel(attempt: status.id, term: term), to: host)
        }
    }

    /// The end of an attempt. It is absorbed by the unit's next pass, once the facts that count show what it left.
    mutating func end(_ id: String, _ outcome: AttemptOutcome, isLookedAt: Bool) {
        guard let unit = attempts[id]?.record.task.unit else { return }
        if units[unit]?.ended.contains(where: { $0.id == id }) ?? false { return }
        units[unit, default: UnitState()].ended.append(
            EndedAttempt(id: id, outcome: outcome, received: now, isLookedAt: isLookedAt))
        if isLookedAt { enqueue(unit) } else { schedule(unit, at: now + settings.lookMax) }
        directives.append(.changed(.unit(unit)))
    }

    mutating func offerFailed(_ id: String, _ reason: String) {
        end(id, .refused(reason), isLookedAt: true)
    }

    /// Sends the order of an attempt to its agent; the secrets are added on the way.
    mutating func offer(_ id: String) {
        guard let attempt = attempts[id], isUsable(attempt.host), let term = leadership.term,
            let session = agents[attempt.host], let name = clusterNames[attempt.instance.clusterUID],
            let cluster = records.clusters[name]
        else { return }
        let order = AttemptOrder(
            id: id, term: term, epoch: attempt.record.epoch, instance: attempt.instance, clusterName: name,
            action: attempt.record.task.action, rivals: rivals(of: attempt.instance, in: cluster))
        let secrets = OfferSecrets(
            clusterUID: cluster.uid, instance: attempt.instance, action: order.action, epoch: order.epoch, groupAuthority: cluster.galera?.authority ?? 0)
        attempts[id]?.phase = .sent
        agents[attempt.host]?.lastSent = now
        agents[attempt.host]?.rivals[attempt.instance] = order.rivals
        directives.append(.offer(order, secrets, host: attempt.host, connection: session.connection))
    }

    mutating func cancel(_ id: String) {
        guard let attempt = attempts[id], let term = leadership.term else { return }
        attempts[id]?.isCancelled = true
        if isUsable(attempt.host) { send(.cancel(attempt: id, term: term), to: attempt.host) }
    }

    /// After a pass: what is still wanted and not with its agent is offered (again); what is not is cancelled, which an
    /// agent that never had it answers too. So is what was planned under an epoch that is over: its target may have been
    /// away since, and know of no later one.
    mutating func dispatch(_ unit: UnitID) {
        let unsent = attempts.filter { $0.value.phase == .unsent && $0.value.record.task.unit == unit }
        for (id, attempt) in unsent.sorted(by: { $0.key < $1.key }) where isUsable(attempt.host) {
            if units[unit]?.ended.contains(where: { $0.id == id }) == true { continue }
            if attempt.isCancelled || attempt.record.epoch < records.clusters[unit.name]?.epoch ?? 0 {
                attempts[id]?.phase = .sent
                cancel(id)
            } else {
                offer(id)
            }
        }
    }

    // MARK: Copies

    /// The receiver of a clone is ready: its donor's agent is told where to send.
    mutating func copyReady(_ endpoint: CopyEndpoint, _ donor: InstanceID, _ host: String) {
        guard let attempt = attempts[endpoint.attempt], attempt.host == host else { return }
        guard attempt.record.task.alsoBusy == donor, let name = clusterNames[donor.clusterUID],
            let member = records.clusters[name]?.member(donor.ordinal)
        else {
            send(.copySent(attempt: endpoint.attempt, error: "\(donor) is not the donor of this attempt"), to: host)
            return
        }
        attempts[endpoint.attempt]?.copy = OpenAttempt.Copy(endpoint: endpoint, donor: donor, host: member.host)
        // A donor whose agent is away is told when that comes back; the receiver has a limit of its own.
        if isUsable(member.host) { send(.sendCopy(endpoint, donor: donor), to: member.host) }
    }

    /// After a reconnect of a donor's agent; it sends each copy once.
    mutating func repeatCopies(_ host: String) {
        for (_, attempt) in attempts.sorted(by: { $0.key < $1.key }) {
            guard let copy = attempt.copy, copy.host == host else { continue }
            send(.sendCopy(copy.endpoint, donor: copy.donor), to: host)
        }
    }

    mutating func copySent(_ id: String, _ error: String?, _ host: String) {
        guard let attempt = attempts[id], attempt.copy == nil || attempt.copy?.host == host else { return }
        attempts[id]?.copy = nil
        send(.copySent(attempt: id, error: error), to: attempt.host)
    }

    private static func text(of progress: AttemptProgress) -> String {
        guard progress.total > 0 else { return progress.phase }
        return "\(progress.phase), \(progress.done * 100 / progress.total) %"
    }
}
