import FleetModel

// Disruption: what takes an instance out of service for a while, one at a time, and only when all is well.

extension ClusterProcedure {
    /// What is disrupted with nothing else under way: first the writer leaves a host that is worked on, or is to be empty.
    mutating func disrupt(_ primary: MemberView) {
        if maintenance != nil || leaveMaintenance(primary) || leaveDrain(primary) { return }
        guard isAllServing else { return rollAway() }
        holdDisruption { $0.disruptOne(primary) }
    }

    private mutating func disruptOne(_ primary: MemberView) {
        if rollOne(primary) { return }
        if moveWriter(primary) { return }
        if !retireOne(but: primary), records.member(primary.ordinal)?.phase == .leaving {
            wait(.fact("candidate"), "a replica that can take over from \(label(primary)), which is to leave")
        }
    }

    /// Moves the writer to a zone that is wanted more, or off an instance that is to leave.
    private mutating func moveWriter(_ primary: MemberView) -> Bool {
        if let wanted = requestedWriter(primary) {
            guard let to = candidates(for: primary).first(where: { $0.ordinal == wanted.ordinal }) else {
                wait(.fact(label(wanted)), "\(label(wanted)) to be able to take over from \(label(primary)), as was asked for")
                return true
            }
            return begin(from: primary, to: to, "asked for by command")
        }
        if primary.isActive && zoneRank(primary) == 0 { return false }
        guard let best = candidates(for: primary).first else { return false }
        if !primary.isActive { return begin(from: primary, to: best, "\(label(primary)) is to leave") }
        guard zoneRank(best) < zoneRank(primary) else { return false }
        if let end = coolsDownUntil() {
            wait(.time(end), "the cool-down after a failover, before the writer moves to \(best.record.zone)")
            return true
        }
        return begin(from: primary, to: best, "primary.preferredZones names \(best.record.zone)")
    }

    /// Who was asked for by command and is not the writer yet. One that is to leave, or is gone, is asked for no more.
    private mutating func requestedWriter(_ primary: MemberView) -> MemberView? {
        guard let ordinal = records.requestedPrimary else { return nil }
        if ordinal != primary.ordinal, let view = view(ordinal), view.isActive { return view }
        records.requestedPrimary = nil
        return nil
    }

    // MARK: Removal

    /// Stops one that is to leave, and neither the writer nor the head; false where there is none to stop now.
    mutating func retireOne(but primary: MemberView) -> Bool {
        for view in views where records.member(view.ordinal)?.phase == .leaving && view.ordinal != primary.ordinal {
            if waitsForHost(view) || view.isBusy || view.report?.directory == .halfMade { continue }
            guard mayLeave(view, primary) else { return true }
            emit(.retire, on: view, cause: becausePlaced(in: view.record.zone), "stop, keep its directory for \(cluster.retainFor.short)")
            return true
        }
        return false
    }

    /// One that is wanted again when its removal had begun: nothing runs in a directory that was taken out of service, and a copy
    /// takes its place. What was to be made up for before it was stopped was. True where what still runs there is ended first.
    mutating func endRetired(_ view: MemberView) -> Bool {
        guard let report = view.report, report.directory == .retired, report.process != .stopped else { return false }
        emit(
            .fence(epoch: records.epoch), on: view, isVoluntary: false,
            cause: .observation("\(label(view)) runs in a directory that was taken out of service"), "kill it, before a copy takes its place")
        return true
    }

    /// What a clone is, in a plan.
    func cloning(_ view: MemberView, from donor: MemberView) -> String {
        "clone from \(label(donor))" + (view.report?.directory == .retired ? "; its old directory is moved aside and kept" : "")
    }

    /// Follows removed instances to their end: stopped and kept, then purged.
    mutating func keepRetired() {
        for view in views {
            switch view.record.phase {
            case .active, .purged: break
            case .leaving: noteRetired(view)
            case .retired(let until): purge(view, until)
            }
        }
    }

    private mutating func noteRetired(_ view: MemberView) {
        guard view.knowledge == .fresh, !view.isBusy, view.ordinal != records.primary else { return }
        if view.report?.directory == .halfMade {
            emit(.purge, on: view, cause: becausePlaced(in: view.record.zone), "delete what was half made: it is wanted no more")
            return
        }
        guard view.report == nil || view.report?.directory == .retired else { return }
        setPhase(view.report == nil ? .purged : .retired(until: now + cluster.retainFor), view)
        records.forget(view.ordinal)
        if view.report != nil { wait(.retention(now + cluster.retainFor), kept(view)) }
    }

    private func kept(_ view: MemberView) -> String { "\(label(view)) is removed; its directory on \(view.record.host) is kept" }

    private mutating func purge(_ view: MemberView, _ until: Instant) {
        if view.knowledge == .fresh, view.report == nil, !view.isBusy {
            setPhase(.purged, view)
        } else if now < until {
            wait(.retention(until), kept(view))
        } else if isAllServing, view.knowledge == .fresh {
            emit(.purge, on: view, cause: because("spec.retainFor"), "delete its directory: it was kept for \(cluster.retainFor.short)")
        }
    }

    private mutating func setPhase(_ phase: MemberPhase, _ view: MemberView) {
        guard let index = records.members.firstIndex(where: { $0.ordinal == view.ordinal }) else { return }
        records.members[index].phase = phase
    }
}

extension Duration {
    /// `24h`, `90s`: the largest unit that divides it.
    package var short: String {
        let total = components.seconds
        if total > 0 && total % 3600 == 0 { return "\(total / 3600)h" }
        if total > 0 && total % 60 == 0 { return "\(total / 60)m" }
        return total > 0 || milliseconds == 0 ? "\(total)s" : "\(milliseconds)ms"
    }
}
