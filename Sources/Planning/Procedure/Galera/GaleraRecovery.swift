import FleetModel

// Recovery: no member is in a primary component. The intent with a new epoch is in the store before anything is done; then
// everybody who may have been in the last component is killed where it still runs, and read; and one is started by the rule
// (`Planner.recoverable`), or nobody.

extension GaleraProcedure {
    /// Members that wait for each other find each other by themselves: for so long they are let.
    static let selfMendMax: Duration = .seconds(20)

    mutating func recover() {
        if let first = galera.recovery?.from, let view = view(first), isInside(view) { return finish(first) }
        if galera.recovery == nil { galera.recovery = RecoveryIntent(epoch: 0, began: now) }
        guard let intent = galera.recovery else { return }
        tellLoss()
        guard maintenance == nil else {
            return wait(.approval("spec.maintenance"), "the end of the maintenance of \(context.name), before its component is begun again")
        }
        intent.epoch > 0 ? isolate(intent) : watch(intent)
    }

    /// The loss of those who could not be counted is accepted, by the epoch that the finding names.
    private var isLossAccepted: Bool { cluster.recoveryAcceptLoss == records.epoch }

    private var lost: [MemberView] { galera.component.compactMap { view($0) } }

    private mutating func tellLoss() {
        var who: [String] = []
        for ordinal in galera.component {
            let state: String
            switch view(ordinal).map({ place(of: $0) }) {
            case .inside: state = "is back"
            case .outside: state = "is without a majority"
            case .joining: state = "waits for a component"
            case .inconsistent: state = "was voted out"
            case .foreign: state = "runs with another history"
            case .dead: state = "is dead"
            case .unresponsive: state = "does not answer"
            case .missing, nil: state = "is gone"
            case .silent: state = "is silent"
            }
            who.append("\(label(ordinal)) \(state)")
        }
        find("ComponentLost", context.name, on: nil, "no instance that is heard of is in a primary component: \(who.joined(separator: ", "))", drift: false)
    }

    // MARK: Before anything is done

    /// While somebody cannot be asked nothing is touched: the others may yet find each other, and who is silent may be serving.
    /// Silent is also who was never heard since the server began: it waited for first reports before this is asked.
    private mutating func watch(_ intent: RecoveryIntent) {
        let silent = galera.component.filter { view($0)?.knowledge != .fresh }
        if !silent.isEmpty {
            guard mayGiveUp(silent) else { return hold(Dictionary(uniqueKeysWithValues: silent.map { ($0, .unread) })) }
            giveUp(silent)
            return begin(acceptsLoss: true)
        }
        let hung = count { if case .unresponsive = $0 { true } else { false } }
        let waiting = count {
            switch $0 {
            case .outside, .joining: true
            default: false
            }
        }
        guard hung * 2 <= galera.component.count else {
            // They may well serve, and only the looks at them not end.
            for view in lost { if case .unresponsive = place(of: view) { reportUnresponsive(view) } }
            return
        }
        if hung + waiting > 0, now - intent.began < Self.selfMendMax {
            return wait(.time(intent.began + Self.selfMendMax), "the instances of \(context.name) to find each other, before all are stopped and read")
        }
        begin(acceptsLoss: false)
    }

    private func count(_ isSuch: (GaleraPlace) -> Bool) -> Int { lost.count { isSuch(place(of: $0)) } }

    private mutating func begin(acceptsLoss: Bool) {
        records.epoch += 1
        galera.recovery = RecoveryIntent(epoch: records.epoch, began: now, acceptsLoss: acceptsLoss)
        if acceptsLoss { shutOut() }
        (records.switchover, records.requestedPrimary) = (nil, nil)
        decision.cancel += running.map(\.id)
        if let intent = galera.recovery { isolate(intent) }
    }

    // MARK: Losses that are accepted

    /// Never all: somebody has to be left to begin with.
    private func mayGiveUp(_ ordinals: [Int]) -> Bool { isLossAccepted && ordinals.count < galera.component.count }

    /// Whoever was not counted may be further than the history that goes on: it never joins it.
    private mutating func giveUp(_ ordinals: [Int]) {
        records.leftBehind = Planner.union(records.leftBehind, ordinals)
        galera.component.removeAll { ordinals.contains($0) }
    }

    /// From here on whoever is started by us is let in by another authority, which the certificate of none who is given up is of:
    /// its agent may start it as soon as its host is back, and it does not get in.
    private mutating func shutOut() { galera.authority = records.epoch }

    // MARK: Everybody is dead, and read

    private mutating func isolate(_ intent: RecoveryIntent) {
        // Under another epoch, so that nobody's agent starts it alone.
        if let first = intent.from, let view = view(first), hasFailed(view, intent) { return begin(acceptsLoss: intent.acceptsLoss) }
        let cause = Cause.observation("no instance is in a primary component")
        for view in lost where view.knowledge == .fresh {
            guard let report = view.report, report.directory == .ready else { continue }
            if waitsForAttempt(view) { continue }
            if view.ordinal == intent.from, report.process != .stopped {
                wait(.time(intent.began + Self.selfMendMax), "\(label(view)) to be a component")
            } else if report.process != .stopped || report.epoch < intent.epoch {
                // Also of a dead one: from now on its agent does not start it alone.
                emit(.fence(epoch: intent.epoch), on: view, isVoluntary: false, cause: cause, "kill it, and start it no more before it is read")
            } else if report.recovered == nil {
                emit(.readPosition, on: view, isVoluntary: false, cause: cause, "read how far its data come up")
            }
        }
        // Who is killed or read in a moment, or begins already, holds nothing up.
        let isPending = lost.contains { view in
            view.knowledge == .fresh && (isTaken(view.ordinal) || view.ordinal == intent.from && view.report?.process != .stopped)
        }
        if !isPending { decide(intent) }
    }

