import FleetModel
import Reconciliation

// Which view becomes a primary component, and with what history: Galera's own rules, traps and all.

extension World {
    /// A process of a member begins. `given`: where its data are said to come up to. `isFirst`: it is a component by itself.
    func take(_ instance: ModelInstance, at given: RecoveredPosition?, isFirst: Bool) {
        guard let member = instance.member else { return }
        member.leftInOrder = false
        if planted != .recoverUnread { member.recovered = nil } else { member.recovered = instance.readRecovered(member, planted) }
        member.refusal = nil
        seatsMade += 1
        // With a view file it goes by its name of before.
        let name = isFirst ? "\(instance.id)#\(seatsMade)" : member.file?.own ?? "\(instance.id)#\(seatsMade)"
        var seat = ModelSeat(name: name, delivered: instance.binlog.count, given: given)
        seat.isStuck = !isFirst && chance(0.1)
        member.seat = seat
        guard isFirst else { return }
        if given == nil || member.stateUUID.isEmpty { member.stateUUID = "\(String(random.next(), radix: 16))-1" }
        let order = ModelOrder(member.stateUUID, instance.binlog)
        note("\(instance.id) begins a component of \(order.stateUUID) at \(order.count)")
        instance.member?.seat?.state = .synced
        enter(ModelView((member.file?.number ?? 0) + 1, name, [name: instance], order), [instance])
    }

    /// A process of a member is gone. In good order: the others know at once.
    func vacate(_ instance: ModelInstance, inOrder: Bool) {
        guard let member = instance.member, let seat = member.seat else { return }
        failOwn(instance)
        if inOrder, member.wasVotedOut == false {
            seat.view?.left.insert(seat.name)
            member.file = nil
            member.leftInOrder = true
        }
        member.seat = nil
    }

    func install(_ group: [ModelInstance]) {
        let primaries = group.compactMap { $0.member?.seat?.view }.filter(\.isPrimary)
        guard let last = primaries.max(by: { $0.number < $1.number }), let order = last.order else { return meet(group) }
        let present = group.filter { $0.member?.seat?.view === last }
        let counted = last.members.keys.count { !last.left.contains($0) }
        // Somebody has to have all that those receive who join.
        guard present.count * 2 > counted, present.contains(where: { $0.member?.seat?.state != .joining }) else { return lose(group) }
        // What anybody who is still here has received, all have.
        for writeSet in last.pending where present.contains(where: { writeSet.received.contains($0.id) }) {
            order.transactions.append(writeSet.transaction)
        }
        last.pending = []
        for instance in present where instance.member?.seat?.state != .joining { instance.member?.seat?.delivered = order.count }
        proceed(group, from: present, order)
    }

    /// Nobody here is in a primary component. Galera makes one where all of the newest view that any of them was in are here.
    private func meet(_ group: [ModelInstance]) {
        let files = group.compactMap { instance in instance.member?.file.map { (instance: instance, file: $0) } }
        guard let newest = files.max(by: { ($0.file.number, $0.file.maker) < ($1.file.number, $1.file.maker) })?.file else { return lose(group) }
        let here = files.filter { $0.file.isSame(as: newest) && $0.instance.member?.seat?.name == $0.file.own }.map(\.instance)
        guard here.count == newest.members.count, !here.contains(where: { $0.member?.seat?.isStuck == true }) else { return lose(group) }
        guard let first = here.max(by: { ($0.member?.seat?.delivered ?? 0) < ($1.member?.seat?.delivered ?? 0) }), let member = first.member else { return lose(group) }
        // Without a position none of them is asked what it has.
        let isBlind = here.contains { $0.member?.seat?.given == nil && $0.member?.seat?.isListening == false }
        let order = ModelOrder(isBlind ? "" : member.stateUUID, first.heldOrDelivered)
        note("\(here.map(\.id)) meet again, and are a component at \(order.count)")
        if isBlind { for instance in here { instance.member?.seat?.delivered = order.count } }
        proceed(group, from: isBlind ? here : [first], order)
    }

    /// A minority: what it had under way fails.
    private func lose(_ group: [ModelInstance]) {
        let view = ModelView(0, "", members(group), nil)
        note("\(group.map(\.id)) are in no component")
        for instance in group {
            failOwn(instance)
            instance.lastOrder = instance.member?.seat?.view?.order ?? instance.lastOrder
            // What it was to receive from others it has not got.
            if instance.member?.seat?.state == .joining { instance.member?.seat?.delivered = instance.binlog.count }
            instance.member?.seat?.state = .outside
            instance.member?.seat?.view = view
        }
    }

    private func members(_ group: [ModelInstance]) -> [String: ModelInstance] {
        var members: [String: ModelInstance] = [:]
        for instance in group { if let name = instance.member?.seat?.name { members[name] = instance } }
        return members
    }

    /// A primary component of those whom its members do not refuse.
    private func proceed(_ group: [ModelInstance], from present: [ModelInstance], _ order: ModelOrder) {
        let entering = group.filter { instance in present.contains { $0 === instance } || admits(instance, order, present) }
        let number = (group.compactMap { max($0.member?.seat?.view?.number ?? 0, $0.member?.file?.number ?? 0) }.max() ?? 0) + 1
        let view = ModelView(number, entering.compactMap { $0.member?.seat?.name }.min() ?? "", members(entering), order)
        for instance in present where instance.member?.seat?.state == .outside { instance.member?.seat?.state = .joined }
        note("view \(number) of \(entering.map { "\($0.id) at \($0.binlog.count)" }), order at \(order.count)")
        enter(view, entering)
    }

    /// A joiner begins to receive what it missed, or ends.
    private func admits(_ instance: ModelInstance, _ order: ModelOrder, _ present: [ModelInstance]) -> Bool {
        guard let member = instance.member, let seat = member.seat else { return false }
        let isKnown = seat.given != nil || seat.isListening
        let refusal: ModelMember.JoinRefusal?
        if !isKnown || member.stateUUID != order.stateUUID {
            refusal = .wholeState
        } else if seat.delivered > order.count {
            refusal = .reversing
        } else if !present.contains(where: { $0.member.map { $0.cachedFrom <= seat.delivered + 1 } ?? false }), seat.delivered < order.count {
            refusal = .wholeState
        } else {
            refusal = nil
        }
        if let refusal {
            note("\(instance.id) at \(seat.delivered) ends, and does not join: \(refusal)")
            member.refusal = refusal
            if let host = host(at: instance.address) { endProcess(instance, on: host) }
            member.refusal = refusal
            return false
        }
        failOwn(instance)
        oracle.joins(instance, order)
        member.seat?.state = .joining
        member.seat?.joinsAt = order.count
        member.seat?.delivered = order.count
        return true
    }

    private func enter(_ view: ModelView, _ group: [ModelInstance]) {
        if let order = view.order { oracle.formed(order, self) }
        let names = view.members.keys.sorted()
        for instance in group {
            guard let member = instance.member, let seat = member.seat else { continue }
            member.file = ComponentView(number: view.number, maker: view.maker, own: seat.name, members: names)
            instance.lastOrder = view.order
            member.seat?.view = view
            member.seat?.isListening = true
            member.seat?.isStuck = false
        }
    }
}

extension ModelInstance {
    /// What it has applied, and what it was given and applies still.
    var heldOrDelivered: [Transaction] {
        guard let seat = member?.seat, let order = seat.view?.order ?? lastOrder, seat.delivered > binlog.count else { return binlog }
        return Array(order.transactions[..<min(seat.delivered, order.count)])
    }
}
