import FleetModel

// Who leads. A lead ends by a demotion, whose token (the last position) the successor has to hold; or it is given up, and
// then whoever had it is closed as soon as it is heard. Both sides' records are read in one store: a cluster leads only
// where the other one is recorded not to.

extension PrimaryReplicaProcedure {
    static let stepDownKey = "stepDown"
    private static let stepDownRetry: Duration = .seconds(10)

    // MARK: Giving the lead away

    /// Another cluster took the lead from this one under an epoch that is not below its own: nothing of it may be written to
    /// any more, whatever its manifest says.
    mutating func yieldToNewLead() {
        guard records.standby == nil, let (leader, lead) = newLead() else {
            tellSuperseded()
            return
        }
        records.standby = StandbyRole(clusterUID: leader.records.uid, name: leader.name, isSuperseded: true)
        records.epoch = max(records.epoch, lead.epoch)
        (records.failover, records.switchover, records.requestedPrimary, records.steppingDown) = (nil, nil, nil, nil)
        records.isFailoverRequested = false
        records.forgetAcknowledging(floor: GTIDSet())
        (records.demotion, records.lead) = (nil, nil)
        records.leftBehind = views.filter(\.isActive).map(\.ordinal)
        decision.cancel += running.map(\.id)
        tellSuperseded()
    }

    private func newLead() -> (RelatedCluster, LeadTaken)? {
        for other in followers {
            if let lead = other.records.lead, lead.from == context.uid, lead.epoch >= records.epoch { return (other, lead) }
        }
        return nil
    }

    /// The lead was taken from it, and its manifest neither follows nor takes it back.
    var isSuperseded: Bool { records.standby?.isSuperseded == true && cluster.standbyOf == nil && cluster.acceptLoss == nil }

    private mutating func tellSuperseded() {
        guard let role = records.standby, isSuperseded else { return }
        let message = "\(role.name) leads since \(context.name) was given up: nothing here is written to any more"
        find("Superseded", context.name, on: nil, message, drift: false)
        wait(.approval("spec.standbyOf"), "`standbyOf: {cluster: \(role.name)}` in the manifest of \(context.name): \(message)")
    }

    /// Ends the lead where the manifest says that the cluster follows another one: the primary is closed once the successor
    /// follows it and is near.
    mutating func stepDown() {
        guard let leading = cluster.standbyOf else { return giveUpStepDown() }
        if records.steppingDown.map({ $0.epoch != records.epoch || $0.to.name != leading }) ?? false { records.steppingDown = nil }
        wantedFailures.insert(Self.stepDownKey)
        guard !isSuspended, maintenance == nil else { return wait(.approval("spec.standbyOf"), "\(context.name) to be left alone no more, before it steps down") }
        guard let upstream, let head = upstream.primary else { return wait(.fact(leading), "\(leading), to which the lead is to go") }
        guard upstream.cluster.records.standby?.clusterUID == context.uid else {
            find("RoleConflict", context.name, on: nil, "\(leading) is no standby of \(context.name): its rows are others", drift: false)
            wait(.approval("spec.standbyOf"), "a manifest that fits: \(leading) does not follow \(context.name), which goes on leading")
            return
        }
        guard let primary, primary.isAnswering else { return }
        if let failure = records.failures.newest({ $0.contains("/demote/\(records.steppingDown?.epoch ?? -1)") }) {
            return giveUpStepDown(failure.value.message)
        }
        if let failure = records.failures[Self.stepDownKey], failure.retryAt > now {
            return wait(.time(failure.retryAt), "stepping down failed \(failure.count) times: \(failure.message)")
        }
        guard !running.contains(where: isHeard) else {
            return wait(.attempt(context.name), "the running tasks, before \(label(primary)) stops writes")
        }
        if records.steppingDown == nil {
            for view in [primary, head] where view.knowledge == .fresh && !view.isFreshForWriter {
                return wait(.host(view.record.host), "a report of \(view.record.host) not older than 2 s, before \(label(primary)) stops writes")
            }
            guard primary.isFreshForWriter, primary.isWritable, head.isFreshForWriter, head.follows(primary, among: views, provably: true), head.hasCaughtUp,
                isNear(head, primary)
            else {
                return wait(.fact(label(head)), "\(label(head)) to follow \(label(primary)) closely, before that stops writes")
            }
            records.epoch += 1
            records.steppingDown = StepDown(to: StandbyRole(clusterUID: upstream.uid, name: upstream.name), epoch: records.epoch)
        }
        emit(
            .demote(epoch: records.epoch), on: primary, cause: because("spec.standbyOf.cluster"), "stop writes: the lead goes to \(upstream.name)")
    }

