import FleetModel

/// What a member is to its group, as far as is known now.
enum GaleraPlace {
    /// It answers queries as a part of the recorded history's primary component.
    case inside(GaleraReport)
    /// Its process runs, and is in no primary component: alone, or with a minority.
    case outside
    /// Starts, waits for a component, or receives what it missed.
    case joining
    /// It was voted out once: nothing but a copy mends it.
    case inconsistent
    /// It answers queries with another history than the recorded one.
    case foreign
    /// Its process is dead; with what its data hold, where they were read since.
    case dead(RecoveredPosition?)
    /// It runs, and a look at it did not end, or did not tell.
    case unresponsive
    /// There is no directory of it, or one of no value, or one that was taken out of service.
    case missing
    /// Nothing was heard of its host of late.
    case silent
}

extension GaleraProcedure {
    func place(of view: MemberView) -> GaleraPlace {
        guard view.knowledge == .fresh else { return .silent }
        guard let report = view.report, report.directory != .halfMade else { return .missing }
        if report.directory == .retired, report.process == .stopped { return .missing }
        // The store does not forget what an agent may.
        if report.isInconsistent || report.recovered?.wasInconsistent == true || galera.inconsistent.contains(view.ordinal) { return .inconsistent }
        switch report.process {
        case .stopped: return .dead(report.recovered)
        case .starting: return .joining
        case .unresponsive: return .unresponsive
        case .running: break
        }
        guard let seen = report.database?.galera else { return .unresponsive }
        if seen.state == .inconsistent { return .inconsistent }
        if seen.isInComponent(of: galera.stateUUID) {
            // Given up, and in a component of its own: what that has is another history from there on.
            return records.leftBehind.contains(view.ordinal) ? .foreign : .inside(seen)
        }
        if seen.isReady, seen.isPrimaryComponent, seen.stateUUID != galera.stateUUID { return .foreign }
        return seen.state == .joining || seen.state == .joined ? .joining : .outside
    }

    /// What it says of the component that it is in; nil where it is in none.
    func group(of view: MemberView) -> GaleraReport? {
        if case .inside(let report) = place(of: view) { report } else { nil }
    }

    func isInside(_ view: MemberView) -> Bool { group(of: view) != nil }

    /// One that takes writes of another history: it is killed before anybody is opened beside it.
    var stray: MemberView? {
        views.first { view in
            guard view.isWritable, case .foreign = place(of: view) else { return false }
            return true
        }
    }

    /// Those in the primary component.
    var inside: [MemberView] { views.filter(isInside) }

    /// The furthest that any of the component was seen to have applied.
    var furthest: Int64 { views.compactMap { group(of: $0)?.lastCommitted }.max() ?? 0 }

    /// A member has applied all but for so many write sets of what another one was seen to have.
    static let unappliedMax: Int64 = 1_000

    func isNear(_ view: MemberView) -> Bool {
        guard let group = group(of: view) else { return false }
        return group.lastCommitted + Self.unappliedMax >= furthest
    }

    /// Whether a member has on disk all that one that is in its component no more was acknowledged in it. A view comes in the same
    /// order as write sets do, and a member goes over to it when it has applied all that came before: so its own word that the
    /// other is not in it says so. An empty queue does not: it is of the moment of the look, and what is just being applied is in
    /// no queue.
    static func hasAppliedAll(of ordinal: Int, _ group: GaleraReport) -> Bool {
        group.state == .synced && !group.members.isEmpty && !group.members.contains(ordinal)
    }

    /// Whether another member of the component has provably applied what this one, which is not in it, may have been alone to
    /// have on disk: all of the component had received it before it was acknowledged, and apply it.
    func isMadeUpFor(_ view: MemberView) -> Bool {
        guard galera.component.contains(view.ordinal) else { return true }
        let others = views.filter { $0.ordinal != view.ordinal }.compactMap { group(of: $0) }
        if let read = view.report?.recovered, read.stateUUID == galera.stateUUID, !read.wasInconsistent {
            return others.contains { $0.lastCommitted >= read.sequence }
        }
        return others.contains { Self.hasAppliedAll(of: view.ordinal, $0) }
    }
}
