import FleetModel

/// A running process: lost when it ends.
struct ModelProcess {
    /// Tells it from an earlier one of the same instance.
    let number: UInt64
    let version: String
    var readOnly = true
    var semiSyncPrimary = false
    var semiSyncReplica = false
    var ioRunning = false
    var sqlRunning = false
    /// Acknowledging takes effect when the IO thread starts.
    var isAcking = false
    var isConnected = false
    /// To which process of its source.
    var connectedTo: UInt64?
    /// When its source was last heard: silence is noticed late.
    var heard = Instant(milliseconds: 0)
    var ioError = ""
    /// Its IO thread ran: what it received is known. After a restart it is not.
    var hasReceived = false
    var variables: [String: String]
    var started: [String: String]
    /// What the start made of them.
    var startedValues: [String: String]
    /// Client writes that wait for an acknowledgement: their places in the binlog.
    var unacknowledged: [Int] = []
    /// When the first of them began to wait.
    var waitingSince = Instant(milliseconds: 0)
    /// Another number than its own, until it ends: what has the same one it passes over.
    var goesBy: Int64?
    /// When replicas were last sent something: their dump threads.
    var dumps: [InstanceID: Instant] = [:]
    /// Stopped by SIGSTOP until then.
    var hungUntil = Instant(milliseconds: 0)
}

/// One instance: what is on disk, and the process while there is one.
final class ModelInstance {
    let id: InstanceID
    var clusterName = ""
    var address = ""
    var port = 0
    var serverID: Int64 = 0
    var gtidDomain: Int64 = 0
    var directory = InstanceDirectory.halfMade
    var configuration: String? {
        didSet {
            configDigest = configuration.map { SHA256.hex($0) }
            if let configuration { (ordered, orderedDigest) = (configuration, configDigest) }
            refused = nil
        }
    }
    /// By which it is started.
    var version = ModelHost.engineVersion
    /// By what it was started last.
    var proven: ModelSetting?
    /// And before that one.
    var former: ModelSetting?
    var refused: RefusedStart?
    private(set) var configDigest: String?
    /// As it was written last, whoever has deleted it since.
    private(set) var ordered: String?
    private(set) var orderedDigest: String?
    var binlog: [Transaction] = []
    /// Of a galera cluster's instance.
    var member: ModelMember?
    /// How often it was fenced: a start that was on its way then does not happen.
    var bars = 0
    /// Of the last primary component that it was in.
    var lastOrder: ModelOrder?
    var content = DatabaseContent()
    /// Replication accounts that are locked here and on no other instance.
    var lockedAccounts: Set<InstanceID> = []
    /// Received and not applied yet, as files: a crash leaves them, and a start of one thread while both are down purges
    /// them.
    var relay: [Transaction] = []
    /// Relay logs that were kept aside before a start, and the length of the binlog that they continue; the last two.
    private(set) var relayAside: [(from: Int, relay: [Transaction])] = []
    /// After a crash: how much of the binlog a start that cuts would leave. Nil: all of it is committed.
    private(set) var durable: Int?
    /// After a crash: behind a row that would be cut there is what cannot be, and a start that cuts fails.
    private(set) var cannotBeCut = false
    /// It applies next to nothing until then.
    var slowUntil = Instant(milliseconds: 0)
    /// As `CHANGE MASTER` left it.
    var source: (address: String, port: Int)?
    var process: ModelProcess?
    private var processesMade: UInt64 = 0
    /// Made by hand into a second writer: the one fault that the invariants have to forgive, until it is closed.
    var isMadeWritable = false
    /// Somebody's task stopped it to start it again, and it is not up yet.
    var isInterrupted = false
    /// Those of accounts that were looked at under a key.
    var fingerprints: (key: [UInt8], byAuthentication: [String: String]) = ([], [:])
    /// What reports take for its process, where that is planted.
    private var pretended: ModelProcess?
    var reported: ModelProcess? { process ?? pretended }
    /// It stopped writes when it was told to, and was not told to take them since.
    var isDemoted = false

