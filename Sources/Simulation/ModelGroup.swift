import FleetModel

// Group communication of galera members: who hears whom, views, and the one order of write sets. Times are those that were
// seen with the product's settings.

extension World {
    /// A member that is silent for so long is given up, on both sides.
    static let suspectAfter: Duration = .milliseconds(1000)
    /// Those who hear each other take so long to agree on a view.
    private static let formingMin: Duration = .milliseconds(150)
    private static let turn: Duration = .milliseconds(50)

    func communicate() {
        let members = allInstances.filter { $0.instance.member?.seat != nil && $0.instance.process != nil }
        for cluster in Set(members.map(\.instance.id.clusterUID)).sorted() {
            communicate(members.filter { $0.instance.id.clusterUID == cluster })
        }
        after(World.turn) { self.communicate() }
    }

    private func communicate(_ all: [(host: ModelHost, instance: ModelInstance)]) {
        let awake = all.filter { !$0.instance.isHung(at: now) && $0.instance.member?.seat?.state != .inconsistent }
        let hearing = hearing(awake)
        for (place, pair) in awake.enumerated() {
            for other in awake.indices where hearing[place][other] {
                if let name = awake[other].instance.member?.seat?.name { pair.instance.member?.seat?.heard[name] = now }
            }
        }
        deliver(awake.map(\.instance), hearing)
        for pair in awake { apply(pair.instance) }
        changeViews(awake.map(\.instance), hearing)
        checkComponents(awake.map(\.instance), hearing)
    }

    /// Whom each hears, also through others.
    private func hearing(_ awake: [(host: ModelHost, instance: ModelInstance)]) -> [[Bool]] {
        var hears = awake.indices.map { one in
            awake.indices.map { other in
                one == other || self.hears(awake[one].host, awake[other].host) && mayMeet(awake[one].instance, awake[other].instance)
            }
        }
        for middle in awake.indices {
            for one in awake.indices where hears[one][middle] {
                for other in awake.indices where hears[middle][other] { hears[one][other] = true }
            }
        }
        return hears
    }

    /// One that was given up, or is of another group, does not matter here.
    private func mayMeet(_ one: ModelInstance, _ other: ModelInstance) -> Bool { one.directory == .ready && other.directory == .ready }

    // MARK: Write sets

    /// A write of a client, or of ours. Nil where the instance is in no component.
    @discardableResult
    func submit(_ content: Transaction.Content, on instance: ModelInstance) -> ModelWriteSet? {
        guard let process = instance.process, let seat = instance.member?.seat, seat.isReady, let view = seat.view else { return nil }
        let transaction = Transaction(serverID: instance.serverID, content: content, position: GTIDSet())
        let writeSet = ModelWriteSet(transaction, instance, process.number)
        writeSet.received = [instance.id]
        view.pending.append(writeSet)
        instance.member?.seat?.own[ObjectIdentifier(transaction)] = writeSet
        return writeSet
    }

    /// A write set has its place once all of the view have it, and is with each member that knows that.
    private func deliver(_ awake: [ModelInstance], _ hearing: [[Bool]]) {
        for (place, instance) in awake.enumerated() {
            guard let seat = instance.member?.seat, let view = seat.view, let order = view.order, seat.sleepsUntil <= now else { continue }
            for writeSet in view.pending where !writeSet.received.contains(instance.id) {
                guard let origin = awake.firstIndex(where: { $0 === writeSet.origin }), hearing[place][origin], chance(0.9) else { break }
                writeSet.received.insert(instance.id)
            }
            let others = view.members.values.filter { $0 !== instance }
            let hearsAll = others.allSatisfy { other in awake.firstIndex { $0 === other }.map { hearing[place][$0] && awake[$0].member?.seat?.view === view } ?? false }
            guard hearsAll else { continue }
            while let first = view.pending.first, view.members.values.allSatisfy({ first.received.contains($0.id) }) {
                order.transactions.append(first.transaction)
                view.pending.removeFirst()
            }
            if chance(0.8) { instance.member?.seat?.delivered = order.count }
        }
    }

