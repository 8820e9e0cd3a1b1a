import ControlAPI
import Engines
import FleetModel

// The model's driver: each action as steps that check, act and verify, in the driver's order.

enum StepResult {
    case next
    /// The same step again, after its delay.
    case again
    case end(AttemptOutcome)
}

struct DriverStep {
    /// Milliseconds before it.
    let delay: ClosedRange<Int>
    let action: (StepContext) -> StepResult

    init(_ delay: ClosedRange<Int>, _ action: @escaping (StepContext) -> StepResult) {
        self.delay = delay
        self.action = action
    }
}

/// What the steps of one operation work on.
struct StepContext {
    let world: World
    let host: ModelHost
    let order: AttemptOrder
    let operation: Operation
    let announceCopy: (CopyDestination) -> Void

    var instance: ModelInstance? { host.instances[order.instance] }

    /// After a cancel: what was half made goes.
    func cleanUp() {
        if instance?.directory == .halfMade { host.instances[order.instance] = nil }
    }

    func end(_ instance: ModelInstance) { world.endProcess(instance, on: host) }
}

enum DriverSteps {
    static func steps(for action: Action) -> [DriverStep] {
        switch action {
        case .install(let blueprint): install(blueprint)
        case .clone(let blueprint, _): clone(blueprint)
        case .start: start()
        case .configure(let text): [DriverStep(5...30) { $0.withDirectory { $0.configuration = text } }]
        case .restart: restart()
        case .initialize(let replicas): initialize(replicas)
        case .prepareReplica(let ordinal): prepareReplica(ordinal)
        case .replicate(let source, let acknowledges): replicate(source, acknowledges)
        case .acknowledge(let source): acknowledge(source)
        case .open(_, let semiSync): open(semiSync)
        case .close: close()
        case .setVariables(let values, let text): setVariables(values, text)
        case .ensureDatabase(let spec): content(.database(spec)) { $0.databases[spec.name] == spec }
        case .dropDatabase(let name): content(.dropDatabase(name)) { $0.databases[name] == nil }
        case .ensureAccount(let spec, _): ensureAccount(spec)
        case .dropAccount(let name, let host):
            content(.dropAccount(name + "@" + host)) { $0.accounts[name + "@" + host] == nil }
        case .demote: demote()
        case .promote(_, let position, let semiSync): promote(position, semiSync)
        case .retire: retire()
        case .purge: [DriverStep(50...300) { $0.purge() }]
        case .expel, .revoke, .fence, .rejoin, .applyChannel: [DriverStep(1...1) { _ in .end(.refused("Unsupported: not an agent's")) }]
        }
    }

    // MARK: Making

    private static func install(_ blueprint: InstanceBlueprint) -> [DriverStep] {
        [
            DriverStep(5...30) { context in
                if context.instance?.directory == .ready { return .end(.succeeded(TaskResult(acted: false))) }
                context.makeHalf(blueprint)
                return .next
            },
            DriverStep(200...700) { context in
                context.instance?.directory = .ready
                context.instance?.configuration = blueprint.configuration
                return .end(.succeeded(TaskResult(engineVersion: ModelHost.engineVersion)))
            },
        ]
    }

    private static let copyStallMax: Duration = .seconds(30)

    private static func clone(_ blueprint: InstanceBlueprint) -> [DriverStep] {
        [
            DriverStep(5...30) { context in
                if context.instance?.directory == .ready { return .end(.succeeded(TaskResult(acted: false))) }
                context.makeHalf(blueprint)
                let token = context.order.id + "@\(context.world.now.milliseconds)"
                context.host.receivers[token] = context.operation
                context.announceCopy(
                    CopyDestination(address: blueprint.address, port: 20_000, token: token, certificateDigest: "digest"))
                return .next
            },
            DriverStep(50...50) { context in
                if context.operation.copied != nil { return .next }
                if case .some(let error?) = context.operation.copyEnd { return .end(.failed("the donor: \(error)")) }
                let isStalled = context.world.now - context.operation.began > copyStallMax
                return isStalled ? .end(.failed("no donor came within 30 s")) : .again
            },
            DriverStep(100...400) { context in
                guard let copied = context.operation.copied, let instance = context.instance else {
                    return .end(.failed("the copy is gone"))
                }
                instance.binlog = copied.binlog
                instance.content = copied.content
                instance.configuration = blueprint.configuration
                instance.directory = .ready
                return .end(.succeeded(TaskResult(engineVersion: ModelHost.engineVersion)))
            },
        ]
    }

    // MARK: Processes

