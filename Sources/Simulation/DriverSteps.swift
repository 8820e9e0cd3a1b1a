import ControlAPI
import Engines
import FleetModel

// The model's driver: each action as steps that check, act and verify, in the driver's order.

enum DriverSteps {
    /// `cluster`: the uid of the one that the target is a member of.
    static func steps(for action: Action, in cluster: String) -> [DriverStep] {
        func member(_ ordinal: Int) -> InstanceID { InstanceID(clusterUID: cluster, ordinal: ordinal) }
        return switch action {
        case .install(let blueprint): install(blueprint)
        case .clone(let blueprint, _): clone(blueprint)
        case .start: start()
        case .configure(let text): [DriverStep(5...30) { $0.withDirectory { $0.configuration = text } }]
        case .restart: restart()
        case .upgrade(_, let version): upgrade(version)
        case .takeBack(let reason): takeBack(reason)
        case .initialize(let replicas): initialize(replicas.map(member))
        case .prepareReplica(let ordinal, let other): prepareReplica(InstanceID(clusterUID: other.isEmpty ? cluster : other, ordinal: ordinal))
        case .replicate(let source, let acknowledges): replicate(source, acknowledges)
        case .acknowledge(let source): acknowledge(source)
        case .probe: probe()
        case .open(_, let semiSync): open(semiSync)
        case .close: close()
        case .setVariables(let values, let text): setVariables(values, text)
        case .ensureDatabase(let spec): content(.database(spec)) { $0.databases[spec.name] == spec }
        case .dropDatabase(let name): content(.dropDatabase(name)) { $0.databases[name] == nil }
        case .ensureAccount(let spec, _): ensureAccount(spec)
        case .dropAccount(let name, let host): dropAccount(name + "@" + host)
        case .demote: demote()
        case .promote(_, let position, let semiSync, let refused, _): promote(position, semiSync, refused.map(member))
        case .retire: retire()
        case .purge: [DriverStep(50...300) { $0.purge() }]
        case .expel(let ordinal): expel(member(ordinal))
        case .revoke: revoke()
        case .fence: fence()
        case .rejoin(let source): rejoin(source)
        case .foundComponent, .joinComponent, .readPosition, .recoverComponent, .renewCertificate:
            [DriverStep(1...1) { _ in .end(.refused("Unsupported: it is of no galera cluster")) }]
        case .applyChannel: [DriverStep(1...1) { _ in .end(.refused("Unsupported: not an agent's")) }]
        }
    }

    // MARK: Making

    static func install(_ blueprint: InstanceBlueprint) -> [DriverStep] {
        [
            DriverStep(5...30) { context in
                if context.instance?.directory == .ready { return .end(.succeeded(TaskResult(acted: false))) }
                if context.instance?.directory == .retired { return .end(.refused("its directory was taken out of service")) }
                context.makeHalf(blueprint)
                return .next
            },
            DriverStep(200...700) { context in
                context.instance?.directory = .ready
                context.instance?.configuration = blueprint.configuration
                return .end(.succeeded(TaskResult(engineVersion: context.instance?.version)))
            },
        ]
    }

    private static let copyStallMax: Duration = .seconds(30)

    static func clone(_ blueprint: InstanceBlueprint) -> [DriverStep] {
        [
            DriverStep(5...30) { context in
                if context.instance?.directory == .ready { return .end(.succeeded(TaskResult(acted: false))) }
                context.moveRetiredAside()
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
                instance.binlog = copied
                instance.content = DatabaseContent(copied)
                instance.configuration = blueprint.configuration
                instance.directory = .ready
                if let history = context.operation.copiedHistory { instance.seed(history, context.world.planted) }
                return .end(.succeeded(TaskResult(engineVersion: context.instance?.version)))
            },
        ]
    }

    // MARK: Processes

    static func start(insists: Bool = false, _ problem: @escaping (ModelInstance) -> AttemptOutcome? = { _ in nil }) -> [DriverStep] {
        [
            DriverStep(80...200) { context in
                guard let instance = context.instance, instance.directory == .ready else {
                    return .end(.refused("there is no instance"))
                }
                guard instance.ordered != nil else { return .end(.failed("it has no configuration file")) }
                let acted = instance.process == nil
                if acted && context.host.startsFailUntil > context.world.now { return .end(.failed("it does not start")) }
                if acted, !instance.start(insists: insists) { return .end(.failed("it does not start by its configuration")) }
                if acted, let problem = problem(instance) { return .end(problem) }
                if acted { context.world.started(instance) }
                return .end(.succeeded(TaskResult(acted: acted, readBack: instance.process?.variables ?? [:])))
            }
        ]
    }