    init(id: InstanceID) { self.id = id }

    var isWritable: Bool { process?.readOnly == false }

    func admits(_ replica: ModelInstance) -> Bool {
        content.replicationAccounts.contains(replica.id) && !lockedAccounts.contains(replica.id)
    }

    func isHung(at now: Instant) -> Bool {
        guard let hungUntil = process?.hungUntil else { return false }
        return hungUntil > now
    }

    func append(_ content: Transaction.Content) {
        var position = position
        let sequence = (position.domains[gtidDomain]?.sequence ?? 0) + 1
        position.domains[gtidDomain] = GTIDSet.Last(serverID: serverID, sequence: sequence)
        append(received: Transaction(serverID: serverID, content: content, position: position))
    }

    /// As it is received: of what has its own number only the position, unless the replica acknowledges.
    func taken(_ transaction: Transaction) -> Transaction {
        guard transaction.serverID == process?.goesBy ?? serverID, process?.isAcking != true else { return transaction }
        return Transaction(serverID: transaction.serverID, content: .passedOver, position: transaction.position)
    }

    func append(received transaction: Transaction) {
        binlog.append(transaction)
        content.apply(transaction)
    }

    // MARK: Positions

    var position: GTIDSet { member.map { memberPosition($0) } ?? binlog.last?.position ?? GTIDSet() }

    /// `Gtid_IO_Pos`: empty after a restart.
    var ioPosition: GTIDSet { process?.hasReceived == true ? relay.last?.position ?? position : GTIDSet() }

    /// All that it ever received, by its relay logs, also those aside.
    var receivedHistory: [Transaction] {
        var longest = binlog + relay
        for kept in relayAside where kept.from <= binlog.count && kept.from + kept.relay.count > longest.count {
            let history = Array(binlog[..<kept.from]) + kept.relay
            if history.starts(with: binlog) { longest = history }
        }
        return longest
    }

    var receivedPosition: GTIDSet { receivedHistory.last?.position ?? GTIDSet() }

    /// How far it has received, applied or not.
    var receivedCount: Int { binlog.count + relay.count }

    func holds(_ transaction: Transaction, at place: Int) -> Bool {
        if place < binlog.count { return binlog[place] == transaction }
        if !relayAside.contains(where: { $0.from + $0.relay.count > receivedCount }) {
            return place < receivedCount && relay[place - binlog.count] == transaction
        }
        let history = receivedHistory
        return place < history.count && history[place] == transaction
    }

    /// By their positions, as a server compares histories.
    func holdsAll(of other: ModelInstance) -> Bool {
        let count = other.binlog.count
        return count <= binlog.count && (count == 0 || binlog[count - 1].position == other.position)
    }

    // MARK: The process

    /// Starts closed: read-only, threads down, semi-sync off; relay logs kept aside. A plain start commits whatever the
    /// binlog has. One that cuts (`--init-rpl-role=SLAVE`) drops what was not durably committed.
    /// False where it does not start by what is ordered, nor by what it was started by before.
    @discardableResult
    func start(cutting: Bool = false, insists: Bool = false) -> Bool {
        // A deleted file is made again from what was ordered last.
        if configuration == nil { configuration = ordered }
        guard let setting = chooseSetting(insists: insists), !(cutting && cannotBeCut) else { return false }
        version = setting.version
        if let proven, proven != setting { former = proven }
        proven = setting
        if let durable, cutting { binlog.removeSubrange(min(durable, binlog.count)...) }
        durable = nil
        cannotBeCut = false
        isInterrupted = false
        keepRelayAside()
        let declared = ModelConfiguration.declared(setting.configuration)
        let values = declared.mapValues { ModelConfiguration.startReadBack($0) }
        processesMade += 1
        process = ModelProcess(
            number: processesMade, version: version, variables: values, started: declared, startedValues: values)
        return true
    }