    private static func start() -> [DriverStep] {
        [
            DriverStep(80...200) { context in
                guard let instance = context.instance, instance.directory == .ready else {
                    return .end(.refused("there is no instance"))
                }
                guard instance.configuration != nil else { return .end(.failed("it has no configuration file")) }
                let acted = instance.process == nil
                if acted { instance.start() }
                return .end(.succeeded(TaskResult(acted: acted, readBack: instance.process?.variables ?? [:])))
            }
        ]
    }

    private static func restart() -> [DriverStep] {
        [
            DriverStep(20...200) { context in
                guard let instance = context.instance, instance.directory == .ready else {
                    return .end(.refused("there is no instance"))
                }
                instance.stopReplicating()
                return .next
            },
            DriverStep(50...300) { context in
                if let instance = context.instance { context.end(instance) }
                return .next
            },
        ] + start()
    }

    private static func retire() -> [DriverStep] {
        [
            DriverStep(20...200) { context in
                guard let instance = context.instance else { return .end(.succeeded(TaskResult(acted: false))) }
                instance.stopReplicating()
                context.end(instance)
                return .next
            },
            DriverStep(5...20) { $0.withDirectory { $0.directory = .retired } },
        ]
    }

    // MARK: Content

    private static func initialize(_ replicas: [Int]) -> [DriverStep] {
        [
            DriverStep(100...400) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.refused("it does not run")) }
                for ordinal in replicas where !instance.content.replicationAccounts.contains(ordinal) {
                    instance.append(.replicationAccount(ordinal))
                }
                return .next
            },
            DriverStep(50...200) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                if !instance.content.isInitialized { instance.append(.initialize) }
                return .next
            },
        ]
    }

    private static func prepareReplica(_ ordinal: Int) -> [DriverStep] {
        content(.replicationAccount(ordinal)) { $0.replicationAccounts.contains(ordinal) }
    }

    private static func ensureAccount(_ spec: AccountSpec) -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                guard let password = context.order.secrets["accountPassword"] else { return .end(.failed("no password came")) }
                let authentication = Secrets.authentication(password)
                let wanted = DatabaseContent.Account(spec: spec, authentication: authentication)
                return context.write(.account(spec, authentication: authentication)) { $0.accounts[spec.key] == wanted }
            }
        ]
    }

    private static func content(
        _ change: Transaction.Content, isThere: @escaping (DatabaseContent) -> Bool
    ) -> [DriverStep] {
        [DriverStep(5...40) { $0.write(change, isThere: isThere) }]
    }

    private static func setVariables(_ values: [String: String?], _ text: String) -> [DriverStep] {
        [
            DriverStep(5...20) { context in
                guard context.instance?.process != nil else { return .end(.refused("it does not run")) }
                context.instance?.configuration = text
                return .next
            },
            DriverStep(5...20) { context in
                guard var process = context.instance?.process else { return .end(.failed("it stopped")) }
                var readBack: [String: String] = [:]
                for (name, value) in values {
                    process.variables[name] = value.map { ModelConfiguration.readBack($0) }
                    readBack[name] = process.variables[name]
                }
                context.instance?.process = process
                return .end(.succeeded(TaskResult(readBack: readBack)))
            },
        ]
    }

    // MARK: Roles

    private static func replicate(_ source: Peer, _ acknowledges: Bool) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let instance = context.instance, var process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty || process.readOnly else { return .end(.failed("commits wait for an acknowledgement")) }
                process.readOnly = true
                instance.isMadeWritable = false
                process.semiSyncPrimary = false
                process.semiSyncReplica = acknowledges
                instance.process = process
                instance.stopReplicating()
                instance.source = (source.address, source.port)
                instance.process?.ioError = ""
                instance.process?.ioRunning = true
                instance.process?.sqlRunning = true
                instance.process?.isAcking = acknowledges
                return .next
            },
            DriverStep(100...200) { $0.verifyAttached() },
            DriverStep(5...20) { $0.releaseCommits() },
        ]
    }

    private static func acknowledge(_ source: Peer) -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                guard let instance = context.instance, let process = instance.process, process.ioRunning, process.sqlRunning,
                    instance.source?.address == source.address, instance.source?.port == source.port
                else { return .end(.refused("it does not replicate from there")) }
                instance.process?.semiSyncReplica = true
                instance.process?.isAcking = true
                return .next
            },
            DriverStep(100...200) { $0.verifyAttached() },
            DriverStep(5...20) { $0.releaseCommits() },
        ]
    }

    private static func open(_ semiSync: Bool) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let process = context.instance?.process else { return .end(.refused("it does not run")) }
                if process.ioRunning || process.sqlRunning { return .end(.refused("it replicates: it is promoted, not opened")) }
                context.instance?.process?.semiSyncReplica = false
                context.instance?.process?.semiSyncPrimary = semiSync
                return .next
            },
            DriverStep(10...100) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.failed("it stopped")) }
                if semiSync, process.readOnly, context.world.semiSyncClients(of: instance) == 0 {
                    return .end(.failed("no replica is attached to acknowledge its writes"))
                }
                instance.process?.readOnly = false
                instance.source = nil
                context.world.oracle.opened(instance, context.world)
                return .next
            },
        ]
    }

    private static func close() -> [DriverStep] {
        [
            DriverStep(5...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty else { return .end(.failed("still writable: commits wait")) }
                instance.process?.readOnly = true
                instance.isMadeWritable = false
                return .next
            }
        ]
    }

    private static func demote() -> [DriverStep] {
        [
            DriverStep(5...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                guard process.unacknowledged.isEmpty else {
                    let isLate = context.world.now - context.operation.began > .seconds(2)
                    return isLate ? .end(.failed("still writable: commits wait")) : .again
                }
                instance.process?.readOnly = true
                return .end(.succeeded(TaskResult(acted: !process.readOnly, position: instance.position)))
            }
        ]
    }

    private static func promote(_ position: GTIDSet, _ semiSync: Bool) -> [DriverStep] {
        [
            DriverStep(10...60) { context in
                guard let instance = context.instance, let process = instance.process else { return .end(.refused("it does not run")) }
                if !process.readOnly && instance.source == nil { return .end(.succeeded(TaskResult(acted: false))) }
                if instance.position.contains(position) { return .next }
                let isLate = context.world.now - context.operation.began > .seconds(2)
                return isLate ? .end(.refused("it has not applied \(position) within 2 s")) : .again
            },
            DriverStep(5...30) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                context.operation.isPastReturn = true
                instance.stopReplicating()
                instance.process?.semiSyncReplica = false
                instance.process?.semiSyncPrimary = semiSync
                return .next
            },
            DriverStep(5...30) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.failed("it stopped")) }
                instance.process?.readOnly = false
                context.world.oracle.opened(instance, context.world)
                return .next
            },
            DriverStep(5...30) { $0.withDirectory { $0.source = nil } },
        ]
    }
}