    /// The primary is opened again, under an epoch above that of the demotion.
    private mutating func giveUpStepDown(_ why: String? = nil) {
        guard records.steppingDown != nil else { return }
        records.steppingDown = nil
        records.epoch += 1
        guard let why else { return }
        let count = (records.failures[Self.stepDownKey]?.count ?? 0) + 1
        records.failures = records.failures.filter { !$0.key.contains("/demote/") }
        records.failures[Self.stepDownKey] = FailureRecord(count: count, last: now, message: why, retryAt: now + Self.stepDownRetry)
    }

    // MARK: Taking the lead

    /// Whether a standby whose manifest says that it leads begins to: then it is kept as a cluster that leads, closed still.
    mutating func mayLead() -> Bool {
        guard let role = records.standby else { return true }
        guard let upstream, upstream.uid == role.clusterUID else {
            holdLead("\(role.name), which it follows, is not known any more: commit its manifest again, or `standbyOf` here")
            return false
        }
        guard !upstream.cluster.isChanging else {
            wait(.time(now + Self.suspicionStep), "what is being recorded of \(upstream.name)")
            return false
        }
        let other = upstream.cluster
        if other.records.standby?.clusterUID == context.uid {
            // Nobody leads. Whose lead ended last has the last rows: each lead has an epoch above all before it.
            if let own = records.demotion, own.epoch > other.records.demotion?.epoch ?? 0 {
                return lead(own.position, from: context.uid, loss: nil)
            }
            guard let demotion = other.records.demotion, other.standbyOf == context.name else {
                holdLead("\(upstream.name) follows it without a demotion: commit `standbyOf: {cluster: \(context.name)}` there")
                return false
            }
            if let token = cluster.promotionToken, token != demotion {
                holdLead("the token in `promotion` is not that of the demotion of \(upstream.name) in force, which is \(demotion)")
                return false
            }
            return lead(demotion.position, from: upstream.uid, loss: nil)
        }
        return giveUp(upstream)
    }

    /// The other one leads still, or nobody knows: only what the manifest says is given up.
    private mutating func giveUp(_ upstream: Upstream) -> Bool {
        let epoch = upstream.cluster.records.epoch
        if upstream.cluster.standbyOf == context.name, upstream.primary?.knowledge == .fresh {
            wait(.fact(upstream.name), "\(upstream.name) to end its lead, as its manifest says")
            return false
        }
        if let primary = upstream.primary, primary.knowledge == .fresh, primary.isWritable {
            holdLead("\(upstream.name) leads (epoch \(epoch)) and takes writes: commit `standbyOf: {cluster: \(context.name)}` there first")
            return false
        }
        let held = views.reduce(GTIDSet()) { $0.merged(with: $1.isActive ? $1.received : GTIDSet()) }
        guard !held.isEmpty else {
            wait(.fact(context.name), "the instances of \(context.name) to be heard, before it leads")
            return false
        }
        let loss = upstream.known.commitsBeyond(held)
        let seen =
            upstream.known.isEmpty
            ? "it was not seen since the server began, and nobody can say what would be lost: \(context.name) holds \(held)"
            : "it was last seen at \(upstream.known), \(context.name) holds \(held), so that \(loss) commits that were seen would be lost, and what was written after that report"
        let state = "\(upstream.name) leads (epoch \(epoch)) and cannot be asked: \(seen)"
        guard let accepted = cluster.acceptLoss else {
            holdLead("\(state); bring it back, or commit `promotion: {acceptLoss: \(epoch)}` here")
            return false
        }
        guard accepted == epoch else {
            holdLead("\(state); `promotion.acceptLoss` is \(accepted), and the epoch that is given up is \(epoch)")
            return false
        }
        return lead(held, from: upstream.uid, loss: loss)
    }

    private mutating func holdLead(_ why: String) {
        find("LeadHeld", context.name, on: nil, why, drift: false)
        wait(.approval("spec.promotion"), "\(context.name) is to lead: \(why)")
    }

