import ControlAPI
import Engines
import FleetModel

enum StepResult {
    case next
    /// The same step again, after its delay.
    case again
    case end(AttemptOutcome)
}

struct DriverStep {
    /// Milliseconds before it.
    let delay: ClosedRange<Int>
    /// It needs no answer of the database.
    let worksOnHung: Bool
    let action: (StepContext) -> StepResult

    init(_ delay: ClosedRange<Int>, worksOnHung: Bool = false, _ action: @escaping (StepContext) -> StepResult) {
        self.delay = delay
        self.worksOnHung = worksOnHung
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

extension StepContext {
    func withDirectory(_ change: (ModelInstance) -> Void) -> StepResult {
        guard let instance else { return .end(.refused("there is no instance")) }
        change(instance)
        return .next
    }

    func makeHalf(_ blueprint: InstanceBlueprint) {
        if let old = instance { world.oracle.removing(old, host, world) }
        let made = ModelInstance(id: order.instance)
        made.clusterName = blueprint.clusterName
        made.address = blueprint.address
        made.port = blueprint.port
        made.serverID = blueprint.serverID
        made.gtidDomain = blueprint.gtidDomain
        if blueprint.configuration.contains("wsrep_on=ON") { made.member = ModelMember() }
        made.version = ModelHost.engineVersions.last { $0 == blueprint.engineVersion } ?? ModelHost.engineVersion
        host.instances[order.instance] = made
    }

    /// What was taken out of service and is wanted again is kept, though it is of no use to anybody: the others hold it all.
    func moveRetiredAside() {
        guard let instance, instance.directory == .retired else { return }
        world.note("\(instance.id) was taken out of service: moved aside")
        world.oracle.removing(instance, host, world)
        end(instance)
        host.movedAside.append(instance)
        host.instances[order.instance] = nil
    }

    func purge() -> StepResult {
        guard let instance else { return .end(.succeeded(TaskResult(acted: false))) }
        guard instance.directory != .ready else { return .end(.refused("it is in service")) }
        removeDirectory()
        return .next
    }

    func removeDirectory() {
        guard let instance else { return }
        world.oracle.removing(instance, host, world)
        host.instances[order.instance] = nil
    }

    /// True where it was locked out.
    func admit(_ replica: InstanceID) -> Bool {
        guard let instance, instance.lockedAccounts.contains(replica) else { return false }
        if world.planted != .lastingLock { instance.lockedAccounts.remove(replica) }
        return true
    }

    /// A statement of ours on the writer. Elsewhere it is refused.
    func write(_ change: Transaction.Content, isThere: (DatabaseContent) -> Bool) -> StepResult {
        guard let instance, let process = instance.process, !process.readOnly else { return .end(.refused("it is not the writer")) }
        if instance.member != nil { return submit(change, isThere: isThere) }
        if isThere(instance.content) { return .end(.succeeded(TaskResult(acted: false))) }
        operation.written = (process.number, instance.binlog.count)
        instance.append(change)
        if process.semiSyncPrimary {
            if process.unacknowledged.isEmpty { instance.process?.waitingSince = world.now }
            instance.process?.unacknowledged.append(instance.binlog.count - 1)
        }
        return .next
    }

    /// A statement of ours waits for an acknowledgement like any other.
    func awaitAcknowledgement() -> StepResult {
        if operation.writeSet != nil { return awaitWriteSet() }
        guard let written = operation.written else { return .next }
        guard let process = instance?.process, process.number == written.process else { return .end(.failed("it stopped")) }
        guard process.unacknowledged.contains(written.place) else { return .next }
        return world.now - operation.began > StepContext.acknowledgementMax ? .end(.failed("it waits for an acknowledgement")) : .again
    }

    private static let acknowledgementMax: Duration = .seconds(10)

    func releaseCommits() -> StepResult {
        if let instance { world.releaseCommits(of: instance) }
        return .next
    }

    /// Whether the source can be asked and does not hold as much as this instance.
    func isAhead(of source: Peer) -> Bool {
        guard let instance, case .open(let other) = world.link(from: host, to: (source.address, source.port)) else { return false }
        return other.binlog.count < instance.binlog.count
    }

    /// Points it there and starts its threads; under another number as long as it lacks rows that carry its own.
    func attach(_ instance: ModelInstance, to source: Peer, acknowledging: Bool) -> StepResult {
        instance.source = (source.address, source.port)
        instance.process?.goesBy = nil
        // One that cannot be asked what it holds cannot be attached to either.
        guard case .open(let other) = world.link(from: host, to: (source.address, source.port)) else {
            instance.purgeRelayLogs()
            return .end(.failed("its source cannot be asked"))
        }
        let lacks = other.binlog.dropFirst(instance.binlog.count).contains { $0.serverID == instance.serverID }
        if lacks, world.planted != .ownRows { instance.process?.goesBy = DriverSteps.otherNumber }
        instance.startReplicating(acknowledging: acknowledging && instance.process?.goesBy == nil)
        instance.process?.heard = world.now
        return .next
    }

    /// Its own rows are there: it goes on under its own number.
    private func endFetching(from other: ModelInstance, acknowledging: Bool) {
        guard let instance, !other.binlog.dropFirst(instance.binlog.count).contains(where: { $0.serverID == instance.serverID }) else { return }
        instance.stopReplicating()
        instance.process?.goesBy = nil
        instance.startReplicating(acknowledging: acknowledging)
        instance.process?.heard = world.now
    }

    func verifyAttached(acknowledging: Bool) -> StepResult {
        guard let instance, let process = instance.process else { return .end(.failed("it stopped")) }
        if process.goesBy != nil, process.isConnected, let source = instance.source, case .open(let other) = world.link(from: host, to: source) {
            endFetching(from: other, acknowledging: acknowledging)
            return .again
        }
        if process.isConnected { return .next }
        if !process.ioError.isEmpty { return .end(.failed(process.ioError)) }
        return world.now - operation.began > .seconds(10) ? .end(.failed("it still connects")) : .again
    }
}