    /// What was delivered is applied, in its order; who wrote it answers its client then.
    private func apply(_ instance: ModelInstance) {
        guard let member = instance.member, let seat = member.seat, let order = seat.view?.order ?? lastOrder(of: instance) else { return }
        let waiting = min(seat.delivered, order.count) - instance.binlog.count
        if waiting > 0 {
            let most = instance.slowUntil > now ? Int.random(in: 0...20, using: &random) / 20 : Int.random(in: 0...25, using: &random)
            guard seat.state != .joining || hasDonor(instance) else { return }
            for _ in 0..<min(waiting, most) {
                let transaction = order.transactions[instance.binlog.count]
                instance.append(received: transaction)
                finish(transaction, on: instance, true)
                if member.hasOwnRows, seat.isReady, hasJudges(instance) { return voteOut(instance) }
            }
            member.cachedFrom = max(member.cachedFrom, instance.binlog.count - ModelMember.historyMax)
        }
        guard seat.view?.isPrimary == true else { return }
        if seat.state == .joining, instance.binlog.count >= seat.joinsAt { member.seat?.state = .joined }
        if member.seat?.state == .joined, instance.binlog.count == member.seat?.delivered {
            member.seat?.state = .synced
            note("\(instance.id) is synced at \(instance.binlog.count)")
            oracle.joined(instance, order)
        }
    }

    /// In a minority what was delivered before is applied all the same.
    private func lastOrder(of instance: ModelInstance) -> ModelOrder? { instance.lastOrder }

    private func finish(_ transaction: Transaction, on instance: ModelInstance, _ succeeded: Bool) {
        guard let writeSet = instance.member?.seat?.own.removeValue(forKey: ObjectIdentifier(transaction)),
            writeSet.process == instance.process?.number
        else { return }
        writeSet.hasSucceeded = succeeded
        if succeeded { oracle.committed(transaction, at: instance.binlog.count - 1, self) }
    }

    /// Somebody in the component still has what it missed.
    private func hasDonor(_ instance: ModelInstance) -> Bool {
        guard let view = instance.member?.seat?.view else { return false }
        return view.members.values.contains { other in
            guard other !== instance, other.process != nil, let member = other.member, member.seat?.view === view else { return false }
            return member.cachedFrom <= instance.binlog.count + 1 && !other.isHung(at: now)
        }
    }

    /// Who is alone in its component, or with those who only come to be in it, is compared with nobody.
    private func hasJudges(_ instance: ModelInstance) -> Bool {
        guard let view = instance.member?.seat?.view else { return false }
        return view.members.values.contains { $0 !== instance && $0.isInComponent && $0.member?.seat?.view === view }
    }

    /// Its rows differ, and the others saw it: it is out, and says so.
    private func voteOut(_ instance: ModelInstance) {
        guard let member = instance.member, let seat = member.seat else { return }
        note("\(instance.id) is voted out")
        seat.view?.left.insert(seat.name)
        member.file = nil
        member.wasVotedOut = true
        member.seat?.state = .inconsistent
        failOwn(instance)
        member.seat?.view = nil
    }

    func failOwn(_ instance: ModelInstance) {
        for writeSet in instance.member?.seat?.own.values ?? [:].values { writeSet.hasSucceeded = false }
        instance.member?.seat?.own = [:]
    }

    // MARK: Views

    private func changeViews(_ awake: [ModelInstance], _ hearing: [[Bool]]) {
        var known: Set<InstanceID> = []
        var forming: [[String]: Instant] = [:]
        for (place, instance) in awake.enumerated() where !known.contains(instance.id) {
            guard isNoticing(instance) else { continue }
            let others = awake.indices.filter { hearing[place][$0] && hearing[$0][place] && isNoticing(awake[$0]) }
            let group = others.map { awake[$0] }
            known.formUnion(group.map(\.id))
            guard !isStable(group), group.allSatisfy({ hasGivenUp($0, all: group) }) else { continue }
            let names = group.compactMap { $0.member?.seat?.name }
            let since = self.forming[names] ?? now
            if now - since >= World.formingMin { install(group) } else { forming[names] = since }
        }
        self.forming = forming
    }

    private func isNoticing(_ instance: ModelInstance) -> Bool {
        guard let seat = instance.member?.seat else { return false }
        return seat.sleepsUntil <= now && seat.state != .inconsistent
    }

    private func isStable(_ group: [ModelInstance]) -> Bool {
        guard let view = group.first?.member?.seat?.view, view.members.count == group.count else { return false }
        return group.allSatisfy { $0.member?.seat?.view === view }
    }

    /// Whoever of its view is not here was silent for long enough, or has said goodbye.
    private func hasGivenUp(_ instance: ModelInstance, all group: [ModelInstance]) -> Bool {
        guard let seat = instance.member?.seat, let view = seat.view else { return true }
        return view.members.allSatisfy { name, other in
            if view.left.contains(name) || group.contains(where: { $0 === other && $0.member?.seat?.name == name }) { return true }
            return now - (seat.heard[name] ?? beginning) >= World.suspectAfter
        }
    }
}
