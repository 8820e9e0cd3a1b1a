import Agent
import FleetModel
import Reconciliation

// Looks, and what an agent does by itself.

extension SimulatedAgent {
    /// The driver's, for one that does not answer.
    private static let lookBound: Duration = .seconds(2)

    func look(_ id: InstanceID, _ key: String?) {
        let isMute = host.instances[id].map { host.isMute($0, at: world.now) } ?? false
        later(isMute ? SimulatedAgent.lookBound : world.milliseconds(1...20)) {
            let instance = self.host.instances[id]
            if let member = instance?.member, member.seat?.state == .inconsistent, self.world.planted != .forgetsInconsistent { member.isInconsistent = true }
            var report = instance?.report(fingerprintKey: key.map(bytes(ofHex:)), at: self.world.now)
            if instance?.process != nil { report?.disk = self.host.diskTrouble(at: self.world.now) }
            // Whoever replicates cannot be asked about that.
            if let instance, instance.process?.ioRunning == true, self.host.isMute(instance, at: self.world.now) {
                report?.process = .unresponsive
                report?.database = nil
            }
            if let instance, let database = report?.database, database.semiSyncPrimary || !database.semiSyncReplica {
                report?.database?.connectedReplicas = self.world.connectedReplicas(of: instance, on: self.host)
            }
            if self.world.planted == .rosyReport, let text = instance?.configuration {
                report?.database?.variables = ModelConfiguration.declared(text).mapValues { ModelConfiguration.readBack($0) }
            }
            self.later(self.world.milliseconds(1...5)) { self.handle(.looked(id, report)) }
        }
    }

    func startClosed(_ id: InstanceID) {
        let bars = host.instances[id]?.bars
        later(world.milliseconds(100...300)) {
            guard let instance = self.host.instances[id], instance.directory == .ready, instance.ordered != nil else {
                return self.handle(.closedStartEnded(id, error: "it cannot be started"))
            }
            if let member = instance.member { return self.startMember(instance, member, bars) }
            if instance.process == nil {
                guard self.host.startsFailUntil <= self.world.now, !self.host.isDiskStuck(at: self.world.now) else { return self.handle(.closedStartEnded(id, error: "it does not start")) }
                self.world.note("agent \(self.host.name) starts \(id) closed by itself")
                guard instance.start() else { return self.handle(.closedStartEnded(id, error: "it does not start by its configuration")) }
                if self.world.planted == .openRestart { self.world.started(instance) }
            }
            self.handle(.closedStartEnded(id, error: nil))
        }
    }

    func openByGrant(_ id: InstanceID, _ semiSync: Bool) {
        later(world.milliseconds(20...200)) {
            guard let instance = self.host.instances[id], var process = instance.process, instance.member == nil,
                !process.ioRunning, !process.sqlRunning, !self.host.isStill(instance, at: self.world.now)
            else { return self.handle(.grantEnded(id, opened: false)) }
            process.semiSyncReplica = false
            process.semiSyncPrimary = semiSync
            guard !semiSync || self.world.semiSyncClients(of: instance) > 0 else {
                instance.process = process
                return self.handle(.grantEnded(id, opened: false))
            }
            process.readOnly = false
            instance.process = process
            instance.isDemoted = false
            self.world.note("agent \(self.host.name) opens \(id) by its grant")
            self.world.opened(instance)
            self.handle(.grantEnded(id, opened: true))
        }
    }

    /// A replica that was started again goes on from the source that it has on disk.
    func resumeReplication(_ id: InstanceID, _ acknowledges: Bool) {
        later(world.milliseconds(20...200)) {
            guard let instance = self.host.instances[id], instance.process != nil, instance.source != nil,
                instance.process?.readOnly == true, self.world.planted != .idleAgent,
                !self.host.isStill(instance, at: self.world.now)
            else { return self.handle(.resumeEnded(id, resumed: false)) }
            self.world.note("agent \(self.host.name) lets \(id) replicate on")
            instance.startReplicating(acknowledging: acknowledges)
            instance.process?.heard = self.world.now
            self.handle(.resumeEnded(id, resumed: true))
        }
    }

    func askPeers(_ id: InstanceID, _ peers: [Peer], _ bound: Duration) {
        let reached = peers.contains { peer in
            guard let target = self.world.host(at: peer.address) else { return false }
            return !self.world.isLost(target) && self.world.areConnected(self.host, target)
        }
        later(reached ? world.milliseconds(1...5) : bound) { self.handle(.peersAsked(id, answered: reached)) }
    }

    func fenceItself(_ id: InstanceID) {
        later(world.milliseconds(5...30)) {
            if let instance = self.host.instances[id], instance.process != nil {
                self.world.note("agent \(self.host.name) kills \(id), which is cut off")
                self.world.endProcess(instance, on: self.host)
            }
            self.handle(.selfFenceEnded(id, error: nil))
        }
    }

    func closeItself(_ id: InstanceID) {
        later(world.milliseconds(5...30)) {
            let instance = self.host.instances[id].flatMap { $0.process == nil ? nil : $0 }
            instance?.process?.readOnly = true
            self.handle(.selfCloseEnded(id, error: instance == nil ? "it does not run" : nil))
        }
    }
}
