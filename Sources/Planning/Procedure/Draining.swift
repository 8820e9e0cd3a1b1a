import FleetModel

// Draining: the writer leaves what is to be empty. Replicas of a drained host leave as allocate says; those of a drained zone
// have nowhere to go before `placement` names another zone.

extension ClusterProcedure {
    func drain(of view: MemberView) -> HostDrain? {
        context.drains.isEmpty ? nil : context.drains[view.record.host]
    }

    func isDrained(_ view: MemberView) -> Bool { drain(of: view) != nil }

    /// Moves the writer off a host that is to be empty, also where other members are away. One whose successor there is on its
    /// way leaves by its phase. True where the move began.
    mutating func leaveDrain(_ primary: MemberView) -> Bool {
        guard maintenance == nil, primary.isActive, let drain = drain(of: primary) else { return false }
        if let to = candidates(for: primary).first(where: { !isInMaintenance($0) && !isDrained($0) }) {
            return begin(from: primary, to: to, drain.text)
        }
        if views.contains(where: { $0.isActive && $0.ordinal != primary.ordinal && !isDrained($0) }) {
            wait(.fact("candidate"), "a replica elsewhere that can take over from \(label(primary)): \(drain.text)")
        }
        return false
    }

    /// Says which instances stay in a zone that is to be empty, and what lets them leave.
    mutating func tellDrains() {
        guard !context.drains.isEmpty else { return }
        let isElsewhere = views.contains { $0.isActive && !isDrained($0) }
        for view in views where view.isActive {
            guard let drain = drain(of: view), drain.isOfZone else { continue }
            let isWriter = view.ordinal == records.primary && records.standby == nil
            let stays =
                switch (isWriter, isElsewhere) {
                case (false, _): "it stays as a replica"
                case (true, true): "the primary leaves it, and it stays as a replica"
                case (true, false): "it stays the primary, for no instance is elsewhere"
                }
            let message = "\(drain.text); \(stays): spec.placement puts it there, so commit its place in another zone"
            find("DrainHeld", label(view), on: view, message, drift: false)
        }
    }
}
