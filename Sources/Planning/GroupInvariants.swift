import FleetModel

// The invariants of a galera cluster: one history, one component of it, and nobody in it whose rows are others. Written apart
// from its procedure, as `Invariants` is.

extension Invariants {
    /// A component is founded once, and begun again only where nobody who may have been in the last one can be in it still, or
    /// be further.
    static func secondComponent(_ wave: [PlannedTask], _ situation: ClusterSituation) -> String? {
        for task in wave {
            guard case .instance(let id, _) = task.target else { continue }
            let violation: String?
            switch task.action {
            case .foundComponent: violation = founding(id, situation)
            case .recoverComponent(_, let stateUUID, let position): violation = recovery(id, stateUUID, position, situation)
            case .joinComponent: violation = joining(id, situation)
            case .renewCertificate:
                violation = situation.records.leftBehind.contains(id.ordinal) ? "\(id) would be let in again, and was given up: it may be further than the others" : nil
            default: violation = nil
            }
            if let violation { return violation }
        }
        return nil
    }

    private static func founding(_ id: InstanceID, _ situation: ClusterSituation) -> String? {
        let galera = situation.records.galera
        if situation.records.isFounded || galera?.stateUUID.isEmpty == false { return "\(id) would make a second history of a cluster that has one" }
        if let other = galera?.component.first(where: { $0 != id.ordinal }) { return "\(id) would found a component beside instance \(other)" }
        return nil
    }

    private static func joining(_ id: InstanceID, _ situation: ClusterSituation) -> String? {
        let report = seen(id.ordinal, situation)?.report
        if situation.records.leftBehind.contains(id.ordinal) { return "\(id) would join, and was given up: it may be further than the others" }
        if report?.isInconsistent == true || report?.recovered?.wasInconsistent == true || situation.records.galera?.inconsistent.contains(id.ordinal) == true {
            return "\(id) would join with rows that differ from the others'"
        }
        guard situation.records.galera?.component.contains(id.ordinal) == true else { return "\(id) would join, and the store does not name it" }
        return nil
    }

    private static func recovery(_ id: InstanceID, _ stateUUID: String, _ position: Int64, _ situation: ClusterSituation) -> String? {
        guard let galera = situation.records.galera, !stateUUID.isEmpty, galera.stateUUID == stateUUID, galera.recovery?.from == id.ordinal,
            galera.component.contains(id.ordinal)
        else { return "\(id) would begin a component, and the store names another one, or another history" }
        for ordinal in galera.component {
            guard let (report, isFresh) = seen(ordinal, situation), isFresh, report.process == .stopped, let read = report.recovered else {
                return "\(id) would begin a component while instance \(ordinal) may be in one, or further: it is not dead and read"
            }
            guard !situation.records.leftBehind.contains(ordinal), read.stateUUID == stateUUID, !read.wasInconsistent, !report.isInconsistent, !galera.inconsistent.contains(ordinal) else {
                return "\(id) would begin a component, and what instance \(ordinal) holds cannot be compared with it"
            }
            if read.sequence > position || ordinal == id.ordinal && read.sequence != position {
                return "\(id) would begin a component at \(position), and instance \(ordinal) holds \(read.sequence)"
            }
        }
        // Anybody seen in a component counts, whom the store names or not.
        for member in situation.records.members where !situation.records.leftBehind.contains(member.ordinal) {
            guard let (report, _) = seen(member.ordinal, situation), report.process == .running else { continue }
            if report.database?.galera?.isInComponent(of: stateUUID) == true {
                return "\(id) would begin a component beside the one that instance \(member.ordinal) is in"
            }
        }
        return nil
    }

    private static func seen(_ ordinal: Int, _ situation: ClusterSituation) -> (report: InstanceReport, isFresh: Bool)? {
        guard let member = situation.records.member(ordinal), let host = situation.observed[member.host],
            let report = host.report.instances.first(where: { $0.id.ordinal == ordinal && $0.id.clusterUID == situation.records.uid })
        else { return nil }
        return (report, host.isFresh(at: situation.now))
    }
}
