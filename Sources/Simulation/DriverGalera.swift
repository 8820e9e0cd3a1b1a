import ControlAPI
import FleetModel

// The model's driver on members of galera clusters.

/// What a member is started to do.
enum MemberStart {
    case joining(of: String?)
    case founding
    case recovering(stateUUID: String, at: Int64)
}

extension DriverSteps {
    /// A start that a full transfer was demanded of is tried once more.
    fileprivate static let joinTriesMax = 2
    /// It neither joins nor ends for so long.
    private static let startQuietMax: Duration = .seconds(60)
    private static let positionMax: Duration = .seconds(2)

    /// What is done otherwise on a member; nil: nothing is.
    static func steps(onMember action: Action) -> [DriverStep]? {
        switch action {
        case .foundComponent: startMember(.founding, insists: true)
        case .joinComponent(_, let stateUUID): startMember(.joining(of: stateUUID), insists: true)
        case .recoverComponent(_, let stateUUID, let position): startMember(.recovering(stateUUID: stateUUID, at: position))
        case .readPosition: readPosition()
        case .initialize: submit(.initialize) { $0.isInitialized }
        case .open: openMember()
        case .promote(_, _, _, _, let sequence): promoteMember(after: sequence)
        case .demote: demoteMember()
        case .restart: stopMember { _ in } + startMember(.joining(of: nil), insists: true)
        case .upgrade(_, let version): stopMember { $0.version = version } + startMember(.joining(of: nil), insists: true)
        case .retire: stopMember { _ in } + [DriverStep(5...20) { $0.withDirectory { $0.directory = .retired } }]
        case .rejoin: setAside()
        case .replicate, .acknowledge, .prepareReplica, .expel, .takeBack:
            [DriverStep(1...1) { _ in .end(.refused("Unsupported: \(action.name) is not for a member of a galera cluster")) }]
        default: nil
        }
    }

    // MARK: Starting

    static func startMember(_ start: MemberStart, insists: Bool = false) -> [DriverStep] {
        [
            DriverStep(5...20) { context in
                guard let instance = context.instance, instance.directory == .ready, instance.member != nil else { return .end(.refused("there is no instance")) }
                if instance.process != nil, case .founding = start, instance.member?.isFounding != true { return .end(.refused("it runs already")) }
                context.operation.hasActed = instance.process == nil
                return .next
            },
            DriverStep(300...1000) { $0.startMember(start, insists: insists) },
            DriverStep(50...50) { context in
                guard let instance = context.instance, let member = instance.member else { return .end(.failed("it is gone")) }
                guard instance.process != nil else { return context.ended(member, start, insists) }
                if member.seat?.state == .inconsistent { return .end(.refused("it was voted out of its component")) }
                if instance.isInComponent { return context.inComponent(instance, member, start) }
                let isLate = context.world.now - context.operation.began > startQuietMax
                return isLate ? .end(.failed("it runs and is not in the component yet")) : .again
            },
        ]
    }

    private static func readPosition() -> [DriverStep] {
        [
            DriverStep(300...1000) { context in
                guard let instance = context.instance, instance.directory == .ready, let member = instance.member else { return .end(.refused("there is no instance")) }
                guard instance.process == nil else { return .end(.succeeded(TaskResult(acted: false))) }
                guard !member.stateUUID.isEmpty else { return .end(.refused("it has no position: it is cloned")) }
                let read = context.world.read(instance, member)
                member.recovered = read
                return .end(.succeeded(TaskResult(recovered: read)))
            }
        ]
    }

    private static func stopMember(_ change: @escaping (ModelInstance) -> Void) -> [DriverStep] {
        [
            DriverStep(200...500) { context in
                guard let instance = context.instance else { return .end(.succeeded(TaskResult(acted: false))) }
                if instance.process != nil {
                    context.world.oracle.interrupting(instance, context.world)
                    context.world.vacate(instance, inOrder: true)
                    context.end(instance)
                    instance.isInterrupted = true
                }
                change(instance)
                return .next
            }
        ]
    }

    private static func setAside() -> [DriverStep] {
        [
            DriverStep(80...200) { context in
                guard let instance = context.instance, instance.directory == .ready else { return .end(.refused("there is no instance")) }
                if instance.isInComponent, instance.isWritable { return .end(.refused("it is the open member of its component")) }
                context.world.oracle.settingAside(instance, context.world)
                context.end(instance)
                context.host.movedAside.append(instance)
                context.host.instances[context.order.instance] = nil
                return .end(.succeeded(TaskResult()))
            }
        ]
    }

    // MARK: The writer

    private static func openMember() -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let instance = context.instance, instance.isInComponent else { return .end(.refused("it is not in a primary component")) }
                instance.member?.isFounding = false
                let acted = !instance.isWritable
                instance.process?.readOnly = false
                context.world.note("\(instance.id) takes writes")
                return .end(.succeeded(TaskResult(acted: acted)))
            }
        ]
    }

    private static func promoteMember(after sequence: Int64?) -> [DriverStep] {
        [
            DriverStep(2...20) { context in
                guard let instance = context.instance, instance.isInComponent else { return .end(.refused("it is not in a primary component")) }
                guard Int64(instance.binlog.count) >= sequence ?? 0 else {
                    let isLate = context.world.now - context.operation.began > positionMax
                    return isLate ? .end(.refused("it has not applied \(sequence ?? 0) within 2 s")) : .again
                }
                return .next
            }
        ] + openMember()
    }

    /// Waits for the commits that are under way.
    private static func demoteMember() -> [DriverStep] {
        [
            DriverStep(4...25) { context in
                guard let instance = context.instance, instance.process != nil, let seat = instance.member?.seat else { return .end(.refused("it does not run")) }
                context.operation.hasActed = context.operation.hasActed || instance.isWritable
                instance.process?.readOnly = true
                guard seat.own.isEmpty else {
                    guard context.world.now - context.operation.began > positionMax else { return .again }
                    instance.process?.readOnly = false
                    return .end(.failed("still writable: commits wait"))
                }
                return .end(
                    .succeeded(TaskResult(acted: context.operation.hasActed, position: instance.position, sequence: Int64(instance.binlog.count))))
            }
        ]
    }

    private static func submit(_ content: Transaction.Content, isThere: @escaping (DatabaseContent) -> Bool) -> [DriverStep] {
        [DriverStep(50...200) { $0.submit(content, isThere: isThere) }, DriverStep(5...20) { $0.awaitWriteSet() }]
    }
}

