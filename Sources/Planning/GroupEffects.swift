import FleetModel

// The effects of actions on the group that the instances of a galera cluster are in.

extension ClusterSituation {
    /// One of those in the component of a history, on another host.
    func databaseInGroup(of stateUUID: String, notOn host: String) -> DatabaseReport? {
        for member in records.members where member.host != host {
            let report = observed[member.host]?.report.instances.first { $0.id.ordinal == member.ordinal && $0.id.clusterUID == records.uid }
            guard report?.process == .running, let database = report?.database else { continue }
            if database.galera?.isInComponent(of: stateUUID) == true { return database }
        }
        return nil
    }

    /// Each instance in the component but one.
    mutating func alterGroup(but id: InstanceID, _ alter: (inout InstanceReport) -> Void) {
        guard let stateUUID = records.galera?.stateUUID else { return }
        for member in records.members where member.ordinal != id.ordinal {
            let other = InstanceID(clusterUID: records.uid, ordinal: member.ordinal)
            guard let place = observed.index(forKey: member.host),
                let index = observed.values[place].report.instances.firstIndex(where: { $0.id == other })
            else { continue }
            let report = observed.values[place].report.instances[index]
            guard report.process == .running, report.database?.galera?.isInComponent(of: stateUUID) == true else { continue }
            alter(&observed.values[place].report.instances[index])
        }
    }
}

extension GaleraReport {
    mutating func include(_ ordinal: Int) {
        members = Planner.union(members, [ordinal])
        size = members.count
    }

    mutating func exclude(_ ordinal: Int) {
        members.removeAll { $0 == ordinal }
        size = members.count
    }
}
