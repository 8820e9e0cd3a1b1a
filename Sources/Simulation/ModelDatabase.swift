import FleetModel

// A model of a MariaDB instance: as much of it as the product's promises are about. Its binlog is a list; replication
// copies it; a crash loses the process and whatever was only in memory.

/// One transaction in a binlog.
struct Transaction: Hashable {
    enum Content: Hashable {
        /// A client's row, by number.
        case write(Int)
        case initialize
        case replicationAccount(Int)
        case database(DatabaseSpec)
        case dropDatabase(String)
        case account(AccountSpec, authentication: String)
        case dropAccount(String)
        case dropReplicationAccount(Int)
    }

    var serverID: Int64
    var content: Content
}

/// What replication carries: the effect of all transactions, and of what was done by hand outside the binlog.
struct DatabaseContent: Equatable {
    struct Account: Equatable {
        var spec: AccountSpec
        var authentication: String
    }

    var isInitialized = false
    var replicationAccounts: Set<Int> = []
    var databases: [String: DatabaseSpec] = [:]
    var accounts: [String: Account] = [:]

    mutating func apply(_ transaction: Transaction) {
        switch transaction.content {
        case .write: break
        case .initialize: isInitialized = true
        case .replicationAccount(let ordinal): replicationAccounts.insert(ordinal)
        case .database(let spec): databases[spec.name] = spec
        case .dropDatabase(let name): databases[name] = nil
        case .account(let spec, let authentication):
            accounts[spec.key] = Account(spec: spec, authentication: authentication)
        case .dropAccount(let key): accounts[key] = nil
        case .dropReplicationAccount(let ordinal): replicationAccounts.remove(ordinal)
        }
    }
}

/// A running process: lost when it ends.
struct ModelProcess {
    var readOnly = true
    var semiSyncPrimary = false
    var semiSyncReplica = false
    var ioRunning = false
    var sqlRunning = false
    /// Acknowledging takes effect when the IO thread starts.
    var isAcking = false
    var isConnected = false
    var ioError = ""
    /// Received and not applied yet.
    var relay: [Transaction] = []
    var variables: [String: String]
    var started: [String: String]
    /// What the start made of them.
    var startedValues: [String: String]
    /// Client writes that wait for an acknowledgement: their places in the binlog.
    var unacknowledged: [Int] = []
    /// When the first of them began to wait.
    var waitingSince = Instant(milliseconds: 0)
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
        didSet { if let configuration { ordered = configuration } }
    }
    /// As it was written last, whoever has deleted it since.
    private var ordered: String?
    var binlog: [Transaction] = []
    var content = DatabaseContent()
    /// As `CHANGE MASTER` left it.
    var source: (address: String, port: Int)?
    var process: ModelProcess?
    /// Made by hand into a second writer: the one fault that the invariants have to forgive, until it is closed.
    var isMadeWritable = false

    init(id: InstanceID) { self.id = id }

    var isWritable: Bool { process?.readOnly == false }

    func append(_ content: Transaction.Content) {
        let transaction = Transaction(serverID: serverID, content: content)
        binlog.append(transaction)
        self.content.apply(transaction)
    }

    var position: GTIDSet {
        guard let last = binlog.last else { return GTIDSet() }
        return GTIDSet(domains: [gtidDomain: GTIDSet.Last(serverID: last.serverID, sequence: Int64(binlog.count))])
    }

    /// How far it has received, applied or not.
    var receivedCount: Int { binlog.count + (process?.relay.count ?? 0) }

    func received(at index: Int) -> Transaction? {
        if index < binlog.count { return binlog[index] }
        let inRelay = index - binlog.count
        guard let relay = process?.relay, inRelay < relay.count else { return nil }
        return relay[inRelay]
    }

    // MARK: The process

    /// Starts closed: read-only, threads down, semi-sync off.
    func start() {
        let declared = ModelConfiguration.declared(configuration ?? "")
        let values = declared.mapValues { ModelConfiguration.startReadBack($0) }
        process = ModelProcess(variables: values, started: declared, startedValues: values)
    }

    func stopReplicating() {
        guard var running = process else { return }
        for transaction in running.relay { append(received: transaction) }
        running.relay = []
        running.ioRunning = false
        running.sqlRunning = false
        running.isConnected = false
        running.isAcking = false
        process = running
    }

    func append(received transaction: Transaction) {
        binlog.append(transaction)
        content.apply(transaction)
    }

    // MARK: What a look sees

    func report(fingerprintKey: [UInt8]?, at now: Instant) -> InstanceReport {
        var report = InstanceReport(id: id, clusterName: clusterName, port: port, directory: directory)
        report.configDigest = configuration.map { SHA256.hex($0) }
        report.orderedDigest = ordered.map { SHA256.hex($0) }
        guard let process else { return report }
        report.process = .running
        report.startedParameters = process.started
        report.startedValues = process.startedValues
        var database = DatabaseReport(version: ModelHost.engineVersion, serverID: serverID, readOnly: process.readOnly)
        database.binlogPosition = position
        database.appliedPosition = position
        database.replication = source.map { source in
            ReplicationReport(
                sourceHost: source.address, sourcePort: source.port,
                ioRunning: process.ioRunning && process.isConnected, sqlRunning: process.sqlRunning,
                lagSeconds: process.ioRunning ? Int64(process.relay.count / 50) : nil, ioError: process.ioError)
        }
        database.semiSyncPrimary = process.semiSyncPrimary
        database.semiSyncReplica = process.semiSyncReplica
        database.areCommitsWaiting = !process.unacknowledged.isEmpty && now - process.waitingSince > .seconds(5)
        database.variables = process.variables
        database.databases = content.databases.values.sorted { $0.name < $1.name }.map {
            DatabaseFacts(name: $0.name, characterSet: $0.characterSet, collation: $0.collation ?? "\($0.characterSet)_general_ci")
        }
        database.accounts = content.accounts.values.map { account in
            AccountFacts(
                name: account.spec.name, host: account.spec.host,
                fingerprint: fingerprintKey.map { Fingerprint.account(account.authentication, key: $0) },
                grants: account.spec.grants)
        }.sorted { $0.key < $1.key }
        database.isInitialized = content.isInitialized
        database.replicationAccounts = content.replicationAccounts.sorted()
        report.database = database
        return report
    }
}

/// The declared part of a configuration file.
enum ModelConfiguration {
    static func declared(_ text: String) -> [String: String] {
        guard let marker = text.range(of: "# declared parameters\n") else { return [:] }
        var values: [String: String] = [:]
        for line in text[marker.upperBound...].split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
        return values
    }

    /// A start makes less of some values than `SET` does.
    static func startReadBack(_ value: String) -> String { value == "300" ? "290" : readBack(value) }

    /// A server reads some values back otherwise than they were set: here sizes in whole mebibytes.
    static func readBack(_ value: String) -> String {
        guard let number = Int64(value), number > 10 << 20 else { return value }
        return String((number >> 20) << 20)
    }
}

extension String {
    /// The first occurrence of a text.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        let needle = Array(text.utf8)
        let hay = Array(utf8)
        guard hay.count >= needle.count else { return nil }
        for start in 0...(hay.count - needle.count) where hay[start..<(start + needle.count)].elementsEqual(needle) {
            let from = utf8.index(startIndex, offsetBy: start)
            return from..<utf8.index(from, offsetBy: needle.count)
        }
        return nil
    }
}
