import FleetModel

extension Planner {
    /// Records made anew from what git declares and agents see, over what the store still knows: for a store that was
    /// lost, or put back from a backup.
    ///
    /// Instances are known by the identity files in their directories, writers by their agents' journals. Each cluster's
    /// epoch is put above every agent's, every member is taken as a possible acker, and numbers are handed out from above
    /// the highest seen. What cannot be told from the outside is a problem of its cluster, for an operator to mend.
    package static func rebuild(_ facts: RebuildFacts, _ choices: RebuildChoices = RebuildChoices()) -> RebuildProposal {
        var rebuilder = Rebuilder(facts, choices)
        rebuilder.run()
        var proposal = rebuilder.proposal
        proposal.digest =
            choices == RebuildChoices() ? proposal.digest(of: facts) : rebuild(facts).digest
        return proposal
    }

    /// Server ids and domains that may be on hosts which are left out: so many are passed over. Of 24 bits.
    static let numbersPassedOver: Int64 = 1 << 16
}

private struct Rebuilder {
    let facts: RebuildFacts
    let choices: RebuildChoices
    var proposal: RebuildProposal
    /// By cluster name, then uid.
    private var found: [String: [String: [RebuiltInstance]]] = [:]

    init(_ facts: RebuildFacts, _ choices: RebuildChoices) {
        self.facts = facts
        self.choices = choices
        proposal = RebuildProposal(records: facts.known)
    }

    mutating func run() {
        gather()
        let names = Set(found.keys).union(facts.known.clusters.keys).union(facts.fleet.clusters.keys)
        for name in names.sorted() { rebuild(name) }
        nameUpstreams()
        count()
        checkUnique()
        findSilent()
        checkChoices(names)
        proposal.strays.sort { ($0.host, $0.id) < ($1.host, $1.id) }
    }

    /// Standbys follow clusters by their uids, which are known by now. One whose cluster is not there yet learns it later.
    private mutating func nameUpstreams() {
        for (name, cluster) in proposal.records.clusters {
            guard let standby = cluster.standby, standby.clusterUID.isEmpty else { continue }
            let uid = proposal.records.clusters[standby.name]?.uid ?? ""
            proposal.records.clusters[name]?.standby?.clusterUID = uid
        }
    }

    private mutating func gather() {
        let names = Dictionary(facts.known.clusters.values.map { ($0.uid, $0.name) }, uniquingKeysWith: { first, _ in first })
        for (host, report) in facts.reports.sorted(by: { $0.key < $1.key }) where !choices.without.contains(host) {
            for instance in report.instances {
                let uid = instance.id.clusterUID
                found[names[uid] ?? instance.clusterName, default: [:]][uid, default: []].append(
                    RebuiltInstance(ordinal: instance.id.ordinal, host: host, report: instance))
            }
        }
    }

    // MARK: One cluster

    private mutating func rebuild(_ name: String) {
        let known = facts.known.clusters[name]
        let groups = found[name] ?? [:]
        let isDeclared = facts.fleet.clusters[name] != nil
        guard let uid = known?.uid ?? chosen(groups) else {
            proposal.clusters.append(groups.isEmpty ? new(name) : ambiguous(name, groups, isDeclared))
            return
        }
        for (other, instances) in groups where other != uid {
            proposal.strays += instances.map {
                StrayInstance(host: $0.host, id: $0.report.id, why: "of another cluster that was named \(name)")
            }
        }
        let merge = ClusterMerge(facts, choices, name: name, uid: uid, groups[uid] ?? [])
        let (cluster, records) = merge.merged()
        proposal.clusters.append(cluster)
        if let records { proposal.records.clusters[name] = records }
    }

    /// Of several clusters of one name the one that is not only kept directories.
    private func chosen(_ groups: [String: [RebuiltInstance]]) -> String? {
        if groups.count == 1 { return groups.keys.first }
        let living = groups.filter { $0.value.contains { $0.report.directory == .ready } }
        return living.count == 1 ? living.keys.first : nil
    }

    private func new(_ name: String) -> RebuiltCluster {
        var cluster = RebuiltCluster(name: name, uid: "", standing: .new, isDeclared: true)
        if !choices.without.isEmpty && !choices.create.contains(name) {
            cluster.problem(
                "nothing of it was found, and it may be on a host that is left out",
                "Start that host's agent, or, if the cluster was never made, add --create \(name)")
        }
        return cluster
    }

