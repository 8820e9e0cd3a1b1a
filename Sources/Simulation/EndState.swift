import Agent
import FleetModel
import MetadataStore

/// What everything must end in, whatever happened on the way.
extension World {
    /// Nil where it is so.
    var endStateProblem: String? {
        let state = store.loadNow()
        let leading = script.current.clusters.filter { $0.value.value.standbyOf == nil }
        guard let (name, cluster) = leading.first, let records = state.records.clusters[name] else { return "there is no cluster" }
        if let problem = endStateProblem(of: records) { return problem }
        if records.standby != nil { return "\(name) does not lead" }
        guard let writer = instance(records.uid, records.primary) else { return "there is no writer" }
        if !writer.isWritable { return "the writer is closed" }
        if writer.process?.unacknowledged.isEmpty == false { return "commits wait on the writer for an acknowledgement" }
        oracle.requireAll(writer, "ends")
        if let violation = oracle.violation { return violation }
        if script.isGalera, let problem = galeraProblem(of: records, cluster.value) { return problem }
        if let problem = problem(ofMembers: records, cluster.value, headFrom: []) { return problem }
        let acknowledging = records.ackSet.compactMap { instance(records.uid, $0) }
        for (name, standby) in script.current.clusters where standby.value.standbyOf != nil {
            guard let records = state.records.clusters[name] else { return "there is no \(name)" }
            if let problem = endStateProblem(of: records) { return problem }
            if records.standby == nil { return "\(name) is no standby" }
            if let problem = problem(ofMembers: records, standby.value, headFrom: acknowledging.isEmpty ? [writer] : acknowledging) { return problem }
        }
        let clusters = state.records.clusters.values
        let left = allInstances.filter { pair in
            !clusters.contains { cluster in
                cluster.uid == pair.instance.id.clusterUID
                    && cluster.members.contains { $0.ordinal == pair.instance.id.ordinal && $0.phase == .active }
            }
        }
        if let half = left.first(where: { $0.instance.directory != .retired }) { return "\(half.instance.id) was left behind" }
        return nil
    }

    /// Without any server: nothing that runs stops, the writer takes writes, and a replica that is killed is brought back to
    /// acknowledging by its agent alone. Nil where it is so, and the next server is content too.
    var problemWithoutServer: String? {
        guard let writer = allInstances.first(where: { $0.instance.isWritable })?.instance else { return nil }
        for server in servers { server.crash(for: World.absenceMax) }
        let began = now
        _ = run(for: .seconds(2))
        if script.isGalera {
            if let problem = galeraProblemWithoutServer(absence: World.returnMax) { return problem }
            for server in servers { server.start() }
            if run(for: Simulation.settleMax, until: { self.isSettled }) { return nil }
            return oracle.violation ?? "it did not converge after \(World.absence) without a server: \(unsettled)"
        }
        let ackers = allInstances.filter { $0.instance.process?.isAcking == true && $0.instance.source?.address == writer.address }
        guard let acker = pick(ackers) else { return "nobody acknowledges" }
        let others = allInstances.filter { $0.instance !== acker.instance }.map { ($0.instance, $0.instance.process?.number) }
        note("no server; kill -9 of \(acker.instance.id)")
        endProcess(acker.instance, on: acker.host)
        let before = oracle.acknowledgedCount
        let goesOn = run(for: World.returnMax) {
            self.oracle.acknowledgedCount > before + 5 && acker.instance.process?.isAcking == true && acker.instance.process?.isConnected == true
        }
        if let violation = oracle.violation { return violation }
        if !goesOn { return "without a server \(acker.instance.id) does not come back to acknowledging: \(unsettled)" }
        if let ended = others.first(where: { $0.0.process?.number != $0.1 }) { return "\(ended.0.id) was stopped for want of a server" }
        _ = run(for: began + World.absence - now)
        for server in servers { server.start() }
        if run(for: Simulation.settleMax, until: { self.isSettled }) { return nil }
        return oracle.violation ?? "it did not converge after \(World.absence) without a server: \(unsettled)"
    }

