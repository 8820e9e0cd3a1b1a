import FleetModel

// The network between databases, and replication over it.

extension ModelHost {
    /// By databases of other hosts.
    fileprivate func isHeard(at now: Instant) -> Bool { cutUntil <= now && replicationCutUntil <= now }
}

extension World {
    // MARK: Network

    /// From the server, both ways.
    func isCut(_ host: ModelHost) -> Bool { max(host.cutUntil, host.serverCutUntil) > now }

    /// What the server says arrives on the host from then on.
    func hearsServer(_ host: ModelHost) -> Instant { max(host.cutUntil, host.serverCutUntil, host.serverDeafUntil) }

    /// What the host says arrives at the server from then on.
    func isHeardByServer(_ host: ModelHost) -> Instant { max(host.cutUntil, host.serverCutUntil, host.serverMuteUntil) }

    func isLost(_ host: ModelHost) -> Bool { host.lostUntil > now }

    /// Whether databases on the two hosts hear each other.
    func areConnected(_ one: ModelHost, _ other: ModelHost) -> Bool { hears(one, other) && hears(other, one) }

    /// Whether what databases on the other host say arrives on one.
    func hears(_ one: ModelHost, _ other: ModelHost) -> Bool {
        if isLost(one) || isLost(other) { return false }
        if one.region != other.region, regionsCutUntil > now { return false }
        return one === other || one.isHeard(at: now) && other.isHeard(at: now) && one.deafUntil <= now
    }

    func host(at address: String) -> ModelHost? { hosts.first { $0.address == address } }

    func instance(at address: String, port: Int) -> ModelInstance? {
        host(at: address)?.sortedInstances.first { $0.port == port && $0.directory == .ready }
    }

    enum Link {
        case open(ModelInstance)
        /// The host says that nobody listens there, or the server refuses.
        case refused
        /// No word comes.
        case silent
    }

    /// What a connection from a database to another one meets.
    func link(from host: ModelHost, to source: (address: String, port: Int)) -> Link {
        guard let other = self.host(at: source.address), areConnected(host, other) else { return .silent }
        guard let instance = instance(at: source.address, port: source.port), instance.process != nil else { return .refused }
        return instance.isHung(at: now) ? .silent : .open(instance)
    }

    // MARK: Receiving and applying

    /// A replica ends a connection that is silent for so long (`slave_net_timeout`).
    static let replicationSilenceMax: Duration = .seconds(2)

    /// Each replica receives from its source and applies.
    func replicate() {
        for (host, replica) in allInstances where !host.isStill(replica, at: now) { replicate(host, replica) }
        after(.milliseconds(50)) { self.replicate() }
    }

    private func replicate(_ host: ModelHost, _ replica: ModelInstance) {
        guard replica.process != nil, let source = replica.source else { return }
        if replica.process?.sqlRunning == true {
            let count = replica.slowUntil > now ? Int.random(in: 0...20, using: &random) / 20 : Int.random(in: 0...20, using: &random)
            replica.applyRelay(min(replica.relay.count, count))
        }
        guard replica.process?.ioRunning == true, replica.process?.ioError.isEmpty == true else { return }
        switch link(from: host, to: source) {
        case .open(let primary) where primary.admits(replica):
            replica.process?.heard = now
            receive(replica, host, primary)
        case .open, .refused: replica.process?.isConnected = false
        case .silent:
            if let primary = heardOnly(by: replica, on: host) {
                replica.process?.heard = now
                return receive(replica, host, primary)
            }
            if let heard = replica.process?.heard, now - heard > World.replicationSilenceMax { replica.process?.isConnected = false }
        }
    }

    /// The source that hears nothing, and goes on sending on a connection that was there before.
    private func heardOnly(by replica: ModelInstance, on host: ModelHost) -> ModelInstance? {
        guard let process = replica.process, process.isConnected, let source = replica.source, let other = self.host(at: source.address),
            other.deafUntil > now, hears(host, other), let primary = instance(at: source.address, port: source.port), !primary.isHung(at: now),
            primary.process?.number == process.connectedTo, primary.admits(replica)
        else { return nil }
        return primary
    }

