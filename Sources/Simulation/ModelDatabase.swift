import FleetModel

// A model of what a MariaDB instance holds: as much of it as the product's promises are about. Its binlog is a list;
// replication copies it.

/// One transaction in a binlog: one object, of which every copy of the binlog has a reference.
final class Transaction: Equatable {
    enum Content: Hashable {
        /// A client's row, by number.
        case write(Int)
        case initialize
        case replicationAccount(InstanceID)
        case database(DatabaseSpec)
        case dropDatabase(String)
        case account(AccountSpec, authentication: String)
        case dropAccount(String)
        case dropReplicationAccount(InstanceID)
        /// What a replica leaves out because it carries its own number; its positions go on behind it.
        case passedOver
    }

    let serverID: Int64
    let content: Content
    /// Of a history that ends with it. Each cluster numbers what it wrote under a domain of its own, and the history is one
    /// list all the same, since replication copies it.
    let position: GTIDSet

    init(serverID: Int64, content: Content, position: GTIDSet) {
        self.serverID = serverID
        self.content = content
        self.position = position
    }

    static func == (left: Transaction, right: Transaction) -> Bool {
        left === right || left.serverID == right.serverID && left.content == right.content
    }

    /// Of a table: what a start that cuts may drop.
    var isRow: Bool {
        switch content {
        case .write, .passedOver: true
        default: false
        }
    }
}

/// What replication carries: the effect of all transactions, and of what was done by hand outside the binlog.
struct DatabaseContent: Equatable {
    struct Account: Equatable {
        var spec: AccountSpec
        var authentication: String
    }

    var isInitialized = false
    var replicationAccounts: Set<InstanceID> = []
    var databases: [String: DatabaseSpec] = [:]
    var accounts: [String: Account] = [:]

    init(_ history: [Transaction] = []) {
        for transaction in history { apply(transaction) }
    }

    mutating func apply(_ transaction: Transaction) {
        switch transaction.content {
        case .write, .passedOver: break
        case .initialize: isInitialized = true
        case .replicationAccount(let replica): replicationAccounts.insert(replica)
        case .database(let spec): databases[spec.name] = spec
        case .dropDatabase(let name): databases[name] = nil
        case .account(let spec, let authentication):
            accounts[spec.key] = Account(spec: spec, authentication: authentication)
        case .dropAccount(let key): accounts[key] = nil
        case .dropReplicationAccount(let replica): replicationAccounts.remove(replica)
        }
    }
}

/// The declared part of a configuration file.
enum ModelConfiguration {
    static func declared(_ text: String) -> [String: String] {
        guard let marker = text.range(of: "# declared parameters\n") else { return [:] }
        var values: [String: String] = [:]
        for line in text[marker.upperBound...].split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            let name = parts[0].hasPrefix("loose_") ? parts[0].dropFirst(6) : parts[0]
            if parts.count == 2 { values[String(name)] = String(parts[1]) }
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