    private static let absence: Duration = .seconds(40)
    /// One whose starts failed just before waits for its next.
    private static let returnMax: Duration = AgentLimits.restartMax + .seconds(35)
    private static let absenceMax: Duration = returnMax + .seconds(10)

    private func endStateProblem(of records: ClusterRecords) -> String? {
        guard let cluster = script.current.clusters[records.name]?.value else { return "there is no cluster" }
        let active = records.members.filter { $0.phase == .active }
        if records.failover != nil || records.switchover != nil || records.steppingDown != nil { return "a change of writer has not ended" }
        let left = records.leftBehind.filter { !isKeptOnly($0, records) }
        if !left.isEmpty { return "\(left) are left behind" }
        if let open = store.loadNow().openAttempts.first { return "attempt \(open.id) is open" }
        return active.count == cluster.replicas ? nil : "\(active.count) members are active, \(cluster.replicas) are declared"
    }

    /// Whether only its directory is left, for a while.
    func isKeptOnly(_ ordinal: Int, _ records: ClusterRecords) -> Bool {
        if case .retired = records.member(ordinal)?.phase { true } else { false }
    }

    /// `upstream`: from one of whom its head replicates; empty: it leads.
    private func problem(ofMembers records: ClusterRecords, _ cluster: Cluster, headFrom upstream: [ModelInstance]) -> String? {
        guard let head = instance(records.uid, records.primary) else { return "\(records.name) has no head" }
        for member in records.members where member.phase == .active {
            guard let instance = instance(records.uid, member.ordinal) else { return "\(records.name)-\(member.ordinal) is not there" }
            if let problem = problem(of: instance, from: instance === head ? upstream : script.isGalera ? [] : [head], cluster) { return "\(instance.id) \(problem)" }
            oracle.requireAll(instance, "ends")
        }
        return oracle.violation
    }

    func instance(_ uid: String, _ ordinal: Int?) -> ModelInstance? {
        allInstances.first { $0.instance.id.clusterUID == uid && $0.instance.id.ordinal == ordinal }?.instance
    }

    private func problem(of instance: ModelInstance, from sources: [ModelInstance], _ cluster: Cluster) -> String? {
        guard let process = instance.process else { return "does not run" }
        if process.version != cluster.engine.version, !process.version.hasPrefix(cluster.engine.version + ".") {
            return "runs \(process.version), declared is \(cluster.engine.version)"
        }
        if !sources.isEmpty {
            if !process.readOnly { return "is writable" }
            if !process.isConnected || !sources.contains(where: { $0.address == instance.source?.address }) {
                return "does not replicate from \(sources.map(\.id))"
            }
        }
        let accounts = instance.content.accounts
        for account in cluster.accounts {
            guard let there = accounts[account.key] else { return "has no account \(account.key)" }
            if there.spec.grants != account.grants { return "has other grants for \(account.key)" }
            if there.authentication != Secrets.authentication(Secrets.password(account.passwordFrom)) { return "has another password for \(account.key)" }
        }
        let strangers = instance.binlog.contains { $0.content == .account(Oracle.stranger, authentication: "*") }
        if strangers, accounts[Oracle.stranger.key] == nil { return "has lost an account that no manifest has" }
        for key in accounts.keys where key != Oracle.stranger.key && !cluster.accounts.contains(where: { $0.key == key }) { return "still has the account \(key)" }
        for database in cluster.databases where instance.content.databases[database.name] == nil { return "has no database \(database.name)" }
        for (name, value) in cluster.parameters
        where process.variables[name] != ModelConfiguration.readBack(value)
            && process.variables[name] != ModelConfiguration.startReadBack(value)
        {
            return "has \(name) = \(process.variables[name] ?? "nothing"), declared is \(value)"
        }
        return nil
    }
}