    /// Whether the first of the next component was started, and ended before it was seen in one; or runs, and does not come to be
    /// one. Its agent may have started it since, as any other.
    private func hasFailed(_ view: MemberView, _ intent: RecoveryIntent) -> Bool {
        guard view.knowledge == .fresh, !view.isBusy, let report = view.report, report.directory == .ready else { return false }
        return report.process == .stopped ? report.recovered == nil : now >= intent.began + Self.selfMendMax
    }

    private var reads: [Int: RecoveredPosition] {
        var reads: [Int: RecoveredPosition] = [:]
        for view in lost where view.knowledge == .fresh && view.report?.process == .stopped && view.report?.directory == .ready {
            guard (view.report?.epoch ?? 0) >= records.epoch, let read = view.report?.recovered else { continue }
            // Records that were put back may name one that was given up: it holds the recovery up, and is never counted.
            if records.leftBehind.contains(view.ordinal) { continue }
            reads[view.ordinal] = read
            if galera.inconsistent.contains(view.ordinal) || view.report?.isInconsistent == true { reads[view.ordinal]?.wasInconsistent = true }
        }
        return reads
    }

    private mutating func decide(_ intent: RecoveryIntent) {
        switch recoverable(strangersGivenUp: isLossAccepted) {
        case .held(let doubts):
            guard mayGiveUp(Array(doubts.keys)) else { return hold(doubts) }
            giveUp(doubts.keys.sorted())
            // Under another epoch, so that nobody else is given up by the same word.
            begin(acceptsLoss: true)
        case .heldByStranger(let witness):
            let message = "\(label(witness)) was in a component with an instance that the records do not name"
            find("RecoveryHeld", context.name, on: nil, "\(message); to go on without it commit `recovery: {acceptLoss: \(records.epoch)}`", drift: false)
            wait(.approval("spec.recovery.acceptLoss"), message)
        case .start(let first, let position):
            if case .heldByStranger = recoverable(strangersGivenUp: false) { shutOut() }
            if intent.from != first {
                let moment = now
                galera.recovery?.began = moment
            }
            galera.recovery?.from = first
            galera.recovery?.position = position
            galera.recovery?.isPastReturn = true
            if let view = view(first) { start(view, intent, position) }
        }
    }

    private func recoverable(strangersGivenUp: Bool) -> Recoverable {
        Planner.recoverable(
            component: galera.component, reads: reads, of: galera.stateUUID, named: records.members.count, strangersGivenUp: strangersGivenUp,
            rank: { ordinal in view(ordinal).map { zoneRank($0) } ?? Int.max })
    }

    private mutating func hold(_ doubts: [Int: Recoverable.Doubt]) {
        var reasons: [String] = []
        for (ordinal, doubt) in doubts.sorted(by: { $0.key < $1.key }) {
            let host = records.member(ordinal)?.host ?? ""
            switch doubt {
            case .unread: reasons.append("\(label(ordinal)) on \(host) cannot be read")
            case .inconsistent: reasons.append("\(label(ordinal)) was voted out once, and its position says nothing")
            case .foreign: reasons.append("\(label(ordinal)) holds another history, or none")
            }
            wait(.host(host), "\(label(ordinal)), which may be the only one that holds acknowledged writes")
        }
        let known = lost.compactMap { view -> String? in
            guard let read = view.report?.recovered, doubts[view.ordinal] == nil else { return nil }
            return "\(label(view)) at \(read.sequence)"
        }
        let others = known.isEmpty ? "" : " (read: \(known.joined(separator: ", ")))"
        find(
            "RecoveryHeld", context.name, on: nil,
            "\(reasons.joined(separator: "; "))\(others): bring it back, or, where it is dead for good, go on without what it may have alone by `recovery: {acceptLoss: \(records.epoch)}`",
            drift: false)
    }

    // MARK: The first of the next component

    private mutating func start(_ view: MemberView, _ intent: RecoveryIntent, _ position: Int64) {
        let cause = Cause.observation("every instance that may have been in the last component was read")
        if configureToStart(view, isVoluntary: false, cause) { return }
        emit(
            .recoverComponent(epoch: intent.epoch, stateUUID: galera.stateUUID, position: position), on: view, isVoluntary: false, cause: cause,
            "begin a component again, at write set \(position)")
    }

    /// From here on only this one can be in a component: all others are dead, and nothing but a task starts them.
    private mutating func finish(_ first: Int) {
        records.returning = Planner.union(records.returning, galera.component)
        galera.component = [first]
        galera.recovery = nil
        if cluster.failover == .automatic { records.primary = first }
        serve()
    }
}
