import FleetModel

/// One cluster's records, from what was found of it and what the store knew.
struct ClusterMerge {
    private let facts: RebuildFacts
    private let choices: RebuildChoices
    private let known: ClusterRecords?
    private let declared: Cluster?
    private var cluster: RebuiltCluster
    private var records: ClusterRecords

    init(_ facts: RebuildFacts, _ choices: RebuildChoices, name: String, uid: String, _ found: [RebuiltInstance]) {
        self.facts = facts
        self.choices = choices
        known = facts.known.clusters[name]
        declared = facts.fleet.clusters[name]?.value
        cluster = RebuiltCluster(
            name: name, uid: uid, standing: found.isEmpty ? .recorded : .found, isDeclared: declared != nil)
        cluster.instances = found.sorted { ($0.ordinal, $0.host) < ($1.ordinal, $1.host) }
        records = known ?? ClusterRecords(uid: uid, name: name, gtidDomain: 0)
    }

    /// The cluster for people, and its records; nil where they cannot be made.
    consuming func merged() -> (RebuiltCluster, ClusterRecords?) {
        guard findDomain(), hasHistory() else { return (cluster, known) }
        mergeMembers()
        records.epoch = max(records.epoch, cluster.instances.map(\.report.epoch).max() ?? 0) + 1
        records.switchover = nil
        records.failures = [:]
        widenComponent()
        findWriter()
        learnFromWriter()
        adoptParameters()
        tellMissingInstances()
        if !cluster.isDeclared { cluster.notes.append("no manifest declares it: it is left as it is") }
        cluster.epoch = records.epoch
        cluster.gtidDomain = records.gtidDomain
        cluster.writer = records.primary
        return (cluster, records)
    }

    private var ready: [RebuiltInstance] { cluster.instances.filter { $0.report.directory == .ready } }
    private func label(_ ordinal: Int) -> String { "\(cluster.name)-\(ordinal)" }

    /// Of a galera cluster agents do not tell who may have been in its component.
    private mutating func hasHistory() -> Bool {
        guard known == nil, declared?.topology == .galera else { return true }
        cluster.problem(
            "it is a galera cluster, whose records cannot be made from what agents see in this release",
            "Put the store back from a backup, and rebuild from there")
        return false
    }

    /// Whoever came since those records were written may have been in the component.
    private mutating func widenComponent() {
        guard let component = records.galera?.component else { return }
        let present = records.members.filter { $0.phase == .active || $0.phase == .leaving }.map(\.ordinal)
        records.galera?.component = Set(component).union(present).sorted()
        records.galera?.recovery = nil
    }

    private mutating func findDomain() -> Bool {
        if known != nil { return true }
        let domains = Set(cluster.instances.compactMap(\.report.gtidDomain)).sorted()
        guard let domain = domains.first, domains.count == 1 else {
            if domains.isEmpty {
                cluster.problem("its GTID domain is not known", "Wait until one of its instances answers, or upgrade the agents")
            } else {
                cluster.problem(
                    "its instances were made for \(domains.count) GTID domains (\(domains.map(String.init).joined(separator: ", ")))",
                    "Leave the hosts of those that do not belong to it out with --without")
            }
            return false
        }
        records.gtidDomain = domain
        return true
    }

    // MARK: Members

    private mutating func mergeMembers() {
        var hosts: [Int: String] = [:]
        for instance in cluster.instances {
            if let other = hosts.updateValue(instance.host, forKey: instance.ordinal) {
                cluster.problem("\(label(instance.ordinal)) is on \(other) and on \(instance.host)", "Leave one of the two out with --without")
                continue
            }
            merge(instance)
        }
        for index in records.members.indices where hosts[records.members[index].ordinal] == nil {
            let member = records.members[index]
            // A host that reports does not have it; of one that does not, nothing is known.
            guard member.phase != .purged, facts.reports[member.host] != nil, !choices.without.contains(member.host) else { continue }
            records.members[index].phase = .purged
            cluster.notes.append("\(label(member.ordinal)) is not on \(member.host) any more")
        }
        records.members.sort { $0.ordinal < $1.ordinal }
    }