extension StepContext {
    fileprivate func startMember(_ start: MemberStart, insists: Bool) -> StepResult {
        guard let instance, let member = instance.member else { return .end(.failed("it is gone")) }
        guard instance.process == nil else { return .next }
        guard host.startsFailUntil <= world.now else { return .end(.failed("it does not start")) }
        if let refusal = world.launch(instance, member, start, insists: insists) { return .end(refusal) }
        return .next
    }

    fileprivate func ended(_ member: ModelMember, _ start: MemberStart, _ insists: Bool) -> StepResult {
        guard let instance, let refusal = member.refusal else { return .end(.failed("it ended")) }
        operation.tries += 1
        if refusal == .wholeState, operation.tries < DriverSteps.joinTriesMax { return startMember(start, insists: insists).orAgain }
        member.recovered = world.read(instance, member)
        switch refusal {
        case .wholeState: return .end(.refused("HistoryTooShort: no member has all that it missed any more"))
        case .reversing: return .end(.refused("JoinRefused: it is further than the component that is there"))
        }
    }

    fileprivate func inComponent(_ instance: ModelInstance, _ member: ModelMember, _ start: MemberStart) -> StepResult {
        let stateUUID = member.seat?.view?.order?.stateUUID ?? ""
        if case .joining(let wanted?) = start, wanted != stateUUID { return .end(.failed("it is in a component with the history \(stateUUID)")) }
        if let refused = instance.refused { return .end(.failed("\(refused.message): it was started as it was before")) }
        let here = RecoveredPosition(stateUUID: stateUUID, sequence: Int64(instance.binlog.count))
        return .end(
            .succeeded(
                TaskResult(acted: operation.hasActed, readBack: instance.process?.variables ?? [:], engineVersion: instance.version, recovered: here)))
    }

    /// A statement of ours on a member.
    func submit(_ change: Transaction.Content, isThere: (DatabaseContent) -> Bool) -> StepResult {
        guard let instance, instance.isInComponent else { return .end(.refused("it is in no component")) }
        if isThere(instance.content) { return .end(.succeeded(TaskResult(acted: false))) }
        guard let writeSet = world.submit(change, on: instance) else { return .end(.failed("it is in no component")) }
        operation.writeSet = writeSet
        return .next
    }

    func awaitWriteSet() -> StepResult {
        switch operation.writeSet?.hasSucceeded {
        case true: .next
        case false: .end(.failed("its component was lost meanwhile"))
        default: instance?.process == nil ? .end(.failed("it stopped")) : world.now - operation.began > .seconds(10) ? .end(.failed("it still waits")) : .again
        }
    }
}

extension StepResult {
    /// The step that a start was part of goes on.
    fileprivate var orAgain: StepResult { if case .next = self { .again } else { self } }
}

extension World {
    /// The start of a member: its position is read, told, and checked. Answers why it is not started; nil: it is.
    func launch(_ instance: ModelInstance, _ member: ModelMember, _ start: MemberStart, insists: Bool) -> AttemptOutcome? {
        var isFirst = false
        var given: RecoveredPosition?
        if case .founding = start, member.stateUUID.isEmpty {
            member.isFounding = true
            isFirst = true
        } else {
            guard !member.stateUUID.isEmpty else { return .refused("it has no position: it is cloned") }
            let found = instance.readRecovered(member, planted)
            if found.wasInconsistent { return .refused("it was voted out of its component: it is moved aside and cloned") }
            switch start {
            case .joining(let stateUUID):
                guard stateUUID ?? found.stateUUID == found.stateUUID else { return .refused("its data belong to another history") }
                if planted != .smallView, let view = member.file, view.members.count < instance.groupSize { member.file = nil }
            case .founding:
                guard member.isFounding else { return .refused("its data belong to a history already") }
                isFirst = true
            case .recovering(let stateUUID, let position):
                let isThere = found.stateUUID == stateUUID && found.sequence == position
                guard isThere || planted == .recoverSecond || planted == .recoverUnread else { return .refused("it is at \(found.sequence)") }
                oracle.recovering(instance, self)
                begins(instance)
                isFirst = true
            }
            given = found
        }
        guard instance.start(insists: insists) else { return .failed("it does not start by its configuration") }
        take(instance, at: given, isFirst: isFirst)
        return nil
    }

    /// As an agent reads it.
    func read(_ instance: ModelInstance, _ member: ModelMember) -> RecoveredPosition {
        var read = instance.readRecovered(member, planted)
        if planted == .recoverSecond {
            // Whoever is behind looks as if it were ahead by as much.
            let all = allInstances.filter { $0.instance.id.clusterUID == instance.id.clusterUID && $0.instance.directory == .ready }
            let highest = Int64(all.map(\.instance.binlog.count).max() ?? 0)
            read.sequence = 2 * highest - read.sequence
        }
        return read
    }
}