    static func retire() -> [DriverStep] {
        [
            DriverStep(20...200) { context in
                guard let instance = context.instance else { return .end(.succeeded(TaskResult(acted: false))) }
                instance.stopReplicating()
                context.end(instance)
                return .next
            },
            DriverStep(5...20) { context in
                if context.world.planted == .eagerPurge { context.removeDirectory() }
                return context.instance == nil ? .next : context.withDirectory { $0.directory = .retired }
            },
        ]
    }

    // MARK: Content

    static func initialize(_ replicas: [InstanceID]) -> [DriverStep] {
        [
            DriverStep(100...400) { context in
                guard let instance = context.instance, instance.process != nil else { return .end(.refused("it does not run")) }
                for replica in replicas where !instance.content.replicationAccounts.contains(replica) {
                    instance.append(.replicationAccount(replica))
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

    static func prepareReplica(_ replica: InstanceID) -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                if let instance = context.instance, instance.process?.readOnly == true, instance.source != nil {
                    // Whom it refuses alone it lets in again; accounts come with the rows.
                    let wasLocked = context.admit(replica)
                    return .end(wasLocked ? .succeeded(TaskResult()) : .refused("it replicates: it is not the writer now"))
                }
                let wasLocked = context.admit(replica)
                if let instance = context.instance, instance.process?.readOnly == true {
                    // A closed writer makes sure of it without its binlog.
                    let isNew = instance.content.replicationAccounts.insert(replica).inserted
                    return .end(.succeeded(TaskResult(acted: wasLocked || isNew)))
                }
                let result = context.write(.replicationAccount(replica)) { $0.replicationAccounts.contains(replica) }
                if wasLocked, case .end(.succeeded) = result { return .end(.succeeded(TaskResult())) }
                return result
            },
            DriverStep(1...20) { $0.awaitAcknowledgement() },
        ]
    }

    static func probe() -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                guard let instance = context.instance, let process = instance.process, !process.readOnly, process.semiSyncPrimary else {
                    return .end(.refused("it is not the writer"))
                }
                guard process.unacknowledged.isEmpty else { return .end(.succeeded(TaskResult(acted: false))) }
                context.world.writeAnother(on: instance)
                return .next
            },
            DriverStep(1500...1500) { _ in .next },
        ]
    }

    static func ensureAccount(_ spec: AccountSpec) -> [DriverStep] {
        [
            DriverStep(5...40) { context in
                guard let password = context.order.secrets["accountPassword"] else { return .end(.failed("no password came")) }
                let authentication = Secrets.authentication(password)
                let wanted = DatabaseContent.Account(spec: spec, authentication: authentication)
                return context.write(.account(spec, authentication: authentication)) { $0.accounts[spec.key] == wanted }
            },
            DriverStep(1...20) { $0.awaitAcknowledgement() },
        ]
    }

    static func dropAccount(_ key: String) -> [DriverStep] {
        let greed = DriverStep(1...1) { context in
            if context.world.planted == .greedyDrop { context.instance?.append(.dropAccount(Oracle.stranger.key)) }
            return .next
        }
        return [greed] + content(.dropAccount(key)) { $0.accounts[key] == nil }
    }

    static func content(
        _ change: Transaction.Content, isThere: @escaping (DatabaseContent) -> Bool
    ) -> [DriverStep] {
        [DriverStep(5...40) { $0.write(change, isThere: isThere) }, DriverStep(1...20) { $0.awaitAcknowledgement() }]
    }

    static func setVariables(_ values: [String: String?], _ text: String) -> [DriverStep] {
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
                    readBack[name] = value.map { ModelConfiguration.readBack($0) }
                    if context.world.planted != .rosyReport { process.variables[name] = readBack[name] }
                }
                context.instance?.process = process
                return .end(.succeeded(TaskResult(readBack: readBack)))
            },
        ]
    }
}