    /// The lead is this cluster's in the store from here on; its head is opened by the steps that follow. `former`: the uid
    /// of the cluster that led last; its own where nobody else did since.
    private mutating func lead(_ position: GTIDSet, from former: String, loss: Int64?) -> Bool {
        let able = views.filter { $0.isActive && $0.isFreshForWriter && $0.isAnswering && !$0.isBusy && !isInMaintenance($0) }
        // What a demotion closed ends there: who holds another row of that number, or one more, holds another history.
        let holding = able.filter { loss == nil ? $0.received.endsAt(position) : $0.received.contains(position) }
        guard let head = holding.first(where: { $0.ordinal == records.primary })
            ?? holding.min(by: { (zoneRank($0), $0.ordinal) < (zoneRank($1), $1.ordinal) }), let upstream
        else {
            if !able.isEmpty, able.allSatisfy({ $0.received.departs(from: position) }) {
                holdLead("what its instances hold does not end at \(position), where the last lead ended: take that demotion back, so that they can be compared with who leads")
            }
            for view in views where view.isActive { wait(.host(view.record.host), "\(label(view)) to hold everything up to \(position)") }
            return false
        }
        guard !running.contains(where: isHeard) else {
            decision.cancel += running.map(\.id)
            wait(.attempt(context.name), "the running tasks, before \(context.name) leads")
            return false
        }
        records.epoch = max(records.epoch, upstream.cluster.records.epoch) + 1
        records.lead = LeadTaken(from: former, epoch: records.epoch, position: position, loss: loss)
        records.primary = head.ordinal
        (records.standby, records.demotion) = (nil, nil)
        records.forgetAcknowledging(floor: position)
        records.preparedReplicas = head.database?.replicationAccounts ?? []
        // Whoever cannot be asked now may be set up to acknowledge from an earlier lead of this cluster.
        let unknown = views.filter { $0.ordinal != head.ordinal && !$0.isAnswering && !$0.isRetired }.map(\.ordinal)
        records.leftBehind = Planner.union(records.leftBehind, unknown)
        records.returning = views.filter(\.isActive).map(\.ordinal)
        return true
    }

    /// Opens the head, which replicates still.
    mutating func takeLead(_ view: MemberView, _ lead: LeadTaken, semiSync: Bool) {
        let isOrdered = emit(
            .promote(epoch: lead.epoch, position: lead.position, semiSync: semiSync, refusing: records.leftBehind), on: view, isVoluntary: false,
            cause: because("spec"), "take the lead: open for writing once it holds \(lead.position)")
        if isOrdered { records.isSemiSync = semiSync }
    }

    /// What was given up stays told until the other side follows.
    mutating func tellLoss() {
        guard let lead = records.lead, let loss = lead.loss, let other = followers.first(where: { $0.records.uid == lead.from }),
            other.records.standby?.clusterUID != context.uid || !other.records.leftBehind.isEmpty
        else { return }
        find(
            "DataAtRisk", context.name, on: nil,
            "it took the lead at \(lead.position) without \(other.name): \(loss) commits that were seen there are missing, and what was written there after its last report", drift: false)
    }

    // MARK: Those that follow

    /// Replication accounts for the instances of standbys.
    mutating func admitStandbys(_ primary: MemberView) {
        guard primary.isWritable, !primary.isBusy, let database = primary.database else { return }
        // Also of one that is to lead: it has to follow closely before it does.
        for follower in followers where follower.standbyOf == context.name || follower.records.standby?.clusterUID == context.uid {
            for member in follower.records.members where member.phase == .active || member.phase == .leaving {
                let id = InstanceID(clusterUID: follower.records.uid, ordinal: member.ordinal)
                guard !database.standbyAccounts.contains(id) else { continue }
                emit(
                    .prepareReplica(ordinal: member.ordinal, cluster: follower.records.uid), on: primary,
                    cause: .observation("\(follower.name) follows \(context.name)"), "replication account for \(follower.name)-\(member.ordinal)")
                return
            }
        }
    }
}

extension GTIDSet {
    /// Whether it ends with the same transaction as the other one, in each domain of that.
    fileprivate func endsAt(_ other: GTIDSet) -> Bool { other.domains.allSatisfy { domains[$0.key] == $0.value } }

    /// Whether it can never end there: it has another transaction of the last number, or one beyond it.
    fileprivate func departs(from other: GTIDSet) -> Bool {
        other.domains.contains { domain, last in domains[domain].map { $0 != last && $0.sequence >= last.sequence } ?? false }
    }
}
