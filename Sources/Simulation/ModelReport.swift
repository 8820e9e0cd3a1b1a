import FleetModel

// What a look sees of an instance.

extension ModelInstance {
    func report(fingerprintKey: [UInt8]?, at now: Instant) -> InstanceReport {
        var report = InstanceReport(id: id, clusterName: clusterName, port: port, directory: directory)
        report.configDigest = configDigest
        report.orderedDigest = orderedDigest
        report.refusedStart = refused
        report.origin = InstanceOrigin(address: address, serverID: serverID, gtidDomain: gtidDomain, engineVersion: version)
        report.isInconsistent = member?.isInconsistent == true
        guard let process = reported else {
            report.recovered = member?.recovered
            return report
        }
        report.process = isHung(at: now) ? .unresponsive : member.map { $0.seat?.isListening == true } ?? true ? .running : .starting
        report.startedParameters = process.started
        report.startedValues = process.startedValues
        if report.process == .running { report.database = database(process, fingerprintKey, now) }
        return report
    }

    private func database(_ process: ModelProcess, _ fingerprintKey: [UInt8]?, _ now: Instant) -> DatabaseReport {
        var database = DatabaseReport(version: process.version, serverID: serverID, readOnly: process.readOnly)
        database.galera = member.map { galeraReport($0) }
        database.binlogPosition = position
        database.appliedPosition = position
        database.replication = source.map { source in
            ReplicationReport(
                sourceHost: source.address, sourcePort: source.port,
                ioRunning: process.ioRunning && process.isConnected, sqlRunning: process.sqlRunning,
                receivedPosition: ioPosition, lagSeconds: process.ioRunning ? Int64(relay.count / 50) : nil,
                ioError: process.ioError)
        }
        database.replication?.ioConnecting = process.ioRunning && !process.isConnected && process.ioError.isEmpty
        database.semiSyncPrimary = process.semiSyncPrimary
        database.semiSyncReplica = process.semiSyncReplica
        let waits = process.unacknowledged.isEmpty ? Duration.zero : now - process.waitingSince
        (database.areCommitsWaiting, database.awaitsAcknowledgement) = (waits > .seconds(5), waits > .seconds(1))
        database.variables = process.variables
        database.databases = content.databases.values.sorted { $0.name < $1.name }.map {
            DatabaseFacts(name: $0.name, characterSet: $0.characterSet, collation: $0.collation ?? "\($0.characterSet)_general_ci")
        }
        database.accounts = content.accounts.values.map { account in
            AccountFacts(
                name: account.spec.name, host: account.spec.host,
                fingerprint: fingerprintKey.map { fingerprint(of: account.authentication, $0) },
                grants: account.spec.grants)
        }.sorted { $0.key < $1.key }
        database.isInitialized = content.isInitialized
        let replicas = content.replicationAccounts.subtracting(lockedAccounts).sorted()
        database.replicationAccounts = replicas.filter { $0.clusterUID == id.clusterUID }.map(\.ordinal)
        database.standbyAccounts = replicas.filter { $0.clusterUID != id.clusterUID }
        return database
    }

    /// Each is seen again and again.
    private func fingerprint(of authentication: String, _ key: [UInt8]) -> String {
        if fingerprints.key != key { fingerprints = (key, [:]) }
        if let known = fingerprints.byAuthentication[authentication] { return known }
        let made = Fingerprint.account(authentication, key: key)
        fingerprints.byAuthentication[authentication] = made
        return made
    }
}
