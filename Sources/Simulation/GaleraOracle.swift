import FleetModel
import MetadataStore

// What must never happen in a galera cluster.

extension Oracle {
    /// A client was answered: its write set has its place, and the one that answered has it on disk.
    func committed(_ transaction: Transaction, at place: Int, _ world: World) {
        guard case .write = transaction.content else { return }
        acknowledge(transaction, at: place)
    }

    /// A component begins, or goes on with others: it has everything that was acknowledged.
    func formed(_ order: ModelOrder, _ world: World) {
        for (place, write) in acknowledged where place >= order.count || order.transactions[place] !== write {
            // Given up by somebody's word, with the one that alone had it.
            if world.isGivenUp(write, at: place) {
                forgive(place)
            } else {
                return fail("a component of \(order.stateUUID) at \(order.count) lacks the acknowledged \(write.content) at place \(place)")
            }
        }
    }

    func joins(_ instance: ModelInstance, _ order: ModelOrder) {
        if !order.begins(with: instance.binlog) { fail("\(instance.id) joins, and its rows are not the component's: both have other ones at place \(instance.binlog.count - 1)") }
    }

    func joined(_ instance: ModelInstance, _ order: ModelOrder) {
        if !order.begins(with: instance.binlog) { fail("\(instance.id) is in a component with other rows than the others") }
        if instance.member?.hasOwnRows == true, instance.member?.wasVotedOut == true { fail("\(instance.id) is back in the component, with rows of its own") }
    }

    /// One is about to be the first of the next component.
    func recovering(_ instance: ModelInstance, _ world: World) {
        recoveries += 1
        let given = world.givenUp(instance.id.clusterUID)
        for (_, other) in world.allInstances where other !== instance && other.id.clusterUID == instance.id.clusterUID && other.directory == .ready {
            guard let member = other.member, member.stateUUID == instance.member?.stateUUID, !given.contains(other.id.ordinal) else { continue }
            if other.process != nil { fail("\(instance.id) begins a component, and \(other.id) runs: it is not read") }
            if other.binlog.count > instance.binlog.count { fail("\(instance.id) begins a component at \(instance.binlog.count), and \(other.id) has \(other.binlog.count)") }
        }
    }

    /// A directory goes out of service: the others have all that was acknowledged.
    func settingAside(_ instance: ModelInstance, _ world: World) {
        rejoinsMovedAside += 1
        requireElsewhere(instance, world, "is moved aside")
    }

    func requireElsewhere(_ instance: ModelInstance, _ world: World, _ what: String) {
        for (place, write) in acknowledged where instance.binlog.count > place && instance.binlog[place] === write {
            let isElsewhere = world.allInstances.contains { $0.instance !== instance && $0.instance.binlog.count > place && $0.instance.binlog[place] === write }
            if !isElsewhere { return fail("\(instance.id) \(what), and nobody else has the acknowledged \(write.content) on disk") }
        }
    }
}

extension World {
    /// Whom the records have given up.
    func givenUp(_ uid: String) -> Set<Int> {
        let records = store.loadNow().records.clusters.values.first { $0.uid == uid }
        return Set(records?.leftBehind ?? [])
    }

    /// Whether nobody has it but those who were given up.
    func isGivenUp(_ write: Transaction, at place: Int) -> Bool {
        guard script.hasAcceptedLoss else { return false }
        return allInstances.allSatisfy { _, instance in
            instance.binlog.count <= place || instance.binlog[place] !== write || givenUp(instance.id.clusterUID).contains(instance.id.ordinal)
        }
    }

    /// At most one component takes writes.
    func checkComponents(_ awake: [ModelInstance], _ hearing: [[Bool]]) {
        var able: [ModelView] = []
        for (place, instance) in awake.enumerated() {
            guard let view = instance.member?.seat?.view, view.isPrimary, instance.isInComponent, !able.contains(where: { $0 === view }) else { continue }
            let isWhole = view.members.allSatisfy { name, other in
                guard let index = awake.firstIndex(where: { $0 === other }) else { return false }
                return other.member?.seat?.view === view && hearing[place][index] && hearing[index][place]
            }
            if isWhole { able.append(view) }
        }
        if able.count > 1 { oracle.fail("two components take writes at once: views \(able[0].number) and \(able[1].number)") }
    }

    // MARK: The end

    func galeraProblem(of records: ClusterRecords, _ cluster: Cluster) -> String? {
        if records.galera?.recovery != nil { return "a recovery has not ended" }
        let inconsistent = records.galera?.inconsistent.filter { !isKeptOnly($0, records) } ?? []
        if !inconsistent.isEmpty { return "\(inconsistent) are inconsistent" }
        guard let writer = instance(records.uid, records.primary), let order = writer.member?.seat?.view?.order else { return "the primary is in no component" }
        if order.stateUUID != records.galera?.stateUUID { return "another history goes on than the recorded one" }
        for member in records.members where member.phase == .active {
            guard let instance = instance(records.uid, member.ordinal) else { return "\(records.name)-\(member.ordinal) is not there" }
            guard instance.isInComponent, instance.member?.seat?.view === writer.member?.seat?.view else { return "\(instance.id) is not in the component" }
            if instance !== writer, instance.isWritable { return "\(instance.id) is writable" }
            if instance.binlog.count != writer.binlog.count || !order.begins(with: instance.binlog) { return "\(instance.id) has other rows than \(writer.id)" }
            if instance.member?.hasOwnRows == true { return "\(instance.id) has rows of its own" }
            if instance.position != writer.position { return "\(instance.id) is at \(instance.position), and \(writer.id) at \(writer.position), with the same rows" }
            if records.galera?.component.contains(member.ordinal) != true { return "the records do not name \(instance.id), which is in the component" }
        }
        return nil
    }

    /// Without any server: nothing that runs stops, and a member that is killed is back by its agent alone.
    func galeraProblemWithoutServer(absence: Duration) -> String? {
        let began = now
        let others = allInstances.filter { $0.instance.isInComponent && !$0.instance.isWritable }
        guard let killed = pick(others) else { return "nobody but the primary is in the component" }
        let before = oracle.acknowledgedCount
        let numbers = allInstances.filter { $0.instance !== killed.instance }.map { ($0.instance, $0.instance.process?.number) }
        note("no server; kill -9 of \(killed.instance.id)")
        endProcess(killed.instance, on: killed.host)
        let goesOn = run(for: absence) { self.oracle.acknowledgedCount > before + 5 && killed.instance.isInComponent }
        if let violation = oracle.violation { return violation }
        if !goesOn { return "without a server \(killed.instance.id) does not come back to the component, or nobody writes: \(unsettled)" }
        if let ended = numbers.first(where: { $0.0.process?.number != $0.1 }) { return "\(ended.0.id) was stopped for want of a server" }
        _ = run(for: began + .seconds(40) - now)
        return nil
    }
}
