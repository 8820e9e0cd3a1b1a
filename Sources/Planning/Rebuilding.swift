package import FleetModel

extension Planner {
    /// Records made anew from what git declares and agents see, for a store that was lost.
    ///
    /// Instances are known by the identity files in their directories. Each cluster's epoch is put above every agent's,
    /// every member is taken as a possible acker, and numbers are handed out from above the highest seen. What cannot be
    /// told from the outside is told as a problem; the caller keeps the loop from acting until an operator has approved.
    package static func rebuild(
        _ fleet: DesiredFleet, observed: [String: ObservedHost], storeID: String
    ) -> Allocation {
        var allocation = Allocation(records: FleetRecords(storeID: storeID))
        var found: [String: [FoundInstance]] = [:]
        for (name, seen) in observed {
            for report in seen.report.instances where report.directory != .halfMade {
                found[report.clusterName, default: []].append(FoundInstance(host: name, report: report))
            }
        }
        for name in found.keys.sorted() {
            let instances = (found[name] ?? []).sorted { $0.report.id < $1.report.id }
            rebuild(name, instances, fleet, &allocation)
        }
        allocation.records.clustersMade = Int64(allocation.records.clusters.count)
        return allocation
    }

    private static func rebuild(
        _ name: String, _ instances: [FoundInstance], _ fleet: DesiredFleet, _ allocation: inout Allocation
    ) {
        let uids = Set(instances.map(\.report.id.clusterUID)).sorted()
        guard let uid = uids.first, uids.count == 1 else {
            allocation.problems.append(
                AllocationProblem(
                    cluster: name, field: "metadata.name",
                    message: "hosts hold instances of \(uids.count) clusters of this name (\(uids.joined(separator: ", ")))",
                    help: "move the directories of all but one out of the agents' data directories"))
            return
        }
        guard let domain = instances.compactMap(\.gtidDomain).first else {
            allocation.problems.append(
                AllocationProblem(
                    cluster: name, field: "metadata.name", message: "no instance of it runs, so its GTID domain is not known",
                    help: "start its agents and wait until one instance answers"))
            return
        }
        var records = ClusterRecords(uid: uid, name: name, gtidDomain: domain)
        records.members = instances.map { member($0, fleet) }
        records.epoch = (instances.map(\.report.epoch).max() ?? 0) + 1
        records.primary = writer(instances)?.report.id.ordinal
        records.isFounded = instances.contains { $0.report.database?.isInitialized ?? false }
        records.ackSet = instances.map(\.report.id.ordinal).filter { $0 != records.primary }
        records.preparedReplicas = []
        if records.primary == nil {
            allocation.problems.append(
                AllocationProblem(
                    cluster: name, field: "metadata.name", message: "no agent names a writer",
                    help: "find the instance with the latest writes and name it when approving"))
        }
        noteNumbers(instances, domain, &allocation.records)
        allocation.records.clusters[name] = records
        allocation.changed.insert(name)
    }

    /// The instance that its agent's journal names the writer under the highest epoch; else the only writable one.
    private static func writer(_ instances: [FoundInstance]) -> FoundInstance? {
        let named = instances.filter(\.report.isWriter)
        if let highest = named.map(\.report.epoch).max() {
            let those = named.filter { $0.report.epoch == highest }
            return those.count == 1 ? those.first : nil
        }
        let writable = instances.filter { $0.report.database?.readOnly == false }
        return writable.count == 1 ? writable.first : nil
    }

    private static func member(_ found: FoundInstance, _ fleet: DesiredFleet) -> MemberRecord {
        let host = fleet.hosts[found.host]?.value
        return MemberRecord(
            ordinal: found.report.id.ordinal, host: found.host, zone: host?.zone ?? "", address: host?.address ?? "",
            port: found.report.port, serverID: found.report.database?.serverID ?? 0,
            phase: found.report.directory == .retired ? .leaving : .active)
    }

    private static func noteNumbers(_ instances: [FoundInstance], _ domain: Int64, _ records: inout FleetRecords) {
        let lowBits: Int64 = (1 << 24) - 1
        for found in instances {
            let number = (found.report.database?.serverID ?? 0) & lowBits
            records.nextServerNumber = max(records.nextServerNumber, number + 1)
        }
        records.nextDomainNumber = max(records.nextDomainNumber, (domain & lowBits) + 1)
    }
}

private struct FoundInstance {
    var host: String
    var report: InstanceReport

    /// As the server says it, or as its own binlog shows it.
    var gtidDomain: Int64? {
        if let text = report.database?.variables["gtid_domain_id"], let domain = Int64(text) { return domain }
        return report.database?.binlogPosition.domains.keys.min()
    }
}