    private mutating func merge(_ found: RebuiltInstance) {
        if let index = records.members.firstIndex(where: { $0.ordinal == found.ordinal }) {
            let member = records.members[index]
            if member.host != found.host {
                cluster.problem(
                    "\(label(found.ordinal)) is recorded on \(member.host) and found on \(found.host)",
                    "Move its directory back, or leave \(found.host) out with --without")
            }
            records.members[index].phase = phase(found, before: member.phase)
            return
        }
        guard let host = facts.fleet.hosts[found.host]?.value else {
            cluster.problem(
                "\(label(found.ordinal)) is on \(found.host), which no manifest declares",
                "Declare the host, or go on with --without \(found.host)")
            return
        }
        guard let serverID = found.report.serverID, serverID != 0 else {
            cluster.problem("the server id of \(label(found.ordinal)) is not known", "Wait until it answers, or upgrade the agent of \(found.host)")
            return
        }
        records.members.append(
            MemberRecord(
                ordinal: found.ordinal, host: found.host, zone: host.zone, address: found.report.origin?.address ?? host.address,
                port: found.report.port, serverID: serverID, phase: phase(found, before: nil)))
        if known != nil { cluster.notes.append("\(label(found.ordinal)) on \(found.host) is newer than the records") }
    }

    /// What is in the directory counts, and nothing that is there is to be deleted sooner for a rebuild.
    private func phase(_ found: RebuiltInstance, before: MemberPhase?) -> MemberPhase {
        switch (found.report.directory, before) {
        // Made on where it is wanted, else deleted: it holds nothing of value.
        case (.halfMade, .active?): .active
        case (.halfMade, _): .leaving
        case (.retired, .retired(let until)?): .retired(until: until)
        case (.retired, _): .retired(until: facts.now + (declared?.retainFor ?? Self.retainForUndeclared))
        case (.ready, .leaving?): .leaving
        case (.ready, _): .active
        }
    }

    private static let retainForUndeclared: Duration = .seconds(24 * 3600)

    private mutating func tellMissingInstances() {
        guard let declared, records.isFounded, records.primary != nil else { return }
        let count = records.members.count { $0.phase == .active }
        guard count < declared.replicas else { return }
        cluster.notes.append("\(count) of \(declared.replicas) declared instances are there: the others are made after the approval")
    }

    // MARK: The writer

    private mutating func findWriter() {
        let (ordinal, how) = seenWriter()
        settleFounded(isWriterSeen: ordinal != nil)
        records.primary = ordinal
        cluster.writerKnownBy = how
        if ordinal == nil, let leading = records.standby?.name ?? declared?.standbyOf, isClosed {
            // Its uid is known once all clusters are.
            records.standby = records.standby ?? StandbyRole(clusterUID: "", name: leading)
            records.primary = head
            cluster.writerKnownBy = "it follows \(leading)"
            return
        }
        if ordinal != nil { records.standby = nil }
        if let choice = choices.writers[cluster.name] { take(choice, seen: ordinal) } else if ordinal == nil { tellMissing() }
    }

    /// The instance that its agent's journal names the writer under the highest epoch; else the only one that takes writes.
    private mutating func seenWriter() -> (Int?, String) {
        let named = ready.filter(\.report.isWriter)
        if let highest = named.map(\.report.epoch).max() {
            let those = named.filter { $0.report.epoch == highest }
            if those.count == 1 { return (those[0].ordinal, "its agent's journal, epoch \(highest)") }
            let names = those.map { "\(label($0.ordinal)) on \($0.host)" }.joined(separator: ", ")
            cluster.problem("\(names) are each named the writer under epoch \(highest)", "Find out which one applications write to, and leave the host of the other out with --without")
            return (nil, "")
        }
        let writable = ready.filter { $0.report.database?.readOnly == false }
        if writable.count == 1, choices.without.isEmpty { return (writable[0].ordinal, "it alone is open for writing") }
        return (nil, "")
    }

    private var isClosed: Bool { ready.allSatisfy { $0.report.database?.readOnly ?? true } }

    /// Who replicates from none of its own instances.
    private var head: Int? {
        let own = Set(records.members.map { "\($0.address):\($0.port)" })
        let heads = ready.filter { found in
            found.report.database?.replication.map { !own.contains("\($0.sourceHost):\($0.sourcePort)") } ?? false
        }
        return (heads.first ?? ready.first)?.ordinal
    }

    /// Whether it holds data: then it is never founded anew.
    private mutating func settleFounded(isWriterSeen: Bool) {
        let isEmpty = known?.isFounded != true && !isWriterSeen && choices.without.isEmpty && !ready.isEmpty
            && ready.allSatisfy { $0.report.database?.isInitialized == false }
        records.isFounded = !isEmpty
    }