extension StepContext {
    fileprivate func withDirectory(_ change: (ModelInstance) -> Void) -> StepResult {
        guard let instance else { return .end(.refused("there is no instance")) }
        change(instance)
        return .next
    }

    fileprivate func makeHalf(_ blueprint: InstanceBlueprint) {
        if let old = instance { world.oracle.removing(old, host, world) }
        let made = ModelInstance(id: order.instance)
        made.clusterName = blueprint.clusterName
        made.address = blueprint.address
        made.port = blueprint.port
        made.serverID = blueprint.serverID
        made.gtidDomain = blueprint.gtidDomain
        host.instances[order.instance] = made
    }

    fileprivate func purge() -> StepResult {
        guard let instance else { return .end(.succeeded(TaskResult(acted: false))) }
        guard instance.directory != .ready else { return .end(.refused("it is in service")) }
        world.oracle.removing(instance, host, world)
        host.instances[order.instance] = nil
        return .next
    }

    /// A statement of ours on the writer. Elsewhere it is refused.
    fileprivate func write(_ change: Transaction.Content, isThere: (DatabaseContent) -> Bool) -> StepResult {
        guard let instance, let process = instance.process, !process.readOnly else { return .end(.refused("it is not the writer")) }
        if isThere(instance.content) { return .end(.succeeded(TaskResult(acted: false))) }
        instance.append(change)
        return .next
    }

    fileprivate func releaseCommits() -> StepResult {
        if let instance { world.releaseCommits(of: instance) }
        return .next
    }

    fileprivate func verifyAttached() -> StepResult {
        guard let process = instance?.process else { return .end(.failed("it stopped")) }
        if process.isConnected { return .next }
        if !process.ioError.isEmpty { return .end(.failed(process.ioError)) }
        return world.now - operation.began > .seconds(10) ? .end(.failed("it still connects")) : .again
    }
}

extension World {
    /// Replicas that acknowledge this instance's writes now.
    func semiSyncClients(of primary: ModelInstance) -> Int {
        allInstances.count { host, replica in
            guard let process = replica.process, let source = replica.source else { return false }
            return process.isAcking && process.ioRunning && process.isConnected && source.address == primary.address
                && source.port == primary.port
        }
    }
}