    private func receive(_ replica: ModelInstance, _ host: ModelHost, _ primary: ModelInstance) {
        let count = replica.receivedCount
        let last = replica.relay.last ?? replica.binlog.last
        let hasMore = count > primary.binlog.count
        // One that has nothing at all is not refused.
        guard !hasMore && (count == 0 || primary.binlog[count - 1].position == last?.position) || primary.binlog.isEmpty else {
            replica.process?.ioError = "error 1236: the source has not what this replica has"
            replica.process?.isConnected = false
            return
        }
        replica.process?.isConnected = true
        replica.process?.connectedTo = primary.process?.number
        primary.process?.dumps[replica.id] = now
        guard !hasMore else { return }
        let received = primary.binlog[count...].prefix(50)
        replica.relay += received.map { replica.taken($0) }
        // What came before it acknowledged is acknowledged only with something that comes later.
        guard replica.process?.isAcking == true, !received.isEmpty, let number = primary.process?.number else { return }
        let reached = replica.receivedCount
        if planted == .earlyAcknowledgement { replica.relay.removeLast() }
        after(milliseconds(1...3)) { self.deliver(reached, from: replica, on: host, to: primary, number, until: self.now + World.lateMax) }
    }

    /// A dump thread stays for so long after a replica fell silent.
    static let dumpMax: Duration = .seconds(45)

    /// Ordinals of the replicas of its own cluster that are connected to an instance, as it sees them: also those that it
    /// does not hear any more and that have not said goodbye.
    func connectedReplicas(of primary: ModelInstance, on host: ModelHost) -> [Int] {
        let dumps = primary.process?.dumps ?? [:]
        let there = dumps.filter { id, sent in
            if id.clusterUID != primary.id.clusterUID || primary.lockedAccounts.contains(id) { return false }
            let other = allInstances.first { $0.instance.id == id }
            let isHeard = other.map { hears(host, $0.host) && !$0.host.isStill($0.instance, at: now) } ?? false
            return now - sent < (isHeard ? .milliseconds(200) : World.dumpMax)
        }
        return there.keys.map(\.ordinal).sorted()
    }

    // MARK: Acknowledging

    /// What is on its way over a broken network arrives when that is whole again, however late.
    static let lateMax: Duration = .seconds(30)

    /// An acknowledgement arrives, unless the process that it is for is gone; one that stands still takes it later.
    private func deliver(
        _ reached: Int, from replica: ModelInstance, on host: ModelHost, to primary: ModelInstance, _ number: UInt64, until end: Instant
    ) {
        guard primary.process?.number == number, primary.admits(replica), now < end else { return }
        let isThere = self.host(at: primary.address).map { hears($0, host) } ?? false
        if isThere && !primary.isHung(at: now) { return acknowledge(primary, upTo: reached) }
        after(.milliseconds(100)) { self.deliver(reached, from: replica, on: host, to: primary, number, until: end) }
    }

    private func acknowledge(_ primary: ModelInstance, upTo count: Int) {
        guard let waiting = primary.process?.unacknowledged, let first = waiting.first, first < count else { return }
        for place in waiting where place < count { oracle.acknowledged(primary, place, self) }
        primary.process?.unacknowledged = waiting.filter { $0 >= count }
        primary.process?.waitingSince = now
    }

    /// A replica that acknowledges tells its source what it has.
    func releaseCommits(of replica: ModelInstance) {
        guard replica.process?.isAcking == true, replica.process?.isConnected == true, let source = replica.source,
            let host = host(at: replica.address), case .open(let primary) = link(from: host, to: source), primary.admits(replica)
        else { return }
        acknowledge(primary, upTo: replica.binlog.count)
    }

    /// Replicas that acknowledge this instance's writes now.
    func semiSyncClients(of primary: ModelInstance) -> Int {
        allInstances.count { host, replica in
            guard replica.process?.isAcking == true, replica.process?.ioRunning == true, replica.process?.isConnected == true,
                !replica.isHung(at: now), let source = replica.source, case .open(let other) = link(from: host, to: source)
            else { return false }
            return other === primary && primary.admits(replica)
        }
    }

    /// Whether a client could be told now that its write is safe.
    func canAcknowledge(_ instance: ModelInstance) -> Bool {
        guard instance.isWritable, !instance.isMadeWritable, !instance.isHung(at: now) else { return false }
        return instance.process?.semiSyncPrimary == false || semiSyncClients(of: instance) > 0
    }
}
