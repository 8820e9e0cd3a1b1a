import FleetModel

/// Three members of the model in one component, empty and open, and nothing that acts by itself but their group.
final class ModelTrioOfMembers: FactModel {
    private let world = World(seed: 1, script: .brief)
    private var instances: [String: (host: ModelHost, instance: ModelInstance, member: ModelMember)] = [:]
    private var sent: [(row: Int, writeSet: ModelWriteSet)] = []
    private var refused: [Int] = []

    private static let answerMax: Duration = .seconds(30)
    private static let holds: Duration = .seconds(2)
    private static let forEver: Duration = .seconds(1_000_000)

    init() {
        world.oracle.isPatient = true
        for (index, name) in ["a", "b", "c"].enumerated() {
            let (host, made, member) = (world.hosts[index], ModelInstance(id: InstanceID(clusterUID: "facts", ordinal: index + 1)), ModelMember())
            (made.serverID, made.gtidDomain, made.address, made.port) = (Int64(index + 1), 7, host.address, 3306)
            (made.directory, made.configuration, made.member) = (.ready, "", member)
            host.instances[made.id] = made
            instances[name] = (host, made, member)
            member.stateUUID = instances["a"]?.member.stateUUID ?? ""
            start(made, member, isFirst: index == 0)
        }
        world.communicate()
        _ = world.run(for: ModelTrioOfMembers.answerMax) { self.instances.values.allSatisfy { self.size($0.instance, $0.member) == "3" } }
    }

    /// `told`: where its data come up to.
    private func start(_ one: ModelInstance, _ member: ModelMember, isFirst: Bool = false, isTold: Bool = true) {
        let given = isTold ? one.readRecovered(member, nil) : nil
        one.start()
        one.process?.readOnly = false
        world.take(one, at: given, isFirst: isFirst)
        // That some do not find the others by themselves is a chance that the model takes, and no fact of each start.
        member.seat?.isStuck = false
    }

    func settled(_ words: [String], _ expected: String) -> String? {
        _ = world.run(for: ModelTrioOfMembers.answerMax) { self.answer(words) == expected }
        _ = world.run(for: ModelTrioOfMembers.holds)
        return answer(words)
    }

    func perform(_ words: [String]) -> Bool {
        guard words.count > 1, let (host, one, member) = instances[words[1]] else { return false }
        let row = words.count > 2 ? Int(words[2]) ?? 0 : 0
        switch words[0] {
        case "write":
            if let writeSet = world.submit(.write(row), on: one) { sent.append((row, writeSet)) } else { refused.append(row) }
        case "write-alone": member.hasOwnRows = true
        case "kill": world.endProcess(one, on: host)
        case "stop":
            world.vacate(one, inOrder: true)
            world.stopInOrder(one, on: host)
        case "freeze": one.process?.hungUntil = world.now + ModelTrioOfMembers.forEver
        case "thaw": one.process?.hungUntil = world.now
        case "start": start(one, member)
        case "start-first": start(one, member, isFirst: true)
        case "start-untold": start(one, member, isTold: false)
        default: return false
        }
        return true
    }

    // MARK: What is asked

    private func answer(_ words: [String]) -> String? {
        let text: String? =
            switch words[0] {
            case "acknowledged": list(sent.filter { $0.writeSet.hasSucceeded == true }.map(\.row))
            case "refused": list(refused)
            default: words.count > 1 ? instances[words[1]].flatMap { answer(words, $0.instance, $0.member) } : nil
            }
        return text.map { $0.isEmpty ? "none" : $0 }
    }

    private func answer(_ words: [String], _ one: ModelInstance, _ member: ModelMember) -> String? {
        switch words[0] {
        case "rows": one.isInComponent ? list(one.binlog.compactMap { if case .write(let row) = $0.content { row } else { nil } }) : ""
        case "size": size(one, member)
        case "ended": one.process == nil ? member.refusal.map(text) ?? "" : ""
        case "ahead": words.count > 2 ? instances[words[2]].map { isAhead(one, member, of: $0.instance, $0.member) ? "yes" : "no" } : nil
        default: nil
        }
    }

    private func size(_ one: ModelInstance, _ member: ModelMember) -> String {
        let report = one.galeraReport(member)
        return one.isInComponent && report.isPrimaryComponent ? String(report.size) : ""
    }

    private func isAhead(_ one: ModelInstance, _ member: ModelMember, of other: ModelInstance, _ another: ModelMember) -> Bool {
        let (first, second) = (one.readRecovered(member, nil), other.readRecovered(another, nil))
        return first.stateUUID == second.stateUUID && first.sequence > second.sequence
    }

    private func text(_ refusal: ModelMember.JoinRefusal) -> String {
        switch refusal {
        case .wholeState: "a copy is wanted"
        case .reversing: "it is ahead"
        }
    }

    private func list(_ rows: some Sequence<Int>) -> String { rows.sorted().map(String.init).joined(separator: " ") }
}