    private mutating func tellMissing() {
        guard records.isFounded, cluster.problems.isEmpty else { return }
        guard cluster.isDeclared else {
            cluster.notes.append("its writer is not known")
            return
        }
        let leave = "--writer \(cluster.name)=none leaves the cluster as it is until a later rebuild"
        if choices.without.isEmpty {
            cluster.problem(
                "no agent names a writer", "Find the instance with the latest writes and name it with --writer \(cluster.name)=INSTANCE; \(leave)")
        } else {
            cluster.problem("its writer is not known, and may be on a host that is left out", "Start that host's agent; \(leave)")
        }
    }

    private mutating func take(_ choice: RebuildChoices.Writer, seen: Int?) {
        guard case .instance(let ordinal) = choice else {
            if seen == nil { cluster.writerKnownBy = "left open by the operator" }
            if let seen { cluster.problem("\(label(seen)) is its writer", "Leave --writer \(cluster.name)=none out") }
            return
        }
        if let seen {
            if seen != ordinal { cluster.problem("\(label(seen)) is its writer", "Move the writer after the approval, by primary.preferredZones") }
            return
        }
        guard cluster.problems.isEmpty else { return }
        guard choices.without.isEmpty else {
            tellMissing()
            return
        }
        guard let chosen = ready.first(where: { $0.ordinal == ordinal })?.report.database else {
            cluster.problem("\(label(ordinal)) does not answer", "Wait until it runs, or name another instance")
            return
        }
        if let other = ready.first(where: { $0.ordinal != ordinal && $0.report.database.map { !$0.readOnly || !chosen.contains($0) } ?? true }) {
            cluster.problem(
                "\(label(other.ordinal)) is open for writing, or may hold writes that \(label(ordinal)) does not have",
                "Name the instance that has all of them")
            return
        }
        records.primary = ordinal
        cluster.writerKnownBy = "the operator's word"
    }

    // MARK: What follows from it

    private mutating func learnFromWriter() {
        let living = Set(records.members.filter { $0.phase == .active || $0.phase == .leaving }.map(\.ordinal))
        let writer = ready.first { $0.ordinal == records.primary }
        let accounts = Set(writer?.report.database?.replicationAccounts ?? [])
        let attached = ready.filter { $0.report.database?.replication?.ioRunning == true }.map(\.ordinal)
        records.preparedReplicas = Set(records.preparedReplicas).union(accounts).union(attached).intersection(living).sorted()
        // One on a host that is left out may acknowledge still, unknown to us but for its account.
        let unseen = choices.without.isEmpty ? [] : accounts.subtracting(records.members.map(\.ordinal))
        for ordinal in unseen.sorted() {
            cluster.notes.append("\(label(ordinal)) may be on a host that is left out: it is left as it is, and counts as one that acknowledges")
        }
        records.ackSet = living.union(unseen).filter { $0 != records.primary }.sorted()
        if let database = writer?.report.database {
            records.isSemiSync = database.semiSyncPrimary
            // Since when it waits nobody knows: the first look at one that acknowledges shows whether it has all.
            records.isUnprotected = database.semiSyncPrimary
            records.engineVersion = database.version
        }
        if records.engineVersion.isEmpty {
            records.engineVersion = ready.compactMap { $0.report.database?.version ?? $0.report.origin?.engineVersion }.first ?? ""
        }
    }

    /// Values that every instance reads back as they are declared are in force; others are found out by the first step.
    private mutating func adoptParameters() {
        guard let declared, !records.engineVersion.isEmpty else { return }
        let databases = ready.compactMap(\.report.database)
        guard !databases.isEmpty else { return }
        for (name, value) in MariaDBConfiguration.parameters(of: declared) where records.parameters[name]?.declared != value {
            guard databases.allSatisfy({ $0.variables[name] == value }) else { continue }
            records.parameters[name] = AppliedParameter(declared: value, readBack: value, version: records.engineVersion)
        }
    }
}

extension DatabaseReport {
    /// Whether it has everything that the other has applied or written.
    fileprivate func contains(_ other: DatabaseReport) -> Bool {
        let mine = [binlogPosition, appliedPosition]
        return [other.binlogPosition, other.appliedPosition].allSatisfy { theirs in
            theirs.domains.allSatisfy { domain, last in mine.contains { ($0.domains[domain]?.sequence ?? 0) >= last.sequence } }
        }
    }
}