    /// The process is gone, and not by a clean stop. `loss`: how many transactions that were answered InnoDB had not
    /// made durable yet.
    func crash(loss: Int) {
        guard let process else { return }
        var left = min(max((process.unacknowledged.first ?? binlog.count) - loss, 0), binlog.count)
        // Rows are cut; DDL and accounts are there for good.
        left += binlog[left...].prefix { !$0.isRow }.count
        cannotBeCut = binlog[left...].contains { !$0.isRow }
        durable = left
        self.process = nil
        isMadeWritable = false
    }

    /// What a copy of it holds: commits that wait are not there yet.
    var committed: [Transaction] { Array(binlog[..<min(process?.unacknowledged.first ?? binlog.count, binlog.count)]) }

    private func keepRelayAside() {
        guard !relay.isEmpty else { return }
        if let last = relayAside.last, last.from == binlog.count, last.relay == relay { return }
        relayAside.append((binlog.count, relay))
        if relayAside.count > ModelInstance.relayAsideMax { relayAside.removeFirst() }
    }

    private static let relayAsideMax = 2

    /// What was received and not applied is nowhere any more.
    func dropRelayLogs() {
        relay = []
        relayAside = []
    }

    /// Not while a commit waits.
    func close() {
        if process?.unacknowledged.isEmpty == true { process?.readOnly = true }
    }

    /// As if it had been started by its configuration and replicated.
    func pretend() {
        let declared = ModelConfiguration.declared(configuration ?? "")
        let values = declared.mapValues { ModelConfiguration.startReadBack($0) }
        var made = ModelProcess(number: 0, version: version, variables: values, started: declared, startedValues: values)
        (made.ioRunning, made.sqlRunning, made.isConnected, made.hasReceived) = (true, true, true, true)
        (made.semiSyncReplica, made.isAcking) = (true, true)
        pretended = made
    }

    func endPretence() { pretended = nil }

    /// So many transactions are not on disk after all.
    func dropLast(_ count: Int) {
        binlog.removeLast(min(count, binlog.count))
        content = DatabaseContent(binlog)
        durable = durable.map { min($0, binlog.count) }
    }

    // MARK: Replication's threads

    /// Starts both threads; purges the relay logs where both were down.
    func startReplicating(acknowledging: Bool) {
        process?.semiSyncReplica = acknowledging
        startReceiving()
        startApplying()
    }

    /// Whether it acknowledges is decided here.
    func startReceiving() {
        purgeRelayLogs()
        process?.ioError = ""
        process?.hasReceived = true
        let acknowledges = process?.semiSyncReplica == true
        process?.isAcking = acknowledges
        process?.ioRunning = true
    }

    func startApplying() {
        purgeRelayLogs()
        process?.sqlRunning = true
    }

    /// As whatever does first what needs both threads down.
    func purgeRelayLogs() {
        guard process?.ioRunning == false, process?.sqlRunning == false else { return }
        keepRelayAside()
        relay = []
    }

    /// Applies what was received, as long as the applier runs; then stops both threads.
    func stopReplicating() {
        if process?.sqlRunning == true { applyRelay(relay.count) }
        stopReceiving()
        process?.sqlRunning = false
    }

    func stopReceiving() {
        process?.ioRunning = false
        process?.isConnected = false
        process?.isAcking = false
    }

    func applyRelay(_ count: Int) {
        // Semi-sync of a primary, on a replica: the applier waits for somebody to acknowledge, for ever.
        if process?.semiSyncPrimary == true { return }
        for transaction in relay.prefix(count) { append(received: transaction) }
        relay.removeFirst(min(count, relay.count))
    }

    /// Applies what its relay logs hold, also those aside, with both threads down.
    func applyRelayFiles() {
        for transaction in receivedHistory.dropFirst(binlog.count) { append(received: transaction) }
        relay = []
    }
}
