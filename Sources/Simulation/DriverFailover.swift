import ControlAPI
import FleetModel

// What only a failover asks for.

extension DriverSteps {
    /// A replica that does not stop receiving within this time is killed, and its relay logs count.
    private static let revocationMax: Duration = .milliseconds(1500)

    /// The applier goes on, and is started where it stood still; with both threads down the relay logs are applied as
    /// files, before a start of one thread would purge them.
    static func revoke() -> [DriverStep] {
        [
            DriverStep(5...30, worksOnHung: true) { context in
                guard let instance = context.instance, instance.directory == .ready else { return .end(.refused("there is no instance")) }
                guard let process = instance.process else { return .next }
                if context.host.isMute(instance, at: context.world.now) {
                    guard context.world.now - context.operation.began > revocationMax else { return .again }
                    context.end(instance)
                    return .next
                }
                guard process.readOnly else { return .end(.refused("it takes writes")) }
                if context.world.planted == .unrevoked { return .next }
                if process.ioRunning {
                    instance.process?.sqlRunning = true
                } else if !process.sqlRunning {
                    instance.applyRelayFiles()
                }
                instance.process?.semiSyncReplica = false
                instance.stopReceiving()
                return .next
            },
            DriverStep(5...1030, worksOnHung: true) { context in
                guard let instance = context.instance else { return .end(.failed("it is gone")) }
                return .end(.succeeded(TaskResult(position: instance.receivedPosition)))
            },
        ]
    }

    /// On the writer: from here on it admits the replica no more, and takes nothing of what that has sent.
    static func expel(_ replica: InstanceID) -> [DriverStep] {
        [
            DriverStep(5...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard !process.readOnly || instance.source == nil else { return .end(.refused("it is not the writer")) }
                if context.world.planted != .weakRefusal { instance.lockedAccounts.insert(replica) }
                return .end(.succeeded(TaskResult(position: instance.position)))
            }
        ]
    }

    static func fence() -> [DriverStep] {
        [
            DriverStep(5...30, worksOnHung: true) { context in
                guard let instance = context.instance else { return .end(.succeeded(TaskResult(acted: false))) }
                context.end(instance)
                instance.bars += 1
                return .next
            },
            DriverStep(20...150, worksOnHung: true) { context in
                guard let instance = context.instance, instance.process == nil else { return .end(.failed("it runs again")) }
                return .end(.succeeded(TaskResult(position: instance.position)))
            },
        ]
    }

    static func rejoin(_ source: Peer) -> [DriverStep] {
        [
            DriverStep(80...200) { context in
                guard let instance = context.instance, instance.directory == .ready else { return .end(.refused("there is no instance")) }
                guard let process = instance.process else {
                    guard context.host.startsFailUntil <= context.world.now else { return .end(.failed("it does not start")) }
                    if instance.start(cutting: true) { return .next }
                    return instance.cannotBeCut ? .next : .end(.failed("it does not start by its configuration"))
                }
                guard process.readOnly else { return .end(.refused("it takes writes: it is fenced first")) }
                instance.stopReplicating()
                return .next
            },
            DriverStep(20...100) { $0.attachOrMoveAside(source) },
            DriverStep(100...200) { $0.instance == nil ? .next : $0.verifyAttached(acknowledging: false) },
            // None where it was moved aside.
            DriverStep(1...5) { context in .end(.succeeded(TaskResult(position: context.instance?.position))) },
        ]
    }
}

extension StepContext {
    fileprivate func attachOrMoveAside(_ source: Peer) -> StepResult {
        guard let instance, instance.process != nil || instance.cannotBeCut else { return .end(.failed("it stopped")) }
        guard case .open(let primary) = world.link(from: host, to: (source.address, source.port)) else {
            return world.now - operation.began > .seconds(10) ? .end(.failed("its source does not answer")) : .again
        }
        guard primary.holdsAll(of: instance) && !instance.cannotBeCut || world.planted == .uncheckedRejoin && instance.process != nil else {
            world.note("\(instance.id) holds what \(primary.id) does not, or what cannot be cut: moved aside")
            world.oracle.movingAside(instance, primary)
            end(instance)
            host.movedAside.append(instance)
            host.instances[order.instance] = nil
            return .next
        }
        instance.process?.semiSyncPrimary = false
        return attach(instance, to: source, acknowledging: false)
    }
}