    private func ambiguous(_ name: String, _ groups: [String: [RebuiltInstance]], _ isDeclared: Bool) -> RebuiltCluster {
        var cluster = RebuiltCluster(name: name, uid: "", standing: .found, isDeclared: isDeclared)
        cluster.instances = groups.values.flatMap { $0 }.sorted { ($0.report.id, $0.host) < ($1.report.id, $1.host) }
        cluster.problem(
            "hosts hold instances of \(groups.count) clusters of this name (\(groups.keys.sorted().joined(separator: ", ")))",
            "Move the directories of all but one out of the agents' data directories, or leave their hosts out")
        return cluster
    }

    // MARK: The fleet

    /// Numbers go on above all that were ever seen, those in GTIDs too: a member that is gone wrote under its own.
    private mutating func count() {
        let lowBits: Int64 = (1 << 24) - 1
        var (server, domain) = (proposal.records.nextServerNumber, proposal.records.nextDomainNumber)
        for cluster in proposal.records.clusters.values {
            domain = max(domain, (cluster.gtidDomain & lowBits) + 1)
            for member in cluster.members { server = max(server, (member.serverID & lowBits) + 1) }
        }
        for instance in proposal.clusters.flatMap(\.instances) {
            guard let database = instance.report.database, let own = instance.report.gtidDomain else { continue }
            for position in [database.binlogPosition, database.appliedPosition] {
                if let last = position.domains[own] { server = max(server, (last.serverID & lowBits) + 1) }
            }
        }
        let passed = choices.without.isEmpty ? 0 : Planner.numbersPassedOver
        proposal.records.nextServerNumber = server + passed
        proposal.records.nextDomainNumber = domain + passed
        proposal.records.clustersMade = max(proposal.records.clustersMade, Int64(proposal.records.clusters.count))
    }

    /// What the store would refuse is told by name before.
    private mutating func checkUnique() {
        var owners: [String: String] = [:]
        for index in proposal.clusters.indices {
            let name = proposal.clusters[index].name
            guard let records = proposal.records.clusters[name] else { continue }
            var claims = [("GTID domain \(records.gtidDomain)", name)]
            for member in records.members {
                claims.append(("server id \(member.serverID)", "\(name)-\(member.ordinal)"))
                guard member.phase == .active || member.phase == .leaving else { continue }
                claims.append(("port \(member.port) of host \(member.host)", "\(name)-\(member.ordinal)"))
            }
            for (what, claimant) in claims {
                guard let other = owners.updateValue(claimant, forKey: what) else { continue }
                proposal.clusters[index].problem("\(what) is both \(other)'s and \(claimant)'s", "Leave the host of one of them out with --without")
            }
        }
    }

    private mutating func findSilent() {
        var expected = Set(facts.fleet.hosts.keys)
        for cluster in facts.known.clusters.values {
            for member in cluster.members where member.phase != .purged { expected.insert(member.host) }
        }
        proposal.silent = expected.filter { facts.reports[$0] == nil && !choices.without.contains($0) }.sorted()
    }

    private mutating func checkChoices(_ names: Set<String>) {
        let hosts = Set(facts.fleet.hosts.keys).union(facts.reports.keys).union(proposal.silent)
            .union(facts.known.clusters.values.flatMap { $0.members.map(\.host) })
        for host in choices.without.sorted() where !hosts.contains(host) {
            proposal.mistakes.append("--without: there is no host \"\(host)\"; there are \(hosts.sorted().joined(separator: ", "))")
        }
        for (name, writer) in choices.writers.sorted(by: { $0.key < $1.key }) {
            guard let cluster = proposal.clusters.first(where: { $0.name == name }) else {
                proposal.mistakes.append("--writer: there is no cluster \"\(name)\"; there are \(names.sorted().joined(separator: ", "))")
                continue
            }
            guard case .instance(let ordinal) = writer, !cluster.instances.contains(where: { $0.ordinal == ordinal }) else { continue }
            let there = cluster.instances.map { "\(name)-\($0.ordinal)" }.joined(separator: ", ")
            proposal.mistakes.append("--writer: no host reports an instance \(name)-\(ordinal); they report \(there.isEmpty ? "none of it" : there)")
        }
        for name in choices.create.sorted() where proposal.clusters.first(where: { $0.name == name })?.standing != .new {
            proposal.mistakes.append("--create: \"\(name)\" is no declared cluster of which nothing was found")
        }
    }
}

extension InstanceReport {
    /// As its identity file says it, or the server, or its own binlog shows it.
    var gtidDomain: Int64? {
        if let origin { return origin.gtidDomain }
        if let text = database?.variables["gtid_domain_id"], let domain = Int64(text) { return domain }
        return database?.binlogPosition.domains.keys.min()
    }

    var serverID: Int64? { origin?.serverID ?? database?.serverID }
}
