import FleetModel

// Who follows whom, and who may be written to.

extension DriverSteps {
    /// Above any that is given out.
    static let otherNumber = Int64(UInt32.max)

    static func replicate(_ source: Peer, _ acknowledges: Bool) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty || process.readOnly else { return .end(.failed("commits wait for an acknowledgement")) }
                let isElsewhere = instance.source.map { $0.address != source.address || $0.port != source.port } ?? true
                let isStopped = !process.ioRunning && !process.sqlRunning
                if isElsewhere, isStopped, process.hasReceived, !instance.relay.isEmpty {
                    return .end(.refused("it would lose what it has received and not applied"))
                }
                if isElsewhere, context.world.planted == .undrained { instance.dropRelayLogs() }
                // What it received from elsewhere may be nowhere else.
                if isElsewhere, !isStopped { instance.process?.sqlRunning = true }
                instance.process?.readOnly = true
                instance.isMadeWritable = false
                instance.process?.semiSyncPrimary = false
                instance.stopReplicating()
                return .next
            },
            DriverStep(5...30) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                if context.isAhead(of: source) {
                    let isLate = context.world.now - context.operation.began > .seconds(10)
                    return isLate ? .end(.failed("it holds more than its source")) : .again
                }
                let result = context.attach(instance, to: source, acknowledging: acknowledges)
                // It does not show, as of a server whose setting is off and whose IO thread was not started since.
                if context.world.planted == .eagerAcknowledgement { instance.process?.isAcking = true }
                return result
            },
            DriverStep(100...200) { $0.verifyAttached(acknowledging: acknowledges) },
            DriverStep(5...20) { $0.releaseCommits() },
        ]
    }

    static func acknowledge(_ source: Peer) -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                guard let instance = context.instance, let process = instance.process, process.ioRunning, process.sqlRunning,
                    instance.source?.address == source.address, instance.source?.port == source.port
                else { return .end(.refused("it does not replicate from there")) }
                instance.process?.semiSyncReplica = true
                instance.process?.isAcking = true
                return .next
            },
            DriverStep(100...200) { $0.verifyAttached(acknowledging: true) },
            DriverStep(5...20) { $0.releaseCommits() },
        ]
    }

    static func open(_ semiSync: Bool) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let process = context.instance?.process else { return .end(.refused("it does not run")) }
                if process.ioRunning || process.sqlRunning { return .end(.refused("it replicates: it is promoted, not opened")) }
                context.instance?.process?.semiSyncReplica = false
                context.instance?.process?.semiSyncPrimary = semiSync && context.world.planted != .semiSyncOff
                return .next
            },
            DriverStep(10...100) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.failed("it stopped")) }
                if semiSync, process.readOnly, context.world.semiSyncClients(of: instance) == 0 {
                    return .end(.failed("no replica is attached to acknowledge its writes"))
                }
                instance.process?.readOnly = false
                instance.isMadeWritable = false
                instance.isDemoted = false
                instance.source = nil
                context.world.opened(instance)
                return .next
            },
        ]
    }

    static func close() -> [DriverStep] {
        [
            DriverStep(5...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty else { return .end(.failed("still writable: commits wait")) }
                instance.close()
                instance.isMadeWritable = false
                return .next
            }
        ]
    }

    static func demote() -> [DriverStep] {
        [
            DriverStep(5...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty else {
                    let isLate = context.world.now - context.operation.began > .seconds(2)
                    return isLate ? .end(.failed("still writable: commits wait")) : .again
                }
                instance.process?.readOnly = true
                if context.world.planted == .briefDemotion {
                    context.world.after(.seconds(3)) {
                        instance.process?.semiSyncPrimary = false
                        instance.process?.readOnly = false
                    }
                }
                instance.isDemoted = true
                return .end(.succeeded(TaskResult(acted: !process.readOnly, position: instance.position)))
            }
        ]
    }

    static func promote(_ position: GTIDSet, _ semiSync: Bool, _ refused: [InstanceID]) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                context.world.takesOver(instance)
                if context.world.planted != .weakRefusal { instance.lockedAccounts.formUnion(refused) }
                if !process.readOnly && instance.source == nil { return .end(.succeeded(TaskResult(acted: false))) }
                if context.world.planted == .earlyPromotion { return .next }
                if !process.ioRunning { instance.applyRelayFiles() }
                if instance.position.contains(position) { return .next }
                let isLate = context.world.now - context.operation.began > .seconds(2)
                return isLate ? .end(.refused("it has not applied \(position) within 2 s")) : .again
            },
            DriverStep(5...30) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                context.operation.isPastReturn = true
                instance.stopReplicating()
                instance.process?.semiSyncReplica = false
                instance.process?.semiSyncPrimary = semiSync && context.world.planted != .semiSyncOff
                return .next
            },
            DriverStep(5...30) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                instance.process?.readOnly = false
                instance.isMadeWritable = false
                instance.isDemoted = false
                context.world.opened(instance)
                return .next
            },
            DriverStep(5...30) { $0.withDirectory { $0.source = nil } },
        ]
    }
}
